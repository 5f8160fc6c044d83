//! Switching keys on the device: in which form, where, and their products with digits.

use crate::backend::CudaBackend;
use crate::captured::KeyCaptures;
use crate::device::Block;
use crate::feed::Stored;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::packed::SPARE;
use crate::pool::Buffer;
use crate::ring::automorphism_words;
use crate::seeded::KEY_BYTES;
use crate::tables::Tables;
use ckks_math::backend::checked::KeyShape;
use ckks_math::backend::gpu::constants::stream_keys;
use ckks_math::backend::{Basis, SeededKeyData, checked};
use ckks_math::{Error, Result};

/// Rows that share one reading of the key.
const ROWS: usize = 4;
/// Threads of a block of the fused product, each of which makes [`WORDS`] residues at a time.
const THREADS: usize = 128;
const WORDS: usize = 8;

/// What is kept of a key that came as one half and a seed; products have the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// Both halves, a word for each residue. The most memory, and no work at a use.
    #[default]
    Whole,
    /// One half packed at the length of each prime, and the seed. Both halves are made by kernels
    /// of their own at each use, for the limbs and digits in use only.
    Expanded,
    /// As `Expanded`, but a product with digits of one polynomial makes the residues as it goes,
    /// and none of them is written. Of more polynomials it would make them for each.
    Fused,
}

/// A switching key on the device.
pub struct SwitchKey {
    pub(crate) shape: KeyShape,
    /// Sequences with this key; dropped before the halves that they read.
    pub(crate) captures: KeyCaptures,
    halves: Halves,
}

/// Halves `[digits, limbs, N]`.
enum Halves {
    /// In stored form.
    Whole { b: Buffer, a: Buffer },
    Seeded {
        /// Packed as it came.
        b: Stored,
        /// The keys of the streams, eight words a digit.
        streams: Buffer,
        fused: bool,
    },
}

/// One use of a key.
struct Product<'a> {
    digits: &'a Block,
    /// Digits of the key in use, and polynomials.
    used: usize,
    rows: usize,
    galois: u64,
    out: &'a Block,
}

impl SwitchKey {
    /// A key of two halves in stored form.
    pub(crate) fn whole(shape: KeyShape, b: Buffer, a: Buffer) -> Self {
        Self {
            shape,
            captures: KeyCaptures::default(),
            halves: Halves::Whole { b, a },
        }
    }

    /// Bytes of device memory, and of pinned host memory.
    pub fn bytes(&self) -> (usize, usize) {
        match &self.halves {
            Halves::Whole { b, a } => (b.len() + a.len(), 0),
            Halves::Seeded { b, streams, .. } => {
                let (device, host) = b.bytes();
                (device + streams.len(), host)
            }
        }
    }
}

impl CudaBackend {
    /// A key in the form that is asked for. Where memory is short for a whole one, in the least.
    pub(crate) fn load_key(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<SwitchKey> {
        self.queue.refuse_recording()?;
        let shape = checked::seeded_key(t.ring(), key)?;
        let form = self.options.key_form;
        let halves = match form {
            KeyForm::Whole if !self.options.on_host => match self.whole_halves(t, key) {
                Err(Error::OutOfMemory { .. }) => self.seeded_halves(t, key, true)?,
                other => other?,
            },
            other => self.seeded_halves(t, key, other == KeyForm::Fused)?,
        };
        Ok(SwitchKey {
            shape,
            captures: KeyCaptures::default(),
            halves,
        })
    }

    fn whole_halves(&self, t: &Tables, key: &SeededKeyData<'_>) -> Result<Halves> {
        let digits = key.digits();
        let half = digits * key.basis.limbs() * t.ring().degree() * t.word().bytes();
        let (b, a) = (self.buffer(half)?, self.buffer(half)?);
        self.unpack(t, &b, digits, key.basis, key.b)?;
        self.fill_uniform(t, &a, key.seed, 0..digits, key.basis)?;
        Ok(Halves::Whole { b, a })
    }

    fn seeded_halves(&self, t: &Tables, key: &SeededKeyData<'_>, fused: bool) -> Result<Halves> {
        let b = self.stage_packed(t, key.digits(), key.basis, key.b)?;
        Ok(Halves::Seeded {
            b: self.keep(b)?,
            streams: self.stage(&stream_keys(key.seed, 0..key.digits())?)?,
            fused,
        })
    }

    /// Inner product of digits, permuted by an automorphism on their way, with a key.
    pub(crate) fn dot(
        &self,
        t: &Tables,
        digits: &Block,
        galois: u64,
        key: &SwitchKey,
    ) -> Result<Block> {
        let rows = checked::digits("dot_key", t.ring(), digits.shape, galois, key.shape)?;
        let basis = digits.shape.basis;
        let used = basis.q_len().div_ceil(key.shape.digit_size);
        let out = self.block(t, 2 * rows, basis)?;
        let product = Product {
            digits,
            used,
            rows,
            galois,
            out: &out,
        };
        match &key.halves {
            Halves::Whole { b, .. } if b.len() != key.shape.half_words() * t.word().bytes() => {
                return Err(Error::InvalidParameters(format!(
                    "dot_key: a key half of {} bytes on a ring with words of {}: load it again",
                    b.len(),
                    t.word().bytes()
                )));
            }
            Halves::Whole { b, a } => self.dot_whole(t, &product, key.shape.basis, b, a)?,
            Halves::Seeded { b, streams, fused } => {
                let packed = b.fetch(self)?;
                if *fused && rows == 1 {
                    self.dot_seeded(t, &product, key.shape.basis, &packed, streams)?;
                } else {
                    let made_b = self.block(t, used, basis)?;
                    let made_a = self.block(t, used, basis)?;
                    self.unpack_limbs(t, &made_b.words, used, (basis, key.shape.basis), &packed)?;
                    self.fill_streams(t, &made_a.words, streams, used, basis)?;
                    self.dot_whole(t, &product, basis, &made_b.words, &made_a.words)?;
                }
            }
        }
        Ok(out)
    }

    /// With halves over a basis, in stored form.
    fn dot_whole(
        &self,
        t: &Tables,
        product: &Product<'_>,
        basis: Basis,
        b: &Buffer,
        a: &Buffer,
    ) -> Result<()> {
        let Product {
            digits, used, rows, ..
        } = *product;
        let (kernel, group) = match rows {
            0 | 1 => (Kernel::KeyProduct1, 1),
            _ => (Kernel::KeyProduct4, ROWS),
        };
        let half = used * t.row_bytes(basis);
        let [b, a] = [b, a].map(|of| of.range(self.queue.pool(), 0, half));
        let limbs = digits.shape.basis.limbs();
        let grid = Grid::elements(kernel, digits.log_n(), limbs, rows.div_ceil(group))?;
        let arguments = arguments![
            product.out.at(t)?,
            digits.at(t)?,
            b?,
            a?,
            t.primes(),
            digits.limbs(t),
            t.limbs(basis),
            used as u32,
            rows as u32,
            automorphism_words(t, product.galois),
            digits.log_n(),
        ];
        // SAFETY: `checked::digits`: there are `used` digits of `rows` polynomials over primes of
        // the basis of the halves, which hold as many digits, and two rows of `out` for each
        // polynomial.
        unsafe { self.launch(t, kernel, grid, &arguments) }
    }

    /// With a packed half over a basis and the keys of the streams of the other.
    fn dot_seeded(
        &self,
        t: &Tables,
        product: &Product<'_>,
        basis: Basis,
        packed: &Buffer,
        streams: &Buffer,
    ) -> Result<()> {
        let digits = product.digits;
        let (n, limbs) = (digits.shape.degree, digits.shape.basis.limbs());
        let packing = t.packing(self, basis)?;
        let bytes = product.used * packing.row_bytes as usize + SPARE;
        let packed = packed.range(self.queue.pool(), 0, bytes)?;
        let keys = streams.range(self.queue.pool(), 0, product.used * KEY_BYTES)?;
        let blocks = [n.div_ceil(THREADS * WORDS), limbs, product.rows];
        let grid = Grid::new(Kernel::SeededProduct, blocks, THREADS.min(n) as u32)?;
        let arguments = arguments![
            product.out.at(t)?,
            digits.at(t)?,
            packed,
            packing.starts.address(),
            packing.bits.address(),
            packing.row_bytes,
            keys,
            packing.lasts.address(),
            t.primes(),
            digits.limbs(t),
            t.limbs(basis),
            product.used as u32,
            product.rows as u32,
            automorphism_words(t, product.galois),
            digits.log_n(),
        ];
        // SAFETY: as in `dot_whole`, with a packed row and the key of a stream for each digit.
        unsafe { self.launch(t, Kernel::SeededProduct, grid, &arguments) }
    }
}
