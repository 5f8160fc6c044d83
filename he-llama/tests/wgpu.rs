//! The program on the portable GPU backend, where there is an adapter: Mesa's on the CPU will do.

use std::process::{Command, Output};

use ckks_math::conformance::Skip;
use he_llama::backends;

/// The ring of these tests.
const PRESET: &str = "insecure-n10-boot-w31";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_he-llama"))
        .args(arguments)
        .output()
        .expect("the program was built")
}

/// Whether there is an adapter; says SKIPPED where there is none.
///
/// # Panics
/// Where `CKKS_REQUIRE_DEVICE` names `wgpu`.
fn present() -> bool {
    let refusal = backends::open("wgpu", None).err();
    if let Some(refusal) = &refusal {
        Skip::new("wgpu", refusal.to_string()).announce("a test");
    }
    refusal.is_none()
}

/// The facts of a run of two tokens behind a short prompt, on a ring that protects nothing.
fn record(backend: &str) -> serde_json::Value {
    let file = format!("he-llama-{backend}-{}.json", std::process::id());
    let file = std::env::temp_dir().join(file);
    let path = file.to_str().expect("a path in UTF-8");
    let text = ["generate", "--prompt", "ROMEO:", "--tokens", "2", "--quiet"];
    let how = [
        "--preset",
        PRESET,
        "--backend",
        backend,
        "--check",
        "--json",
        path,
    ];
    let output = run(&[&text[..], &how].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{backend}: {errors}");
    let facts = std::fs::read(&file).expect("was written");
    std::fs::remove_file(&file).expect("is there");
    serde_json::from_slice(&facts).expect("is JSON")
}

/// Keys, encryption, all layers with their bootstraps, decryption, for a prompt and a step behind
/// it: the tokens of the CPU, which are those of the model in the clear. Logits as near to those as
/// on the CPU (`tests/cli/generate.rs`).
#[test]
fn the_embedded_model_writes_what_it_writes_on_the_cpu_and_in_the_clear() {
    if !present() {
        return;
    }
    let [found, cpu] = ["wgpu", "cpu"].map(record);
    assert!(found["backend"].as_str().expect("a name").contains("wgpu"));
    assert_eq!(found["ids"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["ids"], cpu["ids"]);
    for record in [found, cpu] {
        assert_eq!(record["ids"], record["reference_ids"], "{record}");
        let error = record["max_logit_error"].as_f64().expect("a number");
        assert!(error < 0.05, "{record}");
    }
}

/// The default preset has 49-bit primes: the error names one that fits.
#[test]
fn a_preset_of_wide_primes_is_refused_with_one_that_fits() {
    if !present() {
        return;
    }
    let output = run(&["generate", "--tokens", "1", "--quiet", "--backend", "wgpu"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("31 bits") && errors.contains("n16-boot-w31"),
        "{errors}"
    );
}

#[test]
fn devices_lists_every_adapter_or_says_why_there_is_none() {
    let output = run(&["devices"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with("wgpu"));
    let line = line.expect("the backend is listed");
    match present() {
        true => assert!(line.contains("wgpu:0") && line.contains("MiB"), "{line}"),
        false => assert!(line.contains("absent"), "{line}"),
    }
}
