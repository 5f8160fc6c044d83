//! Operations of several launches.

use crate::backend::{Basis, Permuted, RingKernels, checked, derived};
use crate::error::Result;

/// What a base conversion reads, and how it is cut.
#[derive(Debug)]
pub struct Lift<'a, Block> {
    /// Coefficients `[R, limbs, N]`.
    pub x: &'a Block,
    /// A block of the same shape from which limbs of a digit's own primes are copied.
    pub own: &'a Block,
    /// Limbs of a digit, at least one.
    pub digit_size: usize,
}

/// The launches that the shared bodies are made of. Each checks its operands by the functions of
/// [`checked`] that are named here.
pub trait Launches: RingKernels {
    /// Lifts every digit of `x` to `to`: rows `d * R + r` of coefficients.
    ///
    /// # Errors
    /// As [`checked::lift`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn lift(
        &self,
        t: &Self::Tables,
        lift: &Lift<'_, Self::Block>,
        to: Basis,
    ) -> Result<Self::Block>;

    /// Coefficients in rows of `m` as those of `X^(N/m)`; a last row may be shorter than `m`.
    ///
    /// # Errors
    /// As [`checked::embed_rows`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn embed_coefficients(
        &self,
        t: &Self::Tables,
        basis: Basis,
        coefficients: &[i64],
        m: usize,
    ) -> Result<Self::Block>;

    /// Transforms compact polynomials of `2^log_m > 1` coefficients, side by side in each row.
    ///
    /// # Errors
    /// As [`checked::ntt_compact`], and failures of the device.
    fn ntt_compact(&self, t: &Self::Tables, x: &mut Self::Block, log_m: u32) -> Result<()>;

    /// Transforms digits `[d * R + r]` but for the limbs of their own primes, which hold
    /// evaluations.
    ///
    /// # Errors
    /// As [`checked::block`], and failures of the device.
    fn ntt_digits(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        rows: usize,
        digit_size: usize,
    ) -> Result<()>;

    /// `x <- (minuend - ntt(x)) D^-1` on the rows and limbs of `x`, for the product `D` of the
    /// primes of `dropped`.
    ///
    /// # Errors
    /// As [`checked::minuend`]; [`crate::Error::OutOfMemory`], and failures of the device.
    fn ntt_divide(
        &self,
        t: &Self::Tables,
        x: &mut Self::Block,
        minuend: &Self::Block,
        dropped: Basis,
    ) -> Result<()>;
}

/// [`RingKernels::base_convert`] of all rows to the basis `to`, as the lift of one digit.
///
/// # Errors
/// As [`checked::base_convert`] and [`Launches::lift`].
pub fn base_convert<B: Launches>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    to: Basis,
) -> Result<B::Block> {
    let shape = backend.shape(x);
    checked::base_convert(backend.ring(t), shape, to)?;
    let lift = Lift {
        x,
        own: x,
        digit_size: shape.basis.limbs(),
    };
    backend.lift(t, &lift, to)
}

/// [`RingKernels::embed`]: a row over `basis` for each `m` coefficients.
///
/// # Errors
/// As [`checked::embed`] and [`Launches::embed_coefficients`].
pub fn embed<B: Launches>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    coefficients: &[i64],
    m: usize,
) -> Result<B::Block> {
    checked::embed(backend.ring(t), basis, coefficients, m)?;
    let mut out = backend.embed_coefficients(t, basis, coefficients, m)?;
    backend.ntt(t, &mut out)?;
    Ok(out)
}

/// [`RingKernels::embed_compact`]: a row is a line of transforms of `m`.
///
/// # Errors
/// As [`checked::embed_compact`] and [`Launches::embed_coefficients`].
pub fn embed_compact<B: Launches>(
    backend: &B,
    t: &B::Tables,
    basis: Basis,
    coefficients: &[i64],
    m: usize,
) -> Result<B::Block> {
    let ring = backend.ring(t);
    checked::embed_compact(ring, basis, coefficients, m)?;
    let mut out = backend.embed_coefficients(t, basis, coefficients, ring.degree())?;
    if m > 1 {
        backend.ntt_compact(t, &mut out, m.trailing_zeros())?;
    }
    Ok(out)
}

/// [`RingKernels::add_scaled`], with an automorphism as a launch of its own in front of `add`,
/// which adds rows as they are.
///
/// # Errors
/// As [`checked::add_scaled`], and failures of the device.
pub fn add_scaled<B: Launches>(
    backend: &B,
    t: &B::Tables,
    x: &mut B::Block,
    (first, y): (usize, &Permuted<'_, B::Block>),
    constants: &[u64],
    add: impl FnOnce(&mut B::Block, &Permuted<'_, B::Block>) -> Result<()>,
) -> Result<()> {
    let added = (backend.shape(y.block), &y.rows, y.galois);
    checked::add_scaled(backend.ring(t), backend.shape(x), first, added, constants)?;
    if y.galois == 1 {
        return add(x, y);
    }
    let permuted = derived::permuted(backend, t, y)?;
    add(x, &Permuted::rows(&permuted, 0..y.rows.len()))
}

/// [`crate::backend::SwitchKernels::decompose`]: all digits are lifted together, and limbs of their
/// own primes keep their evaluations, so that only the others are transformed.
///
/// # Errors
/// As [`checked::decompose`] and [`Launches::lift`].
pub fn decompose<B: Launches>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    digit_size: usize,
    special: usize,
) -> Result<B::Block> {
    let shape = backend.shape(x);
    let to = checked::decompose(backend.ring(t), shape, digit_size, special)?.basis;
    let mut coefficients = backend.duplicate(t, x)?;
    backend.intt(t, &mut coefficients)?;
    let lift = Lift {
        x: &coefficients,
        own: x,
        digit_size,
    };
    let mut out = backend.lift(t, &lift, to)?;
    backend.ntt_digits(t, &mut out, shape.rows, digit_size)?;
    Ok(out)
}

/// [`crate::backend::SwitchKernels::divide_round`] of all rows, to the basis `kept`.
///
/// # Errors
/// As [`checked::divide_round`] and [`Launches::lift`].
pub fn divide_round<B: Launches>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    dropped: Basis,
    kept: Basis,
) -> Result<B::Block> {
    let shape = backend.shape(x);
    checked::divide_round(backend.ring(t), shape, dropped, kept)?;
    let mut remainder = backend.restrict(t, x, 0..shape.rows, dropped)?;
    backend.intt(t, &mut remainder)?;
    let mut out = backend.base_convert(t, &remainder, kept)?;
    backend.ntt_divide(t, &mut out, x, dropped)?;
    Ok(out)
}
