//! Small coefficients, packed polynomials and sums of products with them, residues as bit strings.

use crate::backend::WgpuBackend;
use crate::block::Block;
use crate::launch::{Arguments, Elements};
use crate::pool::Buffer;
use crate::ring::{TOGETHER, filled};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::constants::{RowLayout, narrow};
use ckks_math::backend::{Device, checked, derived, packed};

/// Pairs of one sum whose packed polynomials lie in one buffer.
type Pairs = Vec<(usize, usize)>;

impl WgpuBackend {
    /// See [`ckks_math::backend::RingKernels::sum_products`].
    pub(crate) fn sum_groups(
        &self,
        t: &Tables,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        let shapes = checked::shapes(self, xs);
        let shape = checked::sum_products(t.ring(), &shapes, ys.shape, m, sums)?;
        let log_run = (shape.degree / m).trailing_zeros();
        let sum = |pairs: &Vec<(usize, usize)>| {
            if pairs.is_empty() {
                return self.alloc(t, shape.rows, shape.basis);
            }
            let out = self.block(t, shape.rows, shape.basis)?;
            let mut of_buffer = vec![Pairs::new(); ys.rows.buffers.len()];
            for &(x, y) in pairs {
                of_buffer[(y >> log_run) / ys.rows.each].push((x, y));
            }
            let mut begun = false;
            for (buffer, pairs) in of_buffer.iter().enumerate() {
                for group in pairs.chunks(TOGETHER) {
                    self.sum_part(t, &out, xs, (ys, buffer, log_run), group, begun)?;
                    begun = true;
                }
            }
            Ok(out)
        };
        sums.iter().map(sum).collect()
    }

    /// Adds up to [`TOGETHER`] products to what `out` holds, or sets it.
    fn sum_part(
        &self,
        t: &Tables,
        out: &Block,
        xs: &[&Block],
        (ys, buffer, log_run): (&Block, usize, u32),
        group: &[(usize, usize)],
        begun: bool,
    ) -> Result<()> {
        let operands: Vec<&Block> = group.iter().map(|&(x, _)| xs[x]).collect();
        let mut extra = [0; 16];
        extra[0] = group.len() as u32;
        extra[1] = log_run;
        extra[4..8].copy_from_slice(&ys.rows.limbs);
        let log_m = t.log_n() - log_run;
        for (k, &(_, y)) in group.iter().enumerate() {
            let in_row = y & ((1 << log_run) - 1);
            extra[8 + 2 * k] = ((y >> log_run) - buffer * ys.rows.each) as u32;
            extra[9 + 2 * k] = (in_row << log_m) as u32;
        }
        let views = filled(out, &operands);
        let work = Elements {
            flags: u32::from(begun),
            extra: &extra,
            also: &[(7, ys.rows.buffers[buffer].raw())],
            ..Elements::over("sum_products", out.shape.rows, &views)
        };
        self.launch(t, &work)
    }

    /// Writes packed rows to rows `to(0)`, `to(1)`, ... of a block, in stored form.
    pub(crate) fn unpack(
        &self,
        t: &Tables,
        out: &Block,
        to: impl Fn(usize) -> usize,
        bytes: &[u8],
    ) -> Result<()> {
        let (ring, basis) = (t.ring(), out.shape.basis);
        let row_bytes = packed::packed_row_len(ring, basis);
        let rows = bytes.len().checked_div(row_bytes).unwrap_or(0);
        derived::check_packed(ring, basis, rows, bytes)?;
        let layout = RowLayout::of(ring, basis);
        let constants = [narrow(&layout.starts), layout.bits].concat();
        for (row, bytes) in bytes.chunks_exact(row_bytes.max(1)).enumerate() {
            // Whole words, and one more that may be read behind the last.
            let mut words = vec![0_u32; bytes.len() / 4 + 2];
            bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
            let staged = self.stage(&words)?;
            let views = [out.rows.from(to(row))];
            let work = Elements {
                constants: &constants,
                extra: &[basis.limbs() as u32],
                also: &[(3, staged.raw())],
                ..Elements::over("unpack", 1, &views)
            };
            self.launch(t, &work)?;
        }
        Ok(())
    }

    /// Sets the first word of `found` where one of a buffer's is not zero.
    pub(crate) fn find_nonzero(&self, found: &Block, x: &Buffer, words: usize) -> Result<()> {
        let args = Arguments {
            total: words as u32,
            ..Arguments::default()
        };
        let bound = [(2, found.rows.buffers[0].raw()), (3, x.raw())];
        self.dispatch(&args, "find_nonzero", self.threads(), &[], &bound)
    }
}
