//! Products of integer matrices with rows of residues.

mod choice;
mod double;
mod integer;
mod library;
mod moduli;
mod rows;
mod split;
mod tensor;
#[cfg(test)]
#[cfg(feature = "executor")]
mod tests;

pub(crate) use choice::Choices;
pub use choice::MatrixUnits;

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::kernels::Kernel;
use crate::launch::Grid;
use crate::pool::Buffer;
use crate::tables::{Tables, Word};
use choice::Method;
use ckks_math::backend::checked::MatrixShape;
use ckks_math::backend::{GemmKernels, checked};
use ckks_math::{Error, Result};
use double::Limbs;
use integer::Residues;
use rows::{Rows, WORKSPACE};
use split::Split;

/// Lanes of a tile.
const LANES: usize = 32;
/// Threads of a block when operands are brought into tiles, and most blocks.
const TILING: (usize, usize) = (128, 1 << 16);

/// An integer matrix, prepared for the units that multiply it.
pub struct PlainMatrix {
    shape: MatrixShape,
    /// Words of the ring that it was loaded for.
    word: Word,
    form: Form,
}

/// What a matrix is kept as.
enum Form {
    Integer(Residues),
    Tensor(Split),
    Library(Split),
    Double(Limbs),
}

impl PlainMatrix {
    /// The units that multiply it.
    pub const fn units(&self) -> MatrixUnits {
        match self.form {
            Form::Integer(_) => MatrixUnits::Integer,
            Form::Tensor(_) => MatrixUnits::Tensor,
            Form::Library(_) => MatrixUnits::Library,
            Form::Double(_) => MatrixUnits::Double,
        }
    }

    /// Exact products of smaller numbers that make one of an entry and a residue: one for integers,
    /// one for each small modulus on tensor cores, one for each pair of limbs in doubles.
    pub const fn products(&self) -> usize {
        match &self.form {
            Form::Integer(_) => 1,
            Form::Tensor(split) | Form::Library(split) => split.count,
            Form::Double(limbs) => limbs.products() as usize,
        }
    }

    /// Writes the product with rows to the rows of `out`.
    fn multiply(&self, rows: Rows<'_>, out: &mut Block) -> Result<()> {
        match &self.form {
            Form::Integer(residues) => residues.multiply(rows, out),
            Form::Tensor(split) => tensor::multiply(split, rows, out),
            Form::Library(split) => library::multiply(split, rows, out),
            Form::Double(limbs) => limbs.multiply(rows, out),
        }
    }

    /// Bytes of its entries, on the device or in pinned host memory.
    pub fn bytes(&self) -> usize {
        let (device, host) = match &self.form {
            Form::Integer(residues) => residues.bytes(),
            Form::Tensor(split) | Form::Library(split) => split.words.bytes(),
            Form::Double(limbs) => limbs.bytes(),
        };
        device + host
    }
}

/// A matrix on the device as it came, row-major, to be prepared.
struct Entries {
    words: Buffer,
    outputs: usize,
    inputs: usize,
}

impl CudaBackend {
    fn prepare(&self, t: &Tables, entries: &Entries, method: Method) -> Result<PlainMatrix> {
        let form = match method {
            Method::Integer => Form::Integer(Residues::load(self, t, entries)?),
            Method::Tensor(count) => {
                Form::Tensor(Split::load((self, t), tensor::TILES, entries, count)?)
            }
            Method::Library(count) => {
                // Looked for before anything is prepared for it.
                self.queue.pool().library()?;
                Form::Library(Split::load((self, t), library::BYTES, entries, count)?)
            }
            Method::Double(cut) => Form::Double(Limbs::load(self, t, entries, cut)?),
        };
        Ok(PlainMatrix {
            shape: MatrixShape::new(t.ring(), entries.outputs, entries.inputs),
            word: t.word(),
            form,
        })
    }
}

/// A grid of one thread for each of `lanes`.
fn lane_grid(kernel: Kernel, lanes: usize) -> Result<Grid> {
    let (threads, most) = TILING;
    Grid::new(
        kernel,
        [lanes.div_ceil(threads).min(most), 1, 1],
        threads as u32,
    )
}

/// All ways to multiply a matrix exactly.
fn methods(t: &Tables, inputs: usize, entries: &[i64]) -> Vec<Method> {
    let moduli = moduli::moduli_for(t, inputs, entries);
    let methods = [
        Some(Method::Integer),
        moduli.map(Method::Tensor),
        moduli.map(Method::Library),
        double::cut_for(t, inputs, entries).map(Method::Double),
    ];
    methods.into_iter().flatten().collect()
}

impl GemmKernels for CudaBackend {
    type PlainMatrix = PlainMatrix;

    fn load_matrix(
        &self,
        t: &Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<PlainMatrix> {
        self.queue.refuse_recording()?;
        checked::matrix(outputs, inputs, entries)?;
        if u32::try_from(entries.len()).is_err() {
            return Err(Error::InvalidParameters(format!(
                "matrix: {} entries at once, at most 2^32 - 1",
                entries.len()
            )));
        }
        let method = self.choose(t, (outputs, inputs), &methods(t, inputs, entries))?;
        let staged = Entries {
            words: self.stage(entries)?,
            outputs,
            inputs,
        };
        self.prepare(t, &staged, method)
    }

    fn gemm(&self, t: &Tables, w: &PlainMatrix, x: &Block) -> Result<Block> {
        let shape = checked::gemm(t.ring(), w.shape, x.shape)?;
        if w.word.bytes() != t.word().bytes() {
            return Err(Error::InvalidParameters(format!(
                "gemm: a matrix for words of {} bytes on a ring with words of {}: load it again",
                w.word.bytes(),
                t.word().bytes()
            )));
        }
        let mut out = self.block(t, shape.rows, shape.basis)?;
        let rows = Rows {
            backend: self,
            t,
            x,
            workspace: WORKSPACE,
        };
        w.multiply(rows, &mut out)?;
        Ok(out)
    }
}
