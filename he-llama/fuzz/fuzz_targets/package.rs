//! Any facts are a client package beside the files of one, or an error, whoever wrote their digest.

#![no_main]

use ckks_math::backend::{Device, dry_run::DryRun};
use he_llama::digest::Digester;
use he_llama::embedded;
use he_llama::matrix::Format;
use he_llama::protocol::ClientPackage;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A directory with the embeddings and the tokenizer of the embedded model.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("fuzz-package-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("temporary directories can be made");
    for (name, bytes) in embedded::tokenizer().files() {
        std::fs::write(directory.join(name), bytes).expect("the directory is writable");
    }
    let source = embedded::source().expect("the embedded model is complete");
    let matrix = &source.llama.embedding;
    let dtype = match matrix.format() {
        Format::F64 => "F64",
        Format::F32 => "F32",
        Format::F16 => "F16",
        Format::Bf16 => "BF16",
    };
    let (rows, columns, values) = (matrix.nrows(), matrix.ncols(), matrix.stored_range());
    let header = format!(
        r#"{{"embedding":{{"dtype":"{dtype}","shape":[{rows},{columns}],"data_offsets":[0,{}]}}}}"#,
        values.len()
    );
    let length = (header.len() as u64).to_le_bytes();
    let file = [&length[..], header.as_bytes(), values].concat();
    std::fs::write(directory.join("embedding.safetensors"), file)
        .expect("the directory is writable");
    directory
});

fuzz_target!(|bytes: &[u8]| {
    let mut digester = Digester::new("he-llama 0.1 client package");
    let digest = digester.field(bytes).finish();
    let start = format!(r#"{{"version":1,"digest":"{digest}","facts":"#);
    for file in [bytes.to_vec(), [start.as_bytes(), bytes, b"}"].concat()] {
        std::fs::write(DIRECTORY.join("client.json"), file).expect("the directory is writable");
        drop(ClientPackage::read(&DIRECTORY, DryRun::default().limits()));
    }
});
