//! Parameters: a literal, checked once into an immutable value.

#[cfg(test)]
mod document_tests;
mod literal;
mod presets;
mod security;
#[cfg(test)]
mod tests;

pub use literal::{BootstrapLiteral, ParamsLiteral};
pub use presets::{preset, preset_names};
pub use security::{SECURITY_LIMITS, SecretDistribution, SecurityLimit, security_limit};

use crate::arith::ntt_primes_excluding;
use crate::backend::{Basis, Limits, RingKind, RingSpec};
use crate::error::{Error, Result};
use std::sync::Arc;

/// A checked, immutable parameter set; cheap to clone.
///
/// A **level** is a group of primes whose product is near a wanted modulus: level `l` keeps the
/// groups `0..=l`, and rescaling from level `l` divides by the product of group `l`.
#[derive(Clone, Debug)]
pub struct Params(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    literal: ParamsLiteral,
    ring: RingSpec,
    /// `ends[l]` = number of primes of levels `0..=l`.
    ends: Vec<usize>,
    /// Canonical scale of each level, see [`Params::scale_at`].
    scales: Vec<f64>,
    log_qp: f64,
    security_bits: Option<u32>,
    hash: u64,
}

impl Params {
    /// Finds the primes and checks security, ring and limits; called by [`ParamsLiteral::check`].
    pub(super) fn build(literal: ParamsLiteral, limits: Limits, secure: bool) -> Result<Self> {
        literal.check_fields()?;
        let degree = 1_u64 << literal.log_n;
        let order = match literal.ring {
            RingKind::Standard => 2 * degree,
            RingKind::ConjugateInvariant => 4 * degree,
        };
        let mut taken: Vec<u64> = Vec::new();
        let mut find = |bits: u32, count: usize| -> Result<Vec<u64>> {
            let primes = ntt_primes_excluding(bits, order, count, &taken)?;
            taken.extend(&primes);
            Ok(primes)
        };
        let p = find(literal.special_bits, literal.special_primes)?;
        let mut q = Vec::new();
        let mut ends = Vec::new();
        let groups: Vec<(u32, usize)> = literal.groups();
        // Primes of one size are searched for together, so that those of a level pair up around
        // the wanted size instead of drifting away from it.
        let mut by_size = std::collections::BTreeMap::<u32, Vec<u64>>::new();
        for &(bits, count) in &groups {
            by_size
                .entry(bits)
                .or_default()
                .extend(std::iter::repeat_n(0, count));
        }
        for (&bits, primes) in &mut by_size {
            *primes = find(bits, primes.len())?;
        }
        for &(bits, count) in groups.iter().rev() {
            let pool = by_size.get_mut(&bits).expect("every size was searched for");
            let group: Vec<u64> = pool.drain(..count).collect();
            q.extend(group.into_iter().rev());
        }
        q.reverse();
        for &(_, count) in &groups {
            ends.push(ends.last().copied().unwrap_or(0) + count);
        }
        let ring = RingSpec::new(literal.ring, literal.log_n, &q, &p)?;
        let widest = q.iter().chain(&p).copied().max().unwrap_or(0);
        let widest_bits = 64 - widest.leading_zeros();
        if widest_bits > limits.max_modulus_bits || ring.degree() > limits.max_degree {
            return Err(Error::InvalidParameters(format!(
                "{}: {widest_bits}-bit primes at N = 2^{}, but the backend admits {} bits and N up to {}: \
                 choose a preset with shorter primes",
                literal.name, literal.log_n, limits.max_modulus_bits, limits.max_degree
            )));
        }
        let log = |v: &[u64]| v.iter().map(|&x| (x as f64).log2()).sum::<f64>();
        let log_qp = log(&q) + log(&p);
        let security_bits = security::check(&literal, log_qp, &ring, ends[0], secure)?;
        let scales = canonical_scales(&literal, &ring, &ends);
        let hash = literal.hash(&ring);
        Ok(Self(Arc::new(Inner {
            literal,
            ring,
            ends,
            scales,
            log_qp,
            security_bits,
            hash,
        })))
    }

    /// The name of the set.
    pub fn name(&self) -> &str {
        &self.0.literal.name
    }

    /// The literal it was made from.
    pub fn literal(&self) -> &ParamsLiteral {
        &self.0.literal
    }

    /// The ring with its primes.
    pub fn ring(&self) -> &RingSpec {
        &self.0.ring
    }

    /// The ring degree `N`.
    pub fn degree(&self) -> usize {
        self.0.ring.degree()
    }

    /// The highest level.
    pub fn max_level(&self) -> usize {
        self.0.ends.len() - 1
    }

    /// Number of primes at level `level`.
    pub fn primes_at(&self, level: usize) -> usize {
        self.0.ends[level]
    }

    /// Number of primes of the group that rescaling from `level` drops.
    pub fn group_len(&self, level: usize) -> usize {
        self.0.ends[level]
            - if level == 0 {
                0
            } else {
                self.0.ends[level - 1]
            }
    }

    /// The modulus that rescaling from `level` divides by.
    pub fn group_modulus(&self, level: usize) -> f64 {
        let start = if level == 0 {
            0
        } else {
            self.0.ends[level - 1]
        };
        self.0.ring.q()[start..self.0.ends[level]]
            .iter()
            .map(|m| m.value() as f64)
            .product()
    }

    /// log2 of the modulus at `level`.
    pub fn log_q_at(&self, level: usize) -> f64 {
        self.0.ring.q()[..self.0.ends[level]]
            .iter()
            .map(|m| (m.value() as f64).log2())
            .sum()
    }

    /// The basis of ciphertexts at `level`.
    pub fn basis_at(&self, level: usize) -> Basis {
        Basis::q(self.0.ends[level])
    }

    /// Moduli in a digit of key switching.
    pub fn digit_size(&self) -> usize {
        self.0.literal.digit_size
    }

    /// The canonical scale of `level`: the product of two ciphertexts at canonical scale,
    /// rescaled, is at the canonical scale of the level below [Kim-Papadimitriou-Polyakov 2022].
    pub fn scale_at(&self, level: usize) -> f64 {
        self.0.scales[level]
    }

    /// The least level that a product may leave: levels below are narrower than the scale by more
    /// than 8 bits and serve SlotsToCoeffs alone.
    ///
    /// A level narrower by `d` bits lowers the canonical scale by up to `d`, towards its own width:
    /// noise of key switching, `2^10` to `2^13` in a slot, would come near the message.
    pub fn least_product_level(&self) -> usize {
        least_product_level(&self.0.literal)
    }

    /// The secret's distribution.
    pub fn secret(&self) -> SecretDistribution {
        self.0.literal.secret
    }

    /// Standard deviation of fresh errors.
    pub fn sigma(&self) -> f64 {
        crate::sampling::gaussian::SIGMA
    }

    /// Bits of the largest modulus a key is published under.
    pub fn log_qp(&self) -> f64 {
        self.0.log_qp
    }

    /// 128 when the set passed the security tables; `None` for insecure test sets.
    pub fn security_bits(&self) -> Option<u32> {
        self.0.security_bits
    }

    /// Largest number of slots: `N/2` complex ones, or `N` real ones.
    pub fn max_slots(&self) -> usize {
        self.0.ring.max_slots()
    }

    /// A fingerprint of everything that the meaning of keys and ciphertexts depends on: ring,
    /// primes and their grouping, digits, scale, secret, bootstrapping; not of the name.
    pub fn hash(&self) -> u64 {
        self.0.hash
    }
}

/// Number of special primes of a key over the first `primes` moduli: as many as its widest digit of
/// `digit_size` moduli needs for the switching noise to vanish in the rounding by `P`.
pub(crate) fn special_primes_for(ring: &RingSpec, digit_size: usize, primes: usize) -> usize {
    let log = |m: &crate::arith::Modulus| (m.value() as f64).log2();
    let widest = ring.q()[..primes]
        .chunks(digit_size)
        .map(|digit| digit.iter().map(log).sum())
        .fold(0.0, f64::max);
    let mut bits = 0.0;
    let mut special = 0;
    while special < ring.p().len() && (special == 0 || bits + 0.5 < widest) {
        bits += log(&ring.p()[special]);
        special += 1;
    }
    special
}

/// Bits by which a level may be narrower than the scale and still take products.
const MOST_NARROWER: u32 = 8;

/// See [`Params::least_product_level`].
fn least_product_level(literal: &ParamsLiteral) -> usize {
    let narrow = |&bits: &u32| bits + MOST_NARROWER < literal.log_scale;
    literal.level_bits.iter().rposition(narrow).unwrap_or(0)
}

/// Scales with `scale[l-1] = scale[l]^2 / modulus[l]` on the levels of circuits, those no wider
/// than the wanted scale; wider ones are EvalMod's, which follows its own.
///
/// The recursion backwards from the bottom, `scale[l] = sqrt(scale[l-1] * modulus[l])`, is
/// contracting. It includes levels of SlotsToCoeffs that take products, since a circuit that
/// refreshes with fewer of them computes on the others: at a fixed scale a polynomial would ask of
/// its inner products, at each narrow level, `log_scale - level_bits` bits less than of the outer
/// ones, down to nothing.
fn canonical_scales(literal: &ParamsLiteral, ring: &RingSpec, ends: &[usize]) -> Vec<f64> {
    let modulus = |l: usize| -> f64 {
        let start = if l == 0 { 0 } else { ends[l - 1] };
        ring.q()[start..ends[l]]
            .iter()
            .map(|m| m.value() as f64)
            .product()
    };
    let wanted = f64::from(literal.log_scale).exp2();
    let least = least_product_level(literal);
    let mut scales = vec![wanted; ends.len()];
    for l in 1..ends.len() {
        let size = literal.level_bits[l];
        scales[l] = if l > least && size <= literal.log_scale {
            (scales[l - 1] * modulus(l)).sqrt()
        } else {
            wanted
        };
    }
    scales
}
