//! Damaged, exchanged and incomplete files.

use std::path::Path;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::Device;
use ckks_math::keys::KeyPurpose;
use ckks_math::wire::{KeySetReader, KeySetWriter};
use he_llama::protocol::envelope::{Kind, Reader, Writer};
use he_llama::protocol::session::parameters;

use crate::common::{PRESET, PROMPT, Place};
use crate::files::keygen;

/// Runs `arguments` with `name` cut short and with bits flipped, which must fail and say so.
fn harm(place: &Place, name: &str, arguments: &[&str]) {
    let path = place.file(name);
    let good = std::fs::read(&path).expect("was written");
    for keep in [0, 10, 100, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..keep]).expect("own file");
        place.fail(arguments, &[name]);
    }
    for at in [3, 9, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        std::fs::write(&path, &bad).expect("own file");
        place.fail(arguments, &[name]);
    }
    std::fs::write(&path, [&good[..], b"more"].concat()).expect("own file");
    place.fail(arguments, &[name]);
    std::fs::write(&path, good).expect("own file");
}

/// Of a request and keys that are both cut off, the request is named: it is read first.
fn a_request_is_checked_before_the_keys(place: &Place) {
    let [keys, request] = ["server.keys", "request.bin"].map(|name| place.file(name));
    let good = [&keys, &request].map(|path| std::fs::read(path).expect("was written"));
    for (path, bytes) in [&keys, &request].into_iter().zip(&good) {
        std::fs::write(path, &bytes[..bytes.len() - 1]).expect("own file");
    }
    place.fail(&["eval", "--quiet"], &["request.bin"]);
    for (path, bytes) in [&keys, &request].into_iter().zip(&good) {
        std::fs::write(path, bytes).expect("own file");
    }
}

#[test]
fn damaged_files_are_refused() {
    let place = Place::new("damage");
    keygen(&place, "2");
    harm(
        &place,
        "secret.key",
        &["encrypt", "--quiet", "--prompt", PROMPT],
    );
    place.succeed(&["encrypt", "--prompt", PROMPT]);
    harm(&place, "request.bin", &["eval", "--quiet"]);
    a_request_is_checked_before_the_keys(&place);
    harm(&place, "server.keys", &["eval", "--quiet"]);
    place.succeed(&["eval"]);
    harm(&place, "response.bin", &["decrypt", "--quiet"]);
    place.succeed(&["decrypt"]);
    place.succeed(&["encrypt"]);
    harm(&place, "state.bin", &["eval", "--quiet"]);
    // The state becomes the previous one, whose name may be in use.
    let previous = place.file("state.bin.previous");
    let into_previous = ["eval", "--out", "state.bin.previous"];
    place.fail(&into_previous, &["--out", "--state with .previous"]);
    std::fs::write(&previous, "notes").expect("own file");
    place.fail(&["eval"], &["state.bin.previous exists", "--force"]);
    assert_eq!(std::fs::read(&previous).expect("is there"), b"notes");
    std::fs::remove_file(&previous).expect("own file");
    place.succeed(&["eval"]);
    place.succeed(&["decrypt"]);
}

#[test]
fn files_in_each_others_place_are_refused() {
    let place = Place::new("exchanged");
    keygen(&place, "1");
    place.succeed(&["encrypt", "--prompt", PROMPT]);
    let secret_as_server = ["eval", "--server-key", "secret.key"];
    place.fail(&secret_as_server, &["secret.key", "a secret key file"]);
    let server_as_secret = ["encrypt", "--secret-key", "server.keys", "--prompt", PROMPT];
    place.fail(&server_as_secret, &["server.keys", "a server key file"]);
    place.fail(
        &["decrypt", "--response", "request.bin"],
        &["request.bin", "a request"],
    );
    let tokens = ["encrypt", "--prompt", "another prompt, much longer"];
    let before = std::fs::read(place.file("text.json")).expect("was written");
    place.fail(&tokens, &["text.json exists", "--force"]);
    place.fail(
        &[&tokens[..], &["--force"]].concat(),
        &["positions", "--capacity"],
    );
    let after = std::fs::read(place.file("text.json")).expect("is there");
    assert_eq!(before, after, "no token was lost");

    // Keys of another preset, and of another pair.
    let other = [
        "keygen",
        "--prompt",
        PROMPT,
        "--tokens",
        "1",
        "--secret-key",
    ];
    let preset = ["--preset", "insecure-n11-boot"];
    place.succeed(&[&other[..], &["s11", "--server-key", "k11"], &preset].concat());
    place.fail(
        &["eval", "--server-key", "k11"],
        &["request.bin", "preset", "insecure-n11-boot"],
    );
    let preset = ["--preset", PRESET];
    place.succeed(&[&other[..], &["s2", "--server-key", "k2"], &preset].concat());
    place.fail(
        &["eval", "--server-key", "k2"],
        &["request.bin", "same secret key"],
    );
}

/// Copies a server key file without the first rotation key.
fn without_a_rotation(from: &Path, to: &Path) {
    let cpu = CpuBackend::open(CpuOptions::default()).expect("every machine has one");
    let params = parameters(PRESET, cpu.limits()).expect("is known");
    let bytes = std::fs::read(from).expect("was written");
    let mut input = &bytes[..];
    let mut input = Reader::begin(Kind::EvaluationKeys, &mut input).expect("own file");
    let header = input.header().clone();
    let reader = KeySetReader::new(&params, bytes.len() as u64, &mut input).expect("own file");
    let mut kept = reader.requests().to_vec();
    let rotation = |p: &KeyPurpose| matches!(p, KeyPurpose::Galois(_));
    let first = kept
        .iter()
        .position(|r| rotation(&r.purpose))
        .expect("a model rotates");
    let dropped = kept.remove(first);
    let mut out = Vec::new();
    let mut message = Writer::begin(Kind::EvaluationKeys, &header, &mut out).expect("memory");
    let mut writer = KeySetWriter::new(&params, &kept, &mut message).expect("listed once");
    for key in reader {
        let key = key.expect("own file");
        if key.request() != dropped {
            writer.push(&key).expect("memory");
        }
    }
    writer.finish().expect("memory");
    message.finish().expect("memory");
    std::fs::write(to, out).expect("own file");
}

#[test]
fn a_missing_rotation_key_is_found_before_the_keys_are_read() {
    let place = Place::new("missing");
    keygen(&place, "1");
    place.succeed(&["encrypt", "--prompt", PROMPT]);
    without_a_rotation(&place.file("server.keys"), &place.file("fewer.keys"));
    place.fail(
        &["eval", "--server-key", "fewer.keys"],
        &["fewer.keys", "Galois key"],
    );
    assert!(!place.file("response.bin").exists());
}
