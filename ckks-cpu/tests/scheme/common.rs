//! A small set with a secret.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::Device;
use ckks_math::bootstrap::{BootstrapOptions, refresh_requests};
use ckks_math::keys::{KeyGenerator, KeyRequest, SecretKey, merge_demand};
use ckks_math::params::{ParamsLiteral, SecretDistribution, preset};
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Evaluator};
use std::sync::Arc;

/// The preset `n16-boot` on a small ring, with six levels of 40 bits to compute.
pub fn literal(log_n: u32) -> ParamsLiteral {
    small("n16-boot", log_n)
}

/// The preset `n16-ci-boot` on a small ring, with six levels of 40 bits to compute.
pub fn real_literal(log_n: u32) -> ParamsLiteral {
    small("n16-ci-boot", log_n)
}

/// A preset on a small ring, with all its levels.
pub fn on_ring(name: &str, log_n: u32) -> ParamsLiteral {
    ParamsLiteral {
        log_n,
        ..preset(name).unwrap()
    }
}

fn small(name: &str, log_n: u32) -> ParamsLiteral {
    let mut literal = preset(name).unwrap();
    let first = literal
        .level_bits
        .iter()
        .position(|&bits| bits == 40)
        .unwrap();
    literal.level_bits.drain(first..first + 7);
    // A sparse secret stays sparse on a ring of 2^9.
    if let SecretDistribution::SparseTernary { weight } = &mut literal.secret {
        *weight = 192;
    }
    ParamsLiteral { log_n, ..literal }
}

pub struct Setup {
    pub context: Context<CpuBackend>,
    pub secret: SecretKey,
    pub encryptor: Encryptor<CpuBackend>,
    pub decryptor: Decryptor<CpuBackend>,
}

pub fn setup(literal: ParamsLiteral, seed: u8) -> Setup {
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
    with_secret(&Context::new(params, backend).unwrap(), seed)
}

pub fn with_secret(context: &Context<CpuBackend>, seed: u8) -> Setup {
    let secret = SecretKey::from_seed(context.params(), Seed::from_bytes([seed; 32])).unwrap();
    let fresh = Seed::from_bytes([seed; 32]).derive("encryptions", 0);
    Setup {
        encryptor: Encryptor::with_secret_key(context, &secret, fresh).unwrap(),
        decryptor: Decryptor::new(context, &secret).unwrap(),
        context: context.clone(),
        secret,
    }
}

impl Setup {
    pub fn encrypt(&mut self, x: &[f64], level: usize) -> Ciphertext<CpuBackend> {
        let scale = self.context.params().scale_at(level);
        self.encryptor
            .encrypt(&self.context.encode(x, level, scale).unwrap())
            .unwrap()
    }

    /// Real slots of the first ciphertext of a batch.
    pub fn read(&self, x: &Ciphertext<CpuBackend>) -> Vec<f64> {
        self.context
            .decode(&self.decryptor.decrypt(x).unwrap()[0])
            .unwrap()
    }

    pub fn evaluator(
        &self,
        requests: impl IntoIterator<Item = KeyRequest>,
    ) -> Evaluator<CpuBackend> {
        let generator = KeyGenerator::new(&self.context, &self.secret).unwrap();
        let keys = generator.evaluation_keys(requests).unwrap();
        Evaluator::new(self.context.clone(), Arc::new(keys))
    }

    /// The keys of a refresh, as a client would make them.
    pub fn refresh_keys(&self, slots: usize, complex: bool) -> Vec<KeyRequest> {
        let (params, options) = (self.context.params(), BootstrapOptions::default());
        merge_demand(
            params,
            &refresh_requests(params, slots, options, complex).unwrap(),
        )
    }
}

/// Values spread over `[-1, 1]`, ends included.
pub fn ramp(n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((i * 37 + 100) % 101) as f64 / 50.0 - 1.0)
        .collect()
}

pub fn worst(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    let distances = x.iter().zip(y).map(|(a, b)| (a - b).abs());
    distances.fold(
        0.0,
        |worst, d| if d > worst || d.is_nan() { d } else { worst },
    )
}
