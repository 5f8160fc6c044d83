//! Ring kernels over blocks: each limb (or piece of all limbs) of each row is one task.

use crate::device::{Block, CpuBackend, light};
use crate::kernels::{self, CHUNK, Prime, Target};
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, Masks, Neighbour, Permuted, Pointwise, RingKernels, checked};
use ckks_math::sampling::Seed;
use std::ops::Range;

/// The position in `outer` of each limb of `inner`.
pub(crate) fn positions(inner: Basis, outer: Basis) -> Vec<usize> {
    debug_assert!(outer.contains(inner), "{inner} in {outer}");
    let q = (inner.lo as usize..inner.hi as usize).filter_map(|i| outer.q_position(i));
    let p = (0..inner.special as usize).filter_map(|i| outer.p_position(i));
    q.chain(p).collect()
}

/// One limb of a row to be written.
pub(crate) struct Task<'a> {
    pub prime: &'a Prime,
    pub row: usize,
    pub limb: usize,
    pub out: &'a mut [u64],
}

/// The limbs of all rows, ordered by prime first so that its constants stay in cache.
pub(crate) fn tasks<'a>(t: &'a Tables, x: &'a mut Block) -> Vec<Task<'a>> {
    let primes = t.primes(x.shape.basis);
    let limbs = primes.len();
    let mut tasks: Vec<_> = (x.words.chunks_exact_mut(x.shape.degree).enumerate())
        .map(|(i, out)| Task {
            prime: primes[i % limbs],
            row: i / limbs,
            limb: i % limbs,
            out,
        })
        .collect();
    tasks.sort_by_key(|task| (task.limb, task.row));
    tasks
}

/// For each limb, its slices in all rows.
pub(crate) fn by_limb(x: &mut Block) -> Vec<Vec<&mut [u64]>> {
    let count = x.shape.basis.limbs();
    let mut limbs: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
    for (i, slice) in x.words.chunks_exact_mut(x.shape.degree).enumerate() {
        limbs[i % count].push(slice);
    }
    limbs
}

/// FusedSwitch of [`CHUNK`] coefficients, each with the slices of all limbs.
pub(crate) fn columns<'a>(
    limbs: impl Iterator<Item = &'a mut [u64]>,
    degree: usize,
) -> Vec<Vec<&'a mut [u64]>> {
    let mut columns: Vec<Vec<_>> = (0..degree.div_ceil(CHUNK)).map(|_| Vec::new()).collect();
    for limb in limbs {
        for (column, piece) in columns.iter_mut().zip(limb.chunks_mut(CHUNK)) {
            column.push(piece);
        }
    }
    columns
}

impl RingKernels for CpuBackend {
    fn ntt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        checked::block("ntt", &t.ring, x.shape)?;
        self.for_each(x.words.len(), tasks(t, x), |task| task.prime.ntt(task.out));
        Ok(())
    }

    fn intt(&self, t: &Tables, x: &mut Block) -> Result<()> {
        checked::block("intt", &t.ring, x.shape)?;
        self.for_each(x.words.len(), tasks(t, x), |task| task.prime.intt(task.out));
        Ok(())
    }

    fn pointwise(&self, t: &Tables, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        checked::pointwise("pointwise", &t.ring, x.shape, y.shape)?;
        let mut out = self.block(t, x.shape.rows, x.shape.basis)?;
        let at = positions(x.shape.basis, y.shape.basis);
        self.for_each(light(x.words.len()), tasks(t, &mut out), |task| {
            let x = x.limb(task.row, task.limb);
            let y = y.limb(task.row % y.shape.rows, at[task.limb]);
            task.prime.pointwise(op, task.out, x, y);
        });
        Ok(out)
    }

    fn pointwise_assign(&self, t: &Tables, op: Pointwise, x: &mut Block, y: &Block) -> Result<()> {
        checked::pointwise("pointwise_assign", &t.ring, x.shape, y.shape)?;
        let at = positions(x.shape.basis, y.shape.basis);
        self.for_each(light(x.words.len()), tasks(t, x), |task| {
            let y = y.limb(task.row % y.shape.rows, at[task.limb]);
            task.prime.pointwise_assign(op, task.out, y);
        });
        Ok(())
    }

    fn multiply_accumulate(&self, t: &Tables, acc: &mut Block, x: &Block, y: &Block) -> Result<()> {
        checked::multiply_accumulate(&t.ring, acc.shape, x.shape, y.shape)?;
        let x_at = positions(acc.shape.basis, x.shape.basis);
        let y_at = positions(acc.shape.basis, y.shape.basis);
        self.for_each(light(acc.words.len()), tasks(t, acc), |task| {
            let x = x.limb(task.row % x.shape.rows, x_at[task.limb]);
            let y = y.limb(task.row % y.shape.rows, y_at[task.limb]);
            task.prime.multiply_accumulate(task.out, x, y);
        });
        Ok(())
    }

    fn scale_limbs(&self, t: &Tables, x: &mut Block, constants: &[u64]) -> Result<()> {
        checked::scale_limbs(&t.ring, x.shape, constants)?;
        self.for_each(light(x.words.len()), tasks(t, x), |task| {
            task.prime.scale(task.out, constants[task.limb]);
        });
        Ok(())
    }

    fn offset_limbs(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        checked::offset_limbs(&t.ring, x.shape, &rows, constants)?;
        let words = rows.len() * x.row_words();
        let mut chosen = tasks(t, x);
        chosen.retain(|task| rows.contains(&task.row));
        self.for_each(light(words), chosen, |task| {
            task.prime.offset(task.out, constants[task.limb]);
        });
        Ok(())
    }

    fn combine(
        &self,
        t: &Tables,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let shape = checked::combine(&t.ring, basis, &checked::shapes(self, xs), constants)?;
        let mut out = self.block(t, shape.rows, basis)?;
        let at: Vec<_> = xs.iter().map(|x| positions(basis, x.shape.basis)).collect();
        let words = light(xs.len() * out.words.len());
        self.for_each(words, tasks(t, &mut out), |task| {
            let limbs = xs
                .iter()
                .zip(&at)
                .map(|(x, at)| x.limb(task.row, at[task.limb]));
            let weights: Vec<_> = constants.iter().map(|c| c[task.limb]).collect();
            let limbs: Vec<_> = limbs.collect();
            task.prime
                .linear(task.prime.wide(), task.out, &limbs, &weights);
        });
        Ok(out)
    }

    fn automorphism(&self, t: &Tables, x: &Block, galois: u64) -> Result<Block> {
        checked::automorphism(&t.ring, x.shape, galois)?;
        let permutation = t.permutation(galois);
        let mut out = self.block(t, x.shape.rows, x.shape.basis)?;
        self.for_each(light(x.words.len()), tasks(t, &mut out), |task| {
            task.prime
                .permute(&permutation, task.out, x.limb(task.row, task.limb));
        });
        Ok(out)
    }

    fn restrict(&self, t: &Tables, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        checked::restrict(&t.ring, x.shape, &rows, basis)?;
        let at = positions(basis, x.shape.basis);
        let mut out = self.block(t, rows.len(), basis)?;
        self.for_each(light(out.words.len()), tasks(t, &mut out), |task| {
            task.out
                .copy_from_slice(x.limb(rows.start + task.row, at[task.limb]));
        });
        Ok(out)
    }

    fn stack(&self, t: &Tables, xs: &[&Block]) -> Result<Block> {
        let shape = checked::stack(&t.ring, &checked::shapes(self, xs))?;
        let mut out = self.block(t, shape.rows, shape.basis)?;
        let from: Vec<_> = (xs
            .iter()
            .flat_map(|x| (0..x.shape.rows).map(move |r| (*x, r))))
        .collect();
        self.for_each(light(out.words.len()), tasks(t, &mut out), |task| {
            let (x, row) = from[task.row];
            task.out.copy_from_slice(x.limb(row, task.limb));
        });
        Ok(out)
    }

    fn base_convert(&self, t: &Tables, x: &Block, to: Basis) -> Result<Block> {
        checked::base_convert(&t.ring, x.shape, to)?;
        let (degree, from) = (x.shape.degree, x.shape.basis);
        let conversion = t.conversion(from, to);
        let mut out = self.block(t, x.shape.rows, to)?;
        let (sources, targets) = (t.primes(from), t.primes(to));
        let words = out.words.len() + x.words.len();
        let row_words = (to.limbs() * degree).max(1);
        let pieces: Vec<_> = (out.words.chunks_exact_mut(row_words).enumerate())
            .flat_map(|(row, words)| {
                let columns = columns(words.chunks_exact_mut(degree), degree);
                columns
                    .into_iter()
                    .enumerate()
                    .map(move |(i, c)| (row, i * CHUNK, c))
            })
            .collect();
        self.for_each(words, pieces, |(row, start, column)| {
            let width = degree.min(CHUNK);
            let piece = |limb: usize| &x.limb(row, limb)[start..][..width];
            let xs: Vec<_> = (0..from.limbs()).map(piece).collect();
            let mut digits = vec![0; (xs.len() + 1) * width];
            let (ys, quotient) = digits.split_at_mut(xs.len() * width);
            let pairs = conversion.sources().iter().zip(&sources);
            for ((y, x), (source, prime)) in ys.chunks_exact_mut(width).zip(&xs).zip(pairs) {
                prime.scale_into(y, x, source.inverse);
            }
            conversion.quotient(&ys.chunks_exact(width).collect::<Vec<_>>(), quotient);
            let digits: Vec<_> = digits.chunks_exact(width).collect();
            for ((out, target), prime) in column.into_iter().zip(conversion.targets()).zip(&targets)
            {
                match target {
                    Target::Copy(limb) => out.copy_from_slice(xs[*limb]),
                    Target::Sum(weights) => {
                        let weights = &weights[..digits.len()];
                        prime.linear(conversion.wide(), out, &digits, weights);
                    }
                }
            }
        });
        Ok(out)
    }

    fn embed(&self, t: &Tables, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        let shape = checked::embed(&t.ring, basis, coefficients, m)?;
        let mut out = self.block(t, shape.rows, basis)?;
        let bound = coefficients.iter().map(|c| c.unsigned_abs()).max();
        let bound = bound.unwrap_or(0);
        let indices: Vec<_> = basis.prime_indices(t.ring.q().len()).collect();
        self.for_each(out.words.len(), tasks(t, &mut out), |task| {
            let row = &coefficients[task.row * m..][..m];
            let prime = (&t.ring, indices[task.limb]);
            task.prime.embed(prime, task.out, row, bound);
        });
        Ok(out)
    }

    fn embed_compact(&self, t: &Tables, basis: Basis, c: &[i64], m: usize) -> Result<Block> {
        self.embed_compact_limbs(t, basis, c, m)
    }

    fn sum_products(
        &self,
        t: &Tables,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        self.sum_products_by_chunks(t, xs, ys, m, sums)
    }

    fn add_rows(&self, t: &Tables, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        checked::add_rows(&t.ring, x.shape, first, y.shape)?;
        let rows = first..first + y.shape.rows;
        let at = positions(x.shape.basis, y.shape.basis);
        let words = rows.len() * x.row_words();
        let mut chosen = tasks(t, x);
        chosen.retain(|task| rows.contains(&task.row));
        self.for_each(light(words), chosen, |task| {
            let y = y.limb(task.row - first, at[task.limb]);
            task.prime.pointwise_assign(Pointwise::Add, task.out, y);
        });
        Ok(())
    }

    fn add_scaled(
        &self,
        t: &Tables,
        x: &mut Block,
        first: usize,
        y: &Permuted<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        self.add_scaled_rows(t, x, first, y, constants)
    }

    fn add_neighbours(&self, t: &Tables, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        checked::block("add_neighbours", &t.ring, x.shape)?;
        self.for_each(x.words.len(), tasks(t, x), |task| {
            kernels::add_neighbours(task.prime.modulus(), task.out, neighbour);
        });
        Ok(())
    }

    fn tensor(&self, t: &Tables, x: &Block, y: &Block) -> Result<Block> {
        checked::tensor(&t.ring, x.shape, y.shape)?;
        let (k, basis) = (x.shape.rows / 2, x.shape.basis);
        let at = positions(basis, y.shape.basis);
        let primes = t.primes(basis);
        let mut out = self.block(t, 3 * k, basis)?;
        let words = out.words.len();
        let mut products = Vec::with_capacity(basis.limbs() * k);
        for (limb, mut low) in by_limb(&mut out).into_iter().enumerate() {
            let mut middle = low.split_off(k);
            let high = middle.split_off(k);
            let outs = low.into_iter().zip(middle).zip(high);
            products.extend(
                outs.enumerate()
                    .map(|(row, ((a, b), c))| (limb, row, [a, b, c])),
            );
        }
        self.for_each(light(words), products, |(limb, row, outs)| {
            let x = [row, k + row].map(|row| x.limb(row, limb));
            let y = [row, k + row].map(|row| y.limb(row, at[limb]));
            primes[limb].tensor(outs, x, y);
        });
        Ok(out)
    }

    fn uniform(
        &self,
        t: &Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Block> {
        self.uniform_rows(t, seed, first, rows, basis)
    }

    fn masked(&self, t: &Tables, basis: Basis, masks: &Masks<'_, Block>) -> Result<Block> {
        self.masked_rows(t, basis, masks)
    }

    fn upload_packed(&self, t: &Tables, rows: usize, basis: Basis, bytes: &[u8]) -> Result<Block> {
        self.unpack_block(t, rows, basis, bytes)
    }

    fn download_packed(&self, t: &Tables, x: &Block) -> Result<Vec<u8>> {
        checked::block("download_packed", &t.ring, x.shape)?;
        Ok(self.pack_block(t, x))
    }

    fn is_zero(&self, t: &Tables, x: &Block) -> Result<bool> {
        checked::block("is_zero", &t.ring, x.shape)?;
        Ok(self.all_zero(x))
    }
}
