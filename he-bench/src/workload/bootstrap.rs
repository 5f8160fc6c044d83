//! Refreshes of all slots.

use super::{Group, Harness, ids_of, message};
use crate::error::Result;
use ckks_math::backend::{Backend, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::keys::{KeyGenerator, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator, Params};
use std::sync::Arc;

/// The refresh of the conjugate-invariant ring, the only id of sets on it.
const REAL: &str = "bootstrap/conjugate_invariant";

pub(super) fn run<B: Backend>(
    backend: &B,
    params: &Params,
    harness: &mut impl Harness,
) -> Result<()> {
    let real = params.ring().kind() == RingKind::ConjugateInvariant;
    let complex = !real && harness.wants("bootstrap/complex");
    let mut ids = ids_of(Group::Bootstrap).filter(|&id| (id == REAL) == real);
    if !ids.any(|id| harness.wants(id)) {
        return Ok(());
    }
    let context = Context::new(params.clone(), backend.clone())?;
    let slots = params.max_slots();
    let options = BootstrapOptions::default();
    let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32]))?;
    // The complex refresh uses every key of the real one.
    let requests = refresh_requests(params, slots, options, complex)?;
    let keys = KeyGenerator::new(&context, &secret)?.evaluation_keys(requests)?;
    let ev = Evaluator::new(context.clone(), Arc::new(keys));
    let bootstrapper = Bootstrapper::new(&context, slots, options)?;

    let level = bootstrapper.input_level();
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, Seed::from_bytes([2; 32]))?;
    let x =
        encryptor.encrypt(&context.encode(&message(slots), level, params.scale_at(level))?)?;
    if real {
        return harness.time(REAL, params, &mut || {
            bootstrapper.refresh(&ev, &x)?;
            Ok(backend.synchronize()?)
        });
    }
    if harness.wants("half_boot") {
        let coefficients = bootstrapper.slots_to_coeffs(&ev, &x)?;
        harness.time("half_boot", params, &mut || {
            bootstrapper.half_boot(&ev, &coefficients)?;
            Ok(backend.synchronize()?)
        })?;
    }
    if harness.wants("bootstrap") {
        harness.time("bootstrap", params, &mut || {
            bootstrapper.refresh(&ev, &x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    if complex {
        harness.time("bootstrap/complex", params, &mut || {
            bootstrapper.refresh_complex(&ev, &x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    Ok(())
}
