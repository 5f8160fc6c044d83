//! Coefficients, compact polynomials and masks that do not fit.

use super::refused;
use crate::backend::{Backend, Basis, Masks};
use crate::conformance::{Fixture, Rng, Verdict};
use crate::sampling::Seed;

pub(super) fn polynomials<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, x: &B::Block) -> Verdict {
    let (b, t, n) = (f.backend, &f.tables, f.ring.degree());
    let whole = Basis::q(f.levels());
    for (count, m) in [(n + 1, n), (2 * n, 2 * n), (6, 3), (4, 0)] {
        let coefficients = vec![1; count];
        refused("embed", b.embed(t, whole, &coefficients, m))?;
        refused("embed_compact", b.embed_compact(t, whole, &coefficients, m))?;
    }
    refused(
        "embed_compact of nothing",
        b.embed_compact(t, whole, &[], 1),
    )?;
    let ys = b.embed_compact(t, whole, &vec![1; n], n / 2)?;
    let sums = |i, j| vec![vec![(0, 0)], vec![(i, j)]];
    refused(
        "product with block 1 of 1",
        b.sum_products(t, &[x], &ys, n / 2, &sums(1, 0)),
    )?;
    refused(
        "product with polynomial 2 of 2",
        b.sum_products(t, &[x], &ys, n / 2, &sums(0, 2)),
    )?;
    refused("sums of no blocks", b.sum_products(t, &[], &ys, n / 2, &[]))?;
    refused(
        "polynomials of 0 words",
        b.sum_products(t, &[x], &ys, 0, &sums(0, 0)),
    )?;
    refused(
        "polynomials of 2 N words",
        b.sum_products(t, &[x], &ys, 2 * n, &sums(0, 0)),
    )?;
    let other = f.upload(&f.random(rng, 3, whole))?;
    refused(
        "blocks of two shapes",
        b.sum_products(t, &[x, &other], &ys, n / 2, &sums(1, 0)),
    )?;
    let short = b.embed_compact(t, Basis::q(1), &vec![1; n], n / 2)?;
    refused(
        "fewer primes",
        b.sum_products(t, &[x], &short, n / 2, &sums(0, 0)),
    )
}

/// Ingredients of masked rows.
pub(super) fn masks<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, x: &B::Block) -> Verdict {
    let (b, t, n) = (f.backend, &f.tables, f.ring.degree());
    let whole = Basis::q(f.levels());
    let (seed, secret) = (
        Seed::from_bytes([2; 32]),
        f.upload(&f.random(rng, 1, whole))?,
    );
    let masks = Masks {
        seed: &seed,
        secret: &secret,
        errors: &vec![0; n],
        messages: &[],
    };
    let errors = vec![0; n + 1];
    let uneven = Masks {
        errors: &errors,
        ..masks
    };
    refused("errors of no whole row", b.masked(t, whole, &uneven))?;
    let short = f.upload(&f.random(rng, 1, Basis::q(1)))?;
    let secret = Masks {
        secret: &short,
        ..masks
    };
    refused("a secret of fewer primes", b.masked(t, whole, &secret))?;
    let secret = Masks { secret: x, ..masks };
    refused("a secret of 4 rows", b.masked(t, whole, &secret))?;
    let messages = Masks {
        messages: &[x],
        ..masks
    };
    refused(
        "a message of more primes",
        b.masked(t, Basis::q(1), &messages),
    )
}
