//! Products of integer matrices with rows of residues.

mod choice;
mod integer;
mod tensor;

pub(crate) use choice::Choices;
pub use choice::MatrixUnits;

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::{GemmKernels, operands};
use ckks_math::{Error, Result};
use integer::Residues;
use tensor::Tiles;

/// An integer matrix, prepared for the units that multiply it.
pub struct PlainMatrix {
    outputs: usize,
    inputs: usize,
    form: Form,
}

/// What a matrix is kept as.
enum Form {
    Integer(Residues),
    Tensor(Tiles),
}

impl PlainMatrix {
    /// The units that multiply it.
    pub const fn units(&self) -> MatrixUnits {
        match self.form {
            Form::Integer(_) => MatrixUnits::Integer,
            Form::Tensor(_) => MatrixUnits::Tensor,
        }
    }

    /// Small moduli that tensor cores multiply for, one after the other.
    pub const fn moduli(&self) -> Option<usize> {
        match &self.form {
            Form::Integer(_) => None,
            Form::Tensor(tiles) => Some(tiles.count()),
        }
    }

    /// Bytes of its entries, on the device or in pinned host memory.
    pub fn bytes(&self) -> usize {
        let (device, host) = match &self.form {
            Form::Integer(residues) => residues.bytes(),
            Form::Tensor(tiles) => tiles.bytes(),
        };
        device + host
    }
}

/// A matrix on the device as it came, to be prepared.
struct Entries {
    words: Buffer,
    outputs: usize,
    inputs: usize,
}

impl CudaBackend {
    fn prepare(&self, t: &Tables, entries: &Entries, moduli: Option<usize>) -> Result<PlainMatrix> {
        let (outputs, inputs) = (entries.outputs, entries.inputs);
        let form = match moduli {
            Some(count) => {
                let tiles = Tiles::load(self, t, &entries.words, (outputs, inputs), count)?;
                Form::Tensor(tiles)
            }
            None => {
                let count = (outputs * inputs) as u32;
                Form::Integer(Residues::load(self, t, &entries.words, count)?)
            }
        };
        Ok(PlainMatrix {
            outputs,
            inputs,
            form,
        })
    }
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
        operands::matrix(outputs, inputs, entries)?;
        if u32::try_from(entries.len()).is_err() {
            return Err(Error::InvalidParameters(format!(
                "matrix: {} entries at once, at most 2^32 - 1",
                entries.len()
            )));
        }
        let moduli = tensor::moduli_for(t, inputs, entries);
        let moduli = match moduli {
            Some(count) if self.prefers_tensor(t, (outputs, inputs), count)? => Some(count),
            _ => None,
        };
        let staged = Entries {
            words: self.stage(entries)?,
            outputs,
            inputs,
        };
        self.prepare(t, &staged, moduli)
    }

    fn gemm(&self, t: &Tables, w: &PlainMatrix, x: &Block) -> Result<Block> {
        operands::matrix_inputs(w.inputs, x.shape)?;
        let mut out = self.block(t, w.outputs, x.shape.basis)?;
        match &w.form {
            Form::Integer(residues) => residues.multiply(self, t, x, &mut out)?,
            Form::Tensor(tiles) => tiles.multiply(self, t, x, &mut out)?,
        }
        Ok(out)
    }
}
