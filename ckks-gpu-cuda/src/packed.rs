//! Small polynomials side by side, sums of products with them, residues as bit strings.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::kernels::Kernel;
use crate::launch::{Grid, arguments};
use crate::memory::bytes_mut;
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::{Basis, checked, derived};
use ckks_math::{Error, Result};

/// Sums that share one reading of the blocks; as in `sum_products.cu`.
const SUMS: usize = 8;
/// Where a term has no polynomial for a sum.
const NONE: u32 = u32::MAX;
/// Words of a term: the block, and a polynomial for each sum.
const TERM: usize = 1 + SUMS;
/// Bytes behind packed residues that the kernel may read.
pub(crate) const SPARE: usize = 12;

/// The terms of a group of sums, sorted by block: no sum has a block twice in a term.
fn terms(group: &[Vec<(usize, usize)>], blocks: usize) -> Vec<[u32; TERM]> {
    let mut of_block = vec![Vec::<[u32; TERM]>::new(); blocks];
    for (sum, pairs) in group.iter().enumerate() {
        let mut used = vec![0; blocks];
        for &(block, polynomial) in pairs {
            let terms = &mut of_block[block];
            if used[block] == terms.len() {
                let mut term = [NONE; TERM];
                term[0] = block as u32;
                terms.push(term);
            }
            terms[used[block]][1 + sum] = polynomial as u32;
            used[block] += 1;
        }
    }
    of_block.concat()
}

impl CudaBackend {
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
        let outs = sums
            .iter()
            .map(|_| self.block(t, shape.rows, shape.basis))
            .collect::<Result<Vec<_>>>()?;
        let addresses = outs.iter().map(|out| Ok(out.at(t)?.0));
        let addresses = addresses.collect::<Result<Vec<u64>>>()?;
        let (mut list, mut starts) = (Vec::new(), vec![0]);
        for group in sums.chunks(SUMS) {
            list.extend(terms(group, xs.len()));
            starts.push(list.len() as u32);
        }
        let operands = self.operands(t, xs)?;
        let terms = self.stage(list.as_flattened())?;
        let starts = self.stage(&starts)?;
        let addresses = self.stage(&addresses)?;
        let arguments = arguments![
            operands.address(),
            ys.at(t)?,
            terms.address(),
            starts.address(),
            addresses.address(),
            sums.len() as u32,
            shape.rows as u32,
            t.primes(),
            t.limbs(shape.basis),
            ys.limbs(t),
            (shape.degree / m).trailing_zeros(),
            t.ring().log_degree(),
        ];
        let groups = sums.len().div_ceil(SUMS);
        let extent = (groups * shape.rows, shape.basis.limbs());
        // SAFETY: `checked::sum_products`: pairs name blocks of `xs` and polynomials of `ys`; each
        // sum has a block of the shape of `xs`, and each group of sums its terms.
        unsafe { self.launch_elements(t, Kernel::SumProducts, extent, &arguments)? };
        Ok(outs)
    }

    /// Writes packed rows to `to`, in stored form.
    pub(crate) fn unpack(
        &self,
        t: &Tables,
        to: &Buffer,
        rows: usize,
        basis: Basis,
        bytes: &[u8],
    ) -> Result<()> {
        let packed = self.stage_packed(t, rows, basis, bytes)?;
        self.unpack_limbs(t, to, rows, (basis, basis), &packed)
    }

    /// Packed rows on the device.
    pub(crate) fn stage_packed(
        &self,
        t: &Tables,
        rows: usize,
        basis: Basis,
        bytes: &[u8],
    ) -> Result<Buffer> {
        derived::check_packed(t.ring(), basis, rows, bytes)?;
        let buffer = self.buffer(bytes.len() + SPARE)?;
        self.queue.send(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Writes the limbs `basis` of rows that are packed over `whole` to `to`, in stored form.
    pub(crate) fn unpack_limbs(
        &self,
        t: &Tables,
        to: &Buffer,
        rows: usize,
        (basis, whole): (Basis, Basis),
        packed: &Buffer,
    ) -> Result<()> {
        if !whole.contains(basis) {
            return Err(Error::BasisMismatch {
                op: "unpack",
                found: whole,
                expected: basis,
            });
        }
        let packing = t.packing(self, whole)?;
        let words = to.range(self.queue.pool(), 0, rows * t.row_bytes(basis))?;
        let bytes = rows * packing.row_bytes as usize + SPARE;
        let packed = packed.range(self.queue.pool(), 0, bytes)?;
        let arguments = arguments![
            words,
            packed,
            packing.starts.address(),
            packing.bits.address(),
            packing.row_bytes,
            t.primes(),
            t.limbs(basis),
            t.limbs(whole),
            t.ring().log_degree(),
        ];
        let extent = (rows, basis.limbs());
        // SAFETY: `to` has these rows over `basis`, `packed` has them over `whole`, which contains
        // it.
        unsafe { self.launch_elements(t, Kernel::Unpack, extent, &arguments) }
    }

    /// See [`ckks_math::backend::RingKernels::is_zero`]; four bytes come back.
    pub(crate) fn has_no_other_than_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        checked::block("is_zero", t.ring(), x.shape)?;
        let found = self.stage(&[0_u32])?;
        let words = x.shape.words();
        let grid = Grid::elements(Kernel::FindNonzero, x.log_n(), 1, 1)?;
        let blocks = [words.div_ceil(grid.threads as usize).min(1 << 12), 1, 1];
        let grid = Grid::new(Kernel::FindNonzero, blocks, grid.threads)?;
        let arguments = arguments![found.address(), x.at(t)?, words as u64];
        // SAFETY: `x` has this number of words, and `found` is one.
        unsafe { self.launch(t, Kernel::FindNonzero, grid, &arguments)? };
        let mut flag = [0_u32];
        self.queue.receive(&found, 0, bytes_mut(&mut flag))?;
        Ok(flag == [0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_hold_each_pair_once_and_no_sum_twice() {
        let group = [vec![(0, 5), (1, 6), (0, 7)], vec![], vec![(0, 5)]];
        let found = terms(&group, 3);
        let term = |block: u32, first: u32, third: u32| {
            let mut term = [NONE; TERM];
            (term[0], term[1], term[3]) = (block, first, third);
            term
        };
        assert_eq!(found, [term(0, 5, 5), term(0, 7, NONE), term(1, 6, NONE)]);
    }
}
