//! Hybrid key switching from required kernels [Han-Ki 2020, Sec. 3].

use crate::backend::montgomery::inverse_of_product;
use crate::backend::{Basis, Pointwise, RingKernels, SwitchKernels, checked};
use crate::error::Result;

/// See [`SwitchKernels::decompose`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::decompose`], and as the kernels that it is made of.
pub fn decompose<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    digit_size: usize,
    special: usize,
) -> Result<B::Block> {
    let shape = backend.shape(x);
    checked::decompose(backend.ring(t), shape, digit_size, special)?;
    let l = shape.basis.q_len();
    let mut coefficients = backend.duplicate(t, x)?;
    backend.intt(t, &mut coefficients)?;
    let digits = (0..l)
        .step_by(digit_size)
        .map(|lo| {
            let basis = Basis::digit(lo, (lo + digit_size).min(l));
            let digit = backend.restrict(t, &coefficients, 0..shape.rows, basis)?;
            let mut lifted = backend.base_convert(t, &digit, Basis::qp(l, special))?;
            backend.ntt(t, &mut lifted)?;
            Ok(lifted)
        })
        .collect::<Result<Vec<_>>>()?;
    backend.stack(t, &digits.iter().collect::<Vec<_>>())
}

/// See [`SwitchKernels::mod_down`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::mod_down`], and as the kernels that it is made of.
pub fn mod_down<B: SwitchKernels>(backend: &B, t: &B::Tables, x: &B::Block) -> Result<B::Block> {
    checked::mod_down(backend.ring(t), backend.shape(x))?;
    let basis = backend.shape(x).basis;
    let dropped = Basis::p(usize::from(basis.special));
    backend.divide_round(t, x, dropped, Basis::q(basis.q_len()))
}

/// See [`SwitchKernels::rescale`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::rescale`], and as the kernels that it is made of.
pub fn rescale<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    primes: usize,
) -> Result<B::Block> {
    checked::rescale(backend.ring(t), backend.shape(x), primes)?;
    let l = backend.shape(x).basis.q_len();
    let (dropped, kept) = (Basis::digit(l - primes, l), Basis::q(l - primes));
    backend.divide_round(t, x, dropped, kept)
}

/// See [`SwitchKernels::mod_down_and_rescale`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::mod_down_and_rescale`], and as the kernels that it is made of.
pub fn mod_down_and_rescale<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    primes: usize,
) -> Result<B::Block> {
    checked::mod_down_and_rescale(backend.ring(t), backend.shape(x), primes)?;
    let basis = backend.shape(x).basis;
    let kept = Basis::q(basis.q_len() - primes);
    let dropped = Basis {
        lo: kept.hi,
        ..basis
    };
    backend.divide_round(t, x, dropped, kept)
}

/// See [`SwitchKernels::divide_round`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::divide_round`], and as the kernels that it is made of.
pub fn divide_round<B: RingKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    dropped: Basis,
    kept: Basis,
) -> Result<B::Block> {
    checked::divide_round(backend.ring(t), backend.shape(x), dropped, kept)?;
    let rows = backend.shape(x).rows;
    let mut remainder = backend.restrict(t, x, 0..rows, dropped)?;
    backend.intt(t, &mut remainder)?;
    let mut lifted = backend.base_convert(t, &remainder, kept)?;
    backend.ntt(t, &mut lifted)?;
    let mut out = backend.restrict(t, x, 0..rows, kept)?;
    backend.pointwise_assign(t, Pointwise::Sub, &mut out, &lifted)?;
    let constants = inverse_of_product(backend.ring(t), dropped, kept);
    backend.scale_limbs(t, &mut out, &constants)?;
    Ok(out)
}

/// See [`SwitchKernels::key_switch`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::key_product`], and as the kernels that it is made of.
pub fn key_switch<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    key: &B::SwitchKey,
) -> Result<B::Block> {
    let product = backend.key_product(t, x, key)?;
    backend.mod_down(t, &product)
}

/// See [`SwitchKernels::key_product`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::key_product`], and as the kernels that it is made of.
pub fn key_product<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    x: &B::Block,
    key: &B::SwitchKey,
) -> Result<B::Block> {
    let (basis, digit_size) = backend.switch_key_layout(key);
    let digits = backend.decompose(t, x, digit_size, usize::from(basis.special))?;
    backend.dot_key(t, &digits, key)
}

/// See [`SwitchKernels::dot_key_permuted`] for the rows and bases of its blocks.
///
/// # Errors
/// As [`crate::backend::checked::digits`], and as the kernels that it is made of.
pub fn dot_key_permuted<B: SwitchKernels>(
    backend: &B,
    t: &B::Tables,
    digits: &B::Block,
    galois: u64,
    key: &B::SwitchKey,
) -> Result<B::Block> {
    let permuted = backend.automorphism(t, digits, galois)?;
    backend.dot_key(t, &permuted, key)
}
