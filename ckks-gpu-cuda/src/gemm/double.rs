//! Matrix products in doubles: limbs whose sums of products are exact, see `double_gemm.cu`.

use super::rows::Rows;
use super::{Entries, LANES, lane_grid};
use crate::backend::CudaBackend;
use crate::device::Block;
use crate::feed::Stored;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;

/// Outputs, columns and inputs of a tile.
const SIDE: usize = 8;
/// Outputs and columns of a block of threads.
const BLOCK: (usize, usize) = (32, 64);
const THREADS: u32 = 128;
/// Bytes of a lane of a tile.
const LANE_BYTES: usize = 16;
/// Whole numbers up to `2^53` are doubles.
const EXACT: u32 = 53;

/// How entries and residues are cut into limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Limbs of an entry, and their bits.
    pub entries: (u32, u32),
    /// Limbs of a residue, and their bits.
    pub residues: (u32, u32),
}

impl Cut {
    /// The fewest products for sums of `inputs` terms, with entries and centred residues of so many
    /// bits, the sign among them. `None` for so many inputs that no limb is left.
    ///
    /// A limb of `b` bits is at most `2^(b - 1)` in size, also the last one where the limbs have a
    /// bit more than the number.
    fn new(inputs: usize, entry_bits: u32, residue_bits: u32) -> Option<Self> {
        let limbs = |bits: u32, width: u32| (bits + 1).div_ceil(width);
        let cut = |a: u32, b: u32| Self {
            entries: (limbs(entry_bits, a), a),
            residues: (limbs(residue_bits, b), b),
        };
        // One limb on either side, or limbs of one width.
        let rest = |width: u32| {
            (EXACT + 2)
                .checked_sub(width + log2(inputs))
                .map(|b| b.min(EXACT))
        };
        let whole_entry = rest(entry_bits + 1).map(|b| (entry_bits + 1, b));
        let whole_residue = rest(residue_bits + 1).map(|a| (a, residue_bits + 1));
        let both = (3..=EXACT / 2 + 1).rev().map(|width| Some((width, width)));
        let methods = [whole_entry, whole_residue]
            .into_iter()
            .chain(both)
            .flatten();
        let methods = methods
            .filter(|(a, b)| *a >= 3 && *b >= 3)
            .map(|(a, b)| cut(a, b));
        methods
            .filter(|cut| cut.is_exact(inputs))
            .min_by_key(|cut| cut.products())
    }

    /// Whether sums of one diagonal are at most `2^53`, and all weights powers of one width.
    fn is_exact(self, inputs: usize) -> bool {
        let ((m, a), (n, b)) = (self.entries, self.residues);
        let one_width = m == 1 || n == 1 || a == b;
        one_width && a + b - 2 + log2(inputs * m.min(n) as usize) <= EXACT
    }

    /// Products of limbs.
    pub const fn products(self) -> u32 {
        self.entries.0 * self.residues.0
    }

    /// Powers of two that products of limbs are weighed with.
    const fn diagonals(self) -> u32 {
        self.entries.0 + self.residues.0 - 1
    }

    /// Bits from one such power to the next.
    const fn step(self) -> u32 {
        if self.entries.0 == 1 {
            self.residues.1
        } else {
            self.entries.1
        }
    }
}

/// `ceil(log2 x)`.
fn log2(x: usize) -> u32 {
    x.next_power_of_two().trailing_zeros()
}

/// How a matrix is cut for a ring, `None` where it cannot be.
pub fn cut_for(t: &Tables, inputs: usize, entries: &[i64]) -> Option<Cut> {
    let largest = entries.iter().map(|w| w.unsigned_abs()).max()?;
    let primes = t.ring().q().iter().chain(t.ring().p());
    let residue_bits = primes.map(|m| m.bits()).max()?;
    // |w| is at most 2^(bits - 1), |x| below 2^(bits - 1) for q below 2^bits.
    let entry_bits = largest.max(1).next_power_of_two().trailing_zeros() + 1;
    Cut::new(inputs, entry_bits, residue_bits)
}

/// Entries in limbs, in tiles.
pub struct Limbs {
    cut: Cut,
    /// `[limbs][tiles of outputs][tiles of inputs][512]` bytes.
    words: Stored,
    /// `[primes][diagonals]`: powers of two.
    weights: Buffer,
}

impl Limbs {
    /// Of entries that the device holds, cut as [`cut_for`] says.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn load(backend: &CudaBackend, t: &Tables, entries: &Entries, cut: Cut) -> Result<Self> {
        let (outputs, inputs) = (entries.outputs, entries.inputs);
        let primes = t.ring().q().iter().chain(t.ring().p());
        let weights = primes.flat_map(|&m| {
            let step = m.reduce(1 << cut.step());
            (0..cut.diagonals()).scan(m.reduce(1), move |weight, _| {
                let found = *weight;
                *weight = m.mul(found, step);
                Some(found)
            })
        });
        let weights: Vec<u64> = weights.collect();
        let (limbs, width) = cut.entries;
        let lanes = outputs.div_ceil(SIDE) * inputs.div_ceil(SIDE) * LANES;
        let words = backend.buffer(limbs as usize * lanes * LANE_BYTES)?;
        let arguments = arguments![
            words.address(),
            entries.words.address(),
            [limbs, width],
            outputs as u32,
            inputs as u32,
        ];
        let grid = lane_grid(Kernel::CutMatrix, lanes)?;
        // SAFETY: the kernel reads `outputs inputs` entries and writes the lanes of all limbs.
        unsafe { backend.launch(t, Kernel::CutMatrix, grid, &arguments)? };
        Ok(Self {
            cut,
            words: backend.keep(words)?,
            weights: backend.stage_words(t.word(), &weights)?,
        })
    }

    /// Products of limbs that make one of entries.
    pub const fn products(&self) -> u32 {
        self.cut.products()
    }

    /// Bytes on the device, and in pinned memory.
    pub fn bytes(&self) -> (usize, usize) {
        self.words.bytes()
    }

    /// Writes the product with rows to the rows of `out`: as many columns of a limb at a time as
    /// the workspace holds.
    ///
    /// # Errors
    /// [`ckks_math::Error::OutOfMemory`], [`ckks_math::Error::Unsupported`] for grids beyond the
    /// device, and failures of the device.
    pub fn multiply(&self, rows: Rows<'_>, out: &mut Block) -> Result<()> {
        let Rows { backend, t, x, .. } = rows;
        let inputs = rows.inputs();
        let ((w_limbs, _), (x_limbs, width)) = (self.cut.entries, self.cut.residues);
        let lanes = |columns: usize| columns.div_ceil(SIDE) * inputs.div_ceil(SIDE) * LANES;
        let bytes = |columns: usize| lanes(columns) * x_limbs as usize * LANE_BYTES;
        let columns = rows.columns_at_once(BLOCK.1, bytes);
        let words = self.words.fetch(backend)?;
        let workspace = backend.buffer(bytes(columns))?;
        let across = columns.div_ceil(BLOCK.1);
        let blocks = [across, out.shape.rows.div_ceil(BLOCK.0), 1];
        let grid = Grid::new(Kernel::DoubleGemm, blocks, THREADS)?;
        let cutting = lane_grid(Kernel::CutRows, lanes(columns))?;
        for piece in rows.pieces(columns) {
            let arguments = arguments![
                workspace.address(),
                x.at(t)?,
                t.primes(),
                [x_limbs, width],
                piece,
                inputs as u32,
            ];
            // SAFETY: the piece lies in a limb of `x`, and the workspace holds the limbs of its
            // columns.
            unsafe { backend.launch(t, Kernel::CutRows, cutting, &arguments)? };
            let arguments = arguments![
                out.at(t)?,
                words.address(),
                workspace.address(),
                self.weights.address(),
                t.primes(),
                w_limbs,
                x_limbs,
                out.rows(),
                inputs as u32,
                piece,
            ];
            // SAFETY: `checked::gemm`: the matrix has the inputs of the workspace and the rows of
            // `out`, and weights for all primes of this ring.
            unsafe { backend.launch(t, Kernel::DoubleGemm, grid, &arguments)? };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limbs cover the numbers, sums stay exact, and the number of products is what the widths
    /// allow.
    #[test]
    fn cuts_are_exact_and_short() {
        for (inputs, entry_bits, residue_bits, products) in [
            (1 << 9, 9, 29, 1),
            (1 << 9, 9, 60, 2),
            (1 << 9, 31, 29, 2),
            (1 << 12, 31, 60, 6),
            (1 << 12, 64, 61, 16),
            (1 << 16, 64, 61, 16),
        ] {
            let cut = Cut::new(inputs, entry_bits, residue_bits).expect("a cut");
            assert!(cut.is_exact(inputs), "{cut:?}");
            let ((m, a), (n, b)) = (cut.entries, cut.residues);
            assert!(m * a > entry_bits && n * b > residue_bits, "{cut:?}");
            let largest = 1_u128 << (a + b - 2);
            assert!(largest * inputs as u128 * u128::from(m.min(n)) <= 1 << EXACT);
            assert_eq!(cut.products(), products, "{cut:?} for {inputs} inputs");
        }
        assert_eq!(Cut::new(1 << 52, 64, 61), None);
    }
}
