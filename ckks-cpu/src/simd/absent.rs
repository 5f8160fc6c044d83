//! Stand-ins for the kernels that exist for AVX-512 only: they have no value, so nothing here can
//! be called.

use ckks_math::arith::Modulus;
use ckks_math::sampling::UniformStream;

/// Proof that the instructions exist: never, here.
#[derive(Clone, Copy)]
pub enum ChaCha {}

impl ChaCha {
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
    pub const fn takes(self, _: usize, _: u32) -> bool {
        match self {}
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
