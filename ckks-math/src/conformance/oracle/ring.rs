//! Polynomials of both rings: evaluation, substitution, product.

use super::{HostBlock, add, inverse, mul, pow, sub};
use crate::backend::{RingKind, RingSpec};

/// The point whose evaluation stands at position `j` for the prime with index `prime`:
/// `psi^(2 br(j) + 1)`, or `psi^(4 br(j) + 1)` on the conjugate-invariant ring.
pub fn evaluation_point(ring: &RingSpec, prime: usize, j: usize) -> u64 {
    let mut reversed = 0;
    for bit in 0..ring.log_degree() {
        reversed = 2 * reversed + ((j >> bit) & 1) as u64;
    }
    let exponent = match ring.kind() {
        RingKind::Standard => 2 * reversed + 1,
        RingKind::ConjugateInvariant => 4 * reversed + 1,
    };
    pow(ring.root(prime), exponent, ring.prime(prime).value())
}

/// `x(point)` by Horner's rule; on the conjugate-invariant ring
/// `x_0 + sum_k x_k (point^k + point^-k)`.
pub fn evaluate(kind: RingKind, x: &[u64], point: u64, q: u64) -> u64 {
    let horner = |at: u64| x.iter().rev().fold(0, |sum, &c| add(mul(sum, at, q), c, q));
    match kind {
        RingKind::Standard => horner(point),
        RingKind::ConjugateInvariant => {
            let both = add(horner(point), horner(inverse(point, q)), q);
            sub(both, x[0], q)
        }
    }
}

/// All evaluations of all limbs, in evaluation order.
pub fn transform(ring: &RingSpec, x: &HostBlock) -> HostBlock {
    let shape = x.shape();
    HostBlock::build(ring, shape.rows, shape.basis, |row, prime, j| {
        let point = evaluation_point(ring, prime, j);
        let q = ring.prime(prime).value();
        evaluate(ring.kind(), x.limb(row, prime), point, q)
    })
}

/// Adds `c` times the basis element with exponent `m`, any integer from 0, to `out`.
///
/// Standard: `X^N = -1`. Conjugate-invariant: with `C_m = X^m + X^-m` and `X^2N = -1`,
/// `C_(4N-m) = C_m`, `C_(2N-m) = -C_m`, `C_N = 0`, and `C_0 = 2` where `out[0]` counts ones.
fn deposit(kind: RingKind, out: &mut [u64], m: usize, c: u64, q: u64) {
    let n = out.len();
    match kind {
        RingKind::Standard => {
            let m = m % (2 * n);
            out[m % n] = if m < n {
                add(out[m % n], c, q)
            } else {
                sub(out[m % n], c, q)
            };
        }
        RingKind::ConjugateInvariant => {
            let m = m % (4 * n);
            let m = m.min(4 * n - m);
            let (m, negative) = if m > n { (2 * n - m, true) } else { (m, false) };
            if m == n {
                return;
            }
            let c = if m == 0 { add(c, c, q) } else { c };
            out[m] = if negative {
                sub(out[m], c, q)
            } else {
                add(out[m], c, q)
            };
        }
    }
}

/// `x(X^galois)`.
pub fn substitute(kind: RingKind, x: &[u64], galois: u64, q: u64) -> Vec<u64> {
    let mut out = vec![0; x.len()];
    // The constant stays, whatever the basis counts it in.
    out[0] = x[0];
    for (k, &c) in x.iter().enumerate().skip(1) {
        deposit(kind, &mut out, k * galois as usize, c, q);
    }
    out
}

/// `x * y`, term by term.
pub fn multiply(kind: RingKind, x: &[u64], y: &[u64], q: u64) -> Vec<u64> {
    let mut out = vec![0; x.len()];
    for (i, &a) in x.iter().enumerate() {
        for (j, &b) in y.iter().enumerate() {
            let c = mul(a, b, q);
            match kind {
                RingKind::Standard => deposit(kind, &mut out, i + j, c, q),
                // 1 * 1, 1 * C_j, C_i * 1, and C_i C_j = C_(i+j) + C_(i-j).
                RingKind::ConjugateInvariant if i == 0 || j == 0 => {
                    out[i + j] = add(out[i + j], c, q);
                }
                RingKind::ConjugateInvariant => {
                    deposit(kind, &mut out, i + j, c, q);
                    deposit(kind, &mut out, i.abs_diff(j), c, q);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Rng;

    /// Product and substitution are those of evaluations: two definitions of the same ring agree.
    #[test]
    fn products_and_substitutions_agree_with_evaluations() {
        for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
            let ring = RingSpec::new(kind, 4, &[257, 12289], &[]).expect("a ring");
            let mut rng = Rng::new(5);
            for prime in 0..2 {
                let q = ring.prime(prime).value();
                let x: Vec<u64> = (0..16).map(|_| rng.residue(q)).collect();
                let y: Vec<u64> = (0..16).map(|_| rng.residue(q)).collect();
                let product = multiply(kind, &x, &y, q);
                let permuted = substitute(kind, &x, 5, q);
                for j in 0..16 {
                    let z = evaluation_point(&ring, prime, j);
                    let at = |f: &[u64], z| evaluate(kind, f, z, q);
                    assert_eq!(at(&product, z), mul(at(&x, z), at(&y, z), q));
                    assert_eq!(at(&permuted, z), at(&x, pow(z, 5, q)));
                }
            }
        }
    }
}
