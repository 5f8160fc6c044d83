//! Shape rules of [`super::super::SwitchKernels`] and [`super::super::GemmKernels`].

use super::{basis, block, contains, galois, invalid, same_basis, shape};
use crate::backend::derived::check_packed;
use crate::backend::{Basis, Masks, RingSpec, SeededKeyData, Shape, SwitchKeyData};
use crate::error::{Error, Result};

/// The shape of a switching key: `2 ceil(l / digit_size)` polynomials over `q[0..l] p[0..k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShape {
    /// Its primes `q[0..l] p[0..k]`.
    pub basis: Basis,
    /// Moduli of a digit.
    pub digit_size: usize,
    /// Ring degree `N`.
    pub degree: usize,
}

impl KeyShape {
    /// The shape of one half, a row for each digit.
    ///
    /// # Errors
    /// [`Error::BasisMismatch`] unless the basis is `q[0..l] p[0..k]` of this ring with `l` and `k`
    /// at least 1; [`Error::InvalidParameters`] for digits of no moduli.
    pub fn new(ring: &RingSpec, of: Basis, digit_size: usize) -> Result<Self> {
        let op = "load_switch_key";
        basis(op, ring, of)?;
        let expected = Basis::qp(usize::from(of.hi).max(1), usize::from(of.special).max(1));
        same_basis(op, of, expected)?;
        if digit_size == 0 {
            return invalid(op, "digits of 0 moduli: give at least 1");
        }
        Ok(Self {
            basis: of,
            digit_size,
            degree: ring.degree(),
        })
    }

    /// Number of digits, each of which is a row of both halves.
    pub const fn digits(self) -> usize {
        self.basis.q_len().div_ceil(self.digit_size)
    }

    /// Words of one half.
    pub const fn half_words(self) -> usize {
        self.digits() * self.basis.limbs() * self.degree
    }

    /// The key is of this ring and holds the moduli `q[0..level]`, at least one.
    fn covers(self, op: &'static str, ring: &RingSpec, level: usize) -> Result<()> {
        if self.degree != ring.degree() {
            let (key, n) = (self.degree, ring.degree());
            return invalid(op, format!("a key of degree {key} on a ring of degree {n}"));
        }
        basis(op, ring, self.basis)?;
        if level == 0 {
            return invalid(op, "no moduli left");
        }
        contains(op, self.basis, Basis::q(level))
    }
}

/// The basis is `q[0..l]`, without special primes.
fn ciphertext_basis(op: &'static str, basis: Basis) -> Result<()> {
    same_basis(op, basis, Basis::q(usize::from(basis.hi)))
}

/// `load_switch_key`: the shape of the key.
///
/// # Errors
/// As [`KeyShape::new`]; [`Error::InvalidParameters`] unless both halves have their residues.
pub fn switch_key(ring: &RingSpec, key: &SwitchKeyData<'_>) -> Result<KeyShape> {
    let shape = KeyShape::new(ring, key.basis, key.digit_size)?;
    let (half, b, a) = (shape.half_words(), key.b.len(), key.a.len());
    if b == half && a == half {
        return Ok(shape);
    }
    invalid(
        "load_switch_key",
        format!("{b} and {a} residues where {half} are needed"),
    )
}

/// `load_seeded_key`: the shape of the key.
///
/// # Errors
/// As [`KeyShape::new`]; [`Error::InvalidParameters`] unless there are the bytes of one half.
pub fn seeded_key(ring: &RingSpec, key: &SeededKeyData<'_>) -> Result<KeyShape> {
    let shape = KeyShape::new(ring, key.basis, key.digit_size)?;
    check_packed(ring, key.basis, shape.digits(), key.b)?;
    Ok(shape)
}

/// `dot_key` and `dot_key_permuted`: the number of polynomials that the digits make up.
///
/// # Errors
/// As [`block`]; [`Error::BasisMismatch`] unless the digits are over `q[0..l] p[0..k]` with primes
/// of the key; [`Error::InvalidParameters`] for a key of another ring, for rows that make no whole
/// sets of digits, and for Galois elements that are even or too large.
pub fn digits(
    op: &'static str,
    ring: &RingSpec,
    digits: Shape,
    by: u64,
    key: KeyShape,
) -> Result<usize> {
    block(op, ring, digits)?;
    galois(op, ring, by)?;
    let level = usize::from(digits.basis.hi);
    let expected = Basis::qp(level, usize::from(key.basis.special));
    same_basis(op, digits.basis, expected)?;
    key.covers(op, ring, level)?;
    let count = level.div_ceil(key.digit_size);
    if !digits.rows.is_multiple_of(count) {
        let rows = digits.rows;
        return invalid(
            op,
            format!("{rows} rows do not make whole sets of {count} digits"),
        );
    }
    Ok(digits.rows / count)
}

/// `decompose`: the shape of all digits.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::BasisMismatch`] unless `x` is over `q[0..l]`;
/// [`Error::InvalidParameters`] for digits of no moduli.
pub fn decompose(ring: &RingSpec, x: Shape, digit_size: usize, special: usize) -> Result<Shape> {
    let op = "decompose";
    block(op, ring, x)?;
    ciphertext_basis(op, x.basis)?;
    if digit_size == 0 {
        return invalid(op, "digits of 0 moduli: give at least 1");
    }
    let level = x.basis.q_len();
    if special > ring.p().len() {
        let have = ring.p().len();
        return invalid(op, format!("{special} special primes of {have}"));
    }
    let rows = level.div_ceil(digit_size).saturating_mul(x.rows);
    shape(op, ring, rows, Basis::qp(level, special))
}

/// Digits of `x` lifted to a basis, with limbs of their own primes copied from `own`: the shape of
/// the rows `d * R + r`.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::ShapeMismatch`] for an `own` of another shape;
/// [`Error::InvalidParameters`] for digits of no limbs.
pub fn lift(ring: &RingSpec, x: Shape, own: Shape, digit_size: usize, to: Basis) -> Result<Shape> {
    let op = "lift";
    block(op, ring, x)?;
    if own != x {
        return Err(Error::ShapeMismatch {
            op,
            left: x,
            right: own,
        });
    }
    if digit_size == 0 {
        return invalid(op, "digits of 0 limbs: give at least 1");
    }
    let digits = x.basis.limbs().div_ceil(digit_size);
    shape(op, ring, digits.saturating_mul(x.rows), to)
}

/// The end of a division: `minuend` has the rows of `x` and its primes.
///
/// # Errors
/// As [`block`]; [`Error::ShapeMismatch`] and [`Error::BasisMismatch`] otherwise.
pub fn minuend(ring: &RingSpec, x: Shape, minuend: Shape) -> Result<()> {
    let op = "divide";
    block(op, ring, x)?;
    block(op, ring, minuend)?;
    contains(op, minuend.basis, x.basis)?;
    if minuend.rows == x.rows {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        op,
        left: x,
        right: minuend,
    })
}

/// `divide_round`: the shape of the quotient.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::BasisMismatch`] where `x` lacks a prime of `dropped` or
/// `kept`, or where these share one.
pub fn divide_round(ring: &RingSpec, x: Shape, dropped: Basis, kept: Basis) -> Result<Shape> {
    let op = "divide_round";
    block(op, ring, x)?;
    basis(op, ring, dropped)?;
    contains(op, x.basis, dropped)?;
    contains(op, x.basis, kept)?;
    let shared =
        dropped.lo.max(kept.lo) < dropped.hi.min(kept.hi) || dropped.special.min(kept.special) > 0;
    if shared {
        return Err(Error::BasisMismatch {
            op,
            found: dropped,
            expected: kept,
        });
    }
    shape(op, ring, x.rows, kept)
}

/// The basis is `q[0..l] p[0..k]` with `l` and `k` at least 1.
fn raised(op: &'static str, ring: &RingSpec, x: Shape) -> Result<()> {
    block(op, ring, x)?;
    let (level, special) = (usize::from(x.basis.hi), usize::from(x.basis.special));
    same_basis(op, x.basis, Basis::qp(level.max(1), special.max(1)))
}

/// `mod_down`.
///
/// # Errors
/// As [`block`]; [`Error::BasisMismatch`] unless `x` is over `q[0..l] p[0..k]` with `l` and `k` at
/// least 1.
pub fn mod_down(ring: &RingSpec, x: Shape) -> Result<()> {
    raised("mod_down", ring, x)
}

/// `rescale` by a number of primes.
///
/// # Errors
/// As [`block`]; [`Error::BasisMismatch`] unless `x` is over `q[0..l]`; [`Error::LevelExhausted`]
/// unless a prime is left; [`Error::InvalidParameters`] for no primes.
pub fn rescale(ring: &RingSpec, x: Shape, primes: usize) -> Result<()> {
    block("rescale", ring, x)?;
    ciphertext_basis("rescale", x.basis)?;
    fewer("rescale", primes, x.basis.q_len())
}

/// `mod_down_and_rescale` by a number of primes.
///
/// # Errors
/// As [`mod_down`] and [`rescale`].
pub fn mod_down_and_rescale(ring: &RingSpec, x: Shape, primes: usize) -> Result<()> {
    raised("mod_down_and_rescale", ring, x)?;
    fewer("mod_down_and_rescale", primes, x.basis.q_len())
}

/// Some primes are dropped, and some are left.
fn fewer(op: &'static str, primes: usize, have: usize) -> Result<()> {
    if primes == 0 {
        return invalid(op, "0 primes to drop: give at least 1");
    }
    if primes >= have {
        return Err(Error::LevelExhausted {
            op,
            need: primes,
            have: have.saturating_sub(1),
        });
    }
    Ok(())
}

/// `key_product` and `key_switch`.
///
/// # Errors
/// As [`block`]; [`Error::BasisMismatch`] unless `x` is over `q[0..l]`, primes of the key;
/// [`Error::InvalidParameters`] for a key of another ring.
pub fn key_product(op: &'static str, ring: &RingSpec, x: Shape, key: KeyShape) -> Result<()> {
    block(op, ring, x)?;
    ciphertext_basis(op, x.basis)?;
    key.covers(op, ring, x.basis.q_len())
}

/// `masked`: the shape of the result, given the shapes of the secret and the messages.
///
/// # Errors
/// As [`block`] and [`Masks::check`]; [`Error::BasisMismatch`] where the secret lacks a prime of
/// the result, or the result one of a message; [`Error::ShapeMismatch`] unless the secret has one
/// row and each message at least one.
pub fn masked<Block>(
    ring: &RingSpec,
    to: Basis,
    masks: &Masks<'_, Block>,
    shape_of: impl Fn(&Block) -> Shape,
) -> Result<Shape> {
    let op = "masked";
    let out = shape(op, ring, masks.check(ring.degree())?, to)?;
    let secret = shape_of(masks.secret);
    block(op, ring, secret)?;
    contains(op, secret.basis, to)?;
    let mut messages = masks.messages.iter().map(|message| shape_of(message));
    if let Some(right) = std::iter::once(secret)
        .filter(|s| s.rows != 1)
        .chain(messages.clone().filter(|m| m.rows == 0))
        .next()
    {
        return Err(Error::ShapeMismatch {
            op,
            left: out,
            right,
        });
    }
    messages.try_for_each(|message| {
        block(op, ring, message)?;
        contains(op, to, message.basis)
    })?;
    Ok(out)
}

/// `load_matrix`: one entry for each output and input, at least one.
///
/// # Errors
/// [`Error::InvalidParameters`] otherwise.
pub fn matrix(outputs: usize, inputs: usize, entries: &[i64]) -> Result<()> {
    let given = entries.len();
    if given > 0 && outputs.checked_mul(inputs) == Some(given) {
        return Ok(());
    }
    invalid(
        "load_matrix",
        format!("{given} entries for {outputs} outputs and {inputs} inputs"),
    )
}

/// The shape of a matrix that was loaded for a ring, since it may hold residues of each prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Rows of the product.
    pub outputs: usize,
    /// Rows that it is multiplied with.
    pub inputs: usize,
    /// Moduli `q` and special moduli of the ring.
    primes: (usize, usize),
}

impl MatrixShape {
    /// The shape `[outputs, inputs]`, loaded for a ring.
    pub fn new(ring: &RingSpec, outputs: usize, inputs: usize) -> Self {
        Self {
            outputs,
            inputs,
            primes: (ring.q().len(), ring.p().len()),
        }
    }
}

/// `gemm`: the shape of the product.
///
/// # Errors
/// As [`block`] and [`shape`]; [`Error::InvalidParameters`] unless `x` has a row for each input,
/// and for a matrix that was loaded for a ring of other numbers of primes.
pub fn gemm(ring: &RingSpec, matrix: MatrixShape, x: Shape) -> Result<Shape> {
    block("gemm", ring, x)?;
    let MatrixShape {
        outputs,
        inputs,
        primes,
    } = matrix;
    let found = (ring.q().len(), ring.p().len());
    if primes != found {
        return invalid(
            "gemm",
            format!("a matrix for {primes:?} primes q and p on a ring of {found:?}: load it again"),
        );
    }
    if x.rows != inputs {
        let rows = x.rows;
        return invalid(
            "gemm",
            format!("{rows} rows where the matrix has {inputs} inputs"),
        );
    }
    shape("gemm", ring, outputs, x.basis)
}
