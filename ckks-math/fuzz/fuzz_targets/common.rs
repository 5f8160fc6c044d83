//! Every reader of the wire format, on a small insecure set.

use ckks_math::backend::dry_run::DryRun;
use ckks_math::backend::{Device, RingKind};
use ckks_math::keys::{PublicKey, SwitchingKey};
use ckks_math::params::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use ckks_math::wire::{
    Wire, read_evaluation_keys, read_params_insecure_for_tests, read_secret_key,
};
use ckks_math::{Ciphertext, Context, Params, Plaintext, Result};
use std::sync::LazyLock;

/// The largest object that is admitted.
const LIMIT: u64 = 1 << 16;

/// Levels of one and of two primes, digits of two primes, and the keys of bootstrapping.
pub static CONTEXT: LazyLock<Context<DryRun>> = LazyLock::new(|| {
    let literal = ParamsLiteral {
        name: "insecure-tiny".into(),
        ring: RingKind::Standard,
        log_n: 5,
        level_bits: vec![40, 30, 46],
        word_bits: 30,
        special_primes: 2,
        special_bits: 31,
        digit_size: 2,
        log_scale: 30,
        secret: SecretDistribution::Ternary,
        bootstrap: Some(BootstrapLiteral {
            slots_to_coeffs_levels: 0,
            coeffs_to_slots_levels: 0,
            eval_mod_levels: 1,
            ephemeral_weight: 8,
            overflow_bound: 4,
            cosine_degree: 1,
            double_angles: 0,
            message_ratio_bits: 8,
        }),
    };
    let backend = DryRun::default();
    let params = literal
        .check_insecure_for_tests(backend.limits())
        .expect("the fields fit each other");
    Context::new(params, backend).expect("shapes need no memory")
});

/// Reads `bytes` as an object of a kind. What is read must have the bytes it was read from.
pub fn read(kind: u16, bytes: &[u8]) {
    let context = &*CONTEXT;
    let params = context.params();
    let mut input = bytes;
    let outcome = match kind {
        1 => {
            let limits = context.backend().limits();
            read_params_insecure_for_tests(&limits, LIMIT, &mut input).map(drop)
        }
        2 => PublicKey::read(params, LIMIT, &mut input).and_then(|x| same(&x, params, bytes, input)),
        3 => {
            SwitchingKey::read(params, LIMIT, &mut input).and_then(|x| same(&x, params, bytes, input))
        }
        4 => read_evaluation_keys(context, LIMIT, &mut input).map(drop),
        5 => Ciphertext::read(context, LIMIT, &mut input).map(drop),
        6 => Plaintext::read(context, LIMIT, &mut input).map(drop),
        _ => read_secret_key(params, &mut input).map(drop),
    };
    drop(outcome);
}

/// Writes an object and compares.
fn same<T: Wire<Scope = Params>>(x: &T, params: &Params, bytes: &[u8], rest: &[u8]) -> Result<()> {
    let read = &bytes[..bytes.len() - rest.len()];
    assert_eq!(x.to_bytes(params)?, read, "an object has one wire form");
    Ok(())
}
