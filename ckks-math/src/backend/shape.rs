//! Shapes of blocks: which primes, how many rows.

use std::fmt;

/// A set of primes of a ring: the moduli `q[lo..hi]`, then the special moduli `p[0..special]`.
///
/// Limbs of a block are stored in this order. Ranges suffice: a level is `q[0..l]`, a digit
/// `q[a..b]`, a key `q[0..l] p[0..k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Basis {
    /// First modulus.
    pub lo: u16,
    /// One past the last modulus.
    pub hi: u16,
    /// Number of special moduli.
    pub special: u16,
}

impl Basis {
    /// The basis `q[0..l]` of a ciphertext.
    pub const fn q(l: usize) -> Self {
        Self {
            lo: 0,
            hi: l as u16,
            special: 0,
        }
    }

    /// The basis `q[0..l] p[0..k]` of a key or a decomposed polynomial.
    pub const fn qp(l: usize, k: usize) -> Self {
        Self {
            lo: 0,
            hi: l as u16,
            special: k as u16,
        }
    }

    /// The basis `p[0..k]` of the special moduli.
    pub const fn p(k: usize) -> Self {
        Self {
            lo: 0,
            hi: 0,
            special: k as u16,
        }
    }

    /// The basis `q[lo..hi]` of one digit.
    pub const fn digit(lo: usize, hi: usize) -> Self {
        Self {
            lo: lo as u16,
            hi: hi as u16,
            special: 0,
        }
    }

    /// Number of primes.
    pub const fn limbs(self) -> usize {
        (self.hi - self.lo + self.special) as usize
    }

    /// Number of moduli `q`, without the special ones.
    pub const fn q_len(self) -> usize {
        (self.hi - self.lo) as usize
    }

    /// The position of modulus `q[index]` among the limbs, if present.
    pub const fn q_position(self, index: usize) -> Option<usize> {
        if index >= self.lo as usize && index < self.hi as usize {
            Some(index - self.lo as usize)
        } else {
            None
        }
    }

    /// The position of special modulus `p[index]` among the limbs, if present.
    pub const fn p_position(self, index: usize) -> Option<usize> {
        if index < self.special as usize {
            Some(self.q_len() + index)
        } else {
            None
        }
    }

    /// Whether every prime of `other` is one of ours.
    pub const fn contains(self, other: Self) -> bool {
        other.special <= self.special
            && (other.lo == other.hi || (self.lo <= other.lo && other.hi <= self.hi))
    }

    /// The prime of each limb, as an index into `q` followed by `p` (special moduli count from
    /// `q_total`, the number of moduli of the ring).
    pub fn prime_indices(self, q_total: usize) -> impl Iterator<Item = usize> + Clone {
        (self.lo as usize..self.hi as usize).chain(q_total..q_total + self.special as usize)
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q[{}..{}]p[0..{}]", self.lo, self.hi, self.special)
    }
}

/// The shape `[rows, limbs, N]` of a block, with the primes its limbs stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of polynomials.
    pub rows: usize,
    /// Their primes.
    pub basis: Basis,
    /// Ring degree `N`.
    pub degree: usize,
}

impl Shape {
    /// Number of residues.
    pub const fn words(self) -> usize {
        self.rows * self.basis.limbs() * self.degree
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{} rows, {}, N = {}]",
            self.rows, self.basis, self.degree
        )
    }
}
