//! Any bytes are a text of the client, or an error; a text is written as it was read.

#![no_main]

use std::path::Path;

use he_llama::cli::text::Text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("text.json");
    if let Ok(text) = Text::parse(bytes, path) {
        let again = Text::parse(&text.to_bytes(), path).expect("own bytes");
        assert_eq!(again, text);
    }
});
