//! Any bytes are a calibration of the embedded model, or an error.

#![no_main]

use he_llama::calibrate::Calibration;
use he_llama::embedded;
use he_llama::model::Llama;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static MODEL: LazyLock<Arc<Llama>> =
    LazyLock::new(|| embedded::source().expect("the embedded model is complete").llama);

fuzz_target!(|bytes: &[u8]| {
    drop(Calibration::parse(bytes, Path::new("calibration.json"), &MODEL));
});
