//! The public description of a parameter set.

use super::{Params, SecretDistribution};
use crate::backend::{Limits, RingKind, RingSpec};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a set bootstraps (see [`crate::bootstrap`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapLiteral {
    /// Levels reserved right above the base for SlotsToCoeffs.
    pub slots_to_coeffs_levels: usize,
    /// Top levels for CoeffsToSlots.
    pub coeffs_to_slots_levels: usize,
    /// Levels below those for EvalMod.
    pub eval_mod_levels: usize,
    /// Weight of the ephemeral secret [Bossuat-Troncoso-Hubaux 2022].
    pub ephemeral_weight: usize,
    /// Bound `K` on the overflow count of ModRaise.
    pub overflow_bound: usize,
    /// Degree of the Chebyshev polynomial of the scaled cosine.
    pub cosine_degree: usize,
    /// Number of double-angle steps.
    pub double_angles: u32,
    /// log2 of `q0` over the scale at the bottom: messages stay below `q0 / 2^message_ratio_bits`.
    pub message_ratio_bits: u32,
}

/// A parameter set as its author writes it; [`ParamsLiteral::check`] makes it usable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParamsLiteral {
    /// Name shown to users.
    pub name: String,
    /// Standard or conjugate-invariant ring.
    pub ring: RingKind,
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Bits of each level's modulus, from the base (level 0) to the top.
    pub level_bits: Vec<u32>,
    /// Longest prime: a level of more bits becomes a group of equal primes.
    pub word_bits: u32,
    /// Number of special primes.
    pub special_primes: usize,
    /// Bits of each special prime.
    pub special_bits: u32,
    /// Moduli in a digit of key switching.
    pub digit_size: usize,
    /// log2 of the canonical scale.
    pub log_scale: u32,
    /// Distribution of the secret.
    pub secret: SecretDistribution,
    /// Bootstrapping, if the set is made for it.
    pub bootstrap: Option<BootstrapLiteral>,
}

impl ParamsLiteral {
    /// Finds the primes and checks the set against the security tables and the backend's limits.
    ///
    /// Fails with [`Error::Insecure`] below 128 bits and [`Error::InvalidParameters`] when fields
    /// contradict each other.
    pub fn check(self, limits: Limits) -> Result<Params> {
        Params::build(self, limits, true)
    }

    /// As [`ParamsLiteral::check`] without the security bound: **for tests only**.
    ///
    /// The resulting set reports no security ([`Params::security_bits`] is `None`).
    pub fn check_insecure_for_tests(mut self, limits: Limits) -> Result<Params> {
        if !self.name.starts_with("insecure-") {
            self.name = format!("insecure-{}", self.name);
        }
        Params::build(self, limits, false)
    }

    /// Bits and number of primes of each level's group.
    pub(super) fn groups(&self) -> Vec<(u32, usize)> {
        self.level_bits
            .iter()
            .map(|&bits| {
                let count = bits.div_ceil(self.word_bits);
                (
                    (f64::from(bits) / f64::from(count)).round() as u32,
                    count as usize,
                )
            })
            .collect()
    }

    pub(super) fn check_fields(&self) -> Result<()> {
        let bad =
            |reason: String| Err(Error::InvalidParameters(format!("{}: {reason}", self.name)));
        if !(4..=17).contains(&self.log_n) {
            return bad(format!("log N = {} is not in 4..=17", self.log_n));
        }
        if self.level_bits.is_empty() {
            return bad("there is no level".into());
        }
        if !(20..=60).contains(&self.word_bits) || !(20..=60).contains(&self.special_bits) {
            return bad(format!(
                "words of {} and {} bits: 20 to 60 are admitted",
                self.word_bits, self.special_bits
            ));
        }
        if self.digit_size == 0 || self.special_primes == 0 {
            return bad(
                "key switching needs at least one special prime and one prime a digit".into(),
            );
        }
        // The digit's product must not exceed that of the special primes, or key switching noise
        // grows by the difference.
        let primes: Vec<u32> = self
            .groups()
            .iter()
            .flat_map(|&(bits, count)| std::iter::repeat_n(bits, count))
            .collect();
        let special = self.special_primes as u32 * self.special_bits;
        for digit in primes.chunks(self.digit_size) {
            let bits: u32 = digit.iter().sum();
            if bits > special + 1 {
                return bad(format!(
                    "a digit of primes of {digit:?} bits, {bits} in all, exceeds {} special primes of {} bits",
                    self.special_primes, self.special_bits
                ));
            }
        }
        if self.log_scale < 20 || self.log_scale > 110 {
            return bad(format!("scale 2^{} is not in 2^20..2^110", self.log_scale));
        }
        if let SecretDistribution::SparseTernary { weight } = self.secret
            && (weight == 0 || weight > 1 << self.log_n)
        {
            return bad(format!("secret weight {weight} is not in 1..=N"));
        }
        if let Some(b) = &self.bootstrap {
            let need = b.slots_to_coeffs_levels + b.coeffs_to_slots_levels + b.eval_mod_levels;
            if need >= self.level_bits.len() {
                return bad(format!(
                    "bootstrapping takes {need} of {} levels and leaves none",
                    self.level_bits.len() - 1
                ));
            }
            let depth = (b.cosine_degree + 1).next_power_of_two().trailing_zeros() as usize
                + b.double_angles as usize;
            if depth > b.eval_mod_levels {
                return bad(format!(
                    "EvalMod of degree {} with {} double angles takes {depth} levels, {} are given",
                    b.cosine_degree, b.double_angles, b.eval_mod_levels
                ));
            }
        }
        Ok(())
    }

    /// FNV-1a over everything that the meaning of a key or ciphertext depends on: all but the name.
    pub(super) fn hash(&self, ring: &RingSpec) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut word = |x: u64| {
            for byte in x.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        word(match self.ring {
            RingKind::Standard => 0,
            RingKind::ConjugateInvariant => 1,
        });
        word(ring.degree() as u64);
        word(self.digit_size as u64);
        word(u64::from(self.log_scale));
        // Groups and primes: lengths first, so that no two sets run into one another.
        word(self.level_bits.len() as u64);
        for (&bits, (_, count)) in self.level_bits.iter().zip(self.groups()) {
            word(u64::from(bits));
            word(count as u64);
        }
        word(ring.p().len() as u64);
        for m in ring.q().iter().chain(ring.p()) {
            word(m.value());
        }
        word(match self.secret {
            SecretDistribution::Ternary => 0,
            SecretDistribution::SparseTernary { weight } => weight as u64,
        });
        word(u64::from(self.bootstrap.is_some()));
        if let Some(b) = &self.bootstrap {
            // Named one by one, so that a new field cannot be forgotten here.
            let BootstrapLiteral {
                slots_to_coeffs_levels,
                coeffs_to_slots_levels,
                eval_mod_levels,
                ephemeral_weight,
                overflow_bound,
                cosine_degree,
                double_angles,
                message_ratio_bits,
            } = *b;
            word(slots_to_coeffs_levels as u64);
            word(coeffs_to_slots_levels as u64);
            word(eval_mod_levels as u64);
            word(ephemeral_weight as u64);
            word(overflow_bound as u64);
            word(cosine_degree as u64);
            word(u64::from(double_angles));
            word(u64::from(message_ratio_bits));
        }
        hash
    }
}
