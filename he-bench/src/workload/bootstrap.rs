//! Refreshes of all slots, and of few.

use super::{Harness, message};
use crate::error::Result;
use ckks_math::backend::{Backend, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::keys::{KeyGenerator, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Encryptor, Evaluator, Params};
use std::sync::Arc;

/// The refresh of the conjugate-invariant ring, the only id of sets on it.
const REAL: &str = "bootstrap/conjugate_invariant";
/// The refresh of few real slots.
const SPARSE: &str = "bootstrap/sparse";
/// As many as a decoding step of a small Llama refreshes.
const FEW: usize = 256;

pub(super) fn run<B: Backend>(
    backend: &B,
    params: &Params,
    harness: &mut impl Harness,
) -> Result<()> {
    let context = || Context::new(params.clone(), backend.clone());
    let all = params.max_slots();
    if params.ring().kind() == RingKind::ConjugateInvariant {
        if harness.wants(REAL) {
            Refresh::new(&context()?, all, false)?.time(REAL, harness)?;
        }
        return Ok(());
    }
    let complex = harness.wants("bootstrap/complex");
    if complex || harness.wants("half_boot") || harness.wants("bootstrap") {
        // The complex refresh uses every key of the real one.
        let refresh = Refresh::new(&context()?, all, complex)?;
        if harness.wants("half_boot") {
            refresh.time_half(harness)?;
        }
        if harness.wants("bootstrap") {
            refresh.time("bootstrap", harness)?;
        }
        if complex {
            refresh.time_complex(harness)?;
        }
    }
    if harness.wants(SPARSE) {
        Refresh::new(&context()?, all.min(FEW), false)?.time(SPARSE, harness)?;
    }
    Ok(())
}

/// What a refresh is timed with.
struct Refresh<B: Backend> {
    ev: Evaluator<B>,
    bootstrapper: Bootstrapper<B>,
    x: Ciphertext<B>,
}

impl<B: Backend> Refresh<B> {
    fn new(context: &Context<B>, slots: usize, complex: bool) -> Result<Self> {
        let (params, options) = (context.params(), BootstrapOptions::default());
        let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32]))?;
        let requests = refresh_requests(params, slots, options, complex)?;
        let keys = KeyGenerator::new(context, &secret)?.evaluation_keys(requests)?;
        let bootstrapper = Bootstrapper::new(context, slots, options)?;
        let level = bootstrapper.input_level();
        let message = context.encode(&message(slots), level, params.scale_at(level))?;
        let seed = Seed::from_bytes([2; 32]);
        let x = Encryptor::with_secret_key(context, &secret, seed)?.encrypt(&message)?;
        Ok(Self {
            ev: Evaluator::new(context.clone(), Arc::new(keys)),
            bootstrapper,
            x,
        })
    }

    fn time(&self, id: &'static str, harness: &mut impl Harness) -> Result<()> {
        self.run(id, harness, || self.bootstrapper.refresh(&self.ev, &self.x))
    }

    fn time_complex(&self, harness: &mut impl Harness) -> Result<()> {
        self.run("bootstrap/complex", harness, || {
            self.bootstrapper.refresh_complex(&self.ev, &self.x)
        })
    }

    fn time_half(&self, harness: &mut impl Harness) -> Result<()> {
        let coefficients = self.bootstrapper.slots_to_coeffs(&self.ev, &self.x)?;
        self.run("half_boot", harness, || {
            self.bootstrapper.half_boot(&self.ev, &coefficients)
        })
    }

    fn run(
        &self,
        id: &'static str,
        harness: &mut impl Harness,
        body: impl Fn() -> ckks_math::Result<Ciphertext<B>>,
    ) -> Result<()> {
        let context = self.ev.context();
        harness.time(id, context.params(), &mut || {
            body()?;
            Ok(context.backend().synchronize()?)
        })
    }
}
