//! Ring kernels over blocks.

use crate::backend::WgpuBackend;
use crate::block::{Block, View};
use crate::convert::Lift;
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{
    Basis, Device, Neighbour, Pointwise, RingKernels, RingKind, Turned, derived, operands,
};
use ckks_math::sampling::Seed;
use std::ops::Range;

/// Operands of one launch that sums over several blocks.
pub(crate) const TOGETHER: usize = 4;

/// Whether kernels work on the conjugate-invariant ring, as they read it.
pub(crate) fn real(t: &Tables) -> u32 {
    u32::from(t.ring().kind() == RingKind::ConjugateInvariant)
}

/// Up to [`TOGETHER`] operands behind `out`; the last one again where there are fewer.
pub(crate) fn filled<'a>(out: &'a Block, xs: &[&'a Block]) -> Vec<View<'a>> {
    let mut views = vec![out.rows.view()];
    views.extend(xs.iter().map(|x| x.rows.view()));
    while let (Some(&last), true) = (views.last(), views.len() < 1 + TOGETHER) {
        views.push(last);
    }
    views
}

impl WgpuBackend {
    /// A kernel with one constant for each limb that is counted.
    pub(crate) fn with_constants(
        &self,
        t: &Tables,
        kernel: &'static str,
        (basis, rows): (Basis, usize),
        views: &[View<'_>],
        constants: &[u32],
    ) -> Result<()> {
        let work = Elements {
            each: t.limbs(basis),
            constants,
            ..Elements::over(kernel, rows, views)
        };
        self.launch(t, &work)
    }
}

impl RingKernels for WgpuBackend {
    fn ntt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.ntt_all(t, x)
    }

    fn intt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.intt_all(t, x)
    }

    fn pointwise(&self, t: &Tables, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let kernel = match op {
            Pointwise::Add => "add",
            Pointwise::Sub => "subtract",
            Pointwise::Mul => "multiply",
        };
        let views = [out.rows.view(), x.rows.view(), y.rows.view()];
        self.launch(t, &Elements::over(kernel, x.shape.rows, &views))?;
        Ok(out)
    }

    fn pointwise_assign(&self, t: &Tables, op: Pointwise, x: &mut Block, y: &Block) -> Result<()> {
        let kernel = match op {
            Pointwise::Add => "add_assign",
            Pointwise::Sub => "subtract_assign",
            Pointwise::Mul => "multiply_assign",
        };
        let views = [x.rows.view(), y.rows.view()];
        self.launch(t, &Elements::over(kernel, x.shape.rows, &views))
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        let views = [acc.rows.view(), x.rows.view(), y.rows.view()];
        let work = Elements::over("multiply_accumulate", acc.shape.rows, &views);
        self.launch(t, &work)
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        let (basis, rows) = (x.shape.basis, x.shape.rows);
        let stored = t.stored(basis, constants);
        self.with_constants(t, "scale_limbs", (basis, rows), &[x.rows.view()], &stored)
    }

    fn offset_limbs(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        let basis = x.shape.basis;
        let stored = t.stored(basis, constants);
        let views = [x.rows.from(rows.start)];
        self.with_constants(t, "offset_limbs", (basis, rows.len()), &views, &stored)
    }

    fn combine(
        &self,
        t: &Tables,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let rows = xs.first().map_or(0, |x| x.shape.rows);
        let out = self.block(t, rows, basis)?;
        let groups = xs.chunks(TOGETHER).zip(constants.chunks(TOGETHER));
        for (group, (xs, constants)) in groups.enumerate() {
            let stored = constants.iter().flat_map(|c| t.stored(basis, c));
            let stored: Vec<_> = stored.collect();
            let views = filled(&out, xs);
            let work = Elements {
                constants: &stored,
                flags: u32::from(group > 0),
                extra: &[xs.len() as u32],
                ..Elements::over("combine", rows, &views)
            };
            self.launch(t, &work)?;
        }
        Ok(out)
    }

    fn automorphism(&self, t: &Tables, x: &Block, galois: u64) -> Result<Block> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let views = [out.rows.view(), x.rows.view()];
        let work = Elements {
            flags: real(t),
            extra: &[galois as u32],
            ..Elements::over("automorphism", x.shape.rows, &views)
        };
        self.launch(t, &work)?;
        Ok(out)
    }

    fn restrict(&self, t: &Tables, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        let out = self.block(t, rows.len(), basis)?;
        let views = [out.rows.view(), x.rows.from(rows.start)];
        self.launch(t, &Elements::over("copy_limbs", rows.len(), &views))?;
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let rows = xs.iter().map(|x| x.shape.rows).sum();
        let basis = xs.first().map_or(Basis::q(0), |x| x.shape.basis);
        let out = self.block(t, rows, basis)?;
        let mut first = 0;
        for x in xs {
            let views = [out.rows.from(first), x.rows.view()];
            self.launch(t, &Elements::over("copy_limbs", x.shape.rows, &views))?;
            first += x.shape.rows;
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
        let views = [x.rows.from(first), y.rows.view()];
        self.launch(t, &Elements::over("add_assign", y.shape.rows, &views))
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
        let basis = y.shape.basis;
        let stored = t.stored(basis, constants);
        let views = [x.rows.from(first), y.rows.from(rows.start)];
        self.with_constants(t, "add_scaled", (basis, rows.len()), &views, &stored)
    }

    fn add_neighbours(&self, t: &Tables, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        let out = self.block(t, x.shape.rows, x.shape.basis)?;
        let views = [out.rows.view(), x.rows.view()];
        let work = Elements {
            flags: u32::from(neighbour == Neighbour::Previous),
            ..Elements::over("add_neighbours", x.shape.rows, &views)
        };
        self.launch(t, &work)?;
        *x = out;
        Ok(())
    }

    fn tensor(&self, t: &Tables, x: &Block, y: &Block) -> Result<Block> {
        let k = x.shape.rows / 2;
        let out = self.block(t, 3 * k, x.shape.basis)?;
        let product = |kernel, to: usize, of_x: usize, of_y: usize| {
            let views = [out.rows.from(to), x.rows.from(of_x), y.rows.from(of_y)];
            self.launch(t, &Elements::over(kernel, k, &views))
        };
        product("multiply", 0, 0, 0)?;
        product("multiply", k, 0, k)?;
        product("multiply_accumulate", k, k, 0)?;
        product("multiply", 2 * k, k, k)?;
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

    fn uniform(
        &self,
        t: &Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Block> {
        let out = self.block(t, rows, basis)?;
        for row in 0..rows {
            self.fill_uniform(t, &out, row, seed, first + row)?;
        }
        Ok(out)
    }

    fn upload_packed(&self, t: &Tables, rows: usize, basis: Basis, bytes: &[u8]) -> Result<Block> {
        let out = self.block(t, rows, basis)?;
        self.unpack(t, &out, |row| row, bytes)?;
        Ok(out)
    }

    fn is_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        let found = self.alloc(t, 1, Basis::q(1))?;
        for (i, buffer) in x.rows.buffers.iter().enumerate() {
            let words = x.rows.held(i) * x.rows.words;
            self.find_nonzero(&found, buffer, words)?;
        }
        let mut zero = true;
        let flag = found.rows.buffers[0].raw();
        self.pool
            .queue()
            .download(flag, 1, |word| zero = word == [0])?;
        Ok(zero)
    }
}
