//! A client that has the package of a model and nothing else, and conversations that are mixed up.

use crate::common::{PRESET, PROMPT, Place, ids, json};

/// The model stays with the server, the client has its package; two conversations under one key.
#[test]
fn a_client_with_a_package_talks_and_conversations_stay_apart() {
    let server = Place::new("talk-server");
    server.model("model");
    let length = ["--prompt", PROMPT, "--tokens", "2", "--preset", PRESET];
    let export = ["export-client", "--model", "model"];
    server.succeed(&[&export[..], &length].concat());
    let package = server.file("client");
    let files = std::fs::read_dir(&package).expect("was made");
    let bytes: u64 = files
        .map(|file| file.expect("exists").metadata().expect("exists").len())
        .sum();
    assert!(bytes <= 1_000_000, "{bytes} bytes");

    let client = Place::new("talk-client");
    let package = package.to_str().expect("UTF-8").to_owned();
    let of_client = |arguments: &[&str]| {
        let options = [arguments, &["--client", &package]].concat();
        client.succeed(&options)
    };
    of_client(&["keygen"]);
    let path = |name: &str| client.file(name).to_str().expect("UTF-8").to_owned();
    let eval = |name: &str, state: &str| {
        let (request, out) = (
            path(&format!("{name}.request")),
            path(&format!("{name}.response")),
        );
        let files = ["--request", &request, "--out", &out, "--state", state];
        let keys = path("server.keys");
        let model = ["eval", "--model", "model", "--server-key", &keys];
        server.run(&[&model[..], &files].concat())
    };
    let start = |name: &str, prompt: &str| {
        let (text, out) = (format!("{name}.json"), format!("{name}.request"));
        of_client(&[
            "encrypt", "--prompt", prompt, "--text", &text, "--out", &out,
        ]);
    };
    let other = PROMPT.to_lowercase();
    start("a", PROMPT);
    start("b", &other);
    for name in ["a", "b"] {
        let output = eval(name, &format!("{name}.state"));
        assert!(output.status.success(), "{output:?}");
    }
    // The response to one text is no answer to the other.
    let crossed = [
        "decrypt",
        "--text",
        "b.json",
        "--response",
        "a.response",
        "--client",
        &package,
    ];
    client.fail(&crossed, &["a.response", "conversation"]);
    for name in ["a", "b"] {
        let (text, response) = (format!("{name}.json"), format!("{name}.response"));
        of_client(&["decrypt", "--text", &text, "--response", &response]);
    }
    // The state of one is no state of the other.
    of_client(&["encrypt", "--text", "b.json", "--out", "b.request"]);
    let output = eval("b", "a.state");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("b.request") && said.contains("conversation"),
        "{said}"
    );
    // A prompt does not replace the state of another conversation unasked.
    start("c", PROMPT);
    let output = eval("c", "a.state");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("a.state exists"),
        "{said}"
    );
    // And no other answer goes over one that may not have been read.
    let output = eval("b", "b.state");
    assert!(output.status.success(), "{output:?}");
    of_client(&["decrypt", "--text", "b.json", "--response", "b.response"]);
    let shown = of_client(&["show", "b.json"]);
    let twin = [
        "simulate",
        "--prompt",
        &other,
        "--tokens",
        "2",
        "--quiet",
        "--json",
        "twin.json",
    ];
    client.succeed(&twin);
    let twin = json(&client.file("twin.json"));
    let all = [ids(&twin, "prompt_ids"), ids(&twin, "ids")].concat();
    let text = &json(&client.file("b.json"))["text"];
    assert_eq!(ids(text, "ids"), all);
    assert!(shown.starts_with(&other), "{shown}");
}

/// Keys say which plan they were made for: a package of another one is refused before anything is
/// computed.
#[test]
fn a_package_of_other_lengths_does_not_fit_the_keys() {
    let place = Place::new("handshake");
    let export = |tokens: &str, out: &str| {
        let length = ["--prompt", PROMPT, "--tokens", tokens, "--preset", PRESET];
        place.succeed(&[&["export-client", "--out", out][..], &length].concat());
    };
    export("1", "one");
    export("2", "two");
    place.succeed(&["keygen", "--client", "one"]);
    let encrypt = ["encrypt", "--prompt", PROMPT, "--client", "two"];
    place.fail(&encrypt, &["secret key file", "capacity"]);
    place.fail(
        &["export-client", "--out", "one"],
        &["client.json exists", "--force"],
    );
    place.fail(
        &["keygen", "--client", "absent", "--force"],
        &["absent/client.json"],
    );
}
