//! The fingerprint of a parameter set.

use super::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use crate::backend::{RingKind, RingSpec};
use crate::sampling::Seed;
use std::fmt;

/// A collision-resistant fingerprint (BLAKE3, 256 bits) of everything that the meaning of keys and
/// ciphertexts depends on: two sets with the same one are the same but for their names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamsHash([u8; 32]);

impl ParamsHash {
    /// The fingerprint with these bytes, for headers that carry it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The seed of everything that follows from `seed` under these parameters.
    ///
    /// One seed under two sets gives independent secrets, uniform halves and errors: with equal
    /// ones, keys of two sets that share a prime but not `P` would differ by a multiple of the
    /// secret.
    pub(crate) fn bind(&self, seed: &Seed) -> Seed {
        seed.derive(&format!("parameters {self}"), 0)
    }
}

impl fmt::Display for ParamsHash {
    /// All 64 digits in base 16, or as many as the precision asks for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            &self
                .0
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    }
}

impl fmt::Debug for ParamsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParamsHash({self:.16})")
    }
}

impl ParamsLiteral {
    /// The fingerprint of the set with the primes of `ring`: of all but the name.
    pub(super) fn fingerprint(&self, ring: &RingSpec) -> ParamsHash {
        let mut hasher = blake3::Hasher::new_derive_key("ckks-math 0.1 parameters");
        let mut word = |x: u64| {
            hasher.update(&x.to_le_bytes());
        };
        // Named one by one, so that a new field cannot be forgotten here.
        let Self {
            name: _,
            ring: kind,
            log_n,
            level_bits,
            word_bits: _,
            special_primes: _,
            special_bits: _,
            digit_size,
            log_scale,
            secret,
            bootstrap,
        } = self;
        word(match kind {
            RingKind::Standard => 0,
            RingKind::ConjugateInvariant => 1,
        });
        word(u64::from(*log_n));
        word(*digit_size as u64);
        word(u64::from(*log_scale));
        // Groups and primes, which follow from the lengths of words: counts first, so that no two
        // sets run into one another.
        word(level_bits.len() as u64);
        for (&bits, (_, count)) in level_bits.iter().zip(self.groups()) {
            word(u64::from(bits));
            word(count as u64);
        }
        word(ring.p().len() as u64);
        for m in ring.q().iter().chain(ring.p()) {
            word(m.value());
        }
        match *secret {
            SecretDistribution::Ternary => word(0),
            SecretDistribution::SparseTernary { weight } => {
                word(1);
                word(weight as u64);
            }
        }
        word(u64::from(bootstrap.is_some()));
        if let Some(b) = bootstrap {
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
            for count in [
                slots_to_coeffs_levels,
                coeffs_to_slots_levels,
                eval_mod_levels,
                ephemeral_weight,
                overflow_bound,
                cosine_degree,
            ] {
                word(count as u64);
            }
            word(u64::from(double_angles));
            word(u64::from(message_ratio_bits));
        }
        ParamsHash(*hasher.finalize().as_bytes())
    }
}
