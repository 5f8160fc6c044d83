//! Ring kernels over blocks.

use crate::backend::CudaBackend;
use crate::device::Block;
use crate::driver::Address;
use crate::kernels::Kernel;
use crate::launch::{Argument, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::bodies;
use ckks_math::backend::gpu::constants::stored;
use ckks_math::backend::{Basis, Neighbour, Permuted, Pointwise, RingKernels, RingKind, checked};
use ckks_math::sampling::Seed;
use std::ops::Range;

/// Kind of ring and Galois element as kernels read them.
pub(crate) fn automorphism_words(t: &Tables, galois: u64) -> [u32; 2] {
    let real = t.ring().kind() == RingKind::ConjugateInvariant;
    [galois as u32, u32::from(real)]
}

impl CudaBackend {
    fn binary(
        &self,
        t: &Tables,
        op: Pointwise,
        (out, x, extent): (Address, &Block, (usize, usize)),
        y: &Block,
    ) -> Result<()> {
        let kernel = match op {
            Pointwise::Add => Kernel::Add,
            Pointwise::Sub => Kernel::Subtract,
            Pointwise::Mul => Kernel::Multiply,
        };
        let arguments = arguments![
            out,
            x.at(t)?,
            y.at(t)?,
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n(),
        ];
        // SAFETY: the kernel works on the rows and limbs of `out`, which `x` has too; rows and
        // limbs of `y` serve them: `checked::pointwise`, or `checked::add_rows`.
        unsafe { self.launch_elements(t, kernel, extent, &arguments) }
    }

    /// Where blocks lie and which limbs they have, as kernels read them.
    pub(crate) fn operands(&self, t: &Tables, xs: &[&Block]) -> Result<Buffer> {
        let mut operands = Vec::with_capacity(24 * xs.len());
        for x in xs {
            operands.extend(x.at(t)?.0.to_ne_bytes());
            operands.extend(x.limbs(t).bytes());
        }
        self.stage(&operands)
    }

    /// One constant a limb of a basis, stored, on the device.
    fn limb_constants<'c>(
        &self,
        t: &Tables,
        basis: Basis,
        constants: impl Iterator<Item = &'c [u64]>,
    ) -> Result<Buffer> {
        let stored = stored(t.word().radix(), t.ring(), basis, constants);
        self.stage_words(t.word(), &stored)
    }
}

const fn extent(x: &Block) -> (usize, usize) {
    (x.shape.rows, x.shape.basis.limbs())
}

impl RingKernels for CudaBackend {
    fn ntt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        checked::block("ntt", t.ring(), x.shape)?;
        self.ntt_all(t, x)
    }

    fn intt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        checked::block("intt", t.ring(), x.shape)?;
        self.intt_all(t, x)
    }

    fn pointwise(&self, t: &Tables, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        checked::pointwise("pointwise", t.ring(), x.shape, y.shape)?;
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.binary(t, op, (out.at(t)?, x, extent(x)), y)?;
        Ok(out)
    }

    fn pointwise_assign(&self, t: &Tables, op: Pointwise, x: &mut Block, y: &Block) -> Result<()> {
        checked::pointwise("pointwise_assign", t.ring(), x.shape, y.shape)?;
        self.binary(t, op, (x.at(t)?, x, extent(x)), y)
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        checked::multiply_accumulate(t.ring(), acc.shape, x.shape, y.shape)?;
        let arguments = arguments![
            acc.at(t)?,
            x.at(t)?,
            y.at(t)?,
            t.primes(),
            acc.limbs(t),
            x.limbs(t),
            y.limbs(t),
            x.rows(),
            y.rows(),
            acc.log_n(),
        ];
        // SAFETY: `checked::multiply_accumulate`: all that the kernel reads and writes lies in the
        // blocks.
        unsafe { self.launch_elements(t, Kernel::MultiplyAccumulate, extent(acc), &arguments) }
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        checked::scale_limbs(t.ring(), x.shape, constants)?;
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.at(t)?,
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n()
        ];
        // SAFETY: the kernel works on the words of `x`, with one constant for each limb.
        unsafe { self.launch_elements(t, Kernel::ScaleLimbs, extent(x), &arguments) }
    }

    fn offset_limbs(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        checked::offset_limbs(t.ring(), x.shape, &rows, constants)?;
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.at(t)?,
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n(),
            rows.start as u32,
        ];
        let extent = (rows.len(), x.shape.basis.limbs());
        // SAFETY: `checked::offset_limbs`: the rows are those of `x`, with one constant for each
        // limb.
        unsafe { self.launch_elements(t, Kernel::OffsetLimbs, extent, &arguments) }
    }

    fn combine(
        &self,
        t: &Tables,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let shape = checked::combine(t.ring(), basis, &checked::shapes(self, xs), constants)?;
        let out = self.block(t, shape.rows, basis)?;
        let operands = self.operands(t, xs)?;
        let constants = self.limb_constants(t, basis, constants.iter().map(Vec::as_slice))?;
        let arguments = arguments![
            out.at(t)?,
            operands.address(),
            constants.address(),
            xs.len() as u32,
            t.primes(),
            out.limbs(t),
            out.log_n(),
        ];
        // SAFETY: `checked::combine`: each block has the rows and limbs of `out`, with a constant
        // for each limb.
        unsafe { self.launch_elements(t, Kernel::Combine, extent(&out), &arguments)? };
        Ok(out)
    }

    fn automorphism(&self, t: &Tables, x: &Block, galois: u64) -> Result<Block> {
        checked::automorphism(t.ring(), x.shape, galois)?;
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![
            out.at(t)?,
            x.at(t)?,
            automorphism_words(t, galois),
            x.log_n()
        ];
        // SAFETY: `out` has the shape of `x`, and the kernel permutes the words of a limb.
        unsafe { self.launch_elements(t, Kernel::Automorphism, extent(x), &arguments)? };
        Ok(out)
    }

    fn restrict(&self, t: &Tables, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        checked::restrict(t.ring(), x.shape, &rows, basis)?;
        let out = self.block(t, rows.len(), basis)?;
        let arguments = arguments![
            out.at(t)?,
            x.at(t)?,
            out.limbs(t),
            x.limbs(t),
            rows.start as u32,
            x.log_n(),
        ];
        // SAFETY: `checked::restrict`: `x` has the rows and limbs of `out`.
        unsafe { self.launch_elements(t, Kernel::Restrict, extent(&out), &arguments)? };
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let shape = checked::stack(t.ring(), &checked::shapes(self, xs))?;
        let out = self.block(t, shape.rows, shape.basis)?;
        let mut at = 0;
        for x in xs {
            x.at(t)?;
            self.queue.copy_whole(&x.words, &out.words, at)?;
            at += x.words.len();
        }
        Ok(out)
    }

    fn base_convert(&self, t: &Tables, x: &Block, to: Basis) -> Result<Block> {
        bodies::base_convert(self, t, x, to)
    }

    fn add_rows(&self, t: &Tables, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        checked::add_rows(t.ring(), x.shape, first, y.shape)?;
        let rows = x.at(t)?.offset(first * t.row_bytes(x.shape.basis));
        let rows = Argument::from(rows);
        let [y_words, primes, limbs, y_limbs, y_rows, log_n] = arguments![
            y.at(t)?,
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n()
        ];
        let arguments = [rows, rows, y_words, primes, limbs, y_limbs, y_rows, log_n];
        let extent = (y.shape.rows, x.shape.basis.limbs());
        // SAFETY: `checked::add_rows`: the rows lie in `x` from `first` on, and `y` has its limbs.
        unsafe { self.launch_elements(t, Kernel::Add, extent, &arguments) }
    }

    fn add_neighbours(&self, t: &Tables, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        checked::block("add_neighbours", t.ring(), x.shape)?;
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![
            out.at(t)?,
            x.at(t)?,
            t.primes(),
            x.limbs(t),
            x.log_n(),
            u32::from(neighbour == Neighbour::Previous),
        ];
        // SAFETY: `out` has the shape of `x`, and the kernel reads neighbours in the same limb.
        unsafe { self.launch_elements(t, Kernel::AddNeighbours, extent(x), &arguments)? };
        *x = out;
        Ok(())
    }

    fn tensor(&self, t: &Tables, x: &Block, y: &Block) -> Result<Block> {
        checked::tensor(t.ring(), x.shape, y.shape)?;
        let pairs = x.shape.rows / 2;
        let out = self.block(t, 3 * pairs, x.shape.basis)?;
        let arguments = arguments![
            out.at(t)?,
            x.at(t)?,
            y.at(t)?,
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            pairs as u32,
            x.log_n(),
        ];
        let extent = (pairs, x.shape.basis.limbs());
        // SAFETY: `checked::tensor`: `x` and `y` have twice as many rows as there are pairs, `out`
        // three times.
        unsafe { self.launch_elements(t, Kernel::Tensor, extent, &arguments)? };
        Ok(out)
    }

    fn embed(&self, t: &Tables, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        bodies::embed(self, t, basis, coefficients, m)
    }

    fn embed_compact(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        bodies::embed_compact(self, t, basis, coefficients, m)
    }

    fn sum_products(
        &self,
        t: &Tables,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        self.sum_groups(t, xs, ys, m, sums)
    }

    fn add_scaled(
        &self,
        t: &Tables,
        x: &mut Block,
        first: usize,
        y: &Permuted<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        bodies::add_scaled(self, t, x, (first, y), constants, |x, y| {
            let (rows, y) = (y.rows.clone(), y.block);
            let constants = self.limb_constants(t, y.shape.basis, [constants].into_iter())?;
            let from = y.at(t)?.offset(rows.start * t.row_bytes(y.shape.basis));
            let arguments = arguments![
                x.at(t)?,
                from,
                constants.address(),
                t.primes(),
                x.limbs(t),
                y.limbs(t),
                x.log_n(),
                first as u32,
            ];
            let extent = (rows.len(), y.shape.basis.limbs());
            // SAFETY: `checked::add_scaled`: the rows lie in `x` and `y`, with one constant for
            // each limb of `y`.
            unsafe { self.launch_elements(t, Kernel::AddScaled, extent, &arguments) }
        })
    }

    fn uniform(
        &self,
        t: &Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Block> {
        checked::uniform(t.ring(), first, rows, basis)?;
        let out = self.block(t, rows, basis)?;
        self.fill_uniform(t, &out.words, seed, first..first + rows, basis)?;
        Ok(out)
    }

    fn upload_packed(&self, t: &Tables, rows: usize, basis: Basis, bytes: &[u8]) -> Result<Block> {
        checked::upload_packed(t.ring(), rows, basis, bytes)?;
        let out = self.block(t, rows, basis)?;
        self.unpack(t, &out.words, rows, basis, bytes)?;
        Ok(out)
    }

    fn is_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        checked::block("is_zero", t.ring(), x.shape)?;
        self.has_no_other_than_zero(t, x)
    }
}
