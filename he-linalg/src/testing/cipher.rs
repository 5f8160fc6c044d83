//! A small insecure ring on the CPU, for tests of operations on ciphertexts.

use std::sync::Arc;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::{Device, RingKind};
use ckks_math::keys::{
    EvaluationKeys, GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey,
};
use ckks_math::params::{ParamsLiteral, SecretDistribution};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Decryptor, Encryptor, Evaluator};

use super::noise;
use crate::layout::Layout;
use crate::packed::Packed;

/// Error admitted after a few operations on values around 1.
///
/// A fresh secret-key encryption at scale 2^40 and ring degree 2^10 has slot errors of about
/// sigma sqrt(N) 2^-40 = 2^-33; a rescaling adds sqrt(h N / 12) 2^-40 = 2^-32. Sums over up to 32
/// slots and products with weights up to 1 leave room to 2^-24; diagonals in single precision
/// add 2^-25 times their row sum.
pub const TOLERANCE: f64 = 1e-6;

/// A ring of degree 2^10 with `levels` levels of 40 bits.
pub fn literal(levels: usize) -> ParamsLiteral {
    // The base fills one digit of key switching, so that keys of the top serve every level
    // with the same special primes.
    let mut level_bits = vec![200];
    level_bits.extend(std::iter::repeat_n(40, levels));
    ParamsLiteral {
        name: "linear algebra tests".into(),
        ring: RingKind::Standard,
        log_n: 10,
        level_bits,
        word_bits: 49,
        special_primes: 5,
        special_bits: 49,
        digit_size: 5,
        log_scale: 40,
        secret: SecretDistribution::SparseTernary { weight: 192 },
        bootstrap: None,
    }
}

pub struct Fixture {
    pub ev: Evaluator<CpuBackend>,
    encryptor: Encryptor<CpuBackend>,
    decryptor: Decryptor<CpuBackend>,
    pub level: usize,
}

impl Fixture {
    /// A ring of degree 2^10 with `levels` levels of 40 bits, and keys for all rotations of
    /// vectors of up to `2^log_slots` slots.
    pub fn new(levels: usize, log_slots: u32) -> Fixture {
        let literal = literal(levels);
        let backend = CpuBackend::open(CpuOptions::default()).expect("a CPU");
        let params = literal
            .check_insecure_for_tests(backend.limits())
            .expect("valid");
        let context = Context::new(params, backend).expect("tables");
        let seed = |i| Seed::from_bytes([i; 32]);
        let secret = SecretKey::from_seed(context.params(), seed(1)).expect("secret");
        let generator = KeyGenerator::new(&context, &secret).expect("generator");
        let ring = context.params().ring();
        let rotations =
            (1..1i64 << log_slots).map(|k| KeyPurpose::Galois(GaloisElement::rotation(ring, k)));
        let purposes = rotations.chain([KeyPurpose::Relinearization]);
        let keys: EvaluationKeys<CpuBackend> = generator
            .evaluation_keys(purposes.map(|purpose| KeyRequest {
                purpose,
                level: levels,
            }))
            .expect("keys");
        Fixture {
            encryptor: Encryptor::with_secret_key(&context, &secret, seed(2)).expect("encryptor"),
            decryptor: Decryptor::new(&context, &secret).expect("decryptor"),
            ev: Evaluator::new(context, Arc::new(keys)),
            level: levels,
        }
    }

    /// Encrypts at the top level.
    pub fn encrypt(&mut self, layout: &Layout, values: &[f64]) -> Packed<CpuBackend> {
        Packed::encrypt(
            &self.ev,
            &mut self.encryptor,
            layout.clone(),
            values,
            self.level,
        )
        .expect("fits")
    }

    /// Noise in [-1, 1) and its encryption.
    pub fn random(&mut self, layout: &Layout, seed: u64) -> (Vec<f64>, Packed<CpuBackend>) {
        let values = noise(seed, layout.len());
        let x = self.encrypt(layout, &values);
        (values, x)
    }

    pub fn decrypt(&self, x: &Packed<CpuBackend>) -> Vec<f64> {
        x.decrypt(self.ev.context(), &self.decryptor)
            .expect("shape")
    }

    /// The same slots encrypted again at the top level.
    ///
    /// # Errors
    ///
    /// Never for tensors of this fixture's parameters.
    pub fn renew(&self, x: &Packed<CpuBackend>) -> crate::Result<Packed<CpuBackend>> {
        let zeros = Packed::zeros(&self.ev, x.layout().clone(), self.level)?;
        zeros.add_vectors(&self.ev, &self.slots(x))
    }

    pub fn slots(&self, x: &Packed<CpuBackend>) -> Vec<Vec<f64>> {
        x.decrypt_slots(self.ev.context(), &self.decryptor)
            .expect("shape")
    }

    /// Checks the entries, the level and that the scale is exactly canonical.
    pub fn check(&self, x: &Packed<CpuBackend>, level: usize, want: &[f64], tolerance: f64) {
        assert_eq!(x.level(), level);
        assert_eq!(x.scale(), self.ev.context().params().scale_at(level));
        let got = self.decrypt(x);
        assert_eq!(got.len(), want.len());
        let worst = got
            .iter()
            .zip(want)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(worst < tolerance, "off by {worst:e} in {}", x.layout());
    }

    /// As [`Fixture::check`] for every slot, padding and copies too.
    pub fn check_slots(&self, x: &Packed<CpuBackend>, want: &[Vec<f64>], tolerance: f64) {
        let got = self.slots(x);
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            let length = got.len().max(want.len());
            let pairs = got.iter().cycle().zip(want.iter().cycle()).take(length);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "off by {worst:e} in {}", x.layout());
        }
    }
}
