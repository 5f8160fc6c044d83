//! Any bytes are a config.json that is understood, or an error.

#![no_main]

use he_llama::config::Config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = Config::parse(bytes, Path::new("config.json")) {
        assert!(config.hidden > 0 && config.heads > 0 && config.vocabulary > 0);
        assert!(config.rope_frequencies().iter().all(|f| f.is_finite()));
    }
});
