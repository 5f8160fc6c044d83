//! Base conversion with an integer quotient; the formula is that of
//! [`ckks_math::backend::RingKernels::base_convert`].

use super::Prime;
use crate::simd::Vector;
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Basis;

/// Coefficients converted together: the digits of one piece stay in the first-level cache.
pub const CHUNK: usize = 512;

/// The constants of one conversion.
pub struct Conversion {
    sources: Vec<Source>,
    targets: Vec<Target>,
    /// Whether digits may be `2^50` or more.
    wide: bool,
    vector: Option<Vector>,
}

/// One source prime `d`.
pub struct Source {
    /// `(D/d)^-1 mod d`.
    pub inverse: Shoup,
    /// `z = y >> shift`, or `y << -shift`, has 30 bits.
    pub shift: i32,
    /// `floor(2^(30 + b) / d)`.
    pub ratio: u64,
}

/// How the limb of one target prime is made.
pub enum Target {
    /// The source has it at this position.
    Copy(usize),
    /// The sum of the digits and of the quotient times these weights: `D/d_i`, then `-D`. Where
    /// [`ColumnTransform::fold`](super::ColumnTransform::fold) has a factor, the same times that
    /// follow, for digits and quotient in mirrored order.
    Sum(Vec<u64>),
}

impl Conversion {
    pub fn new(from: Basis, sources: &[&Prime], to: Basis, targets: &[&Prime]) -> Self {
        debug_assert_eq!(from.limbs(), sources.len());
        debug_assert_eq!(to.limbs(), targets.len());
        let product_but = |m: Modulus, skip: Option<usize>| {
            let others = (sources.iter().enumerate()).filter(|(i, _)| Some(*i) != skip);
            others.fold(1, |acc, (_, p)| m.mul(acc, m.reduce(p.modulus().value())))
        };
        let source = |(i, prime): (usize, &&Prime)| {
            let m = prime.modulus();
            Source {
                inverse: m.shoup(m.inv(product_but(m, Some(i)))),
                shift: m.bits() as i32 - 30,
                ratio: ((1_u128 << (30 + m.bits())) / u128::from(m.value())) as u64,
            }
        };
        let target = |target: &&Prime| {
            let m = target.modulus();
            if let Some(shared) = sources.iter().position(|s| s.modulus() == m) {
                return Target::Copy(shared);
            }
            let mut weights: Vec<u64> = (0..sources.len())
                .map(|i| product_but(m, Some(i)))
                .collect();
            weights.push(m.neg(product_but(m, None)));
            if let Some(fold) = target.column_transform().and_then(|passes| passes.fold()) {
                weights.extend_from_within(..);
                for w in &mut weights[sources.len() + 1..] {
                    *w = m.mul(*w, fold);
                }
            }
            Target::Sum(weights)
        };
        Self {
            sources: sources.iter().enumerate().map(source).collect(),
            targets: targets.iter().map(target).collect(),
            wide: sources.iter().any(|p| p.wide()),
            vector: sources
                .first()
                .and_then(|p| p.vector())
                .map(|(vector, _)| *vector),
        }
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether digits may be `2^50` or more.
    pub const fn wide(&self) -> bool {
        self.wide
    }

    /// Writes the quotient `v` that belongs to the digits `y_i`, one slice a source prime.
    pub fn quotient(&self, digits: &[&[u64]], out: &mut [u64]) {
        if let Some(vector) = self.vector {
            return vector.quotient(&self.sources, digits, out);
        }
        out.fill(1 << 27);
        for (source, digits) in self.sources.iter().zip(digits) {
            for (sum, &y) in out.iter_mut().zip(*digits) {
                let z = if source.shift >= 0 {
                    y >> source.shift
                } else {
                    y << -source.shift
                };
                *sum += (z * source.ratio) >> 32;
            }
        }
        for sum in out {
            *sum >>= 28;
        }
    }
}
