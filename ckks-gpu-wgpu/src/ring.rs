//! Ring kernels over blocks.

use crate::backend::WgpuBackend;
use crate::block::{Block, View};
use crate::launch::Elements;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::gpu::bodies;
use ckks_math::backend::{
    Basis, Device, Neighbour, Permuted, Pointwise, RingKernels, RingKind, checked,
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
        checked::pointwise("pointwise_assign", t.ring(), x.shape, y.shape)?;
        let kernel = match op {
            Pointwise::Add => "add_assign",
            Pointwise::Sub => "subtract_assign",
            Pointwise::Mul => "multiply_assign",
        };
        let views = [x.rows.view(), y.rows.view()];
        self.launch(t, &Elements::over(kernel, x.shape.rows, &views))
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        checked::multiply_accumulate(t.ring(), acc.shape, x.shape, y.shape)?;
        let views = [acc.rows.view(), x.rows.view(), y.rows.view()];
        let work = Elements::over("multiply_accumulate", acc.shape.rows, &views);
        self.launch(t, &work)
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        checked::scale_limbs(t.ring(), x.shape, constants)?;
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
        checked::offset_limbs(t.ring(), x.shape, &rows, constants)?;
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
        let shape = checked::combine(t.ring(), basis, &checked::shapes(self, xs), constants)?;
        let rows = shape.rows;
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
        checked::automorphism(t.ring(), x.shape, galois)?;
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
        checked::restrict(t.ring(), x.shape, &rows, basis)?;
        let out = self.block(t, rows.len(), basis)?;
        let views = [out.rows.view(), x.rows.from(rows.start)];
        self.launch(t, &Elements::over("copy_limbs", rows.len(), &views))?;
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let shape = checked::stack(t.ring(), &checked::shapes(self, xs))?;
        let out = self.block(t, shape.rows, shape.basis)?;
        let mut first = 0;
        for x in xs {
            let views = [out.rows.from(first), x.rows.view()];
            self.launch(t, &Elements::over("copy_limbs", x.shape.rows, &views))?;
            first += x.shape.rows;
        }
        Ok(out)
    }

    fn base_convert(&self, t: &Tables, x: &Block, to: Basis) -> Result<Block> {
        bodies::base_convert(self, t, x, to)
    }

    fn add_rows(&self, t: &Tables, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        checked::add_rows(t.ring(), x.shape, first, y.shape)?;
        let views = [x.rows.from(first), y.rows.view()];
        self.launch(t, &Elements::over("add_assign", y.shape.rows, &views))
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
            let basis = y.shape.basis;
            let stored = t.stored(basis, constants);
            let views = [x.rows.from(first), y.rows.from(rows.start)];
            self.with_constants(t, "add_scaled", (basis, rows.len()), &views, &stored)
        })
    }

    fn add_neighbours(&self, t: &Tables, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        checked::block("add_neighbours", t.ring(), x.shape)?;
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
        checked::tensor(t.ring(), x.shape, y.shape)?;
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
        for row in 0..rows {
            self.fill_uniform(t, &out, row, seed, first + row)?;
        }
        Ok(out)
    }

    fn upload_packed(&self, t: &Tables, rows: usize, basis: Basis, bytes: &[u8]) -> Result<Block> {
        checked::upload_packed(t.ring(), rows, basis, bytes)?;
        let out = self.block(t, rows, basis)?;
        self.unpack(t, &out, |row| row, bytes)?;
        Ok(out)
    }

    fn is_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        checked::block("is_zero", t.ring(), x.shape)?;
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
