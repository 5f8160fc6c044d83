//! Any bytes are a tokenizer.json or an error, and a tokenizer encodes a text or refuses it.

#![no_main]

use he_llama::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = Tokenizer::parse(bytes, Path::new("tokenizer.json"))
        && let Ok(ids) = tokenizer.encode("Once upon a time, \u{e9}\u{4e00}\u{1f600}")
    {
        drop(tokenizer.decode(&ids));
    }
});
