//! Ring kernels of the dry run.

use super::check;
use super::counts::{Kernel, Operation, Tally};
use super::device::{Block, Domain, DryRun};
use crate::backend::{
    Basis, Neighbour, Permuted, Pointwise, RingKernels, RingSpec, Shape, checked, derived,
};
use crate::error::Result;
use std::ops::Range;

impl DryRun {
    fn transform(&self, kernel: Kernel, t: &RingSpec, shape: Shape) {
        let limbs = (shape.rows * shape.basis.limbs()) as u64;
        let butterflies = (t.degree() / 2) as u64 * u64::from(t.log_degree());
        let bytes = self.bytes(shape.words());
        self.record(
            kernel,
            Tally {
                calls: 1,
                polynomials: shape.rows as u64,
                limbs,
                steps: limbs * butterflies,
                bytes_read: bytes,
                bytes_written: bytes,
            },
        );
    }

    /// Work of `x op y` with a result of the shape of `x`: `y` is read once, whatever its rows.
    fn record_binary(&self, kernel: Kernel, x: Shape, y_rows: usize, reads_of_x: u64) {
        let row = self.bytes(x.basis.limbs() * x.degree);
        self.record(
            kernel,
            Tally {
                calls: 1,
                polynomials: x.rows as u64,
                limbs: (x.rows * x.basis.limbs()) as u64,
                steps: x.words() as u64,
                bytes_read: row * (reads_of_x * x.rows as u64 + y_rows as u64),
                bytes_written: row * x.rows as u64,
            },
        );
    }
}

const fn kernel_of(op: Pointwise) -> Kernel {
    match op {
        Pointwise::Add | Pointwise::Sub => Kernel::Add,
        Pointwise::Mul => Kernel::Multiply,
    }
}

impl RingKernels for DryRun {
    fn ntt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        checked::block("ntt", t, x.shape)?;
        check::domain("ntt", x, Domain::Coefficients)?;
        x.domain = Domain::Evaluations;
        self.transform(Kernel::Ntt, t, x.shape);
        Ok(())
    }

    fn intt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        checked::block("intt", t, x.shape)?;
        check::domain("intt", x, Domain::Evaluations)?;
        x.domain = Domain::Coefficients;
        self.transform(Kernel::Intt, t, x.shape);
        Ok(())
    }

    fn pointwise(&self, t: &RingSpec, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        checked::pointwise("pointwise", t, x.shape, y.shape)?;
        let domain = check::common_domain("pointwise", x.domain, y.domain)?;
        let out = self.block(t, x.shape.rows, x.shape.basis, domain)?;
        self.record_binary(kernel_of(op), x.shape, y.shape.rows, 1);
        Ok(out)
    }

    fn pointwise_assign(
        &self,
        t: &RingSpec,
        op: Pointwise,
        x: &mut Block,
        y: &Block,
    ) -> Result<()> {
        checked::pointwise("pointwise_assign", t, x.shape, y.shape)?;
        x.domain = check::common_domain("pointwise_assign", x.domain, y.domain)?;
        self.record_binary(kernel_of(op), x.shape, y.shape.rows, 1);
        Ok(())
    }

    fn multiply_accumulate(
        &self,
        t: &RingSpec,
        acc: &mut Block,
        x: &Block,
        y: &Block,
    ) -> Result<()> {
        let op = "multiply_accumulate";
        checked::multiply_accumulate(t, acc.shape, x.shape, y.shape)?;
        let product = check::common_domain(op, acc.domain, x.domain)?;
        acc.domain = check::common_domain(op, product, y.domain)?;
        self.record_binary(Kernel::MultiplyAccumulate, acc.shape, y.shape.rows, 2);
        Ok(())
    }

    fn scale_limbs(&self, t: &RingSpec, x: &mut Block, constants: &[u64]) -> Result<()> {
        checked::scale_limbs(t, x.shape, constants)?;
        self.record_limbs(Kernel::ScaleLimbs, x.shape, 1, 1, 1);
        Ok(())
    }

    fn offset_limbs(
        &self,
        t: &RingSpec,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        checked::offset_limbs(t, x.shape, &rows, constants)?;
        let touched = Shape {
            rows: rows.len(),
            ..x.shape
        };
        self.record_limbs(Kernel::OffsetLimbs, touched, 1, 1, 1);
        Ok(())
    }

    fn combine(
        &self,
        t: &RingSpec,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let op = "combine";
        let shape = checked::combine(t, basis, &checked::shapes(self, xs), constants)?;
        let mut domain = Domain::Either;
        for x in xs {
            domain = check::common_domain(op, domain, x.domain)?;
        }
        let out = self.block(t, shape.rows, basis, domain)?;
        let terms = xs.len() as u64;
        let bytes = self.bytes(out.shape.words());
        self.record(
            Kernel::Combine,
            Tally {
                calls: 1,
                polynomials: out.shape.rows as u64,
                limbs: terms * (out.shape.rows * basis.limbs()) as u64,
                steps: terms * out.shape.words() as u64,
                bytes_read: terms * bytes,
                bytes_written: bytes,
            },
        );
        Ok(out)
    }

    fn automorphism(&self, t: &RingSpec, x: &Block, galois: u64) -> Result<Block> {
        checked::automorphism(t, x.shape, galois)?;
        check::domain("automorphism", x, Domain::Evaluations)?;
        let out = self.block(t, x.shape.rows, x.shape.basis, Domain::Evaluations)?;
        self.record_limbs(Kernel::Automorphism, x.shape, 1, 1, 1);
        Ok(out)
    }

    fn restrict(&self, t: &RingSpec, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        checked::restrict(t, x.shape, &rows, basis)?;
        let out = self.block(t, rows.len(), basis, x.domain)?;
        self.record_limbs(Kernel::Restrict, out.shape, 1, 1, 1);
        Ok(out)
    }

    fn stack(&self, t: &RingSpec, xs: &[&Block]) -> Result<Block> {
        let shape = checked::stack(t, &checked::shapes(self, xs))?;
        let mut domain = Domain::Either;
        for x in xs {
            domain = check::common_domain("stack", domain, x.domain)?;
        }
        let out = self.block(t, shape.rows, shape.basis, domain)?;
        self.record_limbs(Kernel::Stack, out.shape, 1, 1, 1);
        Ok(out)
    }

    fn base_convert(&self, t: &RingSpec, x: &Block, to: Basis) -> Result<Block> {
        checked::base_convert(t, x.shape, to)?;
        check::domain("base_convert", x, Domain::Coefficients)?;
        let out = self.block(t, x.shape.rows, to, Domain::Coefficients)?;
        let total = t.q().len();
        let held: Vec<usize> = x.shape.basis.prime_indices(total).collect();
        let new = to
            .prime_indices(total)
            .filter(|i| !held.contains(i))
            .count();
        let pairs = (x.shape.rows * held.len() * new) as u64;
        self.record(
            Kernel::BaseConvert,
            Tally {
                calls: 1,
                polynomials: x.shape.rows as u64,
                limbs: pairs,
                steps: pairs * t.degree() as u64,
                bytes_read: self.bytes(x.shape.words()),
                bytes_written: self.bytes(out.shape.words()),
            },
        );
        Ok(out)
    }

    fn add_rows(&self, t: &RingSpec, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        checked::add_rows(t, x.shape, first, y.shape)?;
        self.record_operation(Operation::AddRows, y.shape.rows);
        derived::add_rows(self, t, x, first, y)
    }

    /// Counts one pass over the rows: the default body moves to coefficients and back.
    fn add_scaled(
        &self,
        t: &RingSpec,
        x: &mut Block,
        first: usize,
        y: &Permuted<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        let (op, from) = ("add_scaled", y.block);
        let added = (from.shape, &y.rows, y.galois);
        checked::add_scaled(t, x.shape, first, added, constants)?;
        if y.galois != 1 {
            check::domain(op, from, Domain::Evaluations)?;
        }
        x.domain = check::common_domain(op, x.domain, from.domain)?;
        let rows = y.rows.len();
        let shape = Shape { rows, ..from.shape };
        self.record_binary(Kernel::MultiplyAccumulate, shape, rows, 1);
        Ok(())
    }

    /// Counts an addition: the default body would count its transfers.
    fn add_neighbours(&self, t: &RingSpec, x: &mut Block, _: Neighbour) -> Result<()> {
        checked::block("add_neighbours", t, x.shape)?;
        check::domain("add_neighbours", x, Domain::Coefficients)?;
        self.record_limbs(Kernel::Add, x.shape, 1, 1, 1);
        Ok(())
    }

    fn tensor(&self, t: &RingSpec, x: &Block, y: &Block) -> Result<Block> {
        checked::tensor(t, x.shape, y.shape)?;
        check::domain("tensor", x, Domain::Evaluations)?;
        check::domain("tensor", y, Domain::Evaluations)?;
        self.record_operation(Operation::Tensor, x.shape.rows);
        derived::tensor(self, t, x, y)
    }

    /// Counts what the default body does without making the residues.
    fn embed(&self, t: &RingSpec, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        let rows = checked::embed(t, basis, coefficients, m)?.rows;
        self.record_operation(Operation::Embed, rows);
        let mut block = self.upload_shape(t, rows, basis)?;
        self.ntt(t, &mut block)?;
        Ok(block)
    }

    fn embed_compact(
        &self,
        t: &RingSpec,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        checked::embed_compact(t, basis, coefficients, m)?;
        self.embed_compact_zeros(t, basis, coefficients.len() / m, m)
    }

    /// Counts short transforms: as many words as the compact rows, fewer butterflies for each.
    fn embed_compact_zeros(
        &self,
        t: &RingSpec,
        basis: Basis,
        count: usize,
        m: usize,
    ) -> Result<Block> {
        let rows = checked::embed_compact_zeros(t, basis, count, m)?.rows;
        let given = count * m;
        self.record_operation(Operation::Embed, count);
        let mut block = self.upload_shape(t, rows, basis)?;
        block.domain = Domain::Evaluations;
        let bytes = self.bytes(block.shape.words());
        let words = (given * basis.limbs()) as u64;
        self.record(
            Kernel::Ntt,
            Tally {
                calls: 1,
                polynomials: rows as u64,
                limbs: words.div_ceil(t.degree() as u64),
                steps: words / 2 * u64::from(m.trailing_zeros()),
                bytes_read: bytes,
                bytes_written: bytes,
            },
        );
        Ok(block)
    }

    fn sum_products(
        &self,
        t: &RingSpec,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        let op = "sum_products";
        let shape = checked::sum_products(t, &checked::shapes(self, xs), ys.shape, m, sums)?;
        for x in xs.iter().copied().chain([ys]) {
            check::domain(op, x, Domain::Evaluations)?;
        }
        let products = sums.iter().map(Vec::len).sum::<usize>() * shape.rows;
        let factors = shape.basis.limbs() * m * sums.iter().map(Vec::len).sum::<usize>();
        self.record(
            Kernel::MultiplyAccumulate,
            Tally {
                calls: 1,
                polynomials: products as u64,
                limbs: (products * shape.basis.limbs()) as u64,
                steps: (products * shape.basis.limbs() * shape.degree) as u64,
                bytes_read: self.bytes(xs.len() * shape.words() + factors),
                bytes_written: self.bytes(sums.len() * shape.words()),
            },
        );
        sums.iter()
            .map(|_| self.block(t, shape.rows, shape.basis, Domain::Evaluations))
            .collect()
    }
}
