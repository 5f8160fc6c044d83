//! Layers for the odd basis of the conjugate-invariant ring.
//!
//! `o_j = 2 cos(phi_j) z_j`, `phi_j = pi 5^j / 4n`, is the value of `(Z + Z^-1) f` at slot `j`: an
//! odd part of `n` values, so that one layer of turns is followed by butterflies alone.
//! SlotsToCoeffs divides by the cosines at the end; CoeffsToSlots multiplies by their squares at
//! the start, exactly, and divides by them too. What is between the two is a multiple of the base
//! modulus away from a small element, and may wrap.

use super::real::{Entry, butterflies, turns};
use crate::encoding::complex::Complex64;

/// StC's layer from blocks of `half` to blocks of `2 half`; the last, of `half = n/2`, before the
/// division.
pub(super) fn odd_layer(n: usize, half: usize) -> Vec<Entry> {
    if half == n / 2 {
        turns(n, 0, n / 2, 0)
    } else {
        butterflies(n, half, 0)
    }
}

/// `2 cos(phi_j)` for every slot.
pub(super) fn half_cosines(n: usize) -> Vec<f64> {
    let order = 8 * n as u64;
    let powers = std::iter::successors(Some(1_u64), |&power| Some(power * 5 % order));
    powers
        .take(n)
        .map(|power| 2.0 * Complex64::unit_root(power, order).re)
        .collect()
}
