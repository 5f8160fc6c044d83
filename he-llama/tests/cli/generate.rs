//! Both sides in one process.

use crate::common::{PRESET, PROMPT, Place, ids, json};

/// Encrypted, simulated and exact greedy tokens are equal, and logits off from the exact ones by
/// what 2^-14 polynomials and 2^-20 bootstraps leave: the simulated twin is off by a few
/// thousandths here, and 0.05 is half the smallest gap between the two best logits.
#[test]
fn tokens_equal_those_of_the_twins_and_the_record_is_complete() {
    let place = Place::new("generate");
    let text = [
        "--prompt", PROMPT, "--tokens", "3", "--preset", PRESET, "--quiet", "--check", "--json",
    ];
    let shown = place.succeed(&[&["generate"], &text[..], &["encrypted.json"]].concat());
    place.succeed(&[&["simulate"], &text[..], &["simulated.json"]].concat());
    let found = json(&place.file("encrypted.json"));
    let twin = json(&place.file("simulated.json"));
    for field in ["prompt_ids", "ids", "reference_ids"] {
        assert_eq!(ids(&found, field), ids(&twin, field), "{field}");
    }
    assert_eq!(ids(&found, "ids"), ids(&found, "reference_ids"));
    assert_eq!(
        shown.strip_suffix('\n').expect("a line"),
        found["text"].as_str().expect("text")
    );

    let number = |field: &str| found[field].as_f64().expect(field);
    assert!((number("top1_agreement") - 1.0).abs() < 1e-12);
    assert!(number("max_logit_error") < 0.05 && number("kl") < 1e-3);
    assert!(
        found["security_bits"].is_null(),
        "this ring protects nothing"
    );
    assert_eq!(found["log_n"], 10);
    assert!(number("log_qp") > 1000.0);
    assert!(number("bootstraps") >= 3.0 && number("peak_memory_bytes") > 1e6);
    let seconds = &found["seconds"];
    for part in ["keygen", "encrypt", "prefill"] {
        assert!(seconds[part].as_f64().expect(part) > 0.0, "{part}");
    }
    assert_eq!(seconds["per_token"].as_array().expect("a list").len(), 2);
}

/// Levels of two short primes, for backends with 32-bit integers: the last ones hold no product,
/// and what the client reads of the head is as near to the clear model's.
#[test]
fn short_primes_give_the_same_logits() {
    let place = Place::new("short-primes");
    let preset = ["--preset", "insecure-n10-boot-w31"];
    let text = [
        "--prompt", PROMPT, "--tokens", "2", "--quiet", "--check", "--json", "w31.json",
    ];
    place.succeed(&[&["generate"], &preset[..], &text[..]].concat());
    let found = json(&place.file("w31.json"));
    assert_eq!(ids(&found, "ids"), ids(&found, "reference_ids"));
    assert!(found["max_logit_error"].as_f64().expect("a number") < 0.05);
}

/// Without a reference nothing is compared: the record says so, and a prompt comes from a pipe.
#[test]
fn the_twin_in_the_clear_runs_on_request_only() {
    let place = Place::new("unchecked");
    let options = ["generate", "--preset", PRESET, "--tokens", "1", "--quiet"];
    let more = ["--prompt-file", "-", "--json", "facts.json"];
    let output = place.run_with(&[&options[..], &more].concat(), &format!("{PROMPT}\n"));
    assert!(output.status.success(), "{output:?}");
    let facts = json(&place.file("facts.json"));
    for field in ["reference_ids", "top1_agreement", "kl", "max_logit_error"] {
        assert!(facts[field].is_null(), "{field}");
    }
    // The same prompt from a file and from an option.
    std::fs::write(place.file("prompt.txt"), PROMPT).expect("own file");
    let simulate = |prompt: [&str; 2], name: &str| {
        let options = ["simulate", "--tokens", "1", "--quiet", "--json", name];
        place.succeed(&[&options[..], &prompt].concat());
        ids(&json(&place.file(name)), "prompt_ids")
    };
    let expected = ids(&facts, "prompt_ids");
    assert_eq!(
        simulate(["--prompt-file", "prompt.txt"], "a.json"),
        expected
    );
    assert_eq!(simulate(["--prompt", PROMPT], "b.json"), expected);
}

/// With next to no precision tokens differ, which is said and, on request, an exit code.
#[test]
fn tokens_that_differ_from_the_reference_are_reported() {
    let place = Place::new("differs");
    let options = [
        "simulate",
        "--tokens",
        "12",
        "--noise-bits",
        "5",
        "--quiet",
        "--preset",
        PRESET,
    ];
    let output = place.run(&options);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("tokens differ"),
        "{output:?}"
    );
    let output = place.run(&[&options[..], &["--check"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("error: ") && said.contains("tokens differ"),
        "{said}"
    );
}

#[test]
fn insecure_parameters_are_announced_also_to_who_asked_for_quiet() {
    let place = Place::new("announced");
    let output = place.run(&["generate", "--preset", PRESET, "--tokens", "1", "--quiet"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("INSECURE"));
}
