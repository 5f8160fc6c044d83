//! Element-wise arithmetic, constants, matrix products.

use super::{Rng, Verdict};
use crate::backend::{Backend, Basis, Pointwise};
use crate::conformance::{Fixture, oracle};

/// Rows of the first and second operand: equal, broadcast from one, broadcast in turn.
const ROWS: [(usize, usize); 4] = [(1, 1), (3, 3), (4, 1), (6, 2)];

/// Basis of the first operand, and a basis of the second that contains it.
fn bases(levels: usize, specials: usize) -> [(Basis, Basis); 5] {
    [
        (Basis::q(levels), Basis::q(levels)),
        (Basis::q(2), Basis::qp(levels, specials)),
        (Basis::qp(2, 1), Basis::qp(levels, specials)),
        (Basis::digit(1, 3), Basis::q(levels)),
        (Basis::p(1), Basis::qp(levels, specials)),
    ]
}

fn constants<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, basis: Basis) -> Vec<u64> {
    f.ring
        .moduli(basis)
        .map(|m| rng.residue(m.value()))
        .collect()
}

/// Sum, difference and product, into a new block and in place.
pub fn pointwise_matches_integers<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for (x_rows, y_rows) in ROWS {
            for (x_basis, y_basis) in bases(f.levels(), f.specials()) {
                let x = f.random(rng, x_rows, x_basis);
                let y = f.random(rng, y_rows, y_basis);
                let (left, right) = (f.upload(&x)?, f.upload(&y)?);
                for op in [Pointwise::Add, Pointwise::Sub, Pointwise::Mul] {
                    let expected = oracle::pointwise(&f.ring, op, &x, &y);
                    let found = f.backend.pointwise(&f.tables, op, &left, &right)?;
                    f.expect(&format!("pointwise {op:?}"), &found, &expected)?;
                    let mut found = f.upload(&x)?;
                    f.backend
                        .pointwise_assign(&f.tables, op, &mut found, &right)?;
                    f.expect(&format!("pointwise_assign {op:?}"), &found, &expected)?;
                }
                f.expect("first operand", &left, &x)?;
                f.expect("second operand", &right, &y)?;
            }
        }
        Ok(())
    })
}

/// `acc + x y`, with `x` and `y` over larger bases and `y` of fewer rows.
pub fn multiply_accumulate_matches_integers<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for (x_rows, y_rows) in ROWS {
            for (basis, larger) in bases(f.levels(), f.specials()) {
                for x_basis in [basis, larger] {
                    let mut sum = f.random(rng, x_rows, basis);
                    let mut acc = f.upload(&sum)?;
                    for _ in 0..2 {
                        let x = f.random(rng, x_rows, x_basis);
                        let y = f.random(rng, y_rows, larger);
                        sum = oracle::multiply_accumulate(&f.ring, &sum, &x, &y);
                        let (x, y) = (f.upload(&x)?, f.upload(&y)?);
                        f.backend.multiply_accumulate(&f.tables, &mut acc, &x, &y)?;
                    }
                    f.expect("multiply_accumulate", &acc, &sum)?;
                }
            }
        }
        Ok(())
    })
}

/// `scale_limbs`, `offset_limbs` and `combine`; a constant added in evaluation order is a constant
/// polynomial.
pub fn constants_match_integers<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for (basis, larger) in bases(f.levels(), f.specials()) {
            let x = f.random(rng, 4, basis);
            let c = constants(f, rng, basis);
            let mut scaled = f.upload(&x)?;
            f.backend.scale_limbs(&f.tables, &mut scaled, &c)?;
            f.expect(
                "scale_limbs",
                &scaled,
                &oracle::scale_limbs(&f.ring, &x, &c),
            )?;

            for rows in [0..4, 1..3, 3..4, 2..2] {
                let mut offset = f.upload(&x)?;
                f.backend
                    .offset_limbs(&f.tables, &mut offset, rows.clone(), &c)?;
                let expected = oracle::offset_limbs(&f.ring, &x, &rows, &c);
                f.expect(
                    &format!("offset_limbs of rows {rows:?}"),
                    &offset,
                    &expected,
                )?;
            }

            for terms in [1, 2, 5] {
                let xs: Vec<_> = (0..terms)
                    .map(|k| f.random(rng, 3, if k % 2 == 0 { larger } else { basis }))
                    .collect();
                let c: Vec<_> = (0..terms).map(|_| constants(f, rng, basis)).collect();
                let blocks = xs
                    .iter()
                    .map(|x| f.upload(x))
                    .collect::<Verdict<Vec<_>>>()?;
                let found =
                    f.backend
                        .combine(&f.tables, basis, &blocks.iter().collect::<Vec<_>>(), &c)?;
                let hosts: Vec<_> = xs.iter().collect();
                let expected = oracle::combine(&f.ring, basis, &hosts, &c);
                f.expect(&format!("combine of {terms}"), &found, &expected)?;
            }
        }
        let basis = Basis::q(2);
        let zero = oracle::HostBlock::build(&f.ring, 1, basis, |_, _, _| 0);
        let c = constants(f, rng, basis);
        let mut constant = f.upload(&zero)?;
        f.backend.offset_limbs(&f.tables, &mut constant, 0..1, &c)?;
        let expected =
            oracle::HostBlock::build(
                &f.ring,
                1,
                basis,
                |_, prime, j| {
                    if j == 0 { c[prime] } else { 0 }
                },
            );
        f.coefficients(&constant)?
            .expect_equal("coefficients of an offset", &expected)
    })
}

/// Matrix products with small entries, negative ones and the largest of 64 bits.
pub fn gemm_matches_integers<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for (outputs, inputs) in [(1, 1), (3, 5), (8, 4), (2, 33), (17, 9)] {
            let small: Vec<i64> = (0..outputs * inputs).map(|_| rng.signed(127)).collect();
            let wide: Vec<i64> = (0..outputs * inputs)
                .map(|i| match i % 5 {
                    0 => i64::MIN,
                    1 => i64::MAX,
                    2 => 0,
                    _ => rng.next() as i64,
                })
                .collect();
            for (basis, _) in bases(f.levels(), f.specials()) {
                let x = f.random(rng, inputs, basis);
                let block = f.upload(&x)?;
                for entries in [&small, &wide] {
                    let matrix = f.backend.load_matrix(&f.tables, outputs, inputs, entries)?;
                    let found = f.backend.gemm(&f.tables, &matrix, &block)?;
                    let expected = oracle::gemm(&f.ring, outputs, entries, &x);
                    f.expect(&format!("gemm {outputs} x {inputs}"), &found, &expected)?;
                }
            }
        }
        Ok(())
    })
}
