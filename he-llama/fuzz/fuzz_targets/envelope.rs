//! Any bytes are a header of a message between client and server, or an error.

#![no_main]

use he_llama::protocol::envelope::{Kind, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let all = [
        Kind::SecretKey,
        Kind::EvaluationKeys,
        Kind::Request,
        Kind::Response,
        Kind::State,
    ];
    for kind in all {
        drop(Reader::begin(kind, bytes));
    }
});
