//! One prime with its constants: where reference and vector kernels part.

use super::{
    ColumnTransform, Kernels, KeyLimb, LANES, Permutation, ReferenceNtt, dot, linear, ntt,
    pointwise, products,
};
use crate::simd::{self, Constants, Vector, VectorNtt};
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::{Pointwise, RingSpec};
use std::sync::OnceLock;

/// Constants and kernels of one prime; slices are (pieces of) one limb.
pub struct Prime {
    modulus: Modulus,
    transform: Transform,
    /// Transforms of the subrings of degree `2^i`, made on first use.
    subrings: Vec<OnceLock<Transform>>,
    vector: Option<(Vector, Constants)>,
}

enum Transform {
    Reference(ReferenceNtt),
    Vector(Vector, VectorNtt),
}

impl Transform {
    fn new(vector: Option<Vector>, modulus: Modulus, twiddles: &ntt::Twiddles) -> Self {
        match vector {
            Some(vector) if twiddles.forward.len() >= simd::MIN_DEGREE => {
                Self::Vector(vector, vector.transform(modulus, twiddles))
            }
            _ => Self::Reference(ReferenceNtt::new(modulus, twiddles)),
        }
    }

    fn forward(&self, x: &mut [u64]) {
        match self {
            Self::Reference(t) => t.forward(x),
            Self::Vector(vector, t) => vector.ntt(t, x),
        }
    }
}

impl Prime {
    pub fn new(ring: &RingSpec, index: usize, kernels: Kernels) -> Self {
        let modulus = ring.prime(index);
        let twiddles = ntt::twiddles(ring, index, ring.degree());
        let vector = match kernels {
            Kernels::Vector(vector) if ring.degree() >= simd::MIN_DEGREE => {
                Some((vector, vector.constants(modulus)))
            }
            Kernels::Vector(_) | Kernels::Reference => None,
        };
        Self {
            modulus,
            transform: Transform::new(vector.map(|(vector, _)| vector), modulus, &twiddles),
            subrings: (0..ring.log_degree()).map(|_| OnceLock::new()).collect(),
            vector,
        }
    }

    pub const fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Whether residues may be `2^50` or more.
    pub const fn wide(&self) -> bool {
        self.modulus.bits() > simd::NARROW_BITS
    }

    /// Vector kernels and their constants, if this prime uses them.
    pub const fn vector(&self) -> Option<&(Vector, Constants)> {
        self.vector.as_ref()
    }

    /// Coefficients to evaluations, in place.
    pub fn ntt(&self, x: &mut [u64]) {
        self.transform.forward(x);
    }

    /// Coefficients of the subring of polynomials in `X^(N / m)` to evaluations: position `j` in
    /// bit-reversed order depends on the highest `log2 m` bits of `j` only, so each value of the
    /// transform of length `m` fills a run. `bound` is at least each `|coefficient|`; `ring` and
    /// `index` are those this prime was made with.
    pub fn embed(
        &self,
        prime: (&RingSpec, usize),
        out: &mut [u64],
        coefficients: &[i64],
        bound: u64,
    ) {
        let m = coefficients.len();
        self.embed_compact(prime, &mut out[..m], coefficients, bound);
        pointwise::spread(out, m);
    }

    /// As [`Prime::embed`], each value once.
    pub fn embed_compact(
        &self,
        (ring, index): (&RingSpec, usize),
        values: &mut [u64],
        coefficients: &[i64],
        bound: u64,
    ) {
        let m = coefficients.len();
        self.integers(values, coefficients, bound);
        match (
            &self.transform,
            self.subrings.get(m.trailing_zeros() as usize),
        ) {
            (Transform::Vector(vector, _), Some(subring)) => {
                let make = || {
                    let both = ntt::twiddles(ring, index, m);
                    let inverse = Vec::new();
                    Transform::new(
                        Some(*vector),
                        self.modulus,
                        &ntt::Twiddles { inverse, ..both },
                    )
                };
                subring.get_or_init(make).forward(values);
            }
            (whole, _) => whole.forward(values),
        }
    }

    /// The residues of signed integers of absolute value at most `bound`.
    fn integers(&self, out: &mut [u64], x: &[i64], bound: u64) {
        match &self.vector {
            Some((vector, constants)) if x.len().is_multiple_of(LANES) => {
                vector.integers(constants, out, x, bound < self.modulus.value());
            }
            _ => pointwise::integers(self.modulus, out, x, bound),
        }
    }

    /// Evaluations to coefficients, in place.
    pub fn intt(&self, x: &mut [u64]) {
        match &self.transform {
            Transform::Reference(t) => t.inverse(x),
            Transform::Vector(vector, t) => vector.intt(t, x),
        }
    }

    /// The transform in passes, where the kernels have them.
    pub fn column_transform(&self) -> Option<ColumnTransform<'_>> {
        match &self.transform {
            Transform::Vector(vector, t) => ColumnTransform::new(self, *vector, t),
            Transform::Reference(_) => None,
        }
    }

    /// `out <- x op y`.
    pub fn pointwise(&self, op: Pointwise, out: &mut [u64], x: &[u64], y: &[u64]) {
        match &self.vector {
            Some((vector, constants)) => vector.pointwise(constants, op, out, x, y),
            None => pointwise::binary(self.modulus, op, out, x, y),
        }
    }

    /// `x <- x op y`.
    pub fn pointwise_assign(&self, op: Pointwise, x: &mut [u64], y: &[u64]) {
        match &self.vector {
            Some((vector, constants)) => vector.pointwise_assign(constants, op, x, y),
            None => pointwise::binary_assign(self.modulus, op, x, y),
        }
    }

    /// `acc <- acc + x y`.
    pub fn multiply_accumulate(&self, acc: &mut [u64], x: &[u64], y: &[u64]) {
        match &self.vector {
            Some((vector, constants)) => vector.multiply_accumulate(constants, acc, x, y),
            None => pointwise::multiply_accumulate(self.modulus, acc, x, y),
        }
    }

    /// `out <- sum x y` over pairs: `x` of the length of `out`, and `y` of a part of it, each word
    /// for a run of positions.
    pub fn sum_products(&self, out: &mut [u64], pairs: &[(&[u64], &[u64])]) {
        let whole = |y: &[u64]| y.len().is_multiple_of(LANES) || y.len() * LANES <= out.len();
        match &self.vector {
            Some((vector, constants)) if pairs.iter().all(|(_, y)| whole(y)) => {
                vector.sum_products(constants, out, pairs);
            }
            _ => products::sum_products(self.modulus, out, pairs),
        }
    }

    /// `outs <- x0 y0, x0 y1 + x1 y0, x1 y1`.
    pub fn tensor(&self, outs: [&mut [u64]; 3], x: [&[u64]; 2], y: [&[u64]; 2]) {
        match &self.vector {
            Some((vector, constants)) => vector.tensor(constants, outs, x, y),
            None => pointwise::tensor(self.modulus, outs, x, y),
        }
    }

    /// `x <- c x`.
    pub fn scale(&self, x: &mut [u64], c: u64) {
        let c = self.modulus.shoup(c);
        match &self.vector {
            Some((vector, constants)) => vector.scale(constants, x, c),
            None => pointwise::scale(self.modulus, x, c),
        }
    }

    /// `out <- out + c x`.
    pub fn add_scaled(&self, out: &mut [u64], x: &[u64], c: u64) {
        let c = self.modulus.shoup(c);
        match &self.vector {
            Some((vector, constants)) => vector.add_scaled(constants, out, x, c),
            None => pointwise::add_scaled(self.modulus, out, x, c),
        }
    }

    /// `out <- c x`.
    pub fn scale_into(&self, out: &mut [u64], x: &[u64], c: Shoup) {
        match &self.vector {
            Some((vector, constants)) => vector.scale_into(constants, out, x, c),
            None => {
                out.copy_from_slice(x);
                pointwise::scale(self.modulus, out, c);
            }
        }
    }

    /// `x <- x + c`.
    pub fn offset(&self, x: &mut [u64], c: u64) {
        match &self.vector {
            Some((vector, constants)) => vector.offset(constants, x, c),
            None => pointwise::offset(self.modulus, x, c),
        }
    }

    /// `out <- (x - out) c`.
    pub fn subtract_from_and_scale(&self, out: &mut [u64], x: &[u64], c: Shoup) {
        match &self.vector {
            Some((vector, constants)) => vector.subtract_from_and_scale(constants, out, x, c),
            None => pointwise::subtract_from_and_scale(self.modulus, out, x, c),
        }
    }

    /// `out <- sum_i weights[i] xs[i]`; the words of `xs` may belong to other primes, `wide` if
    /// some of those are beyond 50 bits.
    pub fn linear(&self, wide: bool, out: &mut [u64], xs: &[&[u64]], weights: &[u64]) {
        match &self.vector {
            Some((vector, constants)) => vector.linear(constants, wide, out, xs, weights),
            None => linear::linear(self.modulus, out, xs, weights),
        }
    }

    /// `outs[r] <- sum_i weights[r, i] xs[i]` of residues modulo this prime, with
    /// [`simd::GEMM_SCRATCH`] words of scratch for each of `xs`.
    pub fn gemm(
        &self,
        outs: &mut [&mut [u64]],
        xs: &[&[u64]],
        weights: &[u64],
        scratch: &mut [u64],
    ) {
        if let Some((vector, constants)) = &self.vector {
            return vector.gemm(constants, outs, xs, weights, scratch);
        }
        for (out, weights) in outs.iter_mut().zip(weights.chunks_exact(xs.len())) {
            linear::linear(self.modulus, out, xs, weights);
        }
    }

    /// [`Prime::linear`] modulo several primes, one result after the other in `out`.
    pub fn linear_each(
        primes: &[&Self],
        wide: bool,
        out: &mut [u64],
        xs: &[&[u64]],
        weights: &[&[u64]],
    ) {
        let width = out.len() / primes.len().max(1);
        let group = simd::TARGETS * width;
        let groups = primes
            .chunks(simd::TARGETS)
            .zip(weights.chunks(simd::TARGETS));
        for ((primes, weights), out) in groups.zip(out.chunks_mut(group.max(1))) {
            if let (&[a, b, c, d], &[u, v, w, x]) = (primes, weights)
                && let (Some((vector, a)), Some((_, b)), Some((_, c)), Some((_, d))) =
                    (&a.vector, &b.vector, &c.vector, &d.vector)
                && vector.linear_many([a, b, c, d], wide, out, xs, [u, v, w, x])
            {
                continue;
            }
            for ((prime, weights), out) in
                primes.iter().zip(weights).zip(out.chunks_exact_mut(width))
            {
                prime.linear(wide, out, xs, weights);
            }
        }
    }

    /// The words of `x` permuted.
    pub fn permute(&self, permutation: &Permutation, out: &mut [u64], x: &[u64]) {
        match &self.vector {
            Some((vector, _)) => vector.permute(permutation, out, x),
            None => permutation.apply(out, x),
        }
    }

    /// `outs[r] <- sum_d xs[d R + r] b_d`, `outs[R + r] <- sum_d xs[d R + r] a_d`, with the words
    /// of each `x` permuted first if asked.
    pub fn dot(
        &self,
        outs: &mut [&mut [u64]],
        xs: &[&[u64]],
        permutation: Option<&Permutation>,
        key: KeyLimb<'_>,
    ) {
        match &self.vector {
            Some((vector, constants)) => vector.dot(constants, outs, xs, permutation, key),
            None => dot::dot(self.modulus, outs, xs, permutation, key),
        }
    }
}
