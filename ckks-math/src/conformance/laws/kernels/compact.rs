//! Compact polynomials of subrings, and sums of products with them.

use super::{Rng, Verdict, ensure};
use crate::backend::{Backend, Basis, Pointwise};
use crate::conformance::Fixture;
use crate::conformance::oracle::{self, HostBlock};

/// Compact polynomials: more than one row of them unless they are short.
const POLYNOMIALS: usize = 5;

/// Sums of products of compact polynomials are those of the same polynomials embedded one by one:
/// for every length, with more products than lazy sums hold, with none, and over fewer limbs. No
/// polynomial at all is refused.
pub fn compact_polynomials_multiply_as_embedded_ones<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let whole = Basis::qp(f.levels(), f.specials());
        ensure!(
            f.backend.embed_compact(&f.tables, whole, &[], 1).is_err(),
            "a compact block of no polynomial is made"
        );
        for log_m in 0..=f.ring.log_degree() {
            for basis in [whole, Basis::qp(2, 1)] {
                agree(f, rng, (whole, basis), 1 << log_m)?;
            }
        }
        Ok(())
    })?;
    // Beyond the pieces that backends work in.
    Fixture::each(backend, &[11], |f, rng| {
        let basis = Basis::q(1);
        [1, 32, 256, 512, 1024, 2048]
            .into_iter()
            .try_for_each(|m| agree(f, rng, (basis, basis), m))
    })
}

/// Multiplies blocks over the second basis with polynomials over the first.
fn agree<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    (compact, basis): (Basis, Basis),
    m: usize,
) -> Verdict {
    let (b, t, n) = (f.backend, &f.tables, f.ring.degree());
    let coefficients: Vec<i64> = (0..POLYNOMIALS * m)
        .map(|i| match i % 4 {
            0 => rng.next() as i64,
            _ => rng.signed(1000),
        })
        .collect();
    let ys = b.embed_compact(t, compact, &coefficients, m)?;
    let shape = b.shape(&ys);
    ensure!(
        shape.rows == (POLYNOMIALS * m).div_ceil(n) && shape.basis == compact,
        "{POLYNOMIALS} polynomials of {m} compact: shape {shape}"
    );
    let none = b.embed_compact_zeros(t, compact, POLYNOMIALS, m)?;
    let zeros = HostBlock::build(&f.ring, shape.rows, compact, |_, _, _| 0);
    f.expect("compact zeros", &none, &zeros)?;
    let embedded = coefficients
        .chunks_exact(m)
        .map(|row| f.download(&b.embed(t, compact, row, m)?))
        .collect::<Verdict<Vec<_>>>()?;
    let xs: Vec<HostBlock> = (0..3).map(|_| f.random(rng, 2, basis)).collect();
    let blocks = xs
        .iter()
        .map(|x| f.upload(x))
        .collect::<Verdict<Vec<_>>>()?;
    let many = (0..70).map(|k| (k % 3, k % POLYNOMIALS)).collect();
    let sums = [vec![(0, 0), (2, 3), (1, 4)], Vec::new(), vec![(1, 1)], many];
    let found = b.sum_products(t, &blocks.iter().collect::<Vec<_>>(), &ys, m, &sums)?;
    ensure!(
        found.len() == sums.len(),
        "{} sums where {} are asked for",
        found.len(),
        sums.len()
    );
    for (pairs, found) in sums.iter().zip(&found) {
        let mut expected = HostBlock::build(&f.ring, 2, basis, |_, _, _| 0);
        for &(i, j) in pairs {
            let product = oracle::pointwise(&f.ring, Pointwise::Mul, &xs[i], &embedded[j]);
            expected = oracle::pointwise(&f.ring, Pointwise::Add, &expected, &product);
        }
        let what = format!("{} products with polynomials of {m}", pairs.len());
        f.expect(&what, found, &expected)?;
    }
    Ok(())
}
