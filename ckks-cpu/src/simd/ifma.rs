//! The kernels as safe methods of the proof that their instructions exist.

use super::arith::{Constants, Q};
use super::linear::TARGETS;
use super::ntt::IfmaNtt;
use super::{dot, elementwise, fold, gemm, linear, ntt, products};
use crate::kernels::{KeyLimb, Permutation, Source, Twiddles};
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Pointwise;

/// Proof that AVX-512 F, DQ, VL and IFMA exist on this machine.
#[derive(Clone, Copy)]
pub struct Ifma(());

/// Calls a kernel whose instructions `self` proves to exist.
macro_rules! call {
    ($kernel:expr) => {
        // SAFETY: `Ifma` is only made by `detect`, after the features that the kernel enables
        // were found.
        unsafe { $kernel }
    };
}

/// Calls a kernel for 52-bit or, if `$wide`, 64-bit products.
macro_rules! call_as {
    ($wide:expr, $module:ident::$kernel:ident($($argument:expr),* $(,)?)) => {
        if $wide {
            call!($module::$kernel::<true>($($argument),*))
        } else {
            call!($module::$kernel::<false>($($argument),*))
        }
    };
}

impl Ifma {
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vl"))
        .then_some(Self(()))
    }

    pub fn constants(self, m: Modulus) -> Constants {
        Constants::new(m)
    }

    pub fn transform(self, m: Modulus, t: &Twiddles) -> IfmaNtt {
        IfmaNtt::new(m, t)
    }

    pub fn ntt(self, t: &IfmaNtt, x: &mut [u64]) {
        if let Some(w) = t.fold() {
            call_as!(t.wide(), fold::fold(t.modulus(), w, x));
        }
        call_as!(t.wide(), ntt::forward(t, x));
    }

    pub fn intt(self, t: &IfmaNtt, x: &mut [u64]) {
        call_as!(t.wide(), ntt::inverse(t, x));
        if let Some(w) = t.fold() {
            call_as!(t.wide(), fold::unfold(t.modulus(), w, x));
        }
    }

    pub fn intt_to_columns(self, t: &IfmaNtt, x: &mut [u64], factor: u64, out: &mut [u64]) {
        call_as!(t.wide(), ntt::inverse_to_columns(t, x, factor, out));
    }

    pub fn ntt_column(self, t: &IfmaNtt, group: usize, columns: &mut [u64], x: &mut [u64]) {
        call_as!(t.wide(), ntt::forward_one_column(t, group, columns, x));
    }

    pub fn ntt_block(self, t: &IfmaNtt, block: usize, x: &mut [u64]) {
        call_as!(t.wide(), ntt::forward_one_block(t, block, x));
    }

    pub fn pointwise(self, n: &Constants, op: Pointwise, out: &mut [u64], x: &[u64], y: &[u64]) {
        call_as!(n.wide, elementwise::binary(n, op, out, x, y));
    }

    pub fn pointwise_assign(self, n: &Constants, op: Pointwise, x: &mut [u64], y: &[u64]) {
        call_as!(n.wide, elementwise::binary_assign(n, op, x, y));
    }

    pub fn multiply_accumulate(self, n: &Constants, acc: &mut [u64], x: &[u64], y: &[u64]) {
        call_as!(n.wide, elementwise::multiply_accumulate(n, acc, x, y));
    }

    pub fn sum_products(self, n: &Constants, out: &mut [u64], pairs: &[(&[u64], &[u64])]) {
        call_as!(n.wide, products::sum_products(n, out, pairs));
    }

    pub fn tensor(self, n: &Constants, outs: [&mut [u64]; 3], x: [&[u64]; 2], y: [&[u64]; 2]) {
        call_as!(n.wide, elementwise::tensor(n, outs, x, y));
    }

    pub fn scale(self, n: &Constants, x: &mut [u64], c: Shoup) {
        call_as!(n.wide, elementwise::scale(n, x, c));
    }

    pub fn offset(self, n: &Constants, x: &mut [u64], c: u64) {
        call_as!(n.wide, elementwise::offset(n, x, c));
    }

    pub fn subtract_from_and_scale(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        call_as!(n.wide, elementwise::subtract_from_and_scale(n, out, x, c));
    }

    /// `wide` if words of `xs` may be `2^50` or more.
    pub fn linear(
        self,
        n: &Constants,
        wide: bool,
        out: &mut [u64],
        xs: &[&[u64]],
        weights: &[u64],
    ) {
        call_as!(wide || n.wide, linear::linear(n, out, xs, weights));
    }

    pub fn gemm(self, n: &Constants, outs: &mut [&mut [u64]], xs: &[&[u64]], weights: &[u64]) {
        call_as!(n.wide, gemm::gemm(n, outs, xs, weights));
    }

    /// Whether [`Ifma::linear_many`] takes this many slices of this many words.
    pub const fn takes_many(slices: usize, width: usize) -> bool {
        slices <= Q::<false>::LAZY && width.is_multiple_of(16)
    }

    pub fn linear_many(
        self,
        n: [&Constants; TARGETS],
        wide: bool,
        out: &mut [u64],
        xs: &[&[u64]],
        weights: [&[u64]; TARGETS],
    ) {
        call_as!(
            wide || n.iter().any(|n| n.wide),
            linear::linear_many(n, out, xs, weights)
        );
    }

    pub fn permute(self, permutation: &Permutation, out: &mut [u64], x: &[u64]) {
        call!(dot::permute(permutation, out, x));
    }

    pub fn dot(
        self,
        n: &Constants,
        outs: &mut [&mut [u64]],
        xs: &[&[u64]],
        permutation: Option<&Permutation>,
        key: KeyLimb<'_>,
    ) {
        call_as!(n.wide, dot::dot(n, outs, xs, permutation, key));
    }

    pub fn scale_into(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        call_as!(n.wide, elementwise::scale_into(n, out, x, c));
    }

    pub fn add_scaled(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        call_as!(n.wide, elementwise::add_scaled(n, out, x, c));
    }

    /// See [`elementwise::integers`].
    pub fn integers(self, n: &Constants, out: &mut [u64], x: &[i64], small: bool) {
        call_as!(n.wide, elementwise::integers(n, out, x, small));
    }

    /// See [`elementwise::spread`].
    pub fn spread(self, x: &mut [u64], values: usize) {
        call!(elementwise::spread(x, values));
    }

    pub fn quotient(self, sources: &[Source], digits: &[&[u64]], out: &mut [u64]) {
        call!(linear::quotient(sources, digits, out));
    }
}
