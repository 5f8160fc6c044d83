//! Keys, digits and divisions that do not fit.

use super::{refused, smaller};
use crate::backend::{Backend, Basis, SeededKeyData, SwitchKeyData};
use crate::conformance::oracle::HostBlock;
use crate::conformance::{Fixture, Rng, Verdict};
use crate::sampling::Seed;

/// A key of one level below the top over one special prime, with both halves the same.
struct Half {
    basis: Basis,
    residues: HostBlock,
}

impl Half {
    fn new<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng) -> Self {
        let l = f.levels();
        let basis = Basis::qp(l - 1, 1);
        let residues = f.uniform(rng, l - 1, basis);
        Self { basis, residues }
    }

    fn key(&self) -> SwitchKeyData<'_> {
        SwitchKeyData {
            basis: self.basis,
            digit_size: 1,
            b: self.residues.residues(),
            a: self.residues.residues(),
        }
    }
}

/// Keys that are loaded.
pub(super) fn keys<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng) -> Verdict {
    let (b, t) = (f.backend, &f.tables);
    let half = Half::new(f, rng);
    let short = SwitchKeyData {
        b: &half.residues.residues()[1..],
        ..half.key()
    };
    refused("a short half", b.load_switch_key(t, &short))?;
    let empty = SwitchKeyData {
        digit_size: 0,
        ..half.key()
    };
    refused("digits of no primes", b.load_switch_key(t, &empty))?;
    let plain = SwitchKeyData {
        basis: Basis::q(f.levels() - 1),
        ..half.key()
    };
    refused("no special primes", b.load_switch_key(t, &plain))?;
    let seed = Seed::from_bytes([3; 32]);
    for digit_size in [0, 1] {
        let seeded = SeededKeyData {
            basis: half.basis,
            digit_size,
            seed: &seed,
            b: &[0; 5],
        };
        refused("a short packed half", b.load_seeded_key(t, &seeded))?;
    }
    Ok(())
}

/// Products with a key that is one level short of `x`.
pub(super) fn products<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, x: &B::Block) -> Verdict {
    let (b, t, l) = (f.backend, &f.tables, f.levels());
    let half = Half::new(f, rng);
    let basis = half.basis;
    let key = b.load_switch_key(t, &half.key())?;
    refused("a level above the key", b.key_product(t, x, &key))?;
    refused("a level above the key", b.key_switch(t, x, &key))?;
    let digits = f.upload(&f.random(rng, 2 * (l - 1) + 1, basis))?;
    refused("no whole digits", b.dot_key(t, &digits, &key))?;
    let digits = f.upload(&f.random(rng, l - 1, basis))?;
    let even = b.dot_key_permuted(t, &digits, 4, &key);
    refused("an even Galois element", even)?;
    let plain = f.upload(&f.random(rng, l - 1, Basis::q(l - 1)))?;
    refused("digits without special primes", b.dot_key(t, &plain, &key))?;
    let above = f.upload(&f.random(rng, l, Basis::qp(l, 1)))?;
    refused(
        "digits above the key",
        b.dot_key_permuted(t, &above, 1, &key),
    )?;
    let small = Fixture::new(b, smaller(f)?, "a smaller ring")?;
    let other = small.upload(&small.random(rng, 1, Basis::q(l - 1)))?;
    let product = b.key_product(&small.tables, &other, &key);
    refused("a key of another ring", product)
}

/// Digits, and divisions by primes that are not there.
pub(super) fn divisions<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, x: &B::Block) -> Verdict {
    let (b, t, l) = (f.backend, &f.tables, f.levels());
    let raised = f.upload(&f.random(rng, 1, Basis::qp(l - 1, 1)))?;
    let specials = f.specials() + 1;
    refused("digits of no primes", b.decompose(t, x, 0, 1))?;
    refused("too many special primes", b.decompose(t, x, 1, specials))?;
    refused("digits of digits", b.decompose(t, &raised, 1, 1))?;
    refused("no special primes", b.mod_down(t, x))?;
    refused("no primes to drop", b.rescale(t, x, 0))?;
    refused("all primes dropped", b.rescale(t, x, l))?;
    refused("more primes dropped than there are", b.rescale(t, x, l + 1))?;
    let all = b.mod_down_and_rescale(t, &raised, l - 1);
    refused("all primes dropped", all)?;
    let (low, high) = (Basis::q(1), Basis::digit(1, l));
    let shared = b.divide_round(t, x, Basis::q(2), high);
    refused("a prime both kept and dropped", shared)?;
    refused(
        "a prime that x lacks",
        b.divide_round(t, x, Basis::p(1), low),
    )
}
