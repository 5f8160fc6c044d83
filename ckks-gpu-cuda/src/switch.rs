//! Key switching over blocks.

use crate::backend::CudaBackend;
use crate::captured::Sequence;
use crate::device::Block;
use crate::key::SwitchKey;
use crate::tables::Tables;
use ckks_math::backend::gpu::bodies;
use ckks_math::backend::{Basis, SeededKeyData, SwitchKernels, SwitchKeyData, checked};
use ckks_math::{Error, Result};

impl SwitchKernels for CudaBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        self.queue.refuse_recording()?;
        let shape = checked::switch_key(t.ring(), key)?;
        let load = |residues: &[u64]| {
            let words = self.buffer(shape.half_words() * t.word().bytes())?;
            self.import(t, &words, key.digits(), key.basis, residues)?;
            Ok::<_, Error>(words)
        };
        let (b, a) = (load(key.b)?, load(key.a)?);
        Ok(SwitchKey::whole(shape, b, a))
    }

    /// One half crosses the bus packed; the other is made on the card, now or at each use: see
    /// [`CudaBackend::with_key_form`].
    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        self.load_key(t, key)
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.shape.basis, key.shape.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot(t, digits, 1, key)
    }

    /// All digits are lifted by one kernel, and limbs of their own primes keep their evaluations:
    /// only the others are transformed.
    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        bodies::decompose(self, t, x, digit_size, special)
    }

    fn divide_round(&self, t: &Tables, x: &Block, dropped: Basis, kept: Basis) -> Result<Block> {
        bodies::divide_round(self, t, x, dropped, kept)
    }

    fn key_product(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        checked::key_product("key_product", t.ring(), x.shape, key.shape)?;
        self.run_sequence(t, Sequence::Product, x, key)
    }

    fn key_switch(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        checked::key_product("key_switch", t.ring(), x.shape, key.shape)?;
        self.run_sequence(t, Sequence::Switch, x, key)
    }

    fn dot_key_permuted(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot(t, digits, galois, key)
    }
}
