//! Rows, limbs and constants that do not fit.

use super::{TOO_MANY, refused};
use crate::backend::{Backend, Basis, Permuted, Pointwise};
use crate::conformance::{Fixture, Rng, Verdict};

/// Row `first` on, of which two rows are asked for: behind the last of four, or beyond any.
const BEHIND: [usize; 3] = [3, 5, usize::MAX];

pub(super) fn arithmetic<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    x: &mut B::Block,
) -> Verdict {
    let (b, t, whole) = (f.backend, &f.tables, Basis::q(f.levels()));
    let three = f.upload(&f.random(rng, 3, whole))?;
    let shorter = f.upload(&f.random(rng, 4, Basis::q(1)))?;
    let mut raised = f.upload(&f.random(rng, 4, Basis::qp(1, 1)))?;
    for op in [Pointwise::Add, Pointwise::Sub, Pointwise::Mul] {
        refused("3 rows with 4", b.pointwise(t, op, x, &three))?;
        refused("fewer primes", b.pointwise(t, op, x, &shorter))?;
        refused("3 rows into 4", b.pointwise_assign(t, op, x, &three))?;
        refused(
            "fewer primes into more",
            b.pointwise_assign(t, op, x, &shorter),
        )?;
        refused(
            "no special primes",
            b.pointwise_assign(t, op, &mut raised, x),
        )?;
    }
    let same = f.upload(&f.random(rng, 4, whole))?;
    refused(
        "product of 3 rows",
        b.multiply_accumulate(t, x, &three, &same),
    )?;
    refused(
        "product with 3 rows",
        b.multiply_accumulate(t, x, &same, &three),
    )?;
    refused(
        "product of fewer primes",
        b.multiply_accumulate(t, x, &shorter, &same),
    )?;
    refused("tensor of odd rows", b.tensor(t, &three, &three))?;
    refused("tensor of 4 and 3 rows", b.tensor(t, x, &three))?;
    refused("tensor over two bases", b.tensor(t, x, &shorter))?;
    for even in [0, 2, f.ring.root_order(), f.ring.root_order() + 1] {
        refused("Galois element", b.automorphism(t, x, even))?;
    }
    Ok(())
}

pub(super) fn constants<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    x: &mut B::Block,
) -> Verdict {
    let (b, t, whole) = (f.backend, &f.tables, Basis::q(f.levels()));
    let good = vec![1; f.levels()];
    let large: Vec<u64> = f.ring.moduli(whole).map(|m| m.value()).collect();
    for (what, bad) in [
        ("too few constants", &good[1..]),
        ("large constants", &large),
    ] {
        refused(what, b.scale_limbs(t, x, bad))?;
        refused(what, b.offset_limbs(t, x, 0..1, bad))?;
        refused(what, b.combine(t, whole, &[x], &[bad.to_vec()]))?;
        let y = f.upload(&f.random(rng, 1, whole))?;
        refused(what, b.add_scaled(t, x, 0, &Permuted::rows(&y, 0..1), bad))?;
    }
    refused("rows behind the last", b.offset_limbs(t, x, 3..5, &good))?;
    refused(
        "rows from the end",
        b.offset_limbs(t, x, TOO_MANY..TOO_MANY + 1, &good),
    )?;
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "a range that ends before it begins"
    )]
    refused("a reversed range", b.offset_limbs(t, x, 3..2, &good))?;
    refused("no blocks", b.combine(t, whole, &[], &[]))?;
    refused(
        "two lists for one block",
        b.combine(t, whole, &[x], &[good.clone(), good.clone()]),
    )?;
    let three = f.upload(&f.random(rng, 3, whole))?;
    let lists = [good.clone(), good.clone()];
    refused(
        "sum of 4 and 3 rows",
        b.combine(t, whole, &[x, &three], &lists),
    )?;
    let raised = Basis::qp(f.levels(), 1);
    let longer = vec![1; f.levels() + 1];
    refused(
        "primes that are not there",
        b.combine(t, raised, &[x], &[longer]),
    )
}

pub(super) fn rows<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, x: &mut B::Block) -> Verdict {
    let (b, t, whole) = (f.backend, &f.tables, Basis::q(f.levels()));
    refused("restrict to row 4", b.restrict(t, x, 4..5, whole))?;
    refused("restrict to no primes", b.restrict(t, x, 0..1, Basis::q(0)))?;
    let raised = Basis::qp(f.levels(), 1);
    refused("restrict to more primes", b.restrict(t, x, 0..1, raised))?;
    let shorter = f.upload(&f.random(rng, 1, Basis::q(1)))?;
    refused("stack of nothing", b.stack(t, &[]))?;
    refused("stack over two bases", b.stack(t, &[x, &shorter]))?;
    let two = f.upload(&f.random(rng, 2, whole))?;
    for first in BEHIND {
        refused("rows behind the last", b.add_rows(t, x, first, &two))?;
    }
    refused("rows of fewer primes", b.add_rows(t, x, 0, &shorter))?;
    let ones = vec![1; f.levels()];
    for first in BEHIND {
        let rows = Permuted::rows(&two, 0..2);
        refused(
            "rows behind the last",
            b.add_scaled(t, x, first, &rows, &ones),
        )?;
    }
    refused(
        "rows that y lacks",
        b.add_scaled(t, x, 0, &Permuted::rows(&two, 1..3), &ones),
    )?;
    let permuted = Permuted::rows(&two, 0..2).by(2);
    refused(
        "an even Galois element",
        b.add_scaled(t, x, 0, &permuted, &ones),
    )?;
    let mut low = f.upload(&f.random(rng, 1, Basis::q(1)))?;
    refused(
        "more primes",
        b.add_scaled(t, &mut low, 0, &Permuted::rows(&two, 0..1), &ones),
    )?;
    let beyond = Basis::q(f.levels() + 1);
    refused(
        "conversion to too many primes",
        b.base_convert(t, x, beyond),
    )?;
    refused("conversion to no primes", b.base_convert(t, x, Basis::q(0)))
}
