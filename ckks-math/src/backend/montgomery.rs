//! Constants of kernels that keep residues in Montgomery form, computed on the host.
//!
//! With `B` the radix of the kernels' words, a residue `x` modulo `m` is **stored** as `x B mod m`
//! [Montgomery 1985]. How a backend lays the constants out on its device is its own affair; what
//! they are is the same for all of them.

use super::{Basis, RingKind, RingSpec};
use crate::arith::Modulus;

/// The radix `B = 2^bits` of the words of a device: 32 or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radix {
    bits: u32,
}

/// Constants of [`super::RingKernels::base_convert`], for each digit of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversionWords {
    /// `[sources][inverse, ratio, left, right]`, with `d` the prime of a source and `D` the product
    /// of its digit: `(D/d)^-1 mod d`, `floor(2^(30 + b) / d)`, and the shifts `z = (y << left) >>
    /// right`.
    pub sources: Vec<u64>,
    /// `[digits][targets][digit_size + 1]`: the `D/d B^2`, zeros where a last digit is shorter,
    /// then `-D B^2`. A product with a plain residue loses a factor `B` in its reduction; one more
    /// makes the stored form of the sum.
    pub weights: Vec<u64>,
}

impl Radix {
    /// Words of 32 bits, for primes below `2^31`.
    pub const SHORT: Self = Self { bits: 32 };
    /// Words of 64 bits.
    pub const LONG: Self = Self { bits: 64 };

    /// The stored form `x B mod m` of a residue.
    pub fn stored(self, m: Modulus, x: u64) -> u64 {
        m.mul(x, m.reduce_u128(1 << self.bits))
    }

    /// A constant `w` and `floor(w B / m)` [Shoup; Harvey 2014].
    pub fn constant(self, m: Modulus, w: u64) -> [u64; 2] {
        let quotient = (u128::from(w) << self.bits) / u128::from(m.value());
        [w, quotient as u64]
    }

    /// The constants of prime `index` of a ring: `q`, `q^-1 mod B`, `B^2`, `B^3`, then with their
    /// quotients what an inverse transform multiplies by (`1/N`, or `1/2N` where there is a fold)
    /// and the factor `psi^-N` of the fold of the conjugate-invariant ring.
    pub fn prime(self, ring: &RingSpec, index: usize) -> [u64; 8] {
        let (m, n) = (ring.prime(index), ring.degree() as u64);
        let (points, fold) = match ring.kind() {
            RingKind::Standard => (n, 0),
            RingKind::ConjugateInvariant => (2 * n, m.pow(m.inv(ring.root(index)), n)),
        };
        let q = m.value();
        // Newton's iteration for q^-1 mod 2^64: each step doubles the bits that are right, from 3.
        let mut inverse = q;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(q.wrapping_mul(inverse)));
        }
        if self == Self::SHORT {
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

    /// The twiddle factors of [Longa-Naehrig 2016] modulo prime `index` in the order of the
    /// butterflies, as `N` pairs of [`Radix::constant`]: level `k = 2^j` splits `X^(N/k) - s^2` of
    /// group `i` by `s = root^((c br(i) + 1) N / 2k)`, at position `k + i`, with `c` = 2 on the
    /// standard ring and 4 on the conjugate-invariant one. Entry 0 is unused. `inverse`: of the
    /// inverse root.
    pub fn twiddles(self, ring: &RingSpec, index: usize, inverse: bool) -> Vec<u64> {
        let (m, n) = (ring.prime(index), ring.degree());
        let root = match inverse {
            true => m.inv(ring.root(index)),
            false => ring.root(index),
        };
        let stride = match ring.kind() {
            RingKind::Standard => 2,
            RingKind::ConjugateInvariant => 4,
        };
        let step = m.shoup(root);
        let mut powers = vec![1; stride * n / 2];
        for i in 1..powers.len() {
            powers[i] = m.mul_shoup(powers[i - 1], step);
        }
        let mut out = Vec::with_capacity(2 * n);
        out.extend(self.constant(m, 1));
        for level in 0..n.trailing_zeros() {
            let groups = 1_usize << level;
            for i in 0..groups {
                let shift = usize::BITS - level;
                let reversed = i.reverse_bits().checked_shr(shift).unwrap_or(0);
                let power = powers[(stride * reversed + 1) * (n / 2 / groups)];
                out.extend(self.constant(m, power));
            }
        }
        out
    }

    /// The constants of the conversion of each digit of `digit_size` limbs of `from` to all of
    /// `to`.
    pub fn conversion(
        self,
        ring: &RingSpec,
        from: Basis,
        to: Basis,
        digit_size: usize,
    ) -> ConversionWords {
        let sources: Vec<_> = ring.moduli(from).collect();
        let targets: Vec<_> = ring.moduli(to).collect();
        let mut words = ConversionWords::default();
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
                let stored_twice = |w| self.stored(*m, self.stored(*m, w));
                let weights = (0..digit.len()).map(|i| stored_twice(product(*m, digit, Some(i))));
                words.weights.extend(weights);
                let missing = digit_size - digit.len();
                words.weights.extend(std::iter::repeat_n(0, missing));
                let whole = m.neg(product(*m, digit, None));
                words.weights.push(stored_twice(whole));
            }
        }
        words
    }
}

/// `D mod m` for the product `D` of some primes, with one left out if asked.
fn product(m: Modulus, primes: &[Modulus], skip: Option<usize>) -> u64 {
    let kept = primes.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
    kept.fold(1, |acc, (_, d)| m.mul(acc, m.reduce(d.value())))
}

/// `D^-1` modulo each prime of `kept`, with `D` the product of the primes of `dropped`.
pub fn inverse_of_product(ring: &RingSpec, dropped: Basis, kept: Basis) -> Vec<u64> {
    let divisors: Vec<_> = ring.moduli(dropped).collect();
    ring.moduli(kept)
        .map(|m| m.inv(product(m, &divisors, None)))
        .collect()
}
