//! A small set with a secret.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::{Device, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, refresh_requests};
use ckks_math::keys::{KeyGenerator, KeyRequest, SecretKey, merge_demand};
use ckks_math::params::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Evaluator};
use std::sync::Arc;

/// The levels of the preset `n16-boot` on a small ring, with six levels of 40 bits to compute.
pub fn literal(log_n: u32) -> ParamsLiteral {
    let mut level_bits = vec![49, 34, 34, 34];
    level_bits.extend([40; 6]);
    level_bits.extend([49; 11]);
    ParamsLiteral {
        name: "small".into(),
        ring: RingKind::Standard,
        log_n,
        level_bits,
        word_bits: 49,
        special_primes: 5,
        special_bits: 49,
        digit_size: 5,
        log_scale: 40,
        secret: SecretDistribution::SparseTernary { weight: 192 },
        bootstrap: Some(BootstrapLiteral {
            slots_to_coeffs_levels: 3,
            coeffs_to_slots_levels: 3,
            eval_mod_levels: 8,
            ephemeral_weight: 32,
            overflow_bound: 16,
            cosine_degree: 30,
            double_angles: 3,
            message_ratio_bits: 11,
        }),
    }
}

/// The levels of the preset `n16-ci-boot` on a small ring, with six levels of 40 bits to compute.
pub fn real_literal(log_n: u32) -> ParamsLiteral {
    let mut level_bits = vec![49, 34, 34, 34];
    level_bits.extend([40; 6]);
    level_bits.extend([48, 48, 49, 49, 48, 49, 55, 49]);
    level_bits.extend([47, 48, 48]);
    let standard = literal(log_n);
    ParamsLiteral {
        name: "small real".into(),
        ring: RingKind::ConjugateInvariant,
        level_bits,
        word_bits: 55,
        special_primes: 6,
        bootstrap: standard.bootstrap.map(|b| BootstrapLiteral {
            overflow_bound: 22,
            cosine_degree: 58,
            double_angles: 2,
            ..b
        }),
        ..standard
    }
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
