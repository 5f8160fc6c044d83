//! Ring kernels over blocks.

use crate::backend::CudaBackend;
use crate::convert::Lift;
use crate::device::Block;
use crate::driver::Address;
use crate::launch::{Argument, arguments};
use crate::pool::Buffer;
use crate::tables::Tables;
use crate::transform::Skip;
use ckks_math::Result;
use ckks_math::backend::{
    Basis, Neighbour, Pointwise, RingKernels, RingKind, Turned, derived, operands,
};
use ckks_math::sampling::Seed;
use std::ops::Range;

/// Kind of ring and Galois element as kernels read them.
pub(crate) fn turn(t: &Tables, galois: u64) -> [u32; 2] {
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
        let name = match op {
            Pointwise::Add => "add",
            Pointwise::Sub => "subtract",
            Pointwise::Mul => "multiply",
        };
        let arguments = arguments![
            out,
            x.address(),
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n(),
        ];
        self.launch_elements(t, name, extent, &arguments)
    }

    /// Where blocks lie and which limbs they have, as kernels read them.
    pub(crate) fn operands(&self, t: &Tables, xs: &[&Block]) -> Result<Buffer> {
        let mut operands = Vec::with_capacity(24 * xs.len());
        for x in xs {
            operands.extend(x.address().0.to_ne_bytes());
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
        let stored: Vec<u64> = constants
            .flat_map(|of_limbs| {
                let pairs = t.ring().moduli(basis).zip(of_limbs);
                pairs.map(|(m, &c)| t.word().stored(m, c))
            })
            .collect();
        self.stage_words(t.word(), &stored)
    }
}

const fn extent(x: &Block) -> (usize, usize) {
    (x.shape.rows, x.shape.basis.limbs())
}

impl RingKernels for CudaBackend {
    fn ntt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.ntt_but(t, x, Skip::default())
    }

    fn intt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.intt_all(t, x)
    }

    fn pointwise(&self, t: &Tables, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.binary(t, op, (out.address(), x, extent(x)), y)?;
        Ok(out)
    }

    fn pointwise_assign(&self, t: &Tables, op: Pointwise, x: &mut Block, y: &Block) -> Result<()> {
        self.binary(t, op, (x.address(), x, extent(x)), y)
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        let arguments = arguments![
            acc.address(),
            x.address(),
            y.address(),
            t.primes(),
            acc.limbs(t),
            x.limbs(t),
            y.limbs(t),
            x.rows(),
            y.rows(),
            acc.log_n(),
        ];
        self.launch_elements(t, "multiply_accumulate", extent(acc), &arguments)
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.address(),
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n()
        ];
        self.launch_elements(t, "scale_limbs", extent(x), &arguments)
    }

    fn offset_limbs(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        let constants = self.limb_constants(t, x.shape.basis, [constants].into_iter())?;
        let arguments = arguments![
            x.address(),
            constants.address(),
            t.primes(),
            x.limbs(t),
            x.log_n(),
            rows.start as u32,
        ];
        let extent = (rows.len(), x.shape.basis.limbs());
        self.launch_elements(t, "offset_limbs", extent, &arguments)
    }

    fn combine(
        &self,
        t: &Tables,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let out = self.block(t, xs.first().map_or(0, |x| x.shape.rows), basis)?;
        let operands = self.operands(t, xs)?;
        let constants = self.limb_constants(t, basis, constants.iter().map(Vec::as_slice))?;
        let arguments = arguments![
            out.address(),
            operands.address(),
            constants.address(),
            xs.len() as u32,
            t.primes(),
            out.limbs(t),
            out.log_n(),
        ];
        self.launch_elements(t, "combine", extent(&out), &arguments)?;
        Ok(out)
    }

    fn automorphism(&self, t: &Tables, x: &Block, galois: u64) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![out.address(), x.address(), turn(t, galois), x.log_n()];
        self.launch_elements(t, "automorphism", extent(x), &arguments)?;
        Ok(out)
    }

    fn restrict(&self, t: &Tables, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        let out = self.block(t, rows.len(), basis)?;
        let arguments = arguments![
            out.address(),
            x.address(),
            out.limbs(t),
            x.limbs(t),
            rows.start as u32,
            x.log_n(),
        ];
        self.launch_elements(t, "restrict", extent(&out), &arguments)?;
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let rows = xs.iter().map(|x| x.shape.rows).sum();
        let basis = xs.first().map_or(Basis::q(0), |x| x.shape.basis);
        let out = self.block(t, rows, basis)?;
        let mut to = out.address();
        for x in xs {
            self.copy(x.address(), to, x.words.len())?;
            to = to.offset(x.words.len());
        }
        Ok(out)
    }

    fn base_convert(&self, t: &Tables, x: &Block, to: Basis) -> Result<Block> {
        let lift = Lift {
            x,
            own: x,
            digit_size: x.shape.basis.limbs(),
        };
        self.lift(t, &lift, to)
    }

    fn add_rows(&self, t: &Tables, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        operands::rows_fit("add_rows", x.shape, first, (y.shape, &(0..y.shape.rows)))?;
        let row_bytes = x.shape.basis.limbs() * x.shape.degree * t.word().bytes();
        let rows = Argument::from(x.address().offset(first * row_bytes));
        let [y_words, primes, limbs, y_limbs, y_rows, log_n] = arguments![
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            y.rows(),
            x.log_n()
        ];
        let arguments = [rows, rows, y_words, primes, limbs, y_limbs, y_rows, log_n];
        let extent = (y.shape.rows, x.shape.basis.limbs());
        self.launch_elements(t, "add", extent, &arguments)
    }

    fn add_neighbours(&self, t: &Tables, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let arguments = arguments![
            out.address(),
            x.address(),
            t.primes(),
            x.limbs(t),
            x.log_n(),
            u32::from(neighbour == Neighbour::Previous),
        ];
        self.launch_elements(t, "add_neighbours", extent(x), &arguments)?;
        *x = out;
        Ok(())
    }

    fn tensor(&self, t: &Tables, x: &Block, y: &Block) -> Result<Block> {
        let pairs = x.shape.rows / 2;
        let out = self.block(t, 3 * pairs, x.shape.basis)?;
        let arguments = arguments![
            out.address(),
            x.address(),
            y.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            pairs as u32,
            x.log_n(),
        ];
        let extent = (pairs, x.shape.basis.limbs());
        self.launch_elements(t, "tensor", extent, &arguments)?;
        Ok(out)
    }

    fn embed(&self, t: &Tables, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        operands::polynomials("embed", t.ring(), coefficients, m)?;
        let mut out = self.embed_coefficients(t, basis, coefficients, m)?;
        self.ntt(t, &mut out)?;
        Ok(out)
    }

    fn embed_compact(
        &self,
        t: &Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        self.embed_side_by_side(t, basis, coefficients, m)
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
        y: &Turned<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        operands::rows_fit("add_scaled", x.shape, first, (y.block.shape, &y.rows))?;
        if y.galois != 1 {
            let turned = derived::turned(self, t, y)?;
            let turned = Turned::rows(&turned, 0..y.rows.len());
            return self.add_scaled(t, x, first, &turned, constants);
        }
        let (rows, y) = (y.rows.clone(), y.block);
        let constants = self.limb_constants(t, y.shape.basis, [constants].into_iter())?;
        let row_bytes = y.shape.basis.limbs() * y.shape.degree * t.word().bytes();
        let arguments = arguments![
            x.address(),
            y.address().offset(rows.start * row_bytes),
            constants.address(),
            t.primes(),
            x.limbs(t),
            y.limbs(t),
            x.log_n(),
            first as u32,
        ];
        let extent = (rows.len(), y.shape.basis.limbs());
        self.launch_elements(t, "add_scaled", extent, &arguments)
    }

    fn uniform(
        &self,
        t: &Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Block> {
        let out = self.block(t, rows, basis)?;
        self.fill_uniform(t, out.address(), seed, first..first + rows, basis)?;
        Ok(out)
    }

    fn upload_packed(&self, t: &Tables, rows: usize, basis: Basis, bytes: &[u8]) -> Result<Block> {
        let out = self.block(t, rows, basis)?;
        self.unpack(t, out.address(), rows, basis, bytes)?;
        Ok(out)
    }

    fn is_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        self.has_no_other_than_zero(t, x)
    }
}
