//! Switching keys and their inner product with digits, by definition.

use super::{HostBlock, add, evaluation_point, inverse, mul, multiply, pow, signed, transform};
use crate::backend::{Basis, RingKind, RingSpec, SwitchKeyData};
use crate::conformance::Rng;

/// A switching key on the host.
#[derive(Clone, Debug)]
pub struct HostSwitchKey {
    /// The primes of the key.
    pub basis: Basis,
    /// Moduli in a digit.
    pub digit_size: usize,
    /// `b_d` in row `d`, evaluations.
    pub b: HostBlock,
    /// `a_d` in row `d`, evaluations.
    pub a: HostBlock,
}

impl HostSwitchKey {
    /// Random residues in the shape of a key: enough for laws about bits.
    pub fn random(ring: &RingSpec, rng: &mut Rng, basis: Basis, digit_size: usize) -> Self {
        let digits = basis.q_len().div_ceil(digit_size);
        let mut half = || {
            HostBlock::build(ring, digits, basis, |_, prime, _| {
                rng.residue(ring.prime(prime).value())
            })
        };
        Self {
            basis,
            digit_size,
            b: half(),
            a: half(),
        }
    }

    /// A key from the secret `from` to the secret `to`, small coefficients both:
    /// `b_d = -a_d to + e + P g_d from` with `a_d` uniform and `|e| <= noise`.
    pub fn generate(
        ring: &RingSpec,
        rng: &mut Rng,
        basis: Basis,
        digit_size: usize,
        (from, to): (&[i64], &[i64]),
        noise: u32,
    ) -> Self {
        let digits = basis.q_len().div_ceil(digit_size);
        let a = HostBlock::build(ring, digits, basis, |_, prime, _| {
            rng.uniform(ring.prime(prime).value())
        });
        let errors: Vec<Vec<i64>> = (0..digits)
            .map(|_| (0..ring.degree()).map(|_| rng.signed(noise)).collect())
            .collect();
        let special: Vec<u64> = ring.p()[..usize::from(basis.special)]
            .iter()
            .map(|m| m.value())
            .collect();
        let b = HostBlock::build_limbs(ring, digits, basis, |digit, prime| {
            let q = ring.prime(prime).value();
            let residues = |x: &[i64]| x.iter().map(|&c| signed(c, q)).collect::<Vec<_>>();
            let product = multiply(ring.kind(), a.limb(digit, prime), &residues(to), q);
            // P g_d: P modulo the primes of the digit, 0 modulo the others (P is 0 modulo itself).
            let in_digit = prime < ring.q().len() && prime / digit_size == digit;
            let gadget = if in_digit {
                special.iter().fold(1, |g, &p| mul(g, p % q, q))
            } else {
                0
            };
            let error = residues(&errors[digit]);
            let source = residues(from);
            (0..ring.degree())
                .map(|j| {
                    let sum = add(error[j], mul(gadget, source[j], q), q);
                    super::sub(sum, product[j], q)
                })
                .collect()
        });
        Self {
            basis,
            digit_size,
            b: transform(ring, &b),
            a: transform(ring, &a),
        }
    }

    /// The view that a backend loads.
    pub fn data(&self) -> SwitchKeyData<'_> {
        SwitchKeyData {
            basis: self.basis,
            digit_size: self.digit_size,
            b: self.b.residues(),
            a: self.a.residues(),
        }
    }
}

/// `(sum_d x_d b_d, sum_d x_d a_d)` for digits in rows `d * R + r`.
pub fn dot_key(ring: &RingSpec, digits: &HostBlock, key: &HostSwitchKey) -> HostBlock {
    let shape = digits.shape();
    let count = shape.basis.q_len().div_ceil(key.digit_size);
    let rows = shape.rows / count;
    HostBlock::build(ring, 2 * rows, shape.basis, |row, prime, j| {
        let q = ring.prime(prime).value();
        let half = if row < rows { &key.b } else { &key.a };
        (0..count).fold(0, |sum, d| {
            let digit = digits.limb(d * rows + row % rows, prime)[j];
            add(sum, mul(digit, half.limb(d, prime)[j], q), q)
        })
    })
}

/// The evaluations of `x(X^galois)` from those of `x`: the value at `z` is the one `x` has at
/// `z^galois`, or at `z^-galois` where the conjugate-invariant ring keeps that point of the pair.
pub fn permute_evaluations(ring: &RingSpec, x: &HostBlock, galois: u64) -> HostBlock {
    let shape = x.shape();
    HostBlock::build_limbs(ring, shape.rows, shape.basis, |row, prime| {
        let q = ring.prime(prime).value();
        let points: Vec<u64> = (0..ring.degree())
            .map(|j| evaluation_point(ring, prime, j))
            .collect();
        let limb = x.limb(row, prime);
        points
            .iter()
            .map(|&z| {
                let wanted = pow(z, galois, q);
                let paired = match ring.kind() {
                    RingKind::Standard => wanted,
                    RingKind::ConjugateInvariant => inverse(wanted, q),
                };
                let at = points.iter().position(|&p| p == wanted || p == paired);
                limb[at.expect("a Galois element permutes the roots")]
            })
            .collect()
    })
}
