//! Wrong models, options and paths: an error each, before anything is made.

use std::path::Path;

use crate::common::{PRESET, Place};

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("was copied");
    assert!(text.contains(from), "{from:?} is not in {text}");
    std::fs::write(path, text.replace(from, to)).expect("own file");
}

#[test]
fn damaged_models_are_refused_by_name() {
    let place = Place::new("models");
    let with = |name: &str, parts: &[&str]| {
        place.fail(
            &[
                "generate", "--model", name, "--prompt", "a", "--preset", PRESET,
            ],
            parts,
        );
    };
    with("absent", &["cannot read", "config.json"]);

    let model = place.model("unweighted");
    std::fs::remove_file(model.join("model.safetensors")).expect("was copied");
    with(
        "unweighted",
        &["unweighted has no model.safetensors", "download"],
    );

    let model = place.model("truncated");
    let bytes = std::fs::read(model.join("model.safetensors")).expect("was copied");
    for keep in [0, 7, 1000, bytes.len() - 1] {
        std::fs::write(model.join("model.safetensors"), &bytes[..keep]).expect("own file");
        with("truncated", &["not a complete safetensors file"]);
    }

    let model = place.model("misshapen");
    edit(
        &model.join("config.json"),
        "\"intermediate_size\": 256",
        "\"intermediate_size\": 255",
    );
    with("misshapen", &["mlp", "256", "255"]);

    let model = place.model("foreign");
    edit(
        &model.join("config.json"),
        "LlamaForCausalLM",
        "MambaForCausalLM",
    );
    with("foreign", &["MambaForCausalLM", "LlamaForCausalLM"]);
}

#[test]
fn wrong_options_say_what_would_be_right() {
    let place = Place::new("options");
    let with = |more: &[&str], parts: &[&str]| {
        place.fail(&[&["generate"], more].concat(), parts);
    };
    with(&["--tokens", "0"], &["tokens is 0", "at least 1"]);
    with(
        &["--prompt", &"word ".repeat(300)],
        &["exceed the 256 positions"],
    );
    with(&["--tokens", "100"], &["calibrate", "64"]);
    // The sum with the prompt does not fit into 64 bits, and must not wrap.
    for tokens in ["18446744073709551615", "18446744073709551610"] {
        with(&["--tokens", tokens], &["tokens is", "context"]);
    }
    with(&["--backend", "tpu"], &["tpu", "cpu"]);
    // No machine has so many cards, and most have no driver.
    with(&["--backend", "cuda:99"], &["cuda", "use the cpu backend"]);
    with(
        &["--backend", "cuda,keys=half"],
        &["\"keys=half\"", "graphs, keys=whole|expanded|fused"],
    );
    with(
        &["--backend", "cuda,graphs,storage=host"],
        &["graphs with storage=host", "leave one out"],
    );
    with(
        &["--backend", "cpu,graphs"],
        &["cpu", "\"graphs\"", "leave them out"],
    );
    with(&["--preset", "n99"], &["n99", "n16-boot"]);
    with(
        &["--preset", "n16-deep"],
        &["n16-deep cannot run a model", "n16-boot"],
    );
    with(
        &["--preset", "insecure-n99-boot"],
        &["insecure-n99-boot", "n16-boot"],
    );
    with(&["--threads", "0"], &["0 threads"]);
    with(&["--temperature", "-1"], &["temperature"]);
    with(&["--top-p", "0"], &["top-p"]);
}

/// With the secure default preset, whose keys take minutes: the paths are looked at before.
#[test]
fn paths_that_cannot_be_written_are_found_before_the_run() {
    let place = Place::new("paths");
    place.fail(
        &["generate", "--json", "no/such/out.json"],
        &["cannot write", "out.json"],
    );
    place.fail(
        &["keygen", "--server-key", "no/such/keys"],
        &["cannot write", "no/such/keys"],
    );
    place.fail(
        &["keygen", "--secret-key", "no/such/key"],
        &["cannot write", "no/such/key"],
    );
    place.fail(
        &["keygen", "--secret-key", "a", "--server-key", "a"],
        &["--secret-key and --server-key are one file"],
    );
    assert!(!place.file("secret.key").exists() && !place.file("server.keys").exists());
    place.succeed(&["devices"]);
}

#[test]
fn a_configuration_alone_can_be_inspected() {
    let place = Place::new("inspect");
    let model = place.model("only");
    std::fs::remove_file(model.join("model.safetensors")).expect("was copied");
    let shown = place.succeed(&["inspect", "only"]);
    assert!(
        shown.contains("hidden 64") && shown.contains("no weights"),
        "{shown}"
    );
    let shown = place.succeed(&["inspect", "--preset", PRESET, "--tokens", "2"]);
    for part in ["ranges", "bootstraps", "evaluation keys", "memory"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

/// Found before the run, which would make the keys of the model useless.
#[test]
fn a_calibration_is_replaced_only_on_request() {
    let place = Place::new("kept");
    let model = place.model("kept");
    let before = std::fs::read(model.join("calibration.json")).expect("was copied");
    place.fail(
        &["calibrate", "--model", "kept", "--quiet"],
        &["kept/calibration.json exists", "--force"],
    );
    let after = std::fs::read(model.join("calibration.json")).expect("is still there");
    assert_eq!(before, after);
}

/// A token that the tokenizer knows and the model does not: found before anything is made.
#[test]
fn a_token_outside_the_vocabulary_is_found_at_once() {
    let place = Place::new("vocabulary");
    let model = place.model("larger");
    let path = model.join("tokenizer.json");
    let text = std::fs::read(&path).expect("was copied");
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&text).expect("json");
    let token = serde_json::json!({"id": 4096, "content": "<pad>", "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let added = tokenizer["added_tokens"].as_array_mut().expect("a list");
    added.push(token);
    std::fs::write(&path, tokenizer.to_string()).expect("own file");
    place.fail(
        &[
            "generate",
            "--model",
            "larger",
            "--prompt",
            "Once <pad> upon",
        ],
        &["outside the vocabulary"],
    );
}

/// Times of kernels replace times that were measured before, and nothing else unasked.
#[test]
fn measured_times_replace_no_other_file() {
    let place = Place::new("times");
    std::fs::write(place.file("secret.key"), "a key").expect("own file");
    let measure = ["devices", "--measure", "--out", "secret.key"];
    place.fail(&measure, &["secret.key exists", "--force"]);
    let kept = std::fs::read(place.file("secret.key")).expect("is there");
    assert_eq!(kept, b"a key");
}

/// A preset is refused with those that can run a model, and a length with the option it came from.
#[test]
fn what_was_wrong_is_named() {
    let place = Place::new("named");
    let other = ["inspect", "--preset", "n16-ci-boot", "--prompt-tokens", "4"];
    place.fail(
        &other,
        &["the standard ring", "n16-boot (1", "n15-boot (5 levels)"],
    );
    let longer = ["inspect", "--capacity", "100000"];
    place.fail(&longer, &["--capacity"]);
    let longer = ["calibrate", "--positions", "100000000"];
    place.fail(&longer, &["--positions"]);
    let wrapping = ["inspect", "--prompt-tokens", "18446744073709551610"];
    place.fail(&wrapping, &["prompt-tokens"]);
    for option in ["--capacity", "--prompt-tokens"] {
        let none = place.run(&["inspect", option, "0"]);
        let errors = String::from_utf8_lossy(&none.stderr);
        assert!(
            !none.status.success() && errors.contains(option),
            "{errors}"
        );
    }
}
