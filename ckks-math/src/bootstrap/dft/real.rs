//! The homomorphic transform of the conjugate-invariant ring in real butterflies.
//!
//! An element `a_0 + sum_k a_k (Y^k + Y^-k)` with `n = 2^L` coefficients has the slots
//! `z_j = a_0 + sum_k 2 a_k cos(k theta_j)`, `theta_j = pi 5^j / 2n`, `j < n`
//! ([`crate::encoding::fft`]). The ring has real slots only, so the complex butterflies of the special FFT
//! are run on real and imaginary parts kept half a vector apart. Three kinds of butterflies occur,
//! as in real-valued FFTs [Sorensen, Jones, Heideman, Burrus 1987]:
//!
//! * `z_j +- z_{j + n/2}` separates the even `k` from the odd ones, as `theta_{j+n/2}` is
//!   `theta_j + pi` up to sign and period: an **even part**, the same problem on `n/2` slots, and an **odd part** `o_j`.
//! * With `w_k = a_k - i a_{n-k}` the odd part is `o_j = 2 Re A_j`, `A_j` the sum of `w_k exp(i k theta_j)`
//!   over `k = 1 mod 4` alone, and `A_{j + n/4} = f A_j` with `f = +-i`: the two halves of `o` are real and
//!   imaginary part of `2 A_j`. After a turn by `theta_j` it is the special FFT of `n/4` complex values.
//! * `(u, v) -> (u + t v, u - t v)` on complex blocks.
//!
//! # State after `l` layers of CoeffsToSlots, `h = n / 2^l`
//!
//! | slots | and, n/2 further on |
//! |---|---|
//! | `0..h`: even part, real, of `n / 2^l` coefficients | odd part split off last, real |
//! | `m h..(m+1) h`, `0 < m < n / 2h`: complex block, real part | imaginary part |
//!
//! Every layer reads its own slot and those `+-h` and `n/2` away, so a level of `k` layers has the
//! diagonals `m h` and `m h + n/2`, `|m| < 2^k`: at most `2^(k+2) - 2`, twice as many as on the standard
//! ring, and `2^k` for the level of the largest blocks. At the end slot `p` holds the
//! coefficient [`real_order`]`(n)[p]`.
//!
//! All butterflies have orthogonal columns. So has their product (norm `sqrt(2 n)`; `sqrt(n)` for
//! `a_0`): CoeffsToSlots does not amplify noise, unlike the two-term butterflies of the tower basis
//! `prod_i (2 cos 2^i theta)^bit`, which divide by cosines near 0 (measured in `basis_tests.rs`).

use super::{DftPlan, Diagonals, log2};
use crate::bootstrap::dft::DftError;
use crate::encoding::complex::Complex64;
use crate::encoding::fft::layer_roots;
use std::collections::BTreeMap;

impl DftPlan {
    /// CtS on the conjugate-invariant ring: the matrices in order of application, one per level.
    ///
    /// Slot `p` of the result is `scale` times coefficient [`real_order`]`(n)[p]` of the input.
    #[must_use]
    pub fn real_coeffs_to_slots(&self) -> Vec<Diagonals> {
        let mut half = self.slots();
        self.build(|| {
            half /= 2;
            inverse_layer(self.slots(), half)
        })
    }

    /// StC on the conjugate-invariant ring, the inverse of [`DftPlan::real_coeffs_to_slots`].
    ///
    /// A level of `k` layers has singular values at most `2^(k/2)`, or `2^((k+1)/2)` with the turns in it.
    #[must_use]
    pub fn real_slots_to_coeffs(&self) -> Vec<Diagonals> {
        let mut half = 1;
        self.build(|| {
            let layer = forward_layer(self.slots(), half);
            half *= 2;
            layer
        })
    }
}

/// The coefficient that each slot holds behind CoeffsToSlots on the conjugate-invariant ring.
///
/// Slot 0: 0. Slot `n/2`: `n/2`. With `h = 2^b` and `q < h`, slot `h + q` below `n/2`: `k = (4 rev_b(q) + 1)
/// n / 4h`, `rev_b` the reversal of `b` bits; slot `n/2 + h + q`: `n - k`.
///
/// # Errors
/// [`DftError::Slots`] unless `n` is a power of two in `[2, 2^25]`.
pub fn real_order(n: usize) -> Result<Vec<usize>, DftError> {
    log2(n)?;
    let mut order = vec![0; n];
    order[n / 2] = n / 2;
    for p in 1..n / 2 {
        let bits = p.ilog2();
        let q = p - (1 << bits);
        let reversed = q
            .reverse_bits()
            .checked_shr(usize::BITS - bits)
            .unwrap_or(0);
        let k = (4 * reversed + 1) * (n / 4 >> bits);
        order[p] = k;
        order[p + n / 2] = n - k;
    }
    Ok(order)
}

/// `(row, column, value)` of the layer from blocks of `half` to blocks of `2 half`.
fn entries(n: usize, half: usize) -> Vec<(usize, usize, f64)> {
    let (imaginary, h) = (n / 2, half);
    // The last odd part is 2 a cos(pi / 4).
    let odd = if h == 1 { 2_f64.sqrt() } else { 1.0 };
    let mut all = Vec::with_capacity(4 * n);
    for j in 0..h {
        all.push((j, j, 1.0));
        all.push((j, imaginary + j, odd));
        all.push((h + j, j, 1.0));
        all.push((h + j, imaginary + j, -odd));
    }
    if h < n / 2 {
        // `f = exp(i k pi (5^h - 1) / 8h)` is `i sign` for all `k = 1 mod 4`.
        let order = 16 * h as u64;
        let mut power = 1;
        let powers: Vec<u64> = std::iter::repeat_with(|| {
            let now = power;
            power = power * 5 % order;
            now
        })
        .take(h)
        .collect();
        let sign = Complex64::unit_root(power - 1, order).im.signum();
        for (j, &e) in powers.iter().enumerate() {
            let turn = Complex64::unit_root(e, order);
            let (re, im) = (h + j, imaginary + h + j);
            // o_re + i sign o_im = 2 exp(-i theta) (conj w)
            let (row_re, row_im) = (imaginary + j, imaginary + h + j);
            all.push((row_re, re, 2.0 * turn.re));
            all.push((row_re, im, 2.0 * turn.im));
            all.push((row_im, re, -2.0 * sign * turn.im));
            all.push((row_im, im, 2.0 * sign * turn.re));
        }
    }
    // Blocks hold the conjugates of `w`, whose imaginary parts are coefficients with their sign:
    // (u, v) -> (u + conj(t) v, u - conj(t) v).
    let roots: Vec<Complex64> = layer_roots(h).collect();
    for start in (2 * h..n / 2).step_by(2 * h) {
        for (j, t) in roots.iter().enumerate() {
            let u = start + j;
            let v = u + h;
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

fn forward_layer(n: usize, half: usize) -> Diagonals {
    diagonals(n, entries(n, half).into_iter())
}

/// The inverse of [`forward_layer`]: columns are orthogonal, so it is the transpose over their
/// squared norms.
fn inverse_layer(n: usize, half: usize) -> Diagonals {
    let entries = entries(n, half);
    let mut squares = vec![0.0; n];
    for &(_, column, x) in &entries {
        squares[column] += x * x;
    }
    let inverse = entries
        .iter()
        .map(|&(row, column, x)| (column, row, x / squares[column]));
    diagonals(n, inverse)
}

fn diagonals(n: usize, entries: impl Iterator<Item = (usize, usize, f64)>) -> Diagonals {
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
