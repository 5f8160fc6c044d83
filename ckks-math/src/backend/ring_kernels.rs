//! Exact kernels on blocks of residues.

use super::{Basis, Device, Masks, Neighbour, Permuted, Pointwise, derived};
use crate::error::Result;
use crate::sampling::Seed;
use std::ops::Range;

/// Transforms, element-wise arithmetic, automorphisms and base conversion.
///
/// Where an operation takes two blocks, the second may have fewer rows: row `i` of the first
/// meets row `i mod y.rows`, and `y.rows` divides `x.rows`. The second's basis may be larger than
/// the first's ([`Basis::contains`]): only the limbs of the first are read.
pub trait RingKernels: Device {
    /// Coefficients to evaluations, each row and limb, in the order of [`super::RingSpec`].
    ///
    /// # Errors
    /// As [`super::checked::block`], and failures of the device.
    ///
    /// # Contract
    /// in: any rows, any basis, coefficients · out: evaluations · exact · in place ·
    /// law: `ntt_evaluates_at_the_roots`
    fn ntt(&self, t: &Self::Tables, x: &mut Self::Block) -> Result<()>;

    /// Evaluations to coefficients; the inverse of [`RingKernels::ntt`].
    ///
    /// # Errors
    /// As [`super::checked::block`], and failures of the device.
    ///
    /// # Contract
    /// in: evaluations · out: coefficients · exact · in place · law: `intt_inverts_ntt`
    fn intt(&self, t: &Self::Tables, x: &mut Self::Block) -> Result<()>;

    /// `x op y` into a new block.
    ///
    /// # Errors
    /// As [`super::checked::pointwise`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `x` R rows basis B, `y` rows dividing R, basis containing B · out: R rows, B · exact ·
    /// law: `pointwise_matches_integers`
    fn pointwise(
        &self,
        t: &Self::Tables,
        op: Pointwise,
        x: &Self::Block,
        y: &Self::Block,
    ) -> Result<Self::Block>;

    /// `x <- x op y`.
    ///
    /// # Errors
    /// As [`super::checked::pointwise`], and failures of the device.
    ///
    /// # Contract
    /// as [`RingKernels::pointwise`] · in place · law: `pointwise_matches_integers`
    fn pointwise_assign(
        &self,
        t: &Self::Tables,
        op: Pointwise,
        x: &mut Self::Block,
        y: &Self::Block,
    ) -> Result<()>;

    /// `acc <- acc + x * y`.
    ///
    /// # Errors
    /// As [`super::checked::multiply_accumulate`], and failures of the device.
    ///
    /// # Contract
    /// `acc` and `x` same shape or `x` of larger basis; `y` as in [`RingKernels::pointwise`] ·
    /// exact · in place · law: `multiply_accumulate_matches_integers`
    fn multiply_accumulate(
        &self,
        t: &Self::Tables,
        acc: &mut Self::Block,
        x: &Self::Block,
        y: &Self::Block,
    ) -> Result<()>;

    /// Multiplies limb `i` of every row by `constants[i]`.
    ///
    /// # Errors
    /// As [`super::checked::scale_limbs`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: one constant below its modulus for each limb · exact · in place ·
    /// law: `constants_match_integers`
    fn scale_limbs(&self, t: &Self::Tables, x: &mut Self::Block, constants: &[u64]) -> Result<()>;

    /// Adds `constants[i]` to every residue of limb `i` of the given rows.
    ///
    /// In evaluation order this adds a constant polynomial.
    ///
    /// # Errors
    /// As [`super::checked::offset_limbs`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: one constant below its modulus for each limb · exact · in place ·
    /// law: `constants_match_integers`
    fn offset_limbs(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()>;

    /// `sum_k constants[k] * xs[k]` with one constant for each limb, in one pass.
    ///
    /// # Errors
    /// As [`super::checked::combine`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: blocks with the same rows; basis of the result is `basis`, contained in each ·
    /// `constants[k]` has one residue a limb of `basis` · exact · law: `constants_match_integers`
    fn combine(
        &self,
        t: &Self::Tables,
        basis: Basis,
        xs: &[&Self::Block],
        constants: &[Vec<u64>],
    ) -> Result<Self::Block>;

    /// `x(X^galois)` in evaluation order, a gather.
    ///
    /// # Errors
    /// As [`super::checked::automorphism`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: evaluations; odd `galois` below the order of the roots · out: same shape · exact ·
    /// law: `automorphism_substitutes`
    fn automorphism(&self, t: &Self::Tables, x: &Self::Block, galois: u64) -> Result<Self::Block>;

    /// Copies some rows and some limbs.
    ///
    /// # Errors
    /// As [`super::checked::restrict`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: rows inside `x`, basis contained in that of `x` · out: those · exact ·
    /// law: `restrict_and_stack_move_rows`
    fn restrict(
        &self,
        t: &Self::Tables,
        x: &Self::Block,
        rows: Range<usize>,
        basis: Basis,
    ) -> Result<Self::Block>;

    /// Rows of all blocks, one after the other.
    ///
    /// # Errors
    /// As [`super::checked::stack`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: at least one block; same basis · out: sum of rows · exact ·
    /// law: `restrict_and_stack_move_rows`
    fn stack(&self, t: &Self::Tables, xs: &[&Self::Block]) -> Result<Self::Block>;

    /// The centred integer of each coefficient, modulo the primes of another basis.
    ///
    /// With `D = prod d_i` the product of the source primes, `y_i = x_i (D/d_i)^-1 mod d_i` and
    /// `b_i` the bit length of `d_i`, the quotient is, in integers that fit 64 bits,
    /// ```text
    /// z_i = y_i >> max(b_i - 30, 0)  (y_i << (30 - b_i) for shorter primes)
    /// r_i = floor(2^(30 + b_i) / d_i)                    (31 bits)
    /// f_i = (z_i * r_i) >> 32                            (y_i / d_i in units of 2^-28)
    /// v   = (sum_i f_i + 2^27) >> 28                     (nearest)
    /// out = sum_i y_i (D/d_i) - v D   mod each target prime
    /// ```
    /// so the result is congruent to `x` and lies in `[-D/2 - e, D/2 + e]`, `e = D k 2^-27` for
    /// `k` source primes. Limbs of the target that the source has too are copied.
    ///
    /// # Errors
    /// As [`super::checked::base_convert`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: coefficients, any rows, basis S · out: same rows, basis `to`, coefficients · exact by
    /// the formula above · law: `base_conversion_follows_its_formula`
    fn base_convert(&self, t: &Self::Tables, x: &Self::Block, to: Basis) -> Result<Self::Block>;

    /// `x[first + i] <- x[first + i] + y[i]` for the rows of `y`.
    ///
    /// # Errors
    /// As [`super::checked::add_rows`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `y` fits into `x` from row `first`, basis of `y` contains that of `x` · exact · in place
    /// · law: `rows_add_and_tensor`
    fn add_rows(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        first: usize,
        y: &Self::Block,
    ) -> Result<()> {
        derived::add_rows(self, t, x, first, y)
    }

    /// `x[first + i] <- x[first + i] + constants[limb] y[i]` for the rows meant by `y`, on the
    /// limbs of its block only: with constants that hold the product of the special primes, a sum
    /// over `QP` takes in rows over `Q`. One pass, without a copy of the rows.
    ///
    /// # Errors
    /// As [`super::checked::add_scaled`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: rows inside the block of `y` that fit into `x` from row `first`, basis of `x` contains
    /// that of `y`, evaluations; one constant below its modulus for each limb of `y` · exact · in
    /// place · law: `scaled_rows_add_on_their_limbs`
    fn add_scaled(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        first: usize,
        y: &Permuted<'_, Self::Block>,
        constants: &[u64],
    ) -> Result<()> {
        derived::add_scaled(self, t, x, first, y, constants)
    }

    /// Adds to each coefficient its neighbour: `x_k + x_(k+1)` with `x_N = 0`, or `x_k + x_(k-1)`
    /// with `x_(-1) = x_0`.
    ///
    /// On the conjugate-invariant ring, in the basis `Z^m + Z^-m` with `Y = Z^2`, these are the
    /// products with `Z + Z^-1`, from even to odd `m` and from odd to even.
    ///
    /// # Errors
    /// As [`super::checked::block`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: any rows, any basis, coefficients · exact · in place · law: `neighbours_are_added`
    fn add_neighbours(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        neighbour: Neighbour,
    ) -> Result<()> {
        derived::add_neighbours(self, t, x, neighbour)
    }

    /// Products of linear polynomials in the secret: rows `x0 y0`, `x0 y1 + x1 y0`, `x1 y1`.
    ///
    /// # Errors
    /// As [`super::checked::tensor`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `x` and `y` of `2R` rows (first the `R` constant terms), same basis, evaluations · out:
    /// `3R` rows, component-major · exact · law: `rows_add_and_tensor`
    fn tensor(&self, t: &Self::Tables, x: &Self::Block, y: &Self::Block) -> Result<Self::Block> {
        derived::tensor(self, t, x, y)
    }

    /// Polynomials with small signed coefficients in the subring of `X^(N / m)`, in evaluation
    /// order: coefficient `i` of a row is that of `X^(i N / m)` (on the conjugate-invariant ring of
    /// the basis element with that exponent).
    ///
    /// # Errors
    /// As [`super::checked::embed`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: `coefficients` of `rows * m` integers, `m` a power of two at most `N` · out: evaluations
    /// over `basis` · exact · law: `embedding_equals_upload_and_ntt`
    fn embed(
        &self,
        t: &Self::Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Self::Block> {
        derived::embed(self, t, basis, coefficients, m)
    }

    /// Uniform polynomials number `first ..` of a seed, as evaluations.
    ///
    /// Residue `i` of the limb of prime `l` (an index into `q` followed by `p`) of polynomial `p`
    /// is coefficient `i` of stream `(p, l)` of the seed, which [`crate::sampling::uniform`]
    /// defines to the byte: residues depend on no other, nor on the basis.
    ///
    /// # Errors
    /// As [`super::checked::uniform`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// out: `rows` rows over `basis` · exact · law: `seeded_polynomials_follow_their_definition`
    fn uniform(
        &self,
        t: &Self::Tables,
        seed: &Seed,
        first: usize,
        rows: usize,
        basis: Basis,
    ) -> Result<Self::Block> {
        derived::uniform(self, t, seed, first, rows, basis)
    }

    /// `e_r - a_r s + m_r`: encryptions of zero or of messages, without their uniform halves.
    ///
    /// # Errors
    /// As [`super::checked::masked`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: see [`Masks`] · out: a row over `basis` for each `N` errors, evaluations · exact ·
    /// law: `seeded_polynomials_follow_their_definition`
    fn masked(
        &self,
        t: &Self::Tables,
        basis: Basis,
        masks: &Masks<'_, Self::Block>,
    ) -> Result<Self::Block> {
        derived::masked(self, t, basis, masks)
    }

    /// [`Device::upload`] of packed rows, see [`super::packed`].
    ///
    /// # Errors
    /// As [`super::checked::upload_packed`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: `rows` packed rows over `basis`, each residue below its modulus · out: those residues ·
    /// exact · law: `packed_rows_come_back`
    fn upload_packed(
        &self,
        t: &Self::Tables,
        rows: usize,
        basis: Basis,
        bytes: &[u8],
    ) -> Result<Self::Block> {
        derived::upload_packed(self, t, rows, basis, bytes)
    }

    /// [`Device::download`] in packed rows; waits.
    ///
    /// # Errors
    /// As [`super::checked::block`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: any rows, any basis · out: their residues, packed · exact · law: `packed_rows_come_back`
    fn download_packed(&self, t: &Self::Tables, x: &Self::Block) -> Result<Vec<u8>> {
        derived::download_packed(self, t, x)
    }

    /// Whether all residues are zero; waits.
    ///
    /// # Errors
    /// As [`super::checked::block`]; [`crate::Error::OutOfMemory`], and failures of the device.
    ///
    /// # Contract
    /// in: any rows, any basis · out: whether each residue is 0 · law: `zeros_are_told_from_others`
    fn is_zero(&self, t: &Self::Tables, x: &Self::Block) -> Result<bool> {
        derived::is_zero(self, t, x)
    }

    /// Polynomials as those of [`RingKernels::embed`], **compact**: in evaluation order each value
    /// of such a polynomial fills a run of `N / m` positions, and is stored once.
    ///
    /// With `c = N / m` polynomials to a row, polynomial `k` holds the words
    /// `(k mod c) m .. (k mod c + 1) m` of row `k / c`; words past the last polynomial are zero.
    ///
    /// # Errors
    /// As [`super::checked::embed_compact`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: `coefficients` of `k m` integers, `k > 0`, `m` a power of two at most `N` · out: `ceil(k
    /// m / N)` rows, compact evaluations over `basis` · exact ·
    /// law: `compact_polynomials_multiply_as_embedded_ones`
    fn embed_compact(
        &self,
        t: &Self::Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Self::Block> {
        derived::embed_compact(self, t, basis, coefficients, m)
    }

    /// `count` compact polynomials that are all zero, as [`RingKernels::embed_compact`] makes them
    /// of zeros. A device whose blocks hold no residues needs no coefficients for it.
    ///
    /// # Contract
    /// in: `count > 0`, `m` a power of two at most `N` · out: `ceil(count m / N)` rows of zeros
    /// over `basis` · exact · law: `compact_polynomials_multiply_as_embedded_ones`
    ///
    /// # Errors
    /// As [`RingKernels::embed_compact`].
    fn embed_compact_zeros(
        &self,
        t: &Self::Tables,
        basis: Basis,
        count: usize,
        m: usize,
    ) -> Result<Self::Block> {
        super::checked::embed_compact_zeros(self.ring(t), basis, count, m)?;
        self.embed_compact(t, basis, &vec![0; count * m], m)
    }

    /// For each list of `sums` the sum of products `xs[i] * y_j` over its pairs `(i, j)`, where
    /// `y_j` is polynomial `j` of `ys`, compact in runs of `N / m`
    /// ([`RingKernels::embed_compact`]).
    ///
    /// One pass: each of `xs` is read once for all sums.
    ///
    /// # Errors
    /// As [`super::checked::sum_products`]; [`crate::Error::OutOfMemory`], and failures of the
    /// device.
    ///
    /// # Contract
    /// in: `xs` at least one, all R rows and basis B; `ys` compact, one row for each polynomial if
    /// `m` is `N`, basis containing B; pairs inside both · out: for each list R rows, B, zeros for
    /// an empty one · exact · law: `compact_polynomials_multiply_as_embedded_ones`
    fn sum_products(
        &self,
        t: &Self::Tables,
        xs: &[&Self::Block],
        ys: &Self::Block,
        m: usize,
        sums: &[Vec<(usize, usize)>],
    ) -> Result<Vec<Self::Block>> {
        derived::sum_products(self, t, xs, ys, m, sums)
    }
}
