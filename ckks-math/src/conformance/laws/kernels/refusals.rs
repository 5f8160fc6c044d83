//! What is outside the contracts of shape is an error, on every backend the same.

mod polynomials;
mod rows;
mod switching;

use super::{Verdict, ensure};
use crate::backend::{Backend, Basis, Neighbour, Pointwise, RingSpec};
use crate::conformance::Fixture;
use crate::error::{Error, Result};
use crate::sampling::Seed;
use polynomials::{masks, polynomials};
use rows::{arithmetic, constants, rows};
use switching::{divisions, keys, products};

/// Operands whose shapes break the contract of a kernel are refused, and leave the others as they
/// were.
///
/// Kernels of a device compute addresses from shapes: what is not refused reads and writes memory
/// of other blocks.
pub fn misshapen_operands_are_refused<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        let values = f.random(rng, 4, Basis::q(f.levels()));
        let mut x = f.upload(&values)?;
        transfers(f)?;
        arithmetic(f, rng, &mut x)?;
        constants(f, rng, &mut x)?;
        rows(f, rng, &mut x)?;
        polynomials(f, rng, &x)?;
        masks(f, rng, &x)?;
        keys(f, rng)?;
        products(f, rng, &x)?;
        divisions(f, rng, &x)?;
        matrices(f, &x)?;
        foreign(f, &mut x)?;
        f.expect("a block after refusals", &x, &values)
    })
}

/// The operation fails, and by a check of its operands.
fn refused<T>(what: &str, outcome: Result<T>) -> Verdict {
    let error = outcome.err();
    let by_check = matches!(
        error,
        Some(
            Error::ShapeMismatch { .. }
                | Error::BasisMismatch { .. }
                | Error::InvalidParameters(_)
                | Error::LevelExhausted { .. }
        )
    );
    ensure!(by_check, "{what}: {error:?} in the place of a refusal");
    Ok(())
}

/// More rows than any address space holds.
const TOO_MANY: usize = 1 << 60;

fn transfers<B: Backend>(f: &Fixture<'_, B>) -> Verdict {
    let (b, t, n) = (f.backend, &f.tables, f.ring.degree());
    let beyond = Basis::qp(f.levels() + 1, 0);
    refused("alloc over no primes", b.alloc(t, 1, Basis::q(0)))?;
    refused("alloc over too many primes", b.alloc(t, 1, beyond))?;
    refused("alloc of too many rows", b.alloc(t, TOO_MANY, Basis::q(1)))?;
    let short = vec![0; 2 * n - 1];
    refused(
        "upload of too few residues",
        b.upload(t, 2, Basis::q(1), &short),
    )?;
    refused(
        "upload of too many residues",
        b.upload(t, 1, Basis::q(1), &short),
    )?;
    refused("packed upload", b.upload_packed(t, 2, Basis::q(1), &[0; 3]))?;
    let seed = Seed::from_bytes([1; 32]);
    refused(
        "uniform over too many primes",
        b.uniform(t, &seed, 0, 1, beyond),
    )?;
    let last = usize::MAX;
    refused("uniform numbers", b.uniform(t, &seed, last, 2, Basis::q(1)))
}

fn matrices<B: Backend>(f: &Fixture<'_, B>, x: &B::Block) -> Verdict {
    let (b, t) = (f.backend, &f.tables);
    refused("an empty matrix", b.load_matrix(t, 0, 4, &[]))?;
    refused("too few entries", b.load_matrix(t, 2, 4, &[1; 7]))?;
    refused(
        "sizes that overflow",
        b.load_matrix(t, usize::MAX, 2, &[1; 8]),
    )?;
    let matrix = b.load_matrix(t, 2, 3, &[1; 6])?;
    refused("4 rows for 3 inputs", b.gemm(t, &matrix, x))
}

/// The first primes of the ring at a quarter of its degree.
fn smaller<B: Backend>(f: &Fixture<'_, B>) -> Verdict<RingSpec> {
    let [q, p] = [f.ring.q(), f.ring.p()].map(|of| of.iter().map(|m| m.value()).collect());
    let (q, p): (Vec<u64>, Vec<u64>) = (q, p);
    Ok(RingSpec::new(
        f.ring.kind(),
        f.ring.log_degree() - 2,
        &q,
        &p,
    )?)
}

/// Blocks of one ring with the tables of another: of another degree, or of fewer primes.
fn foreign<B: Backend>(f: &Fixture<'_, B>, x: &mut B::Block) -> Verdict {
    let q: Vec<u64> = f.ring.q().iter().map(|m| m.value()).collect();
    let fewer = RingSpec::new(f.ring.kind(), f.ring.log_degree(), &q[..1], &[])?;
    for ring in [smaller(f)?, fewer] {
        let other = Fixture::new(f.backend, ring, "another ring")?;
        let (b, t) = (f.backend, &other.tables);
        refused("ntt", b.ntt(t, x))?;
        refused("intt", b.intt(t, x))?;
        refused("download", b.download(t, x))?;
        refused("packed download", b.download_packed(t, x))?;
        refused("is_zero", b.is_zero(t, x))?;
        refused("duplicate", b.duplicate(t, x))?;
        refused("automorphism", b.automorphism(t, x, 1))?;
        refused("restrict", b.restrict(t, x, 0..1, Basis::q(f.levels())))?;
        refused("stack", b.stack(t, &[x]))?;
        refused("base_convert", b.base_convert(t, x, Basis::q(1)))?;
        let y = f.backend.duplicate(&f.tables, x)?;
        refused("pointwise", b.pointwise(t, Pointwise::Add, x, &y))?;
        refused("decompose", b.decompose(t, x, 1, 0))?;
        refused("add_neighbours", b.add_neighbours(t, x, Neighbour::Next))?;
    }
    Ok(())
}
