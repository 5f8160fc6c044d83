//! What the program writes: never over what it should not, and never with a panic.

use std::fs::File;
use std::process::Stdio;

use crate::common::{PRESET, PROMPT, Place};
use crate::files::keygen;

fn contents(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.file(name)).expect("is there")
}

#[test]
fn inputs_and_other_outputs_are_not_written_over() {
    let place = Place::new("over");
    keygen(&place, "2");
    let [secret, keys] = ["secret.key", "server.keys"].map(|name| contents(&place, name));
    let encrypt = ["encrypt", "--prompt", PROMPT, "--out"];
    let with = |out: &'static str| [&encrypt[..], &[out]].concat();
    place.fail(
        &with("secret.key"),
        &["--secret-key and --out are one file"],
    );
    place.fail(
        &with("./secret.key"),
        &["--secret-key and --out are one file"],
    );
    place.fail(&with("server.keys"), &["server.keys exists", "--force"]);
    std::fs::hard_link(place.file("secret.key"), place.file("again")).expect("own files");
    place.fail(&with("again"), &["one file"]);
    place.succeed(&["encrypt", "--prompt", PROMPT]);
    let eval = |out: &'static str| ["eval", "--out", out];
    place.fail(
        &eval("server.keys"),
        &["--server-key and --out are one file"],
    );
    place.fail(&eval("state.bin"), &["--state and --out are one file"]);
    place.fail(&eval("request.bin"), &["--request and --out are one file"]);
    place.fail(&eval("text.json"), &["text.json exists", "--force"]);
    place.fail(
        &["keygen", "--secret-key", "a", "--server-key", "./a"],
        &["--secret-key and --server-key are one file"],
    );
    let record = ["simulate", "--tokens", "1", "--quiet", "--json"];
    place.fail(
        &[&record[..], &["text.json"]].concat(),
        &["text.json exists", "--force"],
    );
    assert_eq!(contents(&place, "secret.key"), secret);
    assert!(contents(&place, "server.keys") == keys, "as before");
    // A record replaces a record.
    place.succeed(&[&record[..], &["facts.json"]].concat());
    place.succeed(&[&record[..], &["facts.json"]].concat());
}

#[cfg(unix)]
#[test]
fn only_plain_files_are_replaced_and_records_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new("plain");
    std::os::unix::fs::symlink("target", place.file("link")).expect("own directory");
    std::fs::create_dir(place.file("below")).expect("own directory");
    let record = ["generate", "--tokens", "1", "--json"];
    for (name, part) in [
        ("link", "a symbolic link"),
        ("below", "a directory"),
        ("/dev/null", "a device"),
    ] {
        place.fail(&[&record[..], &[name]].concat(), &[part]);
        let keys = ["keygen", "--secret-key", name];
        place.fail(&keys, &[part]);
    }
    place.succeed(&[
        "simulate",
        "--tokens",
        "1",
        "--quiet",
        "--json",
        "facts.json",
    ]);
    let mode = std::fs::metadata(place.file("facts.json")).expect("was written");
    assert_eq!(
        mode.permissions().mode() & 0o777,
        0o600,
        "it holds the text"
    );
}

#[test]
fn a_state_and_a_text_are_used_by_one_process_at_a_time() {
    let place = Place::new("locked");
    keygen(&place, "1");
    let hold = |name: &str| {
        let lock = File::create(place.file(name)).expect("own directory");
        lock.lock().expect("free");
        lock
    };
    let held = hold("text.json.lock");
    place.fail(&["encrypt", "--prompt", PROMPT], &["text.json is in use"]);
    drop(held);
    place.succeed(&["encrypt", "--prompt", PROMPT]);
    let held = hold("state.bin.lock");
    place.fail(&["eval"], &["state.bin is in use"]);
    drop(held);
    place.succeed(&["eval"]);
}

/// A closed pipe ends the program quietly; a full device is an error. Neither is a panic.
#[cfg(target_os = "linux")]
#[test]
fn output_that_nobody_takes_is_no_panic() {
    let place = Place::new("nobody");
    let inspect = ["inspect", "--preset", PRESET, "--tokens", "1"];
    for arguments in [&["devices"][..], &inspect] {
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        drop(reader);
        let mut command = place.command(arguments);
        let output = command.stdout(writer).stderr(Stdio::piped()).output();
        let output = output.expect("the program was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(
            !said.contains("error") && !said.contains("panicked"),
            "{said}"
        );

        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let mut command = place.command(arguments);
        let output = command.stdout(full).stderr(Stdio::piped()).output();
        let output = output.expect("the program was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write standard output"), "{said}");
    }
}
