//! Key switching over blocks.

use crate::backend::CudaBackend;
use crate::captured::Sequence;
use crate::convert::Lift;
use crate::device::Block;
use crate::key::SwitchKey;
use crate::tables::Tables;
use crate::transform::{Division, Skip};
use ckks_math::backend::{
    Basis, Device, RingKernels, SeededKeyData, SwitchKernels, SwitchKeyData, operands,
};
use ckks_math::{Error, Result};

impl SwitchKernels for CudaBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        self.queue.refuse_notes()?;
        let half = operands::key_half(t.ring(), key)?;
        let load = |residues: &[u64]| {
            let words = self.buffer(half * t.word().bytes())?;
            self.import(t, words.address(), key.digits(), key.basis, residues)?;
            Ok::<_, Error>(words)
        };
        let (b, a) = (load(key.b)?, load(key.a)?);
        Ok(SwitchKey::whole(key.basis, key.digit_size, b, a))
    }

    /// One half crosses the bus packed; the other is made on the card, now or at each use: see
    /// [`CudaBackend::with_key_form`].
    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        self.load_key(t, key)
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.basis, key.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot(t, digits, 1, key)
    }

    /// All digits are lifted by one kernel, and limbs of their own primes keep their evaluations:
    /// only the others are transformed.
    fn decompose(&self, t: &Tables, x: &Block, digit_size: usize, special: usize) -> Result<Block> {
        let mut coefficients = self.duplicate(t, x)?;
        self.intt(t, &mut coefficients)?;
        let lift = Lift {
            x: &coefficients,
            own: x,
            digit_size,
        };
        let mut out = self.lift(t, &lift, Basis::qp(x.shape.basis.q_len(), special))?;
        let skip = Skip {
            rows: x.shape.rows,
            digit_size,
        };
        self.ntt_but(t, &mut out, skip)?;
        Ok(out)
    }

    /// The transform of the centred remainder subtracts and scales as it writes.
    fn divide_round(&self, t: &Tables, x: &Block, dropped: Basis, kept: Basis) -> Result<Block> {
        let mut remainder = self.restrict(t, x, 0..x.shape.rows, dropped)?;
        self.intt(t, &mut remainder)?;
        let mut out = self.base_convert(t, &remainder, kept)?;
        let factors = t.division(self, dropped, kept)?;
        let division = Division {
            minuend: x,
            factors: factors.address(),
        };
        self.ntt_divide(t, &mut out, &division)?;
        Ok(out)
    }

    fn key_product(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        self.run_sequence(t, Sequence::Product, x, key)
    }

    fn key_switch(&self, t: &Tables, x: &Block, key: &SwitchKey) -> Result<Block> {
        self.run_sequence(t, Sequence::Switch, x, key)
    }

    fn dot_key_turned(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        self.dot(t, digits, galois, key)
    }
}
