//! The program on the portable GPU backend, where there is an adapter: Mesa's on the CPU will do.

use std::process::{Command, Output};

use he_llama::protocol::select;

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
    let Err(refusal) = select::open("wgpu", None) else {
        return true;
    };
    let required = std::env::var("CKKS_REQUIRE_DEVICE").unwrap_or_default();
    let named = required.split(',').any(|kind| kind.trim() == "wgpu");
    assert!(!named, "{refusal}");
    println!("SKIPPED ({refusal})");
    false
}

/// Keys, encryption, all layers with their bootstraps, decryption: the text that the CPU writes.
#[test]
fn the_embedded_model_writes_what_it_writes_on_the_cpu() {
    if !present() {
        return;
    }
    let write = |backend| {
        let preset = "insecure-n10-boot-w31";
        let text = ["generate", "--prompt", "ROMEO:", "--tokens", "1", "--quiet"];
        let output = run(&[&text[..], &["--preset", preset, "--backend", backend]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{backend}: {errors}");
        output.stdout
    };
    let found = write("wgpu");
    assert!(!found.is_empty());
    assert_eq!(found, write("cpu"));
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
