//! The homomorphic DFT of bootstrapping, factored into sparse matrices.
//!
//! [Chen-Chillotti-Song 2019; Han-Hhan-Cheon 2019]. The special FFT of encoding is
//! `z = B_L ... B_2 B_1 R w` with `w_k = m_k + i m_{n+k}`, `n = 2^L`, `R` the bit reversal and
//! `B_l` the butterflies joining blocks of `2^(l-1)` slots. Homomorphically only the butterflies
//! are run:
//!
//! * **SlotsToCoeffs** (StC) is `U = B_L ... B_1`. Its input holds `R w`, the coefficients in
//!   bit-reversed order: slot `j` is `w_{rev(j)}`; its output is the slot vector whose encoding has
//!   the coefficients `w` in natural order. As coefficients of the plaintext, the input slot `j`
//!   goes to coefficients `rev(j)` (real part) and `n + rev(j)` (imaginary part).
//! * **CoeffsToSlots** (CtS) is `U^-1 = B_1^-1 ... B_L^-1`: it puts coefficient pair `w_{rev(j)}`
//!   into slot `j`. Work between the two is slot-wise, so the reversals cancel.
//!
//! Consecutive layers are multiplied into one matrix per level. A matrix is kept as its non-zero
//! generalized diagonals: `out = sum_k diag_k * rot_left(v, k)`.
//!
//! # Rotation amounts
//!
//! A level that joins blocks of `h, 2h, .., 2^(k-1) h` slots has diagonals at the multiples of `h`
//! from `-(2^k - 1) h` to `(2^k - 1) h`, taken modulo `n`: at most `2^(k+1) - 1`, and only `2^k`
//! for the level of the largest blocks (first of CtS, last of StC), where positive and negative
//! ones coincide. The packed last level of CtS has the same amounts, in `0..n`; the packed first
//! level of StC has each of them and the same plus `n`.
//!
//! # Packing for a single EvalMod
//!
//! With sparse slots, `2 n <= N / 2`, a vector of `n` slots is also one of `2 n` slots with period
//! `n`. The last matrix of the packed CtS acts on `2 n` slots and yields `t = [w / 2 | -i w / 2]`,
//! so that `t + conj(t) = [Re w | Im w]`: all coefficients `[m_0 .. m_{n-1} | m_n .. m_{2n-1}]`,
//! each half in bit-reversed order, in one real vector. The first matrix of the packed StC includes
//! the way back, `w = first half + i second half`, repeated with period `n`.

mod native;
mod odd;
mod real;

pub use real::{RealBasis, real_order};

use std::collections::BTreeMap;

use thiserror::Error;

use crate::encoding::complex::Complex64;
use crate::encoding::fft::layer_roots;

/// Wrong arguments of a DFT factorisation or of [`Diagonals::apply`].
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DftError {
    /// The number of slots is not a usable power of two.
    #[error("{slots} slots: the DFT needs a power of two between 2 and 2^25")]
    Slots {
        /// The number given.
        slots: usize,
    },
    /// More levels than butterfly layers, or none.
    #[error(
        "{levels} levels given, but {slots} slots have {layers} layers: use 1 to {layers} levels"
    )]
    Levels {
        /// Number of levels given.
        levels: usize,
        /// Number of slots.
        slots: usize,
        /// log2 of the number of slots.
        layers: usize,
    },
    /// The layers per level do not add up.
    #[error(
        "layers per level {given:?} must be positive and sum to {layers}, the log2 of the slot count"
    )]
    Layers {
        /// The grouping given.
        given: Vec<usize>,
        /// What it must sum to.
        layers: usize,
    },
    /// The overall constant is not a positive finite number.
    #[error("overall constant {scale} is not positive and finite")]
    Scale {
        /// The constant given.
        scale: f64,
    },
    /// A vector does not have the matrix's length.
    #[error("a vector of {given} slots meets a matrix on {expected}; repeat or cut the vector")]
    Vector {
        /// Length of the vector.
        given: usize,
        /// Size of the matrix.
        expected: usize,
    },
}

/// A square matrix on `n` slots by its non-zero generalized diagonals.
///
/// `out_p = sum_k diag_k[p] v[(p + k) mod n]`, that is, diagonals times left rotations by `k`.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagonals {
    /// Number of slots, a power of two.
    pub n: usize,
    /// Rotation amount in `0..n`, to the left, to the diagonal of `n` entries.
    pub map: BTreeMap<usize, Vec<Complex64>>,
}

impl Diagonals {
    /// The rotation amounts, ascending; 0 needs no key.
    pub fn rotations(&self) -> impl Iterator<Item = usize> + '_ {
        self.map.keys().copied()
    }

    /// The matrix times a vector of `n` slots, in the clear.
    ///
    /// # Errors
    /// [`DftError::Vector`] if the vector has another length.
    pub fn apply(&self, v: &[Complex64]) -> Result<Vec<Complex64>, DftError> {
        if v.len() != self.n {
            return Err(DftError::Vector {
                given: v.len(),
                expected: self.n,
            });
        }
        let mut out = vec![Complex64::ZERO; self.n];
        for (&k, diag) in &self.map {
            for ((o, &d), &x) in out.iter_mut().zip(diag).zip(v[k..].iter().chain(&v[..k])) {
                *o += d * x;
            }
        }
        Ok(out)
    }

    /// The product `self * first`, the matrix that applies `first` and then `self`.
    fn after(&self, first: &Self) -> Self {
        let n = self.n;
        let mut map = BTreeMap::<usize, Vec<Complex64>>::new();
        for (&k, outer) in &self.map {
            for (&j, inner) in &first.map {
                let diag = map
                    .entry((k + j) % n)
                    .or_insert_with(|| vec![Complex64::ZERO; n]);
                let permuted = inner[k..].iter().chain(&inner[..k]);
                for ((d, &a), &b) in diag.iter_mut().zip(outer).zip(permuted) {
                    *d += a * b;
                }
            }
        }
        // An entry of a product of butterfly layers is a single path, hence exactly zero or not.
        map.retain(|_, diag| diag.iter().any(|&d| d != Complex64::ZERO));
        Self { n, map }
    }

    fn scale(&mut self, c: f64) {
        for d in self.map.values_mut().flatten() {
            *d = *d * c;
        }
    }

    /// The same matrix on vectors of period `n`, seen as `2 n` slots.
    fn doubled(&self) -> Self {
        let twice = |diag: &Vec<Complex64>| [diag.as_slice(), diag.as_slice()].concat();
        Self {
            n: 2 * self.n,
            map: self.map.iter().map(|(&k, diag)| (k, twice(diag))).collect(),
        }
    }
}

/// A factorisation to be built: slot count, butterfly layers per level, overall constant.
#[derive(Clone, Debug, PartialEq)]
pub struct DftPlan {
    n: usize,
    layers: Vec<usize>,
    scale: f64,
}

impl DftPlan {
    /// `log2 n` layers on `levels` levels as evenly as possible, the smaller levels applied first.
    ///
    /// The level applied first works at the largest modulus, where rotations cost most.
    ///
    /// # Errors
    /// [`DftError::Slots`] unless `n` is a power of two in `[2, 2^25]`, [`DftError::Levels`] unless
    /// `1 <= levels <= log2 n`.
    pub fn even(n: usize, levels: usize) -> Result<Self, DftError> {
        let layers = log2(n)?;
        if !(1..=layers).contains(&levels) {
            return Err(DftError::Levels {
                levels,
                slots: n,
                layers,
            });
        }
        let (each, more) = (layers / levels, layers % levels);
        let split = (0..levels)
            .map(|l| each + usize::from(l >= levels - more))
            .collect();
        Ok(Self {
            n,
            layers: split,
            scale: 1.0,
        })
    }

    /// The grouping `layers`: number of butterfly layers of each level, in order of application.
    ///
    /// # Errors
    /// [`DftError::Slots`] as for [`DftPlan::even`], [`DftError::Layers`] unless the counts are
    /// positive and sum to `log2 n`.
    pub fn with_layers(n: usize, layers: &[usize]) -> Result<Self, DftError> {
        let expected = log2(n)?;
        let sum = layers
            .iter()
            .try_fold(0_usize, |sum, &l| sum.checked_add(l));
        if layers.contains(&0) || sum != Some(expected) {
            return Err(DftError::Layers {
                given: layers.to_vec(),
                layers: expected,
            });
        }
        Ok(Self {
            n,
            layers: layers.to_vec(),
            scale: 1.0,
        })
    }

    /// The same plan with the product of its matrices multiplied by `scale`.
    ///
    /// Each of the levels takes `scale^(1 / levels)`.
    ///
    /// # Errors
    /// [`DftError::Scale`] unless `scale` is positive and finite.
    pub fn scaled(mut self, scale: f64) -> Result<Self, DftError> {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(DftError::Scale { scale });
        }
        self.scale = scale;
        Ok(self)
    }

    /// Number of slots `n`.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.n
    }

    /// Butterfly layers of each level, in order of application.
    #[must_use]
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// CtS on `n` slots: the matrices in order of application, one per level.
    ///
    /// `z` goes to `scale R w` (module documentation). Without the constant each matrix has row
    /// sums (of absolute values) exactly 1, the factor `1/n` being spread over the butterflies.
    #[must_use]
    pub fn coeffs_to_slots(&self) -> Vec<Diagonals> {
        let mut half = self.n;
        self.build(|| {
            half /= 2;
            inverse_layer(self.n, half)
        })
    }

    /// StC on `n` slots: the matrices in order of application, one per level.
    ///
    /// `R w` goes to `scale z`. Entries have modulus at most 1 without the constant, and a level of
    /// `k` layers has row sums `2^k` (singular values `2^(k/2)`): it is a sum of `2^k`
    /// coefficients.
    #[must_use]
    pub fn slots_to_coeffs(&self) -> Vec<Diagonals> {
        let mut half = 1;
        self.build(|| {
            let layer = forward_layer(self.n, half);
            half *= 2;
            layer
        })
    }

    /// CtS for a single EvalMod: as [`DftPlan::coeffs_to_slots`], but the last matrix is on `2 n`
    /// slots.
    ///
    /// The input of the last matrix is a vector of period `n`; its output `t` (with the factor 1/2
    /// included) gives `t + conj(t) = scale [Re R w | Im R w]`.
    #[must_use]
    pub fn coeffs_to_slots_packed(&self) -> Vec<Diagonals> {
        let mut factors = self.coeffs_to_slots();
        if let Some(last) = factors.last_mut() {
            let mut packed = last.doubled();
            let mask = halves(self.n, Complex64::new(0.5, 0.0), Complex64::new(0.0, -0.5));
            for diag in packed.map.values_mut() {
                for (d, &m) in diag.iter_mut().zip(&mask) {
                    *d = *d * m;
                }
            }
            *last = packed;
        }
        factors
    }

    /// StC for a single EvalMod: as [`DftPlan::slots_to_coeffs`], but the first matrix is on `2 n`
    /// slots.
    ///
    /// It takes `[Re R w | Im R w]` to a vector of period `n`; the product of all matrices, seen as
    /// matrices on vectors of period `n`, yields `scale z`, repeated.
    #[must_use]
    pub fn slots_to_coeffs_packed(&self) -> Vec<Diagonals> {
        let mut factors = self.slots_to_coeffs();
        if let Some(first) = factors.first_mut() {
            let map = BTreeMap::from([
                (0, halves(self.n, Complex64::ONE, Complex64::I)),
                (self.n, halves(self.n, Complex64::I, Complex64::ONE)),
            ]);
            *first = first.doubled().after(&Diagonals { n: 2 * self.n, map });
        }
        factors
    }

    /// Multiplies successive layers, as many per level as the plan says.
    fn build(&self, mut next: impl FnMut() -> Diagonals) -> Vec<Diagonals> {
        let each = self.scale.powf(1.0 / self.layers.len() as f64);
        let mut factors = Vec::with_capacity(self.layers.len());
        for &count in &self.layers {
            let mut product = next();
            for _ in 1..count {
                product = next().after(&product);
            }
            product.scale(each);
            factors.push(product);
        }
        factors
    }
}

/// log2 of a usable slot count.
fn log2(n: usize) -> Result<usize, DftError> {
    if n.is_power_of_two() && (2..=1 << 25).contains(&n) {
        Ok(n.trailing_zeros() as usize)
    } else {
        Err(DftError::Slots { slots: n })
    }
}

/// `2 n` entries: `first` in the first half, `second` in the second.
fn halves(n: usize, first: Complex64, second: Complex64) -> Vec<Complex64> {
    let mut v = vec![first; n];
    v.resize(2 * n, second);
    v
}

/// `(u, v) -> (u + t v, u - t v)` on blocks of `2 half` slots.
fn forward_layer(n: usize, half: usize) -> Diagonals {
    butterflies(n, half, |t| [(Complex64::ONE, t), (-t, Complex64::ONE)])
}

/// `(a, b) -> ((a + b) / 2, (a - b) conj(t) / 2)`, the inverse of [`forward_layer`].
fn inverse_layer(n: usize, half: usize) -> Diagonals {
    let h = Complex64::new(0.5, 0.0);
    butterflies(n, half, |t| [(h, h), (-t.conj() * 0.5, t.conj() * 0.5)])
}

/// One layer from the (own, partner) coefficients of the upper and the lower element of each pair.
fn butterflies(
    n: usize,
    half: usize,
    entries: impl Fn(Complex64) -> [(Complex64, Complex64); 2],
) -> Diagonals {
    let roots: Vec<Complex64> = layer_roots(half).collect();
    let mut map = BTreeMap::new();
    for k in [0, half, n - half] {
        map.insert(k, vec![Complex64::ZERO; n]);
    }
    let mut put = |k: usize, p: usize, value| {
        if let Some(diag) = map.get_mut(&k) {
            diag[p] = value;
        }
    };
    for p in (0..n).filter(|p| p & half == 0) {
        let [upper, lower] = entries(roots[p % half]);
        put(0, p, upper.0);
        put(half, p, upper.1);
        put(0, p + half, lower.0);
        put(n - half, p + half, lower.1);
    }
    Diagonals { n, map }
}

#[cfg(test)]
#[path = "dft_tests.rs"]
mod tests;
