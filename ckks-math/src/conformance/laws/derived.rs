//! An override gives the bits of the default body, at every level.

use super::kernels::near_ties;
use super::{Rng, Verdict, galois_elements};
use crate::backend::{Backend, Basis, SwitchKernels};
use crate::conformance::oracle::HostSwitchKey;
use crate::conformance::{DefaultsOnly, Fixture};
use crate::error::Result;

/// Compares an operation of the backend with the same operation without overrides.
fn same<B: Backend>(
    f: &Fixture<'_, B>,
    what: &str,
    own: Result<B::Block>,
    default: Result<B::Block>,
) -> Verdict {
    let default = f.download(&default?)?;
    f.expect(what, &own?, &default)
}

fn bare<B: Backend>(f: &Fixture<'_, B>) -> DefaultsOnly<B> {
    DefaultsOnly(f.backend.clone())
}

/// Every level, digit size and number of special primes.
pub fn decompose_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        for level in 1..=f.levels() {
            for digit_size in 1..=3 {
                for special in 1..=f.specials() {
                    let x = f.upload_transformed(&near_ties(f, rng, 2, Basis::q(level)))?;
                    let what = format!("decompose at level {level}, digits of {digit_size}");
                    let own = f.backend.decompose(&f.tables, &x, digit_size, special);
                    let default = bare(f).decompose(&f.tables, &x, digit_size, special);
                    same(f, &what, own, default)?;
                }
            }
        }
        Ok(())
    })
}

/// Every level and number of special primes.
pub fn mod_down_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        for level in 1..=f.levels() {
            for special in 1..=f.specials() {
                let x = f.random(rng, 3, Basis::qp(level, special));
                let x = f.upload(&x)?;
                let what = format!("mod_down at level {level} by {special} primes");
                let own = f.backend.mod_down(&f.tables, &x);
                same(f, &what, own, bare(f).mod_down(&f.tables, &x))?;
            }
        }
        Ok(())
    })
}

/// Every level and number of dropped primes.
pub fn rescale_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        for level in 2..=f.levels() {
            for primes in 1..level {
                let x = f.upload(&f.random(rng, 3, Basis::q(level)))?;
                let what = format!("rescale at level {level} by {primes} primes");
                let own = f.backend.rescale(&f.tables, &x, primes);
                same(f, &what, own, bare(f).rescale(&f.tables, &x, primes))?;
            }
        }
        Ok(())
    })
}

/// Runs a check with a random key of each digit size and number of special primes, at each level.
fn with_keys<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    check: impl Fn(&mut Rng, usize, (Basis, usize), &B::SwitchKey) -> Verdict,
) -> Verdict {
    for digit_size in 1..=3 {
        for special in 1..=f.specials() {
            let basis = Basis::qp(f.levels(), special);
            let key = HostSwitchKey::random(&f.ring, rng, basis, digit_size);
            let key = f.backend.load_switch_key(&f.tables, &key.data())?;
            for level in 1..=f.levels() {
                check(rng, level, (basis, digit_size), &key)?;
            }
        }
    }
    Ok(())
}

/// Every level, digit size and number of special primes.
pub fn key_switch_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        with_keys(f, rng, |rng, level, (basis, size), key| {
            let x = f.upload(&f.random(rng, 1 + level % 2, Basis::q(level)))?;
            let what = format!("key_switch at level {level}, key over {basis}, digits of {size}");
            let own = f.backend.key_switch(&f.tables, &x, key);
            same(f, &what, own, bare(f).key_switch(&f.tables, &x, key))
        })
    })
}

/// Every level, digit size and number of special primes.
pub fn key_product_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        with_keys(f, rng, |rng, level, (basis, size), key| {
            let x = f.upload(&f.random(rng, 1 + level % 2, Basis::q(level)))?;
            let what = format!("key_product at level {level}, key over {basis}, digits of {size}");
            let own = f.backend.key_product(&f.tables, &x, key);
            same(f, &what, own, bare(f).key_product(&f.tables, &x, key))
        })
    })
}

/// Every level, digit size and number of special primes, Galois elements in turn.
pub fn dot_key_permuted_equals_its_default_body<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 5], |f, rng| {
        let elements = galois_elements(f.ring.root_order());
        with_keys(f, rng, |rng, level, (basis, size), key| {
            let special = usize::from(basis.special);
            let rows = (1 + level % 2) * level.div_ceil(size);
            let x = f.upload(&f.random(rng, rows, Basis::qp(level, special)))?;
            let galois = elements[(level + size) % elements.len()];
            let what = format!("dot_key_permuted by {galois} at level {level}, digits of {size}");
            let own = f.backend.dot_key_permuted(&f.tables, &x, galois, key);
            let default = bare(f).dot_key_permuted(&f.tables, &x, galois, key);
            same(f, &what, own, default)
        })
    })
}
