//! Stand-ins where the instruction set does not exist: [`Ifma`] has no value, so nothing here
//! can be called.

use crate::kernels::{KeyLimb, Permutation, Source, Twiddles};
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Pointwise;
use ckks_math::sampling::UniformStream;

/// Primes that are summed together.
pub const TARGETS: usize = 4;

/// Proof that the instructions exist: never, here.
#[derive(Clone, Copy)]
pub enum Ifma {}

/// Constants of a prime.
#[derive(Clone, Copy)]
pub struct Constants;

/// Constants of a transform.
pub struct IfmaNtt;

impl IfmaNtt {
    pub const fn split(&self) -> (usize, usize) {
        (1, 1)
    }

    pub const fn fold(&self) -> Option<Shoup> {
        None
    }
}

impl Ifma {
    pub const fn detect() -> Option<Self> {
        None
    }

    pub fn constants(self, _: Modulus) -> Constants {
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

    pub fn pointwise(self, _: &Constants, _: Pointwise, _: &mut [u64], _: &[u64], _: &[u64]) {
        match self {}
    }

    pub fn pointwise_assign(self, _: &Constants, _: Pointwise, _: &mut [u64], _: &[u64]) {
        match self {}
    }

    pub fn multiply_accumulate(self, _: &Constants, _: &mut [u64], _: &[u64], _: &[u64]) {
        match self {}
    }

    pub fn sum_products(self, _: &Constants, _: &mut [u64], _: &[(&[u64], &[u64])]) {
        match self {}
    }

    pub fn tensor(self, _: &Constants, _: [&mut [u64]; 3], _: [&[u64]; 2], _: [&[u64]; 2]) {
        match self {}
    }

    pub fn scale(self, _: &Constants, _: &mut [u64], _: Shoup) {
        match self {}
    }

    pub fn offset(self, _: &Constants, _: &mut [u64], _: u64) {
        match self {}
    }

    pub fn subtract_from_and_scale(self, _: &Constants, _: &mut [u64], _: &[u64], _: Shoup) {
        match self {}
    }

    pub fn linear(self, _: &Constants, _: bool, _: &mut [u64], _: &[&[u64]], _: &[u64]) {
        match self {}
    }

    pub fn gemm(self, _: &Constants, _: &mut [&mut [u64]], _: &[&[u64]], _: &[u64]) {
        match self {}
    }

    pub const fn takes_many(_: usize, _: usize) -> bool {
        false
    }

    pub fn linear_many(
        self,
        _: [&Constants; TARGETS],
        _: bool,
        _: &mut [u64],
        _: &[&[u64]],
        _: [&[u64]; TARGETS],
    ) {
        match self {}
    }

    pub fn permute(self, _: &Permutation, _: &mut [u64], _: &[u64]) {
        match self {}
    }

    pub fn dot(
        self,
        _: &Constants,
        _: &mut [&mut [u64]],
        _: &[&[u64]],
        _: Option<&Permutation>,
        _: KeyLimb<'_>,
    ) {
        match self {}
    }

    pub fn intt_to_columns(self, _: &IfmaNtt, _: &mut [u64], _: u64, _: &mut [u64]) {
        match self {}
    }

    pub fn ntt_column(self, _: &IfmaNtt, _: usize, _: &mut [u64], _: &mut [u64]) {
        match self {}
    }

    pub fn ntt_block(self, _: &IfmaNtt, _: usize, _: &mut [u64]) {
        match self {}
    }

    pub fn scale_into(self, _: &Constants, _: &mut [u64], _: &[u64], _: Shoup) {
        match self {}
    }

    pub fn add_scaled(self, _: &Constants, _: &mut [u64], _: &[u64], _: Shoup) {
        match self {}
    }

    pub fn integers(self, _: &Constants, _: &mut [u64], _: &[i64], _: bool) {
        match self {}
    }

    pub fn spread(self, _: &mut [u64], _: usize) {
        match self {}
    }

    pub fn quotient(self, _: &[Source], _: &[&[u64]], _: &mut [u64]) {
        match self {}
    }
}

/// Proof that the instructions exist: never, here.
#[derive(Clone, Copy)]
pub enum ChaCha {}

impl ChaCha {
    pub const fn detect() -> Option<Self> {
        None
    }

    pub const fn takes(_: Modulus, _: usize, _: usize) -> bool {
        false
    }

    pub fn residues(self, _: &UniformStream, _: Modulus, _: usize, _: &mut [u64]) -> Vec<u32> {
        match self {}
    }
}

/// Proof that the instructions exist: never, here.
#[derive(Clone, Copy)]
pub enum Packer {}

impl Packer {
    pub const fn detect() -> Option<Self> {
        None
    }

    pub const fn takes(_: usize, _: u32) -> bool {
        false
    }

    pub fn pack(self, _: &[u64], _: u32, _: &mut [u8]) {
        match self {}
    }

    pub fn unpack(self, _: &[u8], _: u32, _: &mut [u64]) {
        match self {}
    }

    pub fn unpack_groups(self, _: &[u8], _: u32, _: (usize, usize), _: &mut [u64]) {
        match self {}
    }
}
