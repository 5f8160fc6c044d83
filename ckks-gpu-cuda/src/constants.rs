//! Constants of base conversions and divisions, computed on the host and kept on the device.

use crate::tables::{Tables, Word};
use ckks_math::arith::Modulus;
use ckks_math::backend::Basis;

/// What `base_convert` reads: see `base_convert.cu`.
pub struct ConversionWords {
    /// `[sources][inverse, ratio, left, right]`.
    pub sources: Vec<u64>,
    /// `[digits][targets][digit_size + 1]`.
    pub weights: Vec<u64>,
}

/// `D mod m`, with one prime left out if asked.
fn product(m: Modulus, primes: &[Modulus], skip: Option<usize>) -> u64 {
    let kept = primes.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
    kept.fold(1, |acc, (_, d)| m.mul(acc, m.reduce(d.value())))
}

/// The constants of the conversion of each digit of `digit_size` limbs of `from` to all of `to`, by the
/// formula of [`ckks_math::backend::RingKernels::base_convert`].
pub fn conversion(t: &Tables, from: Basis, to: Basis, digit_size: usize) -> ConversionWords {
    let sources: Vec<_> = t.ring().moduli(from).collect();
    let targets: Vec<_> = t.ring().moduli(to).collect();
    let mut words = ConversionWords {
        sources: Vec::new(),
        weights: Vec::new(),
    };
    for digit in sources.chunks(digit_size.max(1)) {
        for (i, d) in digit.iter().enumerate() {
            let bits = d.bits();
            words.sources.extend([
                d.inv(product(*d, digit, Some(i))),
                ((1_u128 << (30 + bits)) / u128::from(d.value())) as u64,
                u64::from(30_u32.saturating_sub(bits)),
                u64::from(bits.saturating_sub(30)),
            ]);
        }
        for m in &targets {
            // A product with a plain residue loses a factor B in its reduction; one more makes the
            // stored form of the sum.
            let stored_twice = |w| t.word().stored(*m, t.word().stored(*m, w));
            let weights = (0..digit.len()).map(|i| stored_twice(product(*m, digit, Some(i))));
            words.weights.extend(weights);
            // The last digit may be shorter; the weight of the quotient keeps its place.
            words
                .weights
                .extend(std::iter::repeat_n(0, digit_size - digit.len()));
            words
                .weights
                .push(stored_twice(m.neg(product(*m, digit, None))));
        }
    }
    words
}

/// `D^-1` for each limb of `kept`, with `D` the product of `dropped`, as pairs of a constant and its
/// quotient.
pub fn division(t: &Tables, dropped: Basis, kept: Basis) -> Vec<u64> {
    let divisors: Vec<_> = t.ring().moduli(dropped).collect();
    t.ring()
        .moduli(kept)
        .flat_map(|m| t.word().constant(m, m.inv(product(m, &divisors, None))))
        .collect()
}

impl Word {
    /// Bits of `B`.
    const fn bits(self) -> u32 {
        match self {
            Self::Short { .. } => 32,
            Self::Long => 64,
        }
    }

    /// `x B mod m`: the stored form of a residue.
    pub fn stored(self, m: Modulus, x: u64) -> u64 {
        m.mul(x, m.reduce_u128(1 << self.bits()))
    }

    /// A constant `w` and `floor(w B / m)`.
    pub fn constant(self, m: Modulus, w: u64) -> [u64; 2] {
        let quotient = (u128::from(w) << self.bits()) / u128::from(m.value());
        [w, quotient as u64]
    }

    /// The constants of one prime, in the order of `Prime` in `arith.cuh`; `points` is what an inverse
    /// transform divides by and `fold` is `psi^-N` where there is a fold.
    pub fn prime(self, m: Modulus, points: u64, fold: u64) -> [u64; 8] {
        let q = m.value();
        // Newton's iteration for q^-1 mod 2^64: each step doubles the bits that are right, from 3.
        let mut inverse = q;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(q.wrapping_mul(inverse)));
        }
        if self.bits() == 32 {
            inverse &= u64::from(u32::MAX);
        }
        let square = self.stored(m, self.stored(m, 1));
        let [scale, scale_quotient] = self.constant(m, m.inv(m.reduce(points)));
        let [fold, fold_quotient] = self.constant(m, fold);
        let cube = self.stored(m, square);
        [
            q,
            inverse,
            square,
            cube,
            scale,
            scale_quotient,
            fold,
            fold_quotient,
        ]
    }
}
