//! Deviations of CKKS noise, from which the laws of the scheme derive their tolerances.
//!
//! A polynomial with independent coefficients of deviation `c` has slots of deviation
//! `c sqrt(k N)`: `k = 1` on the standard ring, where a slot is a sum of `N` coefficients times
//! roots of unity, and `k = 2` on the conjugate-invariant one, whose basis elements are
//! `X^j + X^-j` with squares of mean 2. A product multiplies deviations slot by slot. The secret of
//! weight `h` has slots of deviation `sqrt(k h)`.

use crate::backend::{Backend, RingKind};
use crate::context::Context;
use crate::keys::{KeyPurpose, KeyRequest, SecretKey};
use crate::params::Params;

/// How many deviations a slot may be off. Beyond ten, a Gaussian slot comes with probability
/// `e^-50`, a product of two (a secret's slot, a key's error) with about `e^-18`.
pub const TAIL: f64 = 10.0;

/// Deviations in the slots, in units of the encoded integers: to be divided by the scale.
#[derive(Clone, Debug)]
pub struct Noise {
    params: Params,
    /// `sqrt(k N)`.
    spread: f64,
    /// Square of the deviation of the secret's slots, `k h`.
    secret: f64,
}

/// Deviation of rounding to an integer.
const ROUNDING: f64 = 0.288_675_134_594_812_9;

impl Noise {
    /// The noise under a secret.
    pub fn new<B: Backend>(context: &Context<B>, secret: &SecretKey) -> Self {
        let params = context.params().clone();
        let k = match params.ring().kind() {
            RingKind::Standard => 1.0,
            RingKind::ConjugateInvariant => 2.0,
        };
        Self {
            spread: (k * params.degree() as f64).sqrt(),
            secret: k * secret.weight() as f64,
            params,
        }
    }

    /// Slots over coefficients, `sqrt(k N)`.
    pub const fn spread(&self) -> f64 {
        self.spread
    }

    /// Rounding of a plaintext's coefficients to integers.
    pub fn encoding(&self) -> f64 {
        self.spread * ROUNDING
    }

    /// A fresh encryption under the secret key: an error of deviation sigma, and encoding.
    pub fn fresh(&self) -> f64 {
        self.spread * self.params.sigma().hypot(ROUNDING)
    }

    /// A fresh encryption under the public key: `v e + e0 + e1 s` with `v` uniform ternary, whose
    /// slots have deviation `sqrt(2/3) sqrt(k N)`, and encoding.
    pub fn fresh_public(&self) -> f64 {
        let factor = (2.0 / 3.0 * self.spread.powi(2) + 1.0 + self.secret).sqrt();
        (self.spread * self.params.sigma() * factor).hypot(self.encoding())
    }

    /// A rescaling or a division by `P`: both polynomials are rounded, the linear one meets `s`.
    /// In coefficients this is `sqrt((1 + h) / 12)`.
    pub fn rounding(&self) -> f64 {
        self.spread * ROUNDING * (1.0 + self.secret).sqrt()
    }

    /// A key switch with a key for `level`: each digit, uniform below its product `D`, meets an
    /// error of deviation sigma; the sum is divided by `P` and rounded.
    pub fn switch(&self, level: usize) -> f64 {
        let purpose = KeyPurpose::Relinearization;
        let basis = KeyRequest { purpose, level }.basis(&self.params);
        let ring = self.params.ring();
        let product = |moduli: &[crate::arith::Modulus]| -> f64 {
            moduli.iter().map(|m| m.value() as f64).product()
        };
        let special = product(&ring.p()[..usize::from(basis.special)]);
        let digits: f64 = ring.q()[..basis.q_len()]
            .chunks(self.params.digit_size())
            .map(|digit| (product(digit) / special).powi(2))
            .sum();
        let errors = self.spread.powi(2) * ROUNDING * self.params.sigma() * digits.sqrt();
        errors.hypot(self.rounding())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rounding_deviation_is_that_of_a_uniform_interval() {
        assert!((super::ROUNDING - 12_f64.sqrt().recip()).abs() < 1e-16);
    }
}
