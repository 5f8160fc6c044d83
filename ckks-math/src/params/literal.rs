//! The public description of a parameter set.

use super::{Params, SecretDistribution};
use crate::backend::{Limits, RingKind};
use crate::error::{Error, Result};
use crate::polynomial::modular::{MAX_DOUBLE_ANGLES, MAX_RANGE};
use crate::polynomial::remez::MAX_MINIMAX_DEGREE;
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

/// Most levels of a set.
pub(crate) const MAX_LEVELS: usize = 256;

/// Most primes of a digit, and most special primes.
pub(crate) const MAX_DIGIT: usize = 256;

/// Bits of a level.
pub(crate) const LEVEL_BITS: std::ops::RangeInclusive<u32> = 20..=240;

/// Most bits of the message ratio.
const MAX_RATIO_BITS: usize = 64;

impl ParamsLiteral {
    /// Finds the primes and checks the set against the security tables and the backend's limits.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] when fields contradict each other or are out of range,
    /// [`Error::NoPrimes`] where the ring has too few primes of a size, [`Error::BackendLimits`]
    /// for primes or a degree that the backend does not admit, [`Error::Insecure`] below 128 bits.
    pub fn check(self, limits: Limits) -> Result<Params> {
        Params::build(self, limits, true)
    }

    /// As [`ParamsLiteral::check`] without the security bound: **for tests only**.
    ///
    /// The resulting set reports no security ([`Params::security_bits`] is `None`).
    ///
    /// # Errors
    /// As [`ParamsLiteral::check`] but for [`Error::Insecure`].
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

    /// Whether the fields make a set. Total: bounds come first, so that nothing overflows or runs
    /// long, whoever wrote the literal.
    pub(super) fn check_fields(&self) -> Result<()> {
        let bad =
            |reason: String| Err(Error::InvalidParameters(format!("{}: {reason}", self.name)));
        if !(4..=17).contains(&self.log_n) {
            return bad(format!("log N = {} is not in 4..=17", self.log_n));
        }
        if self.level_bits.is_empty() {
            return bad("there is no level".into());
        }
        if self.level_bits.len() > MAX_LEVELS {
            let levels = self.level_bits.len();
            return bad(format!(
                "{levels} levels: at most {MAX_LEVELS} are admitted"
            ));
        }
        if let Some(&bits) = self.level_bits.iter().find(|b| !LEVEL_BITS.contains(b)) {
            let (least, most) = (LEVEL_BITS.start(), LEVEL_BITS.end());
            return bad(format!(
                "a level of {bits} bits: {least} to {most} are admitted"
            ));
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
        if self.digit_size > MAX_DIGIT || self.special_primes > MAX_DIGIT {
            return bad(format!(
                "digits of {} primes and {} special primes: at most {MAX_DIGIT} are admitted",
                self.digit_size, self.special_primes
            ));
        }
        self.check_digits()?;
        if self.log_scale < 20 || self.log_scale > 110 {
            return bad(format!("scale 2^{} is not in 2^20..2^110", self.log_scale));
        }
        if let SecretDistribution::SparseTernary { weight } = self.secret
            && (weight == 0 || weight > 1 << self.log_n)
        {
            return bad(format!("secret weight {weight} is not in 1..=N"));
        }
        match &self.bootstrap {
            Some(bootstrap) => self.check_bootstrap(bootstrap),
            None => Ok(()),
        }
    }

    /// A digit's product must not exceed that of the special primes, or key switching noise grows
    /// by the difference.
    fn check_digits(&self) -> Result<()> {
        let primes: Vec<u32> = self
            .groups()
            .iter()
            .flat_map(|&(bits, count)| std::iter::repeat_n(bits, count))
            .collect();
        let special = self.special_primes as u32 * self.special_bits;
        for digit in primes.chunks(self.digit_size) {
            let bits: u32 = digit.iter().sum();
            if bits > special + 1 {
                return Err(Error::InvalidParameters(format!(
                    "{}: a digit of primes of {digit:?} bits, {bits} in all, exceeds {} special primes of \
                     {} bits",
                    self.name, self.special_primes, self.special_bits
                )));
            }
        }
        Ok(())
    }

    /// The part of the set that bootstraps.
    fn check_bootstrap(&self, b: &BootstrapLiteral) -> Result<()> {
        let bad =
            |reason: String| Err(Error::InvalidParameters(format!("{}: {reason}", self.name)));
        let most = 1 << self.log_n;
        for (what, found, most) in [
            ("SlotsToCoeffs levels", b.slots_to_coeffs_levels, MAX_LEVELS),
            ("CoeffsToSlots levels", b.coeffs_to_slots_levels, MAX_LEVELS),
            ("EvalMod levels", b.eval_mod_levels, MAX_LEVELS),
            ("ephemeral weight", b.ephemeral_weight, most),
            ("overflow bound", b.overflow_bound, MAX_RANGE as usize),
            ("cosine degree", b.cosine_degree, MAX_MINIMAX_DEGREE),
            (
                "double angles",
                b.double_angles as usize,
                MAX_DOUBLE_ANGLES as usize,
            ),
            (
                "message ratio bits",
                b.message_ratio_bits as usize,
                MAX_RATIO_BITS,
            ),
        ] {
            if found > most {
                return bad(format!("{what}: {found}, at most {most} are admitted"));
            }
        }
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
        Ok(())
    }
}
