//! Calibration files: written whole, read only as they were written.

use super::*;
use crate::embedded;

fn good() -> (Llama, Calibration) {
    let source = embedded::source().expect("the embedded files are complete");
    let calibration = embedded::calibration(&source.llama).expect("made for these weights");
    let llama = std::sync::Arc::unwrap_or_clone(source.llama);
    (llama, calibration)
}

fn place(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("he-llama-store-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("writable");
    path
}

/// Holds for root as well, whom the mode bits alone do not stop.
#[test]
fn a_directory_marked_read_only_is_left_alone() {
    let directory = place("read-only");
    let path = directory.join(FILE);
    let original = std::fs::metadata(&directory).expect("exists").permissions();
    let mut marked = original.clone();
    marked.set_readonly(true);
    std::fs::set_permissions(&directory, marked).expect("own directory");
    let refused = write(&path, "{}").expect_err("marked read-only");
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(!path.exists());

    std::fs::set_permissions(&directory, original).expect("own directory");
    write(&path, "{}").expect("writable again");
    std::fs::remove_dir_all(&directory).expect("was created");
}

/// One bit in every 97th byte: the file is refused, or says what it said.
#[test]
fn a_flipped_bit_is_found() {
    let (llama, calibration) = good();
    let bytes = calibration.to_text().into_bytes();
    let path = Path::new("c.json");
    assert_eq!(
        Calibration::parse(&bytes, path, &llama).expect("as written"),
        calibration
    );
    let mut by_digest = 0;
    for at in (0..bytes.len()).step_by(97) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        match Calibration::parse(&flipped, path, &llama) {
            Ok(read) => assert_eq!(read, calibration, "byte {at}"),
            Err(Error::DamagedCalibration { source, .. }) => {
                assert!(
                    matches!(*source, Error::CalibrationDigest { .. }),
                    "{source}"
                );
                by_digest += 1;
            }
            Err(Error::Json { .. } | Error::StaleCalibration { .. }) => (),
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(by_digest > 10, "{by_digest}");
}

/// Right digests do not make wrong contents right.
#[test]
fn crafted_contents_are_refused_by_their_site() {
    let (llama, mut calibration) = good();
    calibration.circuit.layers[0].softmax.shift.clear();
    let text = calibration.to_text();
    let found = Calibration::parse(text.as_bytes(), Path::new("c.json"), &llama);
    let message = found.expect_err("no shift").to_string();
    for part in ["c.json", "0/scores", "delete it"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn other_versions_and_other_weights_are_stale() {
    let (mut llama, calibration) = good();
    let path = Path::new("c.json");
    let text = calibration.to_text();
    let older = text.replacen(&format!("\"version\":{VERSION}"), "\"version\":2", 1);
    let found = Calibration::parse(older.as_bytes(), path, &llama);
    assert!(
        matches!(found, Err(Error::StaleCalibration { .. })),
        "{found:?}"
    );
    llama.config.norm_epsilon *= 2.0;
    let found = Calibration::parse(text.as_bytes(), path, &llama);
    assert!(
        matches!(found, Err(Error::StaleCalibration { .. })),
        "{found:?}"
    );
}

#[test]
fn a_stored_calibration_is_replaced_only_on_request() {
    let (llama, calibration) = good();
    let directory = place("replace");
    let path = calibration
        .store(&llama, Some(&directory), false)
        .expect("writable");
    assert_eq!(path, directory.join(FILE));
    let again = calibration.store(&llama, Some(&directory), false);
    assert!(matches!(again, Err(Error::Exists { path: found }) if found == path));
    let other = Calibration {
        texts: 1,
        ..calibration.clone()
    };
    other
        .store(&llama, Some(&directory), true)
        .expect("asked for");
    let (read, _) = Calibration::load(&llama, Some(&directory))
        .expect("own file")
        .expect("there");
    assert_eq!(read, other);
    std::fs::remove_dir_all(&directory).expect("was created");
}

/// A calibration that cannot be replaced stays, and none is written where it would not be found.
#[test]
fn a_failure_keeps_what_is_there() {
    let (llama, calibration) = good();
    let directory = place("failure");
    // A file cannot take the place of a directory that is not empty.
    std::fs::create_dir_all(directory.join(FILE).join("inside")).expect("writable");
    let failed = calibration.store(&llama, Some(&directory), true);
    assert!(matches!(&failed, Err(Error::Write { path, .. }) if path.starts_with(&directory)));
    assert!(directory.join(FILE).join("inside").exists());
    let left = std::fs::read_dir(&directory).expect("exists").count();
    assert_eq!(left, 1, "a temporary file was left behind");
    std::fs::remove_dir_all(&directory).expect("was created");
}
