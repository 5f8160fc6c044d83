//! Client and server as separate programs.

use std::path::Path;

use crate::common::{PRESET, PROMPT, Place, ids, json};

/// Makes keys for [`PROMPT`] and `tokens` tokens.
pub fn keygen(place: &Place, tokens: &str) {
    let options = ["--preset", PRESET, "--prompt", PROMPT, "--tokens", tokens];
    place.succeed(&[&["keygen"], &options[..]].concat());
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).expect("was written").len()
}

#[test]
fn a_text_through_files_is_that_of_the_simulated_twin() {
    let place = Place::new("files");
    keygen(&place, "3");
    let mut text = String::new();
    for step in 0..3 {
        let prompt = if step == 0 {
            &["--prompt", PROMPT][..]
        } else {
            &[]
        };
        place.succeed(&[&["encrypt"], prompt].concat());
        place.succeed(&["eval"]);
        let shown = place.succeed(&["decrypt"]);
        text.push_str(shown.strip_suffix('\n').expect("a line"));
    }
    let simulate = [
        "--prompt",
        PROMPT,
        "--tokens",
        "3",
        "--quiet",
        "--json",
        "twin.json",
    ];
    place.succeed(&[&["simulate"], &simulate[..]].concat());
    let (twin, own) = (
        json(&place.file("twin.json")),
        json(&place.file("text.json")),
    );
    let all = [ids(&twin, "prompt_ids"), ids(&twin, "ids")].concat();
    assert_eq!(ids(&own["text"], "ids"), all);
    assert_eq!(text, twin["text"].as_str().expect("text"));

    // The keys are used up, and each response is decrypted once.
    place.fail(&["encrypt"], &["this session", "--capacity"]);
    place.fail(&["decrypt"], &["decrypt each response once"]);
    // A response that was lost is computed again, from the state before it.
    let [response, state] = ["response.bin", "state.bin"].map(|name| place.file(name));
    let before = [&response, &state].map(|path| std::fs::read(path).expect("was written"));
    std::fs::remove_file(&response).expect("own file");
    place.succeed(&["eval"]);
    let after = [&response, &state].map(|path| std::fs::read(path).expect("was written"));
    assert!(
        before == after,
        "the same request gives the same answer and state"
    );

    let all = place.succeed(&["show"]);
    assert_eq!(all, format!("{PROMPT}{text}\n"));
    // A further token costs the server one position, not the text again.
    assert!(length(&place.file("state.bin")) < length(&place.file("server.keys")));
}

#[test]
fn key_files_are_private_and_not_replaced_unasked() {
    let place = Place::new("private");
    keygen(&place, "1");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| {
            let data = std::fs::metadata(place.file(name)).expect("was written");
            data.permissions().mode() & 0o777
        };
        assert_eq!(mode("secret.key"), 0o600);
        place.succeed(&["encrypt", "--prompt", PROMPT]);
        assert_eq!(mode("text.json"), 0o600, "it holds the prompt");
    }
    let before = std::fs::read(place.file("secret.key")).expect("was written");
    place.fail(
        &["keygen", "--preset", PRESET],
        &["secret.key exists", "--force"],
    );
    assert_eq!(
        std::fs::read(place.file("secret.key")).expect("is there"),
        before
    );
    let again = [
        "keygen",
        "--preset",
        PRESET,
        "--prompt-tokens",
        "4",
        "--tokens",
        "1",
        "--force",
    ];
    place.succeed(&again);
    assert_ne!(
        std::fs::read(place.file("secret.key")).expect("is there"),
        before
    );
    // The old request and the old text are of the old key.
    place.fail(&["eval"], &["request.bin"]);
    place.fail(&["encrypt"], &["text", "key", "--text"]);
    assert!(
        !place.names().iter().any(|name| name.contains(".part")),
        "{:?}",
        place.names()
    );
}
