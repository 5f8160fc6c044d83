//! The special FFT of CKKS: polynomial coefficients to slots and back in O(n log n).
//!
//! A polynomial with `2 n` real coefficients `m_0 .. m_{2n-1}` in `Y` is evaluated at
//! `zeta^(5^j)`, `zeta = exp(i pi / (2 n))`, `j = 0 .. n-1` [Cheon-Kim-Kim-Song 2017]. As
//! `5^j = 1 mod 4`, `Y^n` is `i` at every one of these points, and with `w_k = m_k + i m_{n+k}`
//!
//! ```text
//! z_j = sum_{k < n} w_k zeta^(5^j k).
//! ```
//!
//! Splitting into even and odd `k` gives `z_j = E_j + zeta^(5^j) O_j` and, because
//! `5^(n/2) = 1 + 2 n mod 4 n`, `z_{j + n/2} = E_j - zeta^(5^j) O_j`, with `E` and `O` transforms
//! of half the size on `w_even` and `w_odd`: a bit reversal followed by `log2 n` layers of
//! butterflies whose twiddle factors depend on the layer only, so tables for `n` serve every
//! smaller size.
//!
//! Real and imaginary parts live in two arrays: they are the two halves of the coefficient vector,
//! and the butterfly loops vectorise.

use super::complex::Complex64;
use super::error::EncodingError;

/// Blocks of at most this many slots are finished before the next one is touched (cache blocking).
const BLOCK: usize = 1 << 11;

/// Tables of the special FFT for every power-of-two number of slots up to a maximum.
#[derive(Clone, Debug)]
pub struct SlotFft {
    max_slots: usize,
    /// Twiddles of the layer with half-length `h` at `h - 1 .. 2 h - 1`: `exp(2 pi i 5^j / 8h)`.
    cos: Vec<f64>,
    sin: Vec<f64>,
}

impl SlotFft {
    /// Tables for 1, 2, 4, ..., `max_slots` slots (16 bytes per slot).
    ///
    /// # Errors
    /// [`EncodingError::Length`] unless `max_slots` is a power of two, at most 2^26.
    pub fn new(max_slots: usize) -> Result<Self, EncodingError> {
        if !max_slots.is_power_of_two() || max_slots > 1 << 26 {
            return Err(EncodingError::Length {
                given: max_slots,
                max: 1 << 26,
            });
        }
        let mut cos = Vec::with_capacity(max_slots - 1);
        let mut sin = Vec::with_capacity(max_slots - 1);
        let mut half = 1;
        while half < max_slots {
            for root in layer_roots(half) {
                cos.push(root.re);
                sin.push(root.im);
            }
            half *= 2;
        }
        Ok(Self {
            max_slots,
            cos,
            sin,
        })
    }

    /// The largest number of slots the tables serve.
    #[must_use]
    pub fn max_slots(&self) -> usize {
        self.max_slots
    }

    /// Coefficients to slots, in place: `(re, im) = (m_0..m_{n-1}, m_n..m_{2n-1})` becomes the
    /// slots.
    ///
    /// Relative error about `2^-51` in the mean for `n = 2^15`.
    ///
    /// # Errors
    /// [`EncodingError::Length`] unless `n` is a power of two within the tables;
    /// [`EncodingError::Shape`] if the two slices differ in length.
    pub fn forward(&self, re: &mut [f64], im: &mut [f64]) -> Result<(), EncodingError> {
        self.check(re.len(), im.len())?;
        bit_reverse(re);
        bit_reverse(im);
        self.forward_block(re, im);
        Ok(())
    }

    /// Slots to coefficients, in place: the inverse of [`SlotFft::forward`], normalised by `1/n`.
    ///
    /// # Errors
    /// As [`SlotFft::forward`].
    pub fn inverse(&self, re: &mut [f64], im: &mut [f64]) -> Result<(), EncodingError> {
        self.check(re.len(), im.len())?;
        self.inverse_block(re, im);
        bit_reverse(re);
        bit_reverse(im);
        let norm = 1.0 / re.len() as f64;
        for x in re.iter_mut().chain(im.iter_mut()) {
            *x *= norm;
        }
        Ok(())
    }

    /// Coefficients to real slots on the conjugate-invariant ring, in place.
    ///
    /// `values` holds `a_0 .. a_{n-1}` in the basis `1, Y^k + Y^-k` [Kim-Song 2018]; slot `j`
    /// becomes `a_0 + sum_k 2 a_k cos(pi 5^j k / 2n)`. Embedded into the ring of twice the degree:
    /// `Y^-k = -Y^(2n-k)` makes `w_k = a_k - i a_{n-k}`, and the transform of `w` is real.
    ///
    /// # Errors
    /// [`EncodingError::Length`] unless the length is a power of two within the tables.
    pub fn forward_real(&self, values: &mut [f64]) -> Result<(), EncodingError> {
        let mut im = vec![0.0; values.len()];
        for (y, a) in im.iter_mut().skip(1).zip(values.iter().rev()) {
            *y = -a;
        }
        self.forward(values, &mut im)
    }

    /// Real slots to coefficients on the conjugate-invariant ring: inverse of
    /// [`SlotFft::forward_real`].
    ///
    /// # Errors
    /// [`EncodingError::Length`] unless the length is a power of two within the tables.
    pub fn inverse_real(&self, values: &mut [f64]) -> Result<(), EncodingError> {
        let mut im = vec![0.0; values.len()];
        self.inverse(values, &mut im)
    }

    fn check(&self, re: usize, im: usize) -> Result<(), EncodingError> {
        if !re.is_power_of_two() || re > self.max_slots {
            return Err(EncodingError::Length {
                given: re,
                max: self.max_slots,
            });
        }
        if re != im {
            return Err(EncodingError::Shape {
                what: "imaginary parts",
                given: im,
                expected: re,
            });
        }
        Ok(())
    }

    /// All butterfly layers on one block in bit-reversed order, depth first above [`BLOCK`].
    fn forward_block(&self, re: &mut [f64], im: &mut [f64]) {
        let n = re.len();
        if n > BLOCK {
            let (re_lo, re_hi) = re.split_at_mut(n / 2);
            let (im_lo, im_hi) = im.split_at_mut(n / 2);
            self.forward_block(re_lo, im_lo);
            self.forward_block(re_hi, im_hi);
            self.forward_layer(n / 2, re, im);
            return;
        }
        let mut half = 1;
        while half < n {
            self.forward_layer(half, re, im);
            half *= 2;
        }
    }

    fn inverse_block(&self, re: &mut [f64], im: &mut [f64]) {
        let n = re.len();
        if n > BLOCK {
            self.inverse_layer(n / 2, re, im);
            let (re_lo, re_hi) = re.split_at_mut(n / 2);
            let (im_lo, im_hi) = im.split_at_mut(n / 2);
            self.inverse_block(re_lo, im_lo);
            self.inverse_block(re_hi, im_hi);
            return;
        }
        let mut half = n / 2;
        while half >= 1 {
            self.inverse_layer(half, re, im);
            half /= 2;
        }
    }

    /// `(u, v) -> (u + t v, u - t v)` on all pairs at distance `half`.
    fn forward_layer(&self, half: usize, re: &mut [f64], im: &mut [f64]) {
        let cos = &self.cos[half - 1..2 * half - 1];
        let sin = &self.sin[half - 1..2 * half - 1];
        for (re, im) in re
            .chunks_exact_mut(2 * half)
            .zip(im.chunks_exact_mut(2 * half))
        {
            let (re_lo, re_hi) = re.split_at_mut(half);
            let (im_lo, im_hi) = im.split_at_mut(half);
            let (re_hi, im_lo, im_hi) =
                (&mut re_hi[..half], &mut im_lo[..half], &mut im_hi[..half]);
            for j in 0..half {
                let (c, s) = (cos[j], sin[j]);
                let (x, y) = (re_hi[j] * c - im_hi[j] * s, re_hi[j] * s + im_hi[j] * c);
                let (a, b) = (re_lo[j], im_lo[j]);
                re_lo[j] = a + x;
                im_lo[j] = b + y;
                re_hi[j] = a - x;
                im_hi[j] = b - y;
            }
        }
    }

    /// `(a, b) -> (a + b, (a - b) conj t)` on all pairs at distance `half`: twice the inverse
    /// layer.
    fn inverse_layer(&self, half: usize, re: &mut [f64], im: &mut [f64]) {
        let cos = &self.cos[half - 1..2 * half - 1];
        let sin = &self.sin[half - 1..2 * half - 1];
        for (re, im) in re
            .chunks_exact_mut(2 * half)
            .zip(im.chunks_exact_mut(2 * half))
        {
            let (re_lo, re_hi) = re.split_at_mut(half);
            let (im_lo, im_hi) = im.split_at_mut(half);
            let (re_hi, im_lo, im_hi) =
                (&mut re_hi[..half], &mut im_lo[..half], &mut im_hi[..half]);
            for j in 0..half {
                let (c, s) = (cos[j], sin[j]);
                let (x, y) = (re_lo[j] - re_hi[j], im_lo[j] - im_hi[j]);
                re_lo[j] += re_hi[j];
                im_lo[j] += im_hi[j];
                re_hi[j] = x * c + y * s;
                im_hi[j] = y * c - x * s;
            }
        }
    }
}

/// Twiddle factors `exp(2 pi i 5^j / (8 half))`, `j < half`, of the layer joining blocks of `half`
/// slots.
///
/// `half` is a power of two, at most 2^58.
pub(crate) fn layer_roots(half: usize) -> impl Iterator<Item = Complex64> {
    let order = 8 * half as u64;
    std::iter::successors(Some(1_u64), move |&power| Some(power * 5 % order))
        .take(half)
        .map(move |power| Complex64::unit_root(power, order))
}

/// Permutes `values` so that element `i` moves to the index with the bits of `i` reversed.
///
/// The length is a power of two. The permutation is its own inverse.
pub(crate) fn bit_reverse<T>(values: &mut [T]) {
    let n = values.len();
    debug_assert!(n.is_power_of_two());
    if n < 2 {
        return;
    }
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            values.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::error::EncodingError;

    /// Deterministic values in [-1, 1) without structure.
    fn noise(n: usize, mut state: u64) -> Vec<f64> {
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
            })
            .collect()
    }

    /// `5^j mod 4n`.
    fn power_of_five(j: usize, n: usize) -> u64 {
        (0..j).fold(1, |power, _| power * 5 % (4 * n as u64))
    }

    #[test]
    fn forward_evaluates_the_polynomial_at_powers_of_five() {
        let fft = SlotFft::new(256).unwrap();
        for log_n in 0..=8 {
            let n = 1_usize << log_n;
            let m = noise(2 * n, 7 + log_n);
            let (mut re, mut im) = (m[..n].to_vec(), m[n..].to_vec());
            fft.forward(&mut re, &mut im).unwrap();
            for j in 0..n {
                let point = power_of_five(j, n);
                let direct = m.iter().enumerate().fold(Complex64::ZERO, |sum, (k, &c)| {
                    sum + Complex64::unit_root(point * k as u64, 4 * n as u64) * c
                });
                let error = (direct - Complex64::new(re[j], im[j])).norm();
                assert!(
                    error < 2.0 * n as f64 * f64::EPSILON * 4.0,
                    "n {n} slot {j}: {error}"
                );
            }
        }
    }

    #[test]
    fn real_transform_evaluates_in_the_cosine_basis() {
        let fft = SlotFft::new(64).unwrap();
        for n in [1, 2, 4, 64] {
            let a = noise(n, 3);
            let mut slots = a.clone();
            fft.forward_real(&mut slots).unwrap();
            for (j, slot) in slots.iter().enumerate() {
                let point = power_of_five(j, n);
                let direct: f64 = (1..n)
                    .map(|k| 2.0 * a[k] * Complex64::unit_root(point * k as u64, 4 * n as u64).re)
                    .sum();
                assert!((slot - direct - a[0]).abs() < 8.0 * n as f64 * f64::EPSILON);
            }
            fft.inverse_real(&mut slots).unwrap();
            for (x, y) in slots.iter().zip(&a) {
                assert!((x - y).abs() < 16.0 * f64::EPSILON);
            }
        }
    }

    #[test]
    fn round_trip_at_full_size_keeps_47_bits() {
        for log_n in [1, 10, 11, 12, 15] {
            let n = 1 << log_n;
            let fft = SlotFft::new(n).unwrap();
            let (re, im) = (noise(n, 1), noise(n, 2));
            let (mut x, mut y) = (re.clone(), im.clone());
            fft.inverse(&mut x, &mut y).unwrap();
            fft.forward(&mut x, &mut y).unwrap();
            let worst = (0..n).map(|j| (x[j] - re[j]).abs().max((y[j] - im[j]).abs()));
            let worst = worst.fold(0.0, f64::max);
            assert!(worst < 2_f64.powi(-47), "log n {log_n}: 2^{}", worst.log2());
        }
    }

    #[test]
    fn substituting_the_fifth_power_rotates_left_by_one() {
        let n = 32;
        let fft = SlotFft::new(n).unwrap();
        let m = noise(2 * n, 5);
        let mut moved = vec![0.0; 2 * n];
        for (k, &c) in m.iter().enumerate() {
            let e = 5 * k % (4 * n);
            moved[e % (2 * n)] = if e < 2 * n { c } else { -c };
        }
        let slots = |m: &[f64]| {
            let (mut re, mut im) = (m[..n].to_vec(), m[n..].to_vec());
            fft.forward(&mut re, &mut im).unwrap();
            re.into_iter()
                .zip(im)
                .map(|(re, im)| Complex64::new(re, im))
                .collect::<Vec<_>>()
        };
        let (before, after) = (slots(&m), slots(&moved));
        for j in 0..n {
            assert!((after[j] - before[(j + 1) % n]).norm() < 1e-12);
        }
    }

    #[test]
    fn wrong_lengths_are_named() {
        let fft = SlotFft::new(8).unwrap();
        let length = |given| Err(EncodingError::Length { given, max: 8 });
        assert_eq!(fft.forward(&mut [0.0; 3], &mut [0.0; 3]), length(3));
        assert_eq!(fft.inverse(&mut [0.0; 16], &mut [0.0; 16]), length(16));
        assert_eq!(fft.forward_real(&mut []), length(0));
        assert!(fft.forward(&mut [0.0; 4], &mut [0.0; 2]).is_err());
        assert!(SlotFft::new(0).is_err());
    }
}
