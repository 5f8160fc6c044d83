//! A parameter set with a secret on the backend under test, with clear values at hand.

use super::noise::{Noise, TAIL};
use super::{Rng, Verdict, Violation};
use crate::backend::{Backend, RingKind};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::decrypt::Decryptor;
use crate::encoding::Complex64;
use crate::encrypt::Encryptor;
use crate::evaluator::Evaluator;
use crate::keys::{GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
use crate::params::{ParamsLiteral, SecretDistribution};
use crate::sampling::Seed;
use std::sync::Arc;

/// Slots of each ciphertext of a batch.
pub type Batch = Vec<Vec<Complex64>>;

/// A small insecure set of one ring and one size of words, with a secret.
pub struct Scheme<B: Backend> {
    /// The set on the backend.
    pub context: Context<B>,
    /// Its secret.
    pub secret: SecretKey,
    /// Deviations under that secret.
    pub noise: Noise,
    /// Ring and words, for messages.
    pub name: String,
    decryptor: Decryptor<B>,
}

/// Five levels of one prime of 45 to 50 bits, under a dense secret, and five levels of two primes
/// of 26 to 30 bits, under a sparse one: the latter alone where the backend admits no more.
fn literals(kind: RingKind, longest: u32) -> Vec<ParamsLiteral> {
    let set = |name: &str, level_bits: [u32; 5], word, secret| ParamsLiteral {
        name: name.into(),
        ring: kind,
        log_n: 5,
        log_scale: level_bits[4],
        level_bits: level_bits.to_vec(),
        word_bits: word,
        special_primes: 2,
        special_bits: word,
        digit_size: 2,
        secret,
        bootstrap: None,
    };
    let sparse = SecretDistribution::SparseTernary { weight: 16 };
    // A prime near 2^b may have b + 1 bits.
    let short = longest.saturating_sub(1).min(30);
    let pairs = [2 * short, 52, 52, 52, 52];
    let mut all = vec![set("groups of two short primes", pairs, short, sparse)];
    if longest > 50 {
        let single = [50, 45, 45, 45, 45];
        all.push(set(
            "single primes",
            single,
            50,
            SecretDistribution::Ternary,
        ));
    }
    all
}

impl<B: Backend> Scheme<B> {
    /// Runs a check on both rings with short and with long words.
    pub fn each(backend: &B, check: impl Fn(&Self) -> Verdict) -> Verdict {
        let limits = backend.limits();
        for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
            for literal in literals(kind, limits.max_modulus_bits) {
                let name = format!("{kind:?} ring, {}", literal.name);
                let scheme = Self::new(backend, literal, name)?;
                check(&scheme).map_err(|v| v.at(&scheme.name))?;
            }
        }
        Ok(())
    }

    fn new(backend: &B, literal: ParamsLiteral, name: String) -> Verdict<Self> {
        let params = literal.check_insecure_for_tests(backend.limits())?;
        let context = Context::new(params, backend.clone())?;
        let secret = SecretKey::from_seed(context.params(), Seed::from_bytes([5; 32]))?;
        Ok(Self {
            noise: Noise::new(&context, &secret),
            decryptor: Decryptor::new(&context, &secret)?,
            context,
            secret,
            name,
        })
    }

    /// The highest level.
    pub fn top(&self) -> usize {
        self.context.params().max_level()
    }

    /// Largest number of slots.
    pub fn slots(&self) -> usize {
        self.context.params().max_slots()
    }

    /// Whether slots are real.
    pub fn is_real(&self) -> bool {
        self.context.params().ring().kind() == RingKind::ConjugateInvariant
    }

    /// `count` vectors of slots of absolute value at most 1, complex where the ring admits them.
    pub fn messages(&self, count: usize, slots: usize, seed: u64) -> Batch {
        let mut rng = Rng::new(seed);
        let mut unit = || rng.signed(1 << 20) as f64 / f64::from(1 << 20);
        let mut slot = || match self.is_real() {
            true => Complex64::new(unit(), 0.0),
            false => Complex64::new(unit(), unit()) * 0.5_f64.sqrt(),
        };
        (0..count)
            .map(|_| (0..slots).map(|_| slot()).collect())
            .collect()
    }

    /// As [`Scheme::messages`], real on both rings.
    pub fn real_messages(&self, count: usize, slots: usize, seed: u64) -> Batch {
        let mut rng = Rng::new(seed);
        let mut unit = || rng.signed(1 << 20) as f64 / f64::from(1 << 20);
        let mut row = || (0..slots).map(|_| Complex64::new(unit(), 0.0)).collect();
        (0..count).map(|_| row()).collect()
    }

    /// Slots encoded at a level and scale.
    pub fn encode(&self, slots: &[Complex64], level: usize, scale: f64) -> Verdict<Plaintext<B>> {
        Ok(if self.is_real() {
            self.context.encode(&reals(slots), level, scale)?
        } else {
            self.context.encode_complex(slots, level, scale)?
        })
    }

    /// Slots of a plaintext.
    pub fn decode(&self, x: &Plaintext<B>) -> Verdict<Vec<Complex64>> {
        Ok(self.context.decode_complex(x)?)
    }

    /// A batch of fresh encryptions under the secret key, at the canonical scale of a level.
    pub fn encrypt(&self, batch: &Batch, level: usize) -> Verdict<Ciphertext<B>> {
        let seed = Seed::from_bytes([7; 32]).derive("batch", level as u64);
        let mut encryptor = Encryptor::with_secret_key(&self.context, &self.secret, seed)?;
        let scale = self.context.params().scale_at(level);
        let parts = batch
            .iter()
            .map(|slots| Ok(encryptor.encrypt(&self.encode(slots, level, scale)?)?))
            .collect::<Verdict<Vec<_>>>()?;
        Ok(self.evaluator(&[])?.join(&parts)?)
    }

    /// The plaintexts of a batch, at its level and scale.
    pub fn decrypt(&self, x: &Ciphertext<B>) -> Verdict<Vec<Plaintext<B>>> {
        Ok(self.decryptor.decrypt(x)?)
    }

    /// An evaluator with keys for the top level.
    pub fn evaluator(&self, purposes: &[KeyPurpose]) -> Verdict<Evaluator<B>> {
        let level = self.top();
        let generator = KeyGenerator::new(&self.context, &self.secret)?;
        let requests = purposes
            .iter()
            .map(|&purpose| KeyRequest { purpose, level });
        let keys = generator.evaluation_keys(requests)?;
        Ok(Evaluator::new(self.context.clone(), Arc::new(keys)))
    }

    /// The key of a rotation of a vector of `slots` slots.
    pub fn rotation(&self, steps: i64, slots: usize) -> KeyPurpose {
        let steps = steps.rem_euclid(slots as i64);
        KeyPurpose::Galois(GaloisElement::rotation(self.context.params().ring(), steps))
    }

    /// Fails unless a batch decrypts to the wanted slots, each within [`TAIL`] times a deviation
    /// given in units of the message, whatever its level and scale.
    pub fn expect(&self, what: &str, x: &Ciphertext<B>, wanted: &Batch, deviation: f64) -> Verdict {
        let plaintexts = self.decrypt(x)?;
        if plaintexts.len() != wanted.len() {
            let (found, wanted) = (plaintexts.len(), wanted.len());
            return Err(Violation::new(format!(
                "{what}: {found} results for {wanted}"
            )));
        }
        for (i, (p, wanted)) in plaintexts.iter().zip(wanted).enumerate() {
            let found = self.decode(p)?;
            if found.len() != wanted.len() {
                let (found, wanted) = (found.len(), wanted.len());
                return Err(Violation::new(format!(
                    "{what}: {found} slots for {wanted}"
                )));
            }
            let worst = distance(&found, wanted);
            let bound = TAIL * deviation;
            if worst > bound || worst.is_nan() {
                return Err(Violation::new(format!(
                    "{what}: ciphertext {i} is off by 2^{:.1}, more than 2^{:.1}",
                    worst.log2(),
                    bound.log2()
                )));
            }
        }
        Ok(())
    }
}

/// Real parts.
pub fn reals(slots: &[Complex64]) -> Vec<f64> {
    slots.iter().map(|v| v.re).collect()
}

/// Largest distance between slots.
pub fn distance(x: &[Complex64], y: &[Complex64]) -> f64 {
    let distances = x.iter().zip(y).map(|(&a, &b)| (a - b).norm());
    distances.fold(
        0.0,
        |worst, d| if d > worst || d.is_nan() { d } else { worst },
    )
}

/// A function of the slots of two batches.
pub fn zip(x: &Batch, y: &Batch, f: impl Fn(Complex64, Complex64) -> Complex64) -> Batch {
    let rows = x.iter().zip(y);
    rows.map(|(x, y)| x.iter().zip(y).map(|(&a, &b)| f(a, b)).collect())
        .collect()
}

/// A function of the slots of a batch.
pub fn map(x: &Batch, f: impl Fn(Complex64) -> Complex64) -> Batch {
    x.iter()
        .map(|x| x.iter().map(|&a| f(a)).collect())
        .collect()
}

/// Every vector of a batch rotated left.
pub fn rotated(x: &Batch, steps: i64) -> Batch {
    let turn = |v: &Vec<Complex64>| {
        let mut v = v.clone();
        let by = steps.rem_euclid(v.len() as i64) as usize;
        v.rotate_left(by);
        v
    };
    x.iter().map(turn).collect()
}
