//! Layers for the native basis of the conjugate-invariant ring.
//!
//! `z_j +- z_{j + n/2}` separates the even `k` from the odd ones, as `theta_{j+n/2}` is
//! `theta_j + pi` up to sign and period: an **even part**, the same problem on `n/2` slots, and an
//! odd part. This goes on with the even part, as in real-valued FFTs
//! [Sorensen-Jones-Heideman-Burrus 1987].
//!
//! State behind `l` layers of CoeffsToSlots, `h = n / 2^l`, before parts are moved together:
//!
//! | slots | and, n/2 further on |
//! |---|---|
//! | `0..h`: even part, real | odd part split off last, real |
//! | `m h..(m+1) h`, `0 < m < n / 2h`: complex block, real part | imaginary part |

use super::real::{Entry, butterflies, turns};

/// StC's layer from blocks of `half` to blocks of `2 half`.
pub(super) fn real_layer(n: usize, half: usize) -> Vec<Entry> {
    let (imaginary, h) = (n / 2, half);
    // The last odd part is one value, 2 a cos(pi / 4).
    let odd = if h == 1 { 2_f64.sqrt() } else { 1.0 };
    let split = (0..h).flat_map(|j| {
        [
            (j, j, 1.0),
            (j, imaginary + j, odd),
            (h + j, j, 1.0),
            (h + j, imaginary + j, -odd),
        ]
    });
    let mut all: Vec<Entry> = split.collect();
    if h < n / 2 {
        // The odd part split off before, of 2 h values.
        all.extend(turns(2 * h, h, imaginary, imaginary));
        all.extend(butterflies(n, h, 1));
    }
    all
}
