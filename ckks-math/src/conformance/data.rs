//! Inputs of the laws: random residues with the extremes among them, rings of every prime size.

use crate::arith::is_prime;
use crate::backend::{Limits, RingKind, RingSpec};
use crate::error::{Error, Result};

/// The generator `splitmix64` [Steele-Lea-Flood 2014]: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator with a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 uniform bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A residue below `q`; one in eight is an extreme (0, 1, `q - 1` or a half of `q`).
    pub const fn residue(&mut self, q: u64) -> u64 {
        let x = self.next();
        match x & 63 {
            0 => 0,
            1 => 1,
            2..=4 => q - 1,
            5 => q / 2,
            6 => q / 2 + 1,
            7 => q - 2,
            _ => self.next() % q,
        }
    }

    /// A residue below `q` without preferred values (bias below `2^-3` for 61-bit primes).
    pub const fn uniform(&mut self, q: u64) -> u64 {
        self.next() % q
    }

    /// An integer in `[-bound, bound]`.
    pub const fn signed(&mut self, bound: u32) -> i64 {
        (self.next() % (2 * bound as u64 + 1)) as i64 - bound as i64
    }
}

/// Bit lengths of the primes of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Name in messages.
    pub name: &'static str,
    q: [u32; 5],
    p: [u32; 2],
}

/// Prime sizes of every kind of backend: 32-bit words, 52-bit multipliers, 64-bit words, all mixed.
///
/// `P` is at least the product of any two neighbouring moduli, so that digits of two fit.
const FAMILIES: [Family; 4] = [
    Family {
        name: "25 to 31-bit primes",
        q: [31, 25, 30, 28, 29],
        p: [31, 31],
    },
    Family {
        name: "45 to 50-bit primes",
        q: [50, 45, 49, 47, 48],
        p: [50, 50],
    },
    Family {
        name: "59 to 61-bit primes",
        q: [60, 59, 60, 59, 60],
        p: [61, 61],
    },
    Family {
        name: "mixed primes",
        q: [60, 28, 31, 49, 26],
        p: [60, 45],
    },
];

/// The families whose primes a backend admits, then one with all primes as long as it admits.
pub(super) fn families(limits: Limits) -> Vec<Family> {
    let longest = limits.max_modulus_bits.min(61);
    let mut admitted: Vec<Family> = FAMILIES
        .into_iter()
        .filter(|f| f.q.iter().chain(&f.p).all(|&bits| bits <= longest))
        .collect();
    admitted.push(Family {
        name: "the longest primes admitted",
        q: [longest; 5],
        p: [longest; 2],
    });
    admitted
}

impl Family {
    /// The ring of this family.
    ///
    /// # Errors
    /// A violation where the primes make no ring of this degree.
    pub fn ring(&self, kind: RingKind, log_n: u32) -> Result<RingSpec> {
        let order = match kind {
            RingKind::Standard => 2_u64 << log_n,
            RingKind::ConjugateInvariant => 4_u64 << log_n,
        };
        let mut primes: Vec<u64> = Vec::new();
        for (i, &bits) in self.q.iter().chain(&self.p).enumerate() {
            let prime = prime_of_length(bits, order, i % 2 == 0, &primes)?;
            primes.push(prime);
        }
        let (q, p) = primes.split_at(self.q.len());
        RingSpec::new(kind, log_n, q, p)
    }
}

/// The largest (or smallest) prime of `bits` bits that is 1 modulo `order` and not in `taken`:
/// the ends of a bit length are where estimates of reciprocals go wrong.
fn prime_of_length(bits: u32, order: u64, largest: bool, taken: &[u64]) -> Result<u64> {
    let (low, high) = (1_u64 << (bits - 1), 1_u64 << bits);
    let wanted = |q: &u64| is_prime(*q) && !taken.contains(q);
    let steps = low / order;
    let found = if largest {
        (1..=steps).map(|k| high - k * order + 1).find(wanted)
    } else {
        (0..steps).map(|k| low + k * order + 1).find(wanted)
    };
    found.ok_or(Error::NoPrimes {
        bits,
        order,
        count: 1,
    })
}

/// Both rings.
pub(super) const KINDS: [RingKind; 2] = [RingKind::Standard, RingKind::ConjugateInvariant];
