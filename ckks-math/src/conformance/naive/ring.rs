//! Ring kernels of the naive backend.

use super::{Block, Fault, Naive};
use crate::arith::Modulus;
use crate::backend::{
    Basis, Device, Neighbour, Permuted, Pointwise, RingKernels, RingKind, RingSpec, checked,
    derived,
};
use crate::error::Result;
use std::ops::Range;

/// `f mod (X^n - psi^e)` for both square roots of the constant, down to evaluations.
fn split(m: Modulus, psi: u64, e: u64, order: u64, f: &mut [u64]) {
    let half = f.len() / 2;
    if half == 0 {
        return;
    }
    let s = m.pow(psi, e / 2);
    let (low, high) = f.split_at_mut(half);
    for (a, b) in low.iter_mut().zip(high.iter_mut()) {
        let t = m.mul(*b, s);
        (*a, *b) = (m.add(*a, t), m.sub(*a, t));
    }
    split(m, psi, e / 2, order, low);
    // The other root is -psi^(e/2), and psi^(order/2) = -1.
    split(m, psi, e / 2 + order / 2, order, high);
}

/// The inverse of [`split`], times the length.
fn merge(m: Modulus, psi: u64, e: u64, order: u64, f: &mut [u64]) {
    let half = f.len() / 2;
    if half == 0 {
        return;
    }
    let (low, high) = f.split_at_mut(half);
    merge(m, psi, e / 2, order, low);
    merge(m, psi, e / 2 + order / 2, order, high);
    let s = m.inv(m.pow(psi, e / 2));
    for (a, b) in low.iter_mut().zip(high.iter_mut()) {
        (*a, *b) = (m.add(*a, *b), m.mul(m.sub(*a, *b), s));
    }
}

/// Conjugate-invariant coefficients as those of a polynomial of degree below `2N`.
fn unfold(m: Modulus, x: &[u64]) -> Vec<u64> {
    let n = x.len();
    let mut f = vec![0; 2 * n];
    f[..n].copy_from_slice(x);
    for k in 1..n {
        f[2 * n - k] = m.neg(x[k]);
    }
    f
}

impl RingKernels for Naive {
    fn ntt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        checked::block("ntt", t, x.shape)?;
        let n = t.degree();
        Self::each_limb(t, x, |limb, prime| {
            let (m, psi) = (t.prime(prime), t.root(prime));
            match t.kind() {
                RingKind::Standard => split(m, psi, n as u64, t.root_order(), limb),
                RingKind::ConjugateInvariant => {
                    let mut f = unfold(m, limb);
                    split(m, psi, 2 * n as u64, t.root_order(), &mut f);
                    limb.copy_from_slice(&f[..n]);
                }
            }
            if self.has(Fault::NttNaturalOrder) {
                let bits = t.log_degree();
                let copy = limb.clone();
                for (j, &v) in copy.iter().enumerate() {
                    limb[j.reverse_bits() >> (usize::BITS - bits)] = v;
                }
            }
        });
        Ok(())
    }

    fn intt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        checked::block("intt", t, x.shape)?;
        let n = t.degree();
        let order = t.root_order();
        Self::each_limb(t, x, |limb, prime| {
            let (m, psi) = (t.prime(prime), t.root(prime));
            if self.has(Fault::NttNaturalOrder) {
                let copy = limb.clone();
                for (j, v) in limb.iter_mut().enumerate() {
                    *v = copy[j.reverse_bits() >> (usize::BITS - t.log_degree())];
                }
            }
            let length = match t.kind() {
                RingKind::Standard => {
                    merge(m, psi, n as u64, order, limb);
                    n
                }
                RingKind::ConjugateInvariant => {
                    // x(1/z) = x(z): the other half, at exponents 4 br(j) + 3, mirrors the first.
                    let mut f = limb.clone();
                    f.extend(limb.iter().rev());
                    merge(m, psi, 2 * n as u64, order, &mut f);
                    limb.copy_from_slice(&f[..n]);
                    2 * n
                }
            };
            let scale = if self.has(Fault::InverseNotScaled) {
                1
            } else {
                m.inv(length as u64)
            };
            for v in limb.iter_mut() {
                *v = m.mul(*v, scale);
            }
        });
        Ok(())
    }

    fn pointwise(&self, t: &RingSpec, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        let mut out = self.duplicate(t, x)?;
        self.pointwise_assign(t, op, &mut out, y)?;
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
        let mut at = Self::positions(t, x.shape.basis, y.shape.basis);
        if self.has(Fault::LimbsByPosition) {
            at = (0..at.len()).collect();
        }
        let y_rows = if self.has(Fault::NoBroadcastInPermutation) {
            1
        } else {
            y.shape.rows
        };
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            let (a, b) = (x.at(row, limb, j), y.at(row % y_rows, at[limb], j));
            match op {
                Pointwise::Add => m.add(a, b),
                Pointwise::Sub if self.has(Fault::SubReversed) => m.sub(b, a),
                Pointwise::Sub => m.sub(a, b),
                Pointwise::Mul => m.mul(a, b),
            }
        });
        Ok(())
    }

    fn multiply_accumulate(
        &self,
        t: &RingSpec,
        acc: &mut Block,
        x: &Block,
        y: &Block,
    ) -> Result<()> {
        checked::multiply_accumulate(t, acc.shape, x.shape, y.shape)?;
        let rows = 0..x.shape.rows;
        let product = self.restrict(t, x, rows, acc.shape.basis)?;
        let product = self.pointwise(t, Pointwise::Mul, &product, y)?;
        if self.has(Fault::AccumulateForgets) {
            *acc = product;
            return Ok(());
        }
        self.pointwise_assign(t, Pointwise::Add, acc, &product)
    }

    fn scale_limbs(&self, t: &RingSpec, x: &mut Block, constants: &[u64]) -> Result<()> {
        checked::scale_limbs(t, x.shape, constants)?;
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            m.mul(x.at(row, limb, j), constants[limb])
        });
        Ok(())
    }

    fn offset_limbs(
        &self,
        t: &RingSpec,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        let unchecked = self.has(Fault::RowsUnchecked);
        let checked_rows = if unchecked { &(0..0) } else { &rows };
        checked::offset_limbs(t, x.shape, checked_rows, constants)?;
        let all = self.has(Fault::OffsetAllRows);
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            let offset = if all || rows.contains(&row) {
                constants[limb]
            } else {
                0
            };
            m.add(x.at(row, limb, j), offset)
        });
        Ok(())
    }

    fn combine(
        &self,
        t: &RingSpec,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        checked::combine(t, basis, &checked::shapes(self, xs), constants)?;
        let at: Vec<Vec<usize>> = xs
            .iter()
            .map(|x| Self::positions(t, basis, x.shape.basis))
            .collect();
        let skipped = usize::from(self.has(Fault::CombineSkipsLast) && xs.len() > 1);
        Ok(self.fill(t, xs[0].shape.rows, basis, |row, limb, m, j| {
            (0..xs.len() - skipped).fold(0, |sum, k| {
                let x = xs[k].at(row, at[k][limb], j);
                m.add(sum, m.mul(x, constants[k][limb]))
            })
        }))
    }

    fn automorphism(&self, t: &RingSpec, x: &Block, galois: u64) -> Result<Block> {
        checked::automorphism(t, x.shape, galois)?;
        let order = t.root_order();
        let galois = if self.has(Fault::InverseGalois) {
            (1..order)
                .step_by(2)
                .find(|g| g * galois % order == 1)
                .expect("odd")
        } else {
            galois
        };
        let gather = t.automorphism_gather(galois);
        Ok(
            self.fill(t, x.shape.rows, x.shape.basis, |row, limb, _, j| {
                x.at(row, limb, gather[j] as usize)
            }),
        )
    }

    fn restrict(&self, t: &RingSpec, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        checked::restrict(t, x.shape, &rows, basis)?;
        let at = Self::positions(t, basis, x.shape.basis);
        let start = if self.has(Fault::RestrictFromFirstRow) {
            0
        } else {
            rows.start
        };
        Ok(self.fill(t, rows.len(), basis, |row, limb, _, j| {
            x.at(start + row, at[limb], j)
        }))
    }

    fn stack(&self, t: &RingSpec, xs: &[&Block]) -> Result<Block> {
        checked::stack(t, &checked::shapes(self, xs))?;
        let data: Vec<u64> = xs.iter().flat_map(|x| x.data.iter().copied()).collect();
        let rows = xs.iter().map(|x| x.shape.rows).sum();
        let mut out = self.fresh(t, rows, xs[0].shape.basis);
        out.data = data;
        Ok(out)
    }

    fn base_convert(&self, t: &RingSpec, x: &Block, to: Basis) -> Result<Block> {
        checked::base_convert(t, x.shape, to)?;
        Ok(self.converted(t, x, to))
    }

    fn add_rows(&self, t: &RingSpec, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        let wrong = self.has(Fault::AddRowsOverride);
        derived::add_rows(self, t, x, if wrong { 0 } else { first }, y)
    }

    fn add_scaled(
        &self,
        t: &RingSpec,
        x: &mut Block,
        first: usize,
        y: &Permuted<'_, Block>,
        constants: &[u64],
    ) -> Result<()> {
        let ones = vec![1; constants.len()];
        let wrong = self.has(Fault::AddScaledOverride);
        let constants = if wrong { &ones } else { constants };
        derived::add_scaled(self, t, x, first, y, constants)
    }

    fn add_neighbours(&self, t: &RingSpec, x: &mut Block, neighbour: Neighbour) -> Result<()> {
        let neighbour = match neighbour {
            _ if !self.has(Fault::NeighboursOverride) => neighbour,
            Neighbour::Next => Neighbour::Previous,
            Neighbour::Previous => Neighbour::Next,
        };
        derived::add_neighbours(self, t, x, neighbour)
    }

    fn tensor(&self, t: &RingSpec, x: &Block, y: &Block) -> Result<Block> {
        if self.has(Fault::TensorOverride) {
            let product = self.pointwise(t, Pointwise::Mul, x, y)?;
            let count = x.shape.rows / 2;
            let low = self.restrict(t, &product, 0..count, x.shape.basis)?;
            return self.stack(t, &[&low, &product]);
        }
        derived::tensor(self, t, x, y)
    }

    fn embed(&self, t: &RingSpec, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        if self.has(Fault::EmbedOverride) {
            let mut padded = Vec::new();
            for row in coefficients.chunks(m) {
                padded.extend(row);
                padded.resize(padded.len() + t.degree() - m, 0);
            }
            return derived::embed(self, t, basis, &padded, t.degree());
        }
        derived::embed(self, t, basis, coefficients, m)
    }

    fn embed_compact(
        &self,
        t: &RingSpec,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Block> {
        if self.has(Fault::EmbedCompactOverride) {
            let permuted: Vec<i64> = coefficients.rchunks(m).flatten().copied().collect();
            return derived::embed_compact(self, t, basis, &permuted, m);
        }
        derived::embed_compact(self, t, basis, coefficients, m)
    }

    fn sum_products(
        &self,
        t: &RingSpec,
        xs: &[&Block],
        ys: &Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Block>> {
        let mut sums = sums.to_vec();
        if self.has(Fault::SumProductsOverride) {
            for pairs in &mut sums {
                pairs.pop();
            }
        }
        derived::sum_products(self, t, xs, ys, m, &sums)
    }
}
