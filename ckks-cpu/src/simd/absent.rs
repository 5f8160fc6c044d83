//! Stand-ins where the instruction set does not exist: [`Ifma`] has no value, so nothing here
//! can be called.

use crate::kernels::{KeyLimb, Permutation, Source, Twiddles};
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Pointwise;

/// Proof that the instructions exist: never, here.
#[derive(Clone, Copy)]
pub enum Ifma {}

/// Constants of a prime.
pub enum Narrow {}

/// Constants of a transform.
pub enum IfmaNtt {}

impl Ifma {
    pub const fn detect() -> Option<Self> {
        None
    }

    pub fn narrow(self, _: Modulus) -> Narrow {
        match self {}
    }

    pub fn transform(self, _: Modulus, _: &Twiddles) -> IfmaNtt {
        match self {}
    }

    pub fn ntt(self, _: &IfmaNtt, _: &mut [u64]) {
        match self {}
    }

    pub fn intt(self, _: &IfmaNtt, _: &mut [u64]) {
        match self {}
    }

    pub fn pointwise(self, _: &Narrow, _: Pointwise, _: &mut [u64], _: &[u64], _: &[u64]) {
        match self {}
    }

    pub fn pointwise_assign(self, _: &Narrow, _: Pointwise, _: &mut [u64], _: &[u64]) {
        match self {}
    }

    pub fn multiply_accumulate(self, _: &Narrow, _: &mut [u64], _: &[u64], _: &[u64]) {
        match self {}
    }

    pub fn scale(self, _: &Narrow, _: &mut [u64], _: Shoup) {
        match self {}
    }

    pub fn offset(self, _: &Narrow, _: &mut [u64], _: u64) {
        match self {}
    }

    pub fn subtract_from_and_scale(self, _: &Narrow, _: &mut [u64], _: &[u64], _: Shoup) {
        match self {}
    }

    pub fn linear(self, _: &Narrow, _: &mut [u64], _: &[&[u64]], _: &[u64]) {
        match self {}
    }

    pub fn permute(self, _: &Permutation, _: &mut [u64], _: &[u64]) {
        match self {}
    }

    pub fn dot(
        self,
        _: &Narrow,
        _: &mut [&mut [u64]],
        _: &[&[u64]],
        _: Option<&Permutation>,
        _: KeyLimb<'_>,
    ) {
        match self {}
    }

    pub fn digits(self, _: &[Source], _: &[&[u64]], _: &mut [u64], _: &mut [u64]) {
        match self {}
    }
}
