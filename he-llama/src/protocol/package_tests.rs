//! Client packages, whole, damaged and crafted.

use std::path::PathBuf;
use std::sync::OnceLock;

use ckks_math::backend::Device;
use ckks_math::backend::dry_run::DryRun;
use proptest::prelude::*;

use super::*;
use crate::embedded;
use crate::protocol::session::tests::setup;

/// A package of the embedded model in a directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("he-llama-package-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let spec = ClientSpec::of(&setup(6)).expect("fits");
        ClientPackage::write(&path, &spec, &keys(), &embedded::tokenizer(), false)
            .expect("writable");
        Self(path)
    }

    fn read(&self) -> Result<ClientPackage> {
        ClientPackage::read(&self.0, limits())
    }

    /// Writes `client.json` with changed facts and the digest of those.
    fn forge(&self, change: impl FnOnce(&mut Facts)) {
        let path = self.0.join(FILE);
        let bytes = std::fs::read(&path).expect("was written");
        let mut facts = Facts::parse(&bytes, &path).expect("own file");
        change(&mut facts);
        let file = File {
            version: VERSION,
            digest: facts.digest(),
            facts,
        };
        let text = serde_json::to_vec(&file).expect("numbers and strings");
        std::fs::write(&path, text).expect("own file");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn limits() -> Limits {
    DryRun::default().limits()
}

fn keys() -> Vec<KeyRequest> {
    [
        KeyPurpose::Relinearization,
        KeyPurpose::Galois(GaloisElement::rotation(setup(6).params.ring(), 1)),
        KeyPurpose::ToEphemeral,
        KeyPurpose::FromEphemeral,
    ]
    .map(|purpose| KeyRequest { purpose, level: 3 })
    .to_vec()
}

#[test]
fn what_is_written_is_read_back() {
    let directory = Directory::new("round");
    let spec = ClientSpec::of(&setup(6)).expect("fits");
    let package = directory.read().expect("own files");
    assert_eq!(package.keys, keys());
    assert_eq!(package.spec.session(), spec.session());
    assert_eq!(package.spec.agreement(), spec.agreement());
    assert_eq!(package.spec.ends(), spec.ends());
    let embedded = spec.embed(&[1, 2, 3]).expect("tokens of the model");
    let found = package.spec.embed(&[1, 2, 3]).expect("tokens of the model");
    assert_eq!(found.normed, embedded.normed);
    let ids = package.prompt("ROMEO:").expect("short");
    let source = embedded::source().expect("built in");
    assert_eq!(ids, source.prompt("ROMEO:", 3).expect("short"));
}

#[test]
fn a_package_is_replaced_on_request_only() {
    let directory = Directory::new("again");
    let spec = ClientSpec::of(&setup(6)).expect("fits");
    let write =
        |force| ClientPackage::write(&directory.0, &spec, &keys(), &embedded::tokenizer(), force);
    assert!(matches!(write(false), Err(Error::Exists { .. })));
    write(true).expect("asked for");
    directory.read().expect("own files");
}

#[test]
fn damaged_files_are_named() {
    let directory = Directory::new("damaged");
    for name in [FILE, EMBEDDING, Stored::NAMES[0]] {
        let path = directory.0.join(name);
        let good = std::fs::read(&path).expect("was written");
        for at in [9, good.len() / 2, good.len() - 2] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).expect("own file");
            let refused = directory.read().map(drop).expect_err("damaged").to_string();
            assert!(refused.contains(name), "{at}: {refused}");
        }
        std::fs::write(&path, &good[..good.len() / 2]).expect("own file");
        let refused = directory.read().map(drop).expect_err("cut off").to_string();
        assert!(refused.contains(name), "{refused}");
        std::fs::remove_file(&path).expect("own file");
        let refused = directory.read().map(drop).expect_err("absent").to_string();
        assert!(refused.contains(name), "{refused}");
        std::fs::write(&path, good).expect("own file");
    }
    directory.read().expect("whole again");
}

/// A package's tokenizer is read as a model's is, with settings and limits, from the files that the
/// package names.
#[test]
fn the_tokenizer_is_checked_as_that_of_a_model() {
    let directory = Directory::new("tokenizer");
    let [vocabulary, settings] = Stored::NAMES.map(|name| directory.0.join(name));
    // What the package does not name is not read.
    std::fs::write(&settings, "{").expect("own file");
    directory.read().expect("whole");
    let good = std::fs::read(&vocabulary).expect("was written");
    // Whoever makes the digests again is refused by the reader of the files.
    let forged = |vocabulary_bytes: &[u8], settings_bytes: &[u8]| {
        std::fs::write(&vocabulary, vocabulary_bytes).expect("own file");
        std::fs::write(&settings, settings_bytes).expect("own file");
        let files = Stored::NAMES
            .into_iter()
            .zip([vocabulary_bytes, settings_bytes]);
        directory.forge(|facts| {
            let files = files.map(|(name, bytes)| (name.to_owned(), digest_of(bytes)));
            facts.tokenizer = files.collect();
        });
        directory.read()
    };
    let llama = br#"{"tokenizer_class": "LlamaTokenizer"}"#;
    forged(&good, llama).expect("no settings to follow");
    let bos = embedded::source().expect("built in").tokenizer.token(1);
    let bos = serde_json::json!({"tokenizer_class": "LlamaTokenizer", "add_bos_token": true,
        "bos_token": bos.expect("a token")});
    let opened = forged(&good, bos.to_string().as_bytes()).expect("whole");
    assert_eq!(
        opened.prompt("ROMEO:").expect("short")[0],
        1,
        "settings are followed"
    );
    let named = |outcome: Result<ClientPackage>, path: &Path| {
        let refused = outcome.map(drop).expect_err("damaged");
        let shown = refused.to_string();
        assert!(shown.contains(&path.display().to_string()), "{shown}");
        refused
    };
    let cut = named(forged(&good[..good.len() / 2], llama), &vocabulary);
    assert!(matches!(cut, Error::Tokenizer { .. }), "{cut}");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00";
    let pointer = named(forged(pointer, llama), &vocabulary);
    assert!(matches!(pointer, Error::LfsPointer { .. }), "{pointer}");
    let cut = named(forged(&good, b"{"), &settings);
    assert!(matches!(cut, Error::Json { .. }), "{cut}");
    let long = named(forged(&good, &vec![b' '; (1 << 24) + 1]), &settings);
    assert!(matches!(long, Error::TooLong { .. }), "{long}");
    std::fs::remove_file(&settings).expect("own file");
    let absent = named(directory.read(), &settings);
    assert!(matches!(absent, Error::Read { .. }), "{absent}");
}

/// The digest is made again by whoever changes the facts: each fact is checked for itself.
#[test]
fn facts_that_no_model_has_are_refused() {
    let directory = Directory::new("crafted");
    let good = std::fs::read(directory.0.join(FILE)).expect("was written");
    let refused = |change: &dyn Fn(&mut Facts), part: &str| {
        directory.forge(change);
        let shown = directory.read().map(drop).expect_err(part).to_string();
        assert!(shown.contains(part), "{part:?} is not in: {shown}");
        std::fs::write(directory.0.join(FILE), &good).expect("own file");
    };
    refused(&|f| f.agreement.protocol += 1, "protocol");
    refused(&|f| f.agreement.parameters.log_n = 11, "parameters");
    refused(&|f| f.agreement.parameters.name = "n99".into(), "n99");
    refused(
        &|f| f.agreement.parameters.name = "\u{1b}[31m".into(),
        "u{1b}",
    );
    refused(&|f| f.agreement.capacity = usize::MAX, "capacity");
    refused(&|f| f.agreement.capacity = 0, "capacity");
    refused(&|f| f.agreement.model = "\u{1b}".into(), "model");
    refused(&|f| f.agreement.passes.clear(), "no layouts");
    refused(&|f| f.agreement.passes[0].level = 0, "level");
    refused(&|f| f.agreement.passes[0].level = 99, "level");
    refused(&|f| f.agreement.passes[1].units[0] = 0.0, "unit");
    refused(&|f| f.agreement.passes[1].units[1] = -1.0, "unit");
    refused(&|f| f.agreement.passes[0].input.log_slots = 3, "slots");
    refused(&|f| f.agreement.passes[0].raw.fields.clear(), "layout");
    refused(&|f| f.agreement.passes[0].input.fields[0].2 = 200, "field");
    refused(&|f| f.vocabulary += 1, "shape");
    refused(&|f| f.positions = 0, "positions");
    refused(&|f| f.norm_epsilon = -1.0, "norm_epsilon");
    refused(&|f| f.eos.push(1 << 20), "end token");
    refused(&|f| f.keys.push((Purpose::Galois, 4, 3)), "Galois element");
    refused(&|f| f.keys.push((Purpose::Galois, 7, 99)), "level");
    refused(
        &|f| f.keys.push((Purpose::Relinearization, 5, 3)),
        "Relinearization",
    );
    refused(&|f| f.keys.push((Purpose::Galois, 5, 3)), "twice");
    let other = |f: &mut Facts| {
        f.tokenizer.insert("../secret.key".into(), f.embedding);
    };
    refused(&other, "no file of a tokenizer");
    refused(&|f| f.tokenizer.clear(), "tokenizer.json");
    directory.read().expect("whole again");
}

/// A file, and the digest of its facts.
fn sample() -> (Vec<u8>, Digest) {
    static SAMPLE: OnceLock<(Vec<u8>, Digest)> = OnceLock::new();
    let make = || {
        let spec = ClientSpec::of(&setup(6)).expect("fits");
        let facts = Facts {
            agreement: spec.agreement().clone(),
            vocabulary: 512,
            hidden: 64,
            positions: 256,
            norm_epsilon: 1e-5,
            eos: vec![1],
            embedding: Digest::from_bytes([1; 32]),
            tokenizer: BTreeMap::new(),
            keys: keys().iter().map(fact_of).collect(),
        };
        let (version, digest) = (VERSION, facts.digest());
        let file = File {
            version,
            digest,
            facts,
        };
        (
            serde_json::to_vec(&file).expect("numbers and strings"),
            digest,
        )
    };
    SAMPLE.get_or_init(make).clone()
}

proptest! {
    /// No bytes make the parser panic, and none but the file's own are taken for it.
    #[test]
    fn mutated_files_are_refused(
        cut in 0.0_f64..1.0,
        edits in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..4),
    ) {
        let (good, digest) = sample();
        let path = Path::new("client.json");
        let cut = (cut * good.len() as f64) as usize;
        prop_assert!(Facts::parse(&good[..cut], path).is_err());
        let mut bad = good.clone();
        for (at, byte) in edits {
            bad[(at * good.len() as f64) as usize] = byte;
        }
        if let Ok(found) = Facts::parse(&bad, path) {
            prop_assert_eq!(found.digest(), digest, "other facts of the same digest");
        }
    }
}
