//! Key switching over blocks.

use crate::backend::CudaBackend;
use crate::convert::Lift;
use crate::device::Block;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::ring::turn;
use crate::tables::Tables;
use crate::transform::{Division, Skip};
use ckks_math::backend::{Basis, Device, RingKernels, SeededKeyData, SwitchKernels, SwitchKeyData};
use ckks_math::sampling::Seed;
use ckks_math::{Error, Result};

/// Rows that share one reading of the key.
const ROWS: usize = 4;

/// A switching key on the device: halves `[digits, limbs, N]` in stored form.
pub struct SwitchKey {
    basis: Basis,
    digit_size: usize,
    b: Buffer,
    a: UniformHalf,
}

/// The uniform half of a key.
enum UniformHalf {
    /// In memory.
    Kept(Buffer),
    /// Made anew at each use, for the limbs and digits in use only.
    Seeded(Seed),
}

impl CudaBackend {
    fn dot(&self, t: &Tables, digits: &Block, galois: u64, key: &SwitchKey) -> Result<Block> {
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / used.max(1);
        debug_assert_eq!(rows * used, digits.shape.rows);
        let made;
        let (a, a_basis) = match &key.a {
            UniformHalf::Kept(a) => (a, key.basis),
            UniformHalf::Seeded(seed) => {
                made = self.uniform(t, seed, 0, used, basis)?.words;
                (&made, basis)
            }
        };
        let out = self.block(t, 2 * rows, basis)?;
        let (name, group) = if rows > 1 {
            ("key_product_4", ROWS)
        } else {
            ("key_product_1", 1)
        };
        let grid = Grid::elements(name, out.log_n(), basis.limbs(), rows.div_ceil(group))?;
        let arguments = arguments![
            out.address(),
            digits.address(),
            key.b.address(),
            a.address(),
            t.primes(),
            digits.limbs(t),
            t.limbs(key.basis),
            t.limbs(a_basis),
            used as u32,
            rows as u32,
            turn(t, galois),
            out.log_n(),
        ];
        self.launch_for(t, name, grid, &arguments)?;
        Ok(out)
    }

    /// `round(x / D)` over `kept`, with `D` the product of the primes of `dropped`: the transform of
    /// the centred remainder subtracts and scales as it writes.
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
}

impl SwitchKernels for CudaBackend {
    type SwitchKey = SwitchKey;

    fn load_switch_key(&self, t: &Tables, key: &SwitchKeyData<'_>) -> Result<SwitchKey> {
        let half = key.digits() * key.basis.limbs() * t.ring().degree();
        if key.b.len() != half || key.a.len() != half {
            return Err(Error::InvalidParameters(format!(
                "switching key: {} and {} residues where {half} are needed",
                key.b.len(),
                key.a.len()
            )));
        }
        let load = |residues: &[u64]| {
            let words = self.buffer(half * t.word().bytes())?;
            self.import(t, words.address(), key.digits(), key.basis, residues)?;
            Ok::<_, Error>(words)
        };
        Ok(SwitchKey {
            basis: key.basis,
            digit_size: key.digit_size,
            b: load(key.b)?,
            a: UniformHalf::Kept(load(key.a)?),
        })
    }

    /// One half crosses the bus packed. The other is made on the card: now, or with
    /// [`CudaBackend::with_compressed_keys`] and where memory is short, at each use.
    fn load_seeded_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        let digits = key.digits();
        let half = digits * key.basis.limbs() * t.ring().degree() * t.word().bytes();
        let b = self.buffer(half)?;
        self.unpack(t, b.address(), digits, key.basis, key.b)?;
        let kept = match self.compressed {
            true => None,
            false => match self.buffer(half) {
                Err(Error::OutOfMemory { .. }) => None,
                other => Some(other?),
            },
        };
        let a = match kept {
            Some(a) => {
                self.fill_uniform(t, a.address(), key.seed, 0..digits, key.basis)?;
                UniformHalf::Kept(a)
            }
            None => UniformHalf::Seeded(key.seed.clone()),
        };
        Ok(SwitchKey {
            basis: key.basis,
            digit_size: key.digit_size,
            b,
            a,
        })
    }

    fn switch_key_layout(&self, key: &SwitchKey) -> (Basis, usize) {
        (key.basis, key.digit_size)
    }

    fn dot_key(&self, t: &Tables, digits: &Block, key: &SwitchKey) -> Result<Block> {
        self.dot(t, digits, 1, key)
    }

    /// All digits are lifted by one kernel, and limbs of their own primes keep their evaluations: only
    /// the others are transformed.
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

    fn mod_down(&self, t: &Tables, x: &Block) -> Result<Block> {
        let basis = x.shape.basis;
        let dropped = Basis::p(usize::from(basis.special));
        self.divide_round(t, x, dropped, Basis::q(basis.q_len()))
    }

    fn rescale(&self, t: &Tables, x: &Block, primes: usize) -> Result<Block> {
        let l = x.shape.basis.q_len();
        let (dropped, kept) = (Basis::digit(l - primes, l), Basis::q(l - primes));
        self.divide_round(t, x, dropped, kept)
    }

    fn mod_down_and_rescale(&self, t: &Tables, x: &Block, primes: usize) -> Result<Block> {
        let basis = x.shape.basis;
        let kept = Basis::q(basis.q_len() - primes);
        let dropped = Basis {
            lo: kept.hi,
            ..basis
        };
        self.divide_round(t, x, dropped, kept)
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
