//! A parameter literal from JSON is checked or refused, and never panics.

#![no_main]

use ckks_math::backend::Limits;
use ckks_math::params::ParamsLiteral;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(literal) = serde_json::from_slice::<ParamsLiteral>(bytes) else {
        return;
    };
    let limits = Limits {
        max_modulus_bits: 61,
        max_degree: 1 << 12,
    };
    if let Ok(params) = literal.clone().check(limits) {
        assert_eq!(params.security_bits(), Some(128));
    }
    if let Ok(params) = literal.check_insecure_for_tests(limits) {
        assert_eq!(params.security_bits(), None);
    }
});
