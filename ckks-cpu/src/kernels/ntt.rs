//! The negacyclic number-theoretic transform: twiddle factors of both rings, reference kernel.
//!
//! Both rings use the butterflies of [Longa-Naehrig 2016]: level `m` splits `X^(N/m) - s^2` of
//! group `i` into `X^(N/2m) - s` and `X^(N/2m) + s`, `s = twiddle[m + i]`. With `psi` the root of
//! the evaluation points and `br` the reversal of `log2 m` bits,
//!
//! * standard ring, modulo `X^N + 1 = X^N - psi^N`: `s = psi^((2 br(i) + 1) N / 2m)`, and
//!   position `j` ends at the root `psi^(2 br(j) + 1)`;
//! * conjugate-invariant ring: with `z = psi^(4j + 1)`, `z^-k = psi^-N z^(N - k)` since
//!   `z^N = psi^N`. So `a_0 + sum a_k (z^k + z^-k)` is the value at `z` of `b_k = a_k + psi^-N
//!   a_(N-k)`, `b_0 = a_0`, modulo `X^N - psi^N`: `s = psi^((4 br(i) + 1) N / 2m)`, and position
//!   `j` ends at the root `psi^(4 br(j) + 1)`. The fold is undone by
//!   `a_k = (b_k - psi^-N b_(N-k)) / 2`, because `psi^(-2N) = -1`.

use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::{RingKind, RingSpec};

/// Twiddle factors of a ring modulo one prime, in the order of the butterflies.
pub struct Twiddles {
    /// `twiddle[m + i]` for level `m` and group `i`; entry 0 is unused.
    pub forward: Vec<u64>,
    /// Their inverses.
    pub inverse: Vec<u64>,
    /// `psi^-N` of the conjugate-invariant ring.
    pub fold: Option<u64>,
    /// What the inverse butterflies (and the fold) leave to multiply by: `1/N`, or `1/2N` where
    /// there is a fold.
    pub scale: u64,
}

/// The twiddle factors of a ring modulo its prime `index`, or of its subring of polynomials in
/// `X^(N / n)`, which is the ring of degree `n` with the root `psi^(N / n)`.
pub fn twiddles(ring: &RingSpec, index: usize, n: usize) -> Twiddles {
    let m = ring.prime(index);
    let psi = m.pow(ring.root(index), (ring.degree() / n) as u64);
    let stride = match ring.kind() {
        RingKind::Standard => 2,
        RingKind::ConjugateInvariant => 4,
    };
    let table = |root: u64| {
        let step = m.shoup(root);
        let mut powers = Vec::with_capacity(stride * n / 2);
        let mut power = 1;
        for _ in 0..stride * n / 2 {
            powers.push(power);
            power = m.mul_shoup(power, step);
        }
        let mut table = vec![1; n];
        for level in 0..n.trailing_zeros() {
            let groups = 1_usize << level;
            for i in 0..groups {
                let reversed = i
                    .reverse_bits()
                    .checked_shr(usize::BITS - level)
                    .unwrap_or(0);
                table[groups + i] = powers[(stride * reversed + 1) * (n / 2 / groups)];
            }
        }
        table
    };
    let inverse_root = m.inv(psi);
    let (fold, points) = match ring.kind() {
        RingKind::Standard => (None, n as u64),
        RingKind::ConjugateInvariant => (Some(m.pow(inverse_root, n as u64)), 2 * n as u64),
    };
    Twiddles {
        forward: table(psi),
        inverse: table(inverse_root),
        fold,
        scale: m.inv(m.reduce(points)),
    }
}

/// The transform in plain Rust.
pub struct ReferenceNtt {
    modulus: Modulus,
    forward: Vec<Shoup>,
    inverse: Vec<Shoup>,
    fold: Option<Shoup>,
    scale: Shoup,
}

impl ReferenceNtt {
    pub fn new(modulus: Modulus, t: &Twiddles) -> Self {
        let shoup = |table: &[u64]| table.iter().map(|&w| modulus.shoup(w)).collect();
        Self {
            modulus,
            forward: shoup(&t.forward),
            inverse: shoup(&t.inverse),
            fold: t.fold.map(|w| modulus.shoup(w)),
            scale: modulus.shoup(t.scale),
        }
    }

    /// Coefficients to evaluations, in place; fewer than `N` of them are those of a subring, whose
    /// twiddle factors are the first of the ring.
    pub fn forward(&self, x: &mut [u64]) {
        let m = self.modulus;
        if let Some(w) = self.fold {
            for k in 1..=x.len() / 2 {
                let (a, b) = (x[k], x[x.len() - k]);
                x[k] = m.add(a, m.mul_shoup(b, w));
                x[x.len() - k] = m.add(b, m.mul_shoup(a, w));
            }
        }
        let mut half = x.len() / 2;
        while half > 0 {
            let twiddles = &self.forward[x.len() / (2 * half)..];
            level(half, x, twiddles, |a, b, w| forward_pair(m, a, b, w));
            half /= 2;
        }
        for a in x {
            *a = subtract_once(subtract_once(*a, 2 * m.value()), m.value());
        }
    }

    /// Evaluations to coefficients, in place.
    pub fn inverse(&self, x: &mut [u64]) {
        let m = self.modulus;
        let mut half = 1;
        while half < x.len() {
            let twiddles = &self.inverse[x.len() / (2 * half)..];
            level(half, x, twiddles, |a, b, w| inverse_pair(m, a, b, w));
            half *= 2;
        }
        for a in &mut *x {
            *a = m.mul_shoup(*a, self.scale);
        }
        if let Some(w) = self.fold {
            for k in 1..=x.len() / 2 {
                let (a, b) = (x[k], x[x.len() - k]);
                x[k] = m.sub(a, m.mul_shoup(b, w));
                x[x.len() - k] = m.sub(b, m.mul_shoup(a, w));
            }
            x[0] = m.add(x[0], x[0]);
        }
    }
}

/// Butterflies between words `half` apart, one factor a group of `2 half` words.
#[inline(always)]
fn level(
    half: usize,
    x: &mut [u64],
    twiddles: &[Shoup],
    pair: impl Fn(u64, u64, Shoup) -> (u64, u64),
) {
    let groups = |half: usize, x: &mut [u64]| {
        for (group, &w) in x.chunks_exact_mut(2 * half).zip(twiddles) {
            let (low, high) = group.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = pair(*a, *b, w);
            }
        }
    };
    // Short loops are unrolled when their length is known.
    match half {
        1 => groups(1, x),
        2 => groups(2, x),
        4 => groups(4, x),
        _ => groups(half, x),
    }
}

/// `(a + w b, a - w b)`, all in `[0, 4q)` [Harvey 2014].
#[inline(always)]
fn forward_pair(m: Modulus, a: u64, b: u64, w: Shoup) -> (u64, u64) {
    let a = subtract_once(a, 2 * m.value());
    let t = m.mul_shoup_lazy(b, w);
    (a + t, a + 2 * m.value() - t)
}

/// `(a + b, (a - b) w)`, all in `[0, 2q)` [Harvey 2014].
#[inline(always)]
fn inverse_pair(m: Modulus, a: u64, b: u64, w: Shoup) -> (u64, u64) {
    let sum = subtract_once(a + b, 2 * m.value());
    (sum, m.mul_shoup_lazy(a + 2 * m.value() - b, w))
}

/// `x - bound` where `x >= bound`, else `x`, without a branch: the difference wraps to a huge word
/// otherwise.
#[inline(always)]
fn subtract_once(x: u64, bound: u64) -> u64 {
    x.min(x.wrapping_sub(bound))
}
