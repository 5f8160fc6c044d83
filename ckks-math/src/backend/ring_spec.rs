//! What a backend needs to know of a ring to build its tables.

use crate::arith::{Modulus, is_prime, primitive_root_of_unity};
use crate::error::{Error, Result};

/// Which ring the polynomials live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum RingKind {
    /// `Z[X] / (X^N + 1)`: N/2 complex slots.
    Standard,
    /// `Z[X + X^-1] / (X^2N + 1)` in the basis `1, X^k + X^-k`: N real slots [Kim-Song 2018].
    ConjugateInvariant,
}

/// A ring in RNS form: kind, degree and primes, checked once.
///
/// Evaluation order (the order of residues after [`crate::backend::RingKernels::ntt`]), with
/// `psi` the root returned by [`RingSpec::root`] and `br` the reversal of `log2 N` bits:
/// * standard: position `j` holds `x(psi^(2 br(j) + 1))`, `psi` of order `2N`;
/// * conjugate-invariant: position `j` holds `x(psi^(4 br(j) + 1))`, `psi` of order `4N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSpec {
    kind: RingKind,
    degree: usize,
    q: Vec<Modulus>,
    p: Vec<Modulus>,
    roots: Vec<u64>,
}

impl RingSpec {
    /// Checks and builds a ring of degree `2^log_n` with moduli `q` and special moduli `p`.
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] unless `log_n` is 1 to 17, there is a modulus `q`, and all
    /// moduli are distinct primes of at most 61 bits that are 1 modulo the order of the roots.
    pub fn new(kind: RingKind, log_n: u32, q: &[u64], p: &[u64]) -> Result<Self> {
        if !(1..=17).contains(&log_n) || q.is_empty() {
            return Err(Error::InvalidParameters(format!(
                "log N = {log_n} with {} moduli: log N is 1 to 17 and there is at least one modulus",
                q.len()
            )));
        }
        let degree = 1_usize << log_n;
        let order = root_order(kind, degree);
        let mut roots = Vec::with_capacity(q.len() + p.len());
        let mut seen = std::collections::BTreeSet::new();
        for &prime in q.iter().chain(p) {
            if !is_prime(prime) || !seen.insert(prime) {
                return Err(Error::InvalidParameters(format!(
                    "modulus {prime} is not prime or given twice"
                )));
            }
            roots.push(primitive_root_of_unity(Modulus::new(prime)?, order)?);
        }
        let wrap = |v: &[u64]| {
            v.iter()
                .map(|&x| Modulus::new(x))
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            kind,
            degree,
            q: wrap(q)?,
            p: wrap(p)?,
            roots,
        })
    }

    /// Which ring.
    pub const fn kind(&self) -> RingKind {
        self.kind
    }

    /// The degree `N`.
    pub const fn degree(&self) -> usize {
        self.degree
    }

    /// `log2 N`.
    pub const fn log_degree(&self) -> u32 {
        self.degree.trailing_zeros()
    }

    /// The moduli, from the last to be dropped to the first.
    pub fn q(&self) -> &[Modulus] {
        &self.q
    }

    /// The special moduli of key switching.
    pub fn p(&self) -> &[Modulus] {
        &self.p
    }

    /// The modulus with index `i` in `q` followed by `p`.
    pub fn prime(&self, i: usize) -> Modulus {
        if i < self.q.len() {
            self.q[i]
        } else {
            self.p[i - self.q.len()]
        }
    }

    /// The moduli of a basis, in limb order.
    pub fn moduli(&self, basis: super::Basis) -> impl Iterator<Item = Modulus> + Clone + '_ {
        basis.prime_indices(self.q.len()).map(|i| self.prime(i))
    }

    /// The primitive root of the evaluation points for prime `i` of `q` followed by `p`: order
    /// `2N` on the standard ring, `4N` on the conjugate-invariant one.
    pub fn root(&self, i: usize) -> u64 {
        self.roots[i]
    }

    /// Order of the roots: `2N` or `4N`. Galois elements are odd numbers below it.
    pub fn root_order(&self) -> u64 {
        root_order(self.kind, self.degree)
    }

    /// The Galois element `5^steps` that rotates slots left by `steps` (any sign).
    pub fn galois_rotation(&self, steps: i64) -> u64 {
        let slots = self.max_slots() as i64;
        let order = self.root_order();
        let (mut base, mut e, mut acc) = (5_u64, steps.rem_euclid(slots) as u64, 1_u64);
        while e > 0 {
            if e & 1 == 1 {
                acc = acc * base % order;
            }
            base = base * base % order;
            e >>= 1;
        }
        acc
    }

    /// The Galois element of complex conjugation, `X -> X^-1` (standard ring).
    pub fn galois_conjugation(&self) -> u64 {
        self.root_order() - 1
    }

    /// Number of slots: `N/2` complex or `N` real ones.
    pub const fn max_slots(&self) -> usize {
        match self.kind {
            RingKind::Standard => self.degree / 2,
            RingKind::ConjugateInvariant => self.degree,
        }
    }

    /// The gather of an automorphism in evaluation order: position `j` of the result is position
    /// `automorphism_gather(g)[j]` of the argument.
    ///
    /// Law: with it, `ntt(x(X^g))[j] = ntt(x)[gather[j]]` on both rings.
    pub fn automorphism_gather(&self, galois: u64) -> Vec<u32> {
        let bits = self.log_degree();
        let reverse = |i: u64| (i.reverse_bits() >> (64 - bits)) as u32;
        let order = self.root_order();
        (0..self.degree as u64)
            .map(|j| {
                let br = u64::from(reverse(j));
                match self.kind {
                    RingKind::Standard => {
                        let e = (2 * br + 1) * galois % order;
                        reverse((e - 1) / 2)
                    }
                    RingKind::ConjugateInvariant => {
                        let e = (4 * br + 1) * galois % order;
                        let e = if e % 4 == 1 { e } else { order - e };
                        reverse((e - 1) / 4)
                    }
                }
            })
            .collect()
    }
}

const fn root_order(kind: RingKind, degree: usize) -> u64 {
    match kind {
        RingKind::Standard => 2 * degree as u64,
        RingKind::ConjugateInvariant => 4 * degree as u64,
    }
}
