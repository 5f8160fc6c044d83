//! Key switching: hybrid, with digits of several primes [Han-Ki 2020].

use super::{Basis, RingKernels, SeededKeyData, derived};
use crate::error::Result;

/// A switching key in canonical form, on its way to a device.
///
/// Digit `d` covers the moduli `q[d * digit_size ..]` of the key's basis `q[0..l] p[0..k]` and
/// holds the pair `(b_d, a_d)` of polynomials in evaluation order over the whole basis, with
/// `b_d + a_d s = P * g_d * s' + e` where `g_d` is 1 modulo the primes of digit `d` and 0 modulo
/// the other moduli.
#[derive(Clone, Copy, Debug)]
pub struct SwitchKeyData<'a> {
    /// The primes of the key.
    pub basis: Basis,
    /// Moduli in a digit.
    pub digit_size: usize,
    /// `b_d`, digit-major, limbs then coefficients: `digits * limbs * N` residues.
    pub b: &'a [u64],
    /// `a_d` in the same order.
    pub a: &'a [u64],
}

impl SwitchKeyData<'_> {
    /// Number of digits.
    pub const fn digits(&self) -> usize {
        self.basis.q_len().div_ceil(self.digit_size)
    }
}

/// Key switching kernels.
pub trait SwitchKernels: RingKernels {
    /// A switching key on the device, in the device's own order.
    type SwitchKey: Send + Sync + 'static;

    /// Brings a key to the device.
    ///
    /// # Errors
    /// As [`super::checked::switch_key`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    fn load_switch_key(&self, t: &Self::Tables, key: &SwitchKeyData<'_>)
    -> Result<Self::SwitchKey>;

    /// Expands a seed-compressed key on the device.
    ///
    /// # Errors
    /// As [`super::checked::seeded_key`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: see [`SeededKeyData`] · out: the key that [`SwitchKernels::load_switch_key`] makes of
    /// both halves · exact · law: `seeded_keys_are_those_of_both_halves`
    fn load_seeded_key(
        &self,
        t: &Self::Tables,
        key: &SeededKeyData<'_>,
    ) -> Result<Self::SwitchKey> {
        derived::load_seeded_key(self, t, key)
    }

    /// The basis of a key and its digit size.
    fn switch_key_layout(&self, key: &Self::SwitchKey) -> (Basis, usize);

    /// Inner product of digits with a key: `(sum_d x_d b_d, sum_d x_d a_d)`.
    ///
    /// # Errors
    /// As [`super::checked::digits`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `digits` rows `d * R + r` for `D` digits, evaluations, basis `q[0..l] p[0..k]` with `l`
    /// at most the key's, `k` the key's, `D = ceil(l / digit_size)` · out: `2R` rows, first the `R`
    /// rows with `b` · exact · law: `dot_key_matches_integers`
    fn dot_key(
        &self,
        t: &Self::Tables,
        digits: &Self::Block,
        key: &Self::SwitchKey,
    ) -> Result<Self::Block>;

    /// Splits polynomials into digits, each lifted centred to `q[0..l] p[0..special]`.
    ///
    /// # Errors
    /// As [`super::checked::decompose`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `R` rows, basis `q[0..l]`, evaluations · out: rows `d * R + r`, basis `q[0..l]
    /// p[0..special]`, evaluations · exact · law: `digits_lift_their_limbs`
    fn decompose(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        digit_size: usize,
        special: usize,
    ) -> Result<Self::Block> {
        derived::decompose(self, t, x, digit_size, special)
    }

    /// `round(x / D)` over `kept`, with `D` the product of the primes of `dropped`: the centred
    /// residue modulo `D` is subtracted, what is left is multiplied by `D^-1`.
    ///
    /// # Errors
    /// As [`super::checked::divide_round`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: evaluations over the primes of `dropped` and of `kept`, which share none · out: basis
    /// `kept`, evaluations · exact · law: `mod_down_and_rescale_divides_once`
    fn divide_round(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        dropped: Basis,
        kept: Basis,
    ) -> Result<Self::Block> {
        derived::divide_round(self, t, x, dropped, kept)
    }

    /// `round(x / P)` with `P` the product of the special primes of `x`.
    ///
    /// # Errors
    /// As [`super::checked::mod_down`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: evaluations, basis `q[0..l] p[0..k]` · out: basis `q[0..l]`, evaluations · exact ·
    /// law: `mod_down_divides_by_p`
    fn mod_down(&self, t: &Self::Tables, x: &Self::Block) -> Result<Self::Block> {
        derived::mod_down(self, t, x)
    }

    /// `round(x / (q[l-k] .. q[l-1]))`, dropping the last `primes` moduli.
    ///
    /// # Errors
    /// As [`super::checked::rescale`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: evaluations, basis `q[0..l]`, `0 < primes < l` · out: basis `q[0..l-primes]`,
    /// evaluations · exact · law: `rescale_divides_by_the_last_primes`
    fn rescale(&self, t: &Self::Tables, x: &Self::Block, primes: usize) -> Result<Self::Block> {
        derived::rescale(self, t, x, primes)
    }

    /// `round(x / (q[l-k] .. q[l-1] P))`: [`SwitchKernels::mod_down`] and
    /// [`SwitchKernels::rescale`] by one division, with one rounding.
    ///
    /// # Errors
    /// As [`super::checked::mod_down_and_rescale`]; [`crate::Error::OutOfMemory`], and failures of
    /// the device.
    ///
    /// # Contract
    /// in: evaluations, basis `q[0..l] p[0..k]`, `0 < primes < l` · out: basis `q[0..l-primes]`,
    /// evaluations · exact · law: `mod_down_and_rescale_divides_once`
    fn mod_down_and_rescale(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        primes: usize,
    ) -> Result<Self::Block> {
        derived::mod_down_and_rescale(self, t, x, primes)
    }

    /// Digits of `R` polynomials times a key, left over `QP`: `dot_key(decompose(x))`.
    ///
    /// # Errors
    /// As [`super::checked::key_product`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: as [`SwitchKernels::key_switch`] · out: as [`SwitchKernels::dot_key`] · exact ·
    /// law: `key_product_equals_its_default_body`
    fn key_product(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        key: &Self::SwitchKey,
    ) -> Result<Self::Block> {
        derived::key_product(self, t, x, key)
    }

    /// Key switching of `R` polynomials: `2R` rows `(round(sum x_d b_d / P), round(sum x_d a_d /
    /// P))`.
    ///
    /// # Errors
    /// As [`super::checked::key_product`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: `R` rows, basis `q[0..l]`, evaluations · out: `2R` rows, same basis · exact ·
    /// law: `key_switch_decrypts_alike`
    fn key_switch(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        key: &Self::SwitchKey,
    ) -> Result<Self::Block> {
        derived::key_switch(self, t, x, key)
    }

    /// Automorphism of decomposed polynomials, then inner product with the key, left over `QP`.
    ///
    /// # Errors
    /// As [`super::checked::digits`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: as [`SwitchKernels::dot_key`]; `galois` odd · out: `dot_key(x(X^galois))` · exact ·
    /// law: `hoisted_equals_switch_of_permuted`
    fn dot_key_permuted(
        &self,
        t: &Self::Tables,
        digits: &Self::Block,
        galois: u64,
        key: &Self::SwitchKey,
    ) -> Result<Self::Block> {
        derived::dot_key_permuted(self, t, digits, galois, key)
    }
}
