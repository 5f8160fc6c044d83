//! Numbers and maps that the tests of several modules share.

pub mod cipher;

use crate::field::{Axis, Field};
use crate::layout::Layout;
use crate::linear_map::LinearMap;

/// Slots of a ciphertext at ring degree 2^16.
pub const LOG_SLOTS: u32 = 15;

/// `count` numbers in [-1, 1) from a fixed linear congruential sequence.
pub fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A layout in ciphertexts of 2^15 slots.
pub fn layout(fields: &[Field]) -> Layout {
    Layout::new(LOG_SLOTS, fields).expect("valid fields")
}

/// The layout `[channel][token]`.
pub fn activations(channels: usize, tokens: usize) -> Layout {
    layout(&[
        Field::new(Axis::TOKEN, tokens),
        Field::new(Axis::CHANNEL, channels),
    ])
}

/// `weights[o][i]` applied to the channels of every token:
/// `[channel i][token] -> [channel o][token]`.
pub fn dense(input: &Layout, output: &Layout, weights: &[f64]) -> LinearMap {
    let width = input.lens()[1];
    LinearMap::build(input, output, |out, terms| {
        (0..width).for_each(|i| terms.add(&[out[0], i], weights[out[1] * width + i]));
    })
    .expect("indices are in range")
}

/// Largest difference between two lists of vectors of the same shape.
pub fn distance(left: &[Vec<f64>], right: &[Vec<f64>]) -> f64 {
    assert_eq!(left.len(), right.len());
    let rows = left.iter().zip(right);
    let pairs = rows.flat_map(|(l, r)| {
        assert_eq!(l.len(), r.len());
        l.iter().zip(r)
    });
    pairs.map(|(l, r)| (l - r).abs()).fold(0.0, f64::max)
}
