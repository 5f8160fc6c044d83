//! Small polynomials side by side, sums of products with them, residues as bit strings.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::launch::{Grid, arguments};
use crate::memory::bytes_mut;
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::backend::{Basis, derived, operands};
use ckks_math::{Error, Result};

/// Sums that share one reading of the blocks; as in `sum_products.cu`.
const SUMS: usize = 8;
/// Where a term has no polynomial for a sum.
const NONE: u32 = u32::MAX;
/// Words of a term: the block, and a polynomial for each sum.
const TERM: usize = 1 + SUMS;
/// Bytes behind packed residues that the kernel may read.
const SPARE: usize = 12;

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
    /// Coefficients in rows of `m` as those of `X^(N/m)`; a last row may be shorter than `m`.
    pub(crate) fn embed_coefficients(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        let count = u32::try_from(coefficients.len()).map_err(|_| {
            Error::InvalidParameters(format!(
                "embed: {} coefficients at once, at most 2^32 - 1",
                coefficients.len()
            ))
        })?;
        let out = self.block(t, coefficients.len().div_ceil(m), basis)?;
        let staged = self.stage(coefficients)?;
        let arguments = arguments![
            out.address(),
            staged.address(),
            count,
            t.primes(),
            out.limbs(t),
            out.log_n(),
            m.trailing_zeros(),
        ];
        let extent = (out.shape.rows, basis.limbs());
        self.launch_elements(t, "embed", extent, &arguments)?;
        Ok(out)
    }

    /// See [`ckks_math::backend::RingKernels::embed_compact`]: a row is a line of transforms of
    /// `m`.
    pub(crate) fn embed_side_by_side(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        operands::compact_polynomials("embed_compact", t.ring(), coefficients, m)?;
        let mut out = self.embed_coefficients(t, basis, coefficients, t.ring().degree())?;
        if m > 1 {
            self.ntt_compact(t, &mut out, m.trailing_zeros())?;
        }
        Ok(out)
    }

    /// See [`ckks_math::backend::RingKernels::sum_products`].
    pub(crate) fn sum_groups(
        &self,
        t: &Tables,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        let first = operands::first_of("sum_products", xs)?;
        let shape = first.shape;
        let outs = sums
            .iter()
            .map(|_| self.block(t, shape.rows, shape.basis))
            .collect::<Result<Vec<_>>>()?;
        let addresses: Vec<u64> = outs.iter().map(|out| out.address().0).collect();
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
            ys.address(),
            terms.address(),
            starts.address(),
            addresses.address(),
            sums.len() as u32,
            first.rows(),
            t.primes(),
            first.limbs(t),
            ys.limbs(t),
            (shape.degree / m).trailing_zeros(),
            first.log_n(),
        ];
        let groups = sums.len().div_ceil(SUMS);
        let extent = (groups * shape.rows, shape.basis.limbs());
        self.launch_elements(t, "sum_products", extent, &arguments)?;
        Ok(outs)
    }

    /// Writes packed rows to `to`, in stored form.
    pub(crate) fn unpack(
        &self,
        t: &Tables,
        to: Address,
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
        self.queue.raw().upload(buffer.address(), bytes)?;
        Ok(buffer)
    }

    /// Writes the limbs `basis` of rows that are packed over `whole` to `to`, in stored form.
    pub(crate) fn unpack_limbs(
        &self,
        t: &Tables,
        to: Address,
        rows: usize,
        (basis, whole): (Basis, Basis),
        packed: &Buffer,
    ) -> Result<()> {
        let packing = t.packing(self, whole)?;
        let arguments = arguments![
            to,
            packed.address(),
            packing.starts.address(),
            packing.bits.address(),
            packing.row_bytes,
            t.primes(),
            t.limbs(basis),
            t.limbs(whole),
            t.ring().log_degree(),
        ];
        self.launch_elements(t, "unpack", (rows, basis.limbs()), &arguments)
    }

    /// See [`ckks_math::backend::RingKernels::is_zero`]; four bytes come back.
    pub(crate) fn has_no_other_than_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        let found = self.stage(&[0_u32])?;
        let words = x.shape.words();
        let grid = Grid::elements("find_nonzero", x.log_n(), 1, 1)?;
        let blocks = [words.div_ceil(grid.threads as usize).min(1 << 12), 1, 1];
        let grid = Grid::new("find_nonzero", blocks, grid.threads)?;
        let arguments = arguments![found.address(), x.address(), words as u64];
        self.launch_for(t, "find_nonzero", grid, &arguments)?;
        let mut flag = [0_u32];
        self.queue
            .raw()
            .download(found.address(), bytes_mut(&mut flag))?;
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
