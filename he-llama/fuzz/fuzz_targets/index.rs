//! Any bytes are an index of weights files, or an error: it names no file outside the directory.

#![no_main]

use he_llama::checkpoint::Weights;
use he_llama::embedded;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("fuzz-index-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("temporary directories can be made");
    directory
});

fuzz_target!(|bytes: &[u8]| {
    let path = DIRECTORY.join("model.safetensors.index.json");
    std::fs::write(path, bytes).expect("the directory is writable");
    let source = embedded::source().expect("the embedded model is complete");
    let outcome = Weights::read(&DIRECTORY, &source.llama.config);
    assert!(outcome.is_err(), "there are no weights in the directory");
});
