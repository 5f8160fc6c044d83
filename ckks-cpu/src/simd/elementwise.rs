//! Element-wise kernels.

use super::residues::{Constants, Residues};
use super::words::Words;
use ckks_math::arith::Shoup;
use ckks_math::backend::Pointwise;

/// `x <- f(x)`, each register of words.
#[inline(always)]
fn map<S: Words>(s: S, x: &mut [u64], f: impl Fn(S::V) -> S::V) {
    for x in x.chunks_exact_mut(S::LANES) {
        s.store(x, f(s.load(x)));
    }
}

/// `x <- f(x, y)`.
#[inline(always)]
fn zip<S: Words>(s: S, x: &mut [u64], y: &[u64], f: impl Fn(S::V, S::V) -> S::V) {
    let pairs = x.chunks_exact_mut(S::LANES).zip(y.chunks_exact(S::LANES));
    for (x, y) in pairs {
        s.store(x, f(s.load(x), s.load(y)));
    }
}

/// `out <- f(x, y)`.
#[inline(always)]
fn zip_into<S: Words>(s: S, out: &mut [u64], x: &[u64], y: &[u64], f: impl Fn(S::V, S::V) -> S::V) {
    let pairs = x.chunks_exact(S::LANES).zip(y.chunks_exact(S::LANES));
    for (out, (x, y)) in out.chunks_exact_mut(S::LANES).zip(pairs) {
        s.store(out, f(s.load(x), s.load(y)));
    }
}

/// Calls `$kernel` with the register operation of `$op`.
macro_rules! by_operation {
    ($op:expr, $q:ident, $kernel:ident($($argument:expr),*)) => {
        match $op {
            Pointwise::Add => $kernel($($argument,)* #[inline(always)] |x, y| $q.add(x, y)),
            Pointwise::Sub => $kernel($($argument,)* #[inline(always)] |x, y| $q.sub(x, y)),
            Pointwise::Mul => $kernel($($argument,)* #[inline(always)] |x, y| $q.product(x, y)),
        }
    };
}

#[inline(always)]
pub fn binary<R: Residues>(
    s: R::S,
    n: &Constants,
    op: Pointwise,
    out: &mut [u64],
    x: &[u64],
    y: &[u64],
) {
    let q = R::new(s, n);
    by_operation!(op, q, zip_into(s, out, x, y));
}

#[inline(always)]
pub fn binary_assign<R: Residues>(s: R::S, n: &Constants, op: Pointwise, x: &mut [u64], y: &[u64]) {
    let q = R::new(s, n);
    by_operation!(op, q, zip(s, x, y));
}

#[inline(always)]
pub fn multiply_accumulate<R: Residues>(
    s: R::S,
    n: &Constants,
    acc: &mut [u64],
    x: &[u64],
    y: &[u64],
) {
    let q = R::new(s, n);
    let lanes = R::S::LANES;
    let pairs = x.chunks_exact(lanes).zip(y.chunks_exact(lanes));
    for (acc, (x, y)) in acc.chunks_exact_mut(lanes).zip(pairs) {
        let sum = q.start(s.load(acc));
        s.store(acc, q.finish(q.add_product(sum, s.load(x), s.load(y))));
    }
}

/// `outs <- x0 y0, x0 y1 + x1 y0, x1 y1`.
#[inline(always)]
pub fn tensor<R: Residues>(
    s: R::S,
    n: &Constants,
    [a, b, c]: [&mut [u64]; 3],
    [x0, x1]: [&[u64]; 2],
    [y0, y1]: [&[u64]; 2],
) {
    let (q, lanes) = (R::new(s, n), R::S::LANES);
    let outs = (a.chunks_exact_mut(lanes))
        .zip(b.chunks_exact_mut(lanes))
        .zip(c.chunks_exact_mut(lanes));
    for (i, ((a, b), c)) in outs.enumerate() {
        let (x0, x1) = (s.load(&x0[i * lanes..]), s.load(&x1[i * lanes..]));
        let (y0, y1) = (s.load(&y0[i * lanes..]), s.load(&y1[i * lanes..]));
        s.store(a, q.product(x0, y0));
        let cross = q.add_product(q.start(s.splat(0)), x0, y1);
        s.store(b, q.finish(q.add_product(cross, x1, y0)));
        s.store(c, q.product(x1, y1));
    }
}

#[inline(always)]
pub fn scale<R: Residues>(s: R::S, n: &Constants, x: &mut [u64], c: Shoup) {
    let q = R::new(s, n);
    let c = q.constant(n.modulus, c);
    map(
        s,
        x,
        #[inline(always)]
        |x| q.mul(x, c),
    );
}

/// `out <- out + c x`.
#[inline(always)]
pub fn add_scaled<R: Residues>(s: R::S, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
    let q = R::new(s, n);
    let c = q.constant(n.modulus, c);
    zip(
        s,
        out,
        x,
        #[inline(always)]
        |out, x| q.add(out, q.mul(x, c)),
    );
}

/// `out <- c x`.
#[inline(always)]
pub fn scale_into<R: Residues>(s: R::S, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
    let q = R::new(s, n);
    let c = q.constant(n.modulus, c);
    zip(
        s,
        out,
        x,
        #[inline(always)]
        |_, x| q.mul(x, c),
    );
}

#[inline(always)]
pub fn offset<R: Residues>(s: R::S, n: &Constants, x: &mut [u64], c: u64) {
    let (q, c) = (R::new(s, n), s.splat(c));
    map(
        s,
        x,
        #[inline(always)]
        |x| q.add(x, c),
    );
}

/// `out <- (x - out) c`.
#[inline(always)]
pub fn subtract_from_and_scale<R: Residues>(
    s: R::S,
    n: &Constants,
    out: &mut [u64],
    x: &[u64],
    c: Shoup,
) {
    let q = R::new(s, n);
    let c = q.constant(n.modulus, c);
    zip(
        s,
        out,
        x,
        #[inline(always)]
        |out, x| q.mul(q.sub(x, out), c),
    );
}

/// The residues of signed integers; `small` if all are in `(-q, q)`.
#[inline(always)]
pub fn integers<R: Residues>(s: R::S, n: &Constants, out: &mut [u64], x: &[i64], small: bool) {
    let q = R::new(s, n);
    let (zero, lanes) = (s.splat(0), R::S::LANES);
    for (out, x) in out.chunks_exact_mut(lanes).zip(x.chunks_exact(lanes)) {
        // SAFETY: `x` has as many integers as a register has words.
        let x = unsafe { s.read(x.as_ptr().cast()) };
        let residue = if small {
            s.lift(x, q.q())
        } else {
            let sign = s.negative(x);
            let size = q.reduce(s.sub(s.xor(x, sign), sign));
            s.select(sign, q.sub(zero, size), size)
        };
        s.store(out, residue);
    }
}
