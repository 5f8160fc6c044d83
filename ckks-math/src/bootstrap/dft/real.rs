//! The homomorphic transform of the conjugate-invariant ring in real butterflies.
//!
//! An element `b_0 + sum_k b_k (Y^k + Y^-k)` with `n = 2^L` coefficients has the slots
//! `z_j = b_0 + sum_k 2 b_k cos(k theta_j)`, `theta_j = pi 5^j / 2n`, `j < n`
//! ([`crate::encoding::fft`]). The ring has real slots only, so the complex butterflies of the
//! special FFT are run on real and imaginary parts in slots of their own. Two bases can be brought
//! into slots ([`RealBasis`]); the files `native` and `odd` hold what differs, this one what they
//! share:
//!
//! * **Odd parts.** `o_j = sum_k 2 a_k cos(k phi_j)` over odd `k < 2 m`, `phi_j = pi 5^j / 4m`,
//!   `j < m`. With `w_k = a_k - i a_{2m-k}` it is `2 Re A_j`, `A_j` the sum of `w_k exp(i k phi_j)`
//!   over `k = 1 mod 4` alone, and `A_{j + m/2} = f A_j` with `f = +-i`: the halves of `o` are, but
//!   for a sign, real and imaginary part of `2 A_j`. After a **turn** by `phi_j` it is the special
//!   FFT of `m/2` complex values.
//! * **Butterflies** `(u, v) -> (u + t v, u - t v)` on complex blocks.
//!
//! All of them have orthogonal columns, so that inverses are transposes and nothing amplifies
//! noise; the two-term real butterflies of the tower basis `prod_i (2 cos 2^i theta)^bit` divide by
//! cosines near 0 instead (`basis_tests.rs` has the figures).
//!
//! # Where the parts are
//!
//! Layer by layer the imaginary part is `n/2` slots behind the real one. Between levels it is moved
//! next to it: behind a level that leaves blocks of `h` slots, block `m` has its real part at
//! `2 m h` and its imaginary part at `(2 m + 1) h`. A level from blocks of `H` to blocks of `h`
//! then acts on segments of `2 H` slots: its diagonals are the `2 (2 H / h) - 1` multiples of `h`
//! below `2 H` either way, twice as many as on the standard ring, and for the first level of CtS
//! the `n / h` multiples of `h`.

use super::native::real_layer;
use super::odd::{half_cosines, odd_layer};
use super::{DftPlan, Diagonals, log2};
use crate::bootstrap::dft::DftError;
use crate::encoding::complex::Complex64;
use crate::encoding::fft::layer_roots;
use std::collections::BTreeMap;

/// The basis whose coordinates CoeffsToSlots puts into the slots of the conjugate-invariant ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealBasis {
    /// The coefficients `b_k` of `1, Y^k + Y^-k`.
    ///
    /// Subrings have the same basis. A part of the slots, `2 n / h` of them behind blocks of `h`,
    /// is transformed otherwise than the rest, so diagonals have no short period; and a modulus
    /// raise counts each coordinate twice in coefficient 0 ([`crate::polynomial::overflow_real`]).
    Native,
    /// The coefficients `a_m` of `(Z + Z^-1) f` in the basis `Z^k + Z^-k`, `k = 2 m + 1`,
    /// `Z^2 = Y`: `a_m = b_m + b_{m+1}`, `b_n = 0`, a unimodular change.
    ///
    /// `(Z + Z^-1) f` is one odd part, all of it: blocks are transformed alike, diagonals repeat
    /// with the segment, and no coordinate is special.
    Odd,
}

impl DftPlan {
    /// CtS on the conjugate-invariant ring: the matrices in order of application, one per level.
    ///
    /// Slot `p` of the result is `scale` times coordinate [`real_order`]`(n, basis)[p]` of `f`,
    /// from the slots of `f` in the native basis and of `(2 + Y + Y^-1) f` in the odd one:
    /// `2 + Y + Y^-1 = (Z + Z^-1)^2` is multiplied without error, which leaves slots below twice
    /// those of `(Z + Z^-1) f` to be divided by `Z + Z^-1`. Multiplied by it, slots of `f`, large
    /// where it is small, would meet the rounding of the diagonals.
    #[must_use]
    pub fn real_coeffs_to_slots(&self, basis: RealBasis) -> Vec<Diagonals> {
        let n = self.slots();
        let mut half = n;
        let factors = self.build(|| {
            half /= 2;
            inverse_layer(n, half, basis)
        });
        relabel(&factors, self.layers(), |done| (n >> done).min(n / 2))
    }

    /// StC on the conjugate-invariant ring, the inverse of [`DftPlan::real_coeffs_to_slots`].
    #[must_use]
    pub fn real_slots_to_coeffs(&self, basis: RealBasis) -> Vec<Diagonals> {
        let n = self.slots();
        let mut half = 1;
        let factors = self.build(|| {
            let layer = forward_layer(n, half, basis);
            half *= 2;
            layer
        });
        relabel(&factors, self.layers(), |done| (n / 2).min(1 << done))
    }
}

/// The coordinate that each slot holds behind CoeffsToSlots on the conjugate-invariant ring.
///
/// With `rev_b` the reversal of `b` bits: in the odd basis slots `2 p` and `2 p + 1` hold `2 m` and
/// `n - 1 - 2 m`, `m = rev(p)` of `log2 n - 1` bits. In the native basis slots 0 and 1 hold 0 and
/// `n/2`, and with `p = 2^b + q`, `q < 2^b`, slots `2 p` and `2 p + 1` hold
/// `k = (4 rev_b(q) + 1) n / 2^(b+2)` and `n - k`.
///
/// # Errors
/// [`DftError::Slots`] unless `n` is a power of two in `[2, 2^25]`.
pub fn real_order(n: usize, basis: RealBasis) -> Result<Vec<usize>, DftError> {
    let bits = log2(n)? as u32 - 1;
    let reverse = |x: usize, bits: u32| {
        x.reverse_bits()
            .checked_shr(usize::BITS - bits)
            .unwrap_or(0)
    };
    Ok((0..n / 2)
        .flat_map(|p| match (basis, p) {
            (RealBasis::Odd, _) => [2 * reverse(p, bits), n - 1 - 2 * reverse(p, bits)],
            (RealBasis::Native, 0) => [0, n / 2],
            (RealBasis::Native, _) => {
                let b = p.ilog2();
                let k = (4 * reverse(p - (1 << b), b) + 1) * ((n / 4) >> b);
                [k, n - k]
            }
        })
        .collect())
}

/// One entry of a sparse matrix: row, column, value.
pub(super) type Entry = (usize, usize, f64);

/// A layer with orthogonal columns, imaginary parts `n/2` behind the real ones, and what each slot
/// is divided by behind it.
fn layer(n: usize, half: usize, basis: RealBasis) -> (Vec<Entry>, Option<Vec<f64>>) {
    match basis {
        RealBasis::Native => (real_layer(n, half), None),
        RealBasis::Odd if half < n / 2 => (odd_layer(n, half), None),
        RealBasis::Odd => (odd_layer(n, half), Some(half_cosines(n))),
    }
}

/// StC's layer from blocks of `half` to blocks of `2 half`.
fn forward_layer(n: usize, half: usize, basis: RealBasis) -> Diagonals {
    let (entries, divisors) = layer(n, half, basis);
    let divisor = |row: usize| divisors.as_ref().map_or(1.0, |d| d[row]);
    diagonals(n, entries.iter().map(|&(r, c, x)| (r, c, x / divisor(r))))
}

/// The inverse of [`forward_layer`], the transpose over the squared norms of the columns; for an
/// argument times the squares of what `forward_layer` divides by.
fn inverse_layer(n: usize, half: usize, basis: RealBasis) -> Diagonals {
    let (entries, divisors) = layer(n, half, basis);
    let divisor = |row: usize| divisors.as_ref().map_or(1.0, |d| d[row]);
    let mut squares = vec![0.0; n];
    for &(_, column, x) in &entries {
        squares[column] += x * x;
    }
    let inverse = entries
        .iter()
        .map(|&(r, c, x)| (c, r, x / squares[c] / divisor(r)));
    diagonals(n, inverse)
}

/// From the real and the imaginary parts at `from` and `from + apart`, `m/2` of each, to the odd
/// part of `m` values whose halves are at `to` and `to + m/2`: turns by `phi_j`.
///
/// Complex blocks hold the conjugates of `w`, whose imaginary parts are coordinates with their
/// sign.
pub(super) fn turns(m: usize, from: usize, apart: usize, to: usize) -> Vec<Entry> {
    let order = 8 * m as u64;
    let mut power = 1;
    let roots: Vec<Complex64> = (0..m / 2)
        .map(|_| {
            let root = Complex64::unit_root(power, order);
            power = power * 5 % order;
            root
        })
        .collect();
    // f = exp(i k pi (5^(m/2) - 1) / 4m) is `i sign` for all k = 1 mod 4.
    let sign = Complex64::unit_root(power - 1, order).im.signum();
    // o_re + i sign o_im = 2 exp(-i phi) conj(w)
    let turn = |(j, root): (usize, &Complex64)| {
        let (re, im) = (from + j, from + apart + j);
        let (first, second) = (to + j, to + m / 2 + j);
        [
            (first, re, 2.0 * root.re),
            (first, im, 2.0 * root.im),
            (second, re, -2.0 * sign * root.im),
            (second, im, 2.0 * sign * root.re),
        ]
    };
    roots.iter().enumerate().flat_map(turn).collect()
}

/// `(u, v) -> (u + conj(t) v, u - conj(t) v)` on the complex blocks of `2 half` from number `first`
/// on.
pub(super) fn butterflies(n: usize, half: usize, first: usize) -> Vec<Entry> {
    let roots: Vec<Complex64> = layer_roots(half).collect();
    let imaginary = n / 2;
    let mut all = Vec::with_capacity(6 * n);
    for start in (2 * half * first..n / 2).step_by(2 * half) {
        for (j, t) in roots.iter().enumerate() {
            let (u, v) = (start + j, start + half + j);
            for (part, own, other) in [(0, t.re, t.im), (imaginary, t.re, -t.im)] {
                let partner = imaginary - part;
                all.push((u + part, u + part, 1.0));
                all.push((u + part, v + part, own));
                all.push((u + part, v + partner, other));
                all.push((v + part, u + part, 1.0));
                all.push((v + part, v + part, -own));
                all.push((v + part, v + partner, -other));
            }
        }
    }
    all
}

/// Moves imaginary parts next to real ones, at the block sizes `blocks(layers done)`.
fn relabel(
    factors: &[Diagonals],
    layers: &[usize],
    blocks: impl Fn(usize) -> usize,
) -> Vec<Diagonals> {
    let mut done = 0;
    let place = |n: usize, block: usize, p: usize| {
        let (part, at) = (p / (n / 2), p % (n / 2));
        (2 * (at / block) + part) * block + at % block
    };
    factors
        .iter()
        .zip(layers)
        .map(|(factor, &count)| {
            let n = factor.n;
            let (from, to) = (blocks(done), blocks(done + count));
            done += count;
            let entries = factor.map.iter().flat_map(|(&k, diagonal)| {
                let values = diagonal.iter().enumerate();
                values.map(move |(row, x)| (row, (row + k) % n, x.re))
            });
            let moved = entries
                .filter(|entry| entry.2 != 0.0)
                .map(|(row, column, x)| (place(n, to, row), place(n, from, column), x));
            diagonals(n, moved)
        })
        .collect()
}

fn diagonals(n: usize, entries: impl Iterator<Item = Entry>) -> Diagonals {
    let mut map = BTreeMap::<usize, Vec<Complex64>>::new();
    for (row, column, x) in entries {
        let diagonal = map
            .entry((column + n - row) % n)
            .or_insert_with(|| vec![Complex64::ZERO; n]);
        diagonal[row] += Complex64::from(x);
    }
    Diagonals { n, map }
}

#[cfg(test)]
#[path = "real_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "basis_tests.rs"]
mod basis_tests;
