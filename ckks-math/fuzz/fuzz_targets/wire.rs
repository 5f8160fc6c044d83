//! Any bytes are an object of each kind or an error.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for kind in 1..=7 {
        common::read(kind, bytes);
    }
});
