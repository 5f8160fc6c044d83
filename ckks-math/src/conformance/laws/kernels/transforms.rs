//! NTT and automorphism.

use super::{Rng, Verdict, ensure, galois_elements};
use crate::backend::{Backend, Basis};
use crate::conformance::oracle::{self, HostBlock};
use crate::conformance::{Fixture, Violation};

/// Degrees from one butterfly to blocked transforms that outgrow every cache.
const LARGE: [u32; 3] = [10, 12, 13];

/// `ntt(x)[j]` is `x` at point `j`: all points up to `N = 2^7`, four points beyond, up to the
/// largest degree of the backend (at most `2^16`).
pub fn ntt_evaluates_at_the_roots<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 2, 3, 4, 5, 7], |f, rng| {
        for (rows, basis) in [
            (3, Basis::qp(f.levels(), f.specials())),
            (2, Basis::digit(1, 3)),
            (1, Basis::p(1)),
        ] {
            let x = f.random(rng, rows, basis);
            let found = f.upload_transformed(&x)?;
            f.expect("ntt", &found, &oracle::transform(&f.ring, &x))?;
        }
        Ok(())
    })?;
    Fixture::each(backend, &LARGE, |f, rng| {
        spot_check(f, rng, Basis::qp(2, 1))
    })?;
    Fixture::each(backend, &[16], |f, rng| spot_check(f, rng, Basis::q(1)))
}

fn spot_check<B: Backend>(f: &Fixture<'_, B>, rng: &mut Rng, basis: Basis) -> Verdict {
    let x = f.random(rng, 1, basis);
    let values = f.download(&f.upload_transformed(&x)?)?;
    let n = f.ring.degree();
    for j in [0, 1, n - 1, rng.next() as usize % n] {
        for &prime in x.primes() {
            let q = f.ring.prime(prime).value();
            let point = oracle::evaluation_point(&f.ring, prime, j);
            let expected = oracle::evaluate(f.ring.kind(), x.limb(0, prime), point, q);
            let found = values.limb(0, prime)[j];
            ensure!(
                found == expected,
                "ntt: {found} at position {j} for the prime {q}, where {expected} is expected"
            );
        }
    }
    Ok(())
}

/// `intt(ntt(x)) = x = ntt(intt(x))`, residues canonical.
pub fn intt_inverts_ntt<B: Backend>(backend: &B) -> Verdict {
    let round_trips = |f: &Fixture<'_, B>, rng: &mut Rng, rows: usize, basis: Basis| {
        let x = f.random(rng, rows, basis);
        let mut block = f.upload_transformed(&x)?;
        f.backend.intt(&f.tables, &mut block)?;
        f.expect("intt after ntt", &block, &x)?;
        f.backend.intt(&f.tables, &mut block)?;
        f.backend.ntt(&f.tables, &mut block)?;
        f.expect("ntt after intt", &block, &x)
    };
    Fixture::each(backend, &[1, 2, 3, 4, 6, 8], |f, rng| {
        round_trips(f, rng, 2, Basis::qp(f.levels(), f.specials()))?;
        round_trips(f, rng, 1, Basis::digit(1, 2))
    })?;
    Fixture::each(backend, &LARGE, |f, rng| {
        round_trips(f, rng, 1, Basis::qp(2, 1))
    })?;
    Fixture::each(backend, &[16], |f, rng| round_trips(f, rng, 1, Basis::p(1)))
}

/// `automorphism(ntt(x), g) = ntt(x(X^g))`, with the substitution made on coefficients. Elements
/// that are not their own inverse tell `g` from `g^-1`.
pub fn automorphism_substitutes<B: Backend>(backend: &B) -> Verdict {
    let substitutes = |f: &Fixture<'_, B>, rng: &mut Rng, basis: Basis, galois: u64| {
        let x = f.random(rng, 2, basis);
        let expected = HostBlock::build_limbs(&f.ring, 2, basis, |row, prime| {
            let q = f.ring.prime(prime).value();
            oracle::substitute(f.ring.kind(), x.limb(row, prime), galois, q)
        });
        let source = f.upload_transformed(&x)?;
        let permuted = f.backend.automorphism(&f.tables, &source, galois)?;
        let place = |v: Violation| v.at(&format!("galois {galois}"));
        f.coefficients(&permuted)?
            .expect_equal("automorphism", &expected)
            .map_err(place)?;
        f.coefficients(&source)?
            .expect_equal("argument of the automorphism", &x)
            .map_err(place)
    };
    Fixture::each(backend, &[1, 2, 3, 4, 6], |f, rng| {
        for galois in galois_elements(f.ring.root_order()) {
            substitutes(f, rng, Basis::qp(2, 1), galois)?;
        }
        Ok(())
    })?;
    Fixture::each(backend, &[12], |f, rng| {
        let steps = f.ring.galois_rotation(-3);
        substitutes(f, rng, Basis::q(1), steps)?;
        substitutes(f, rng, Basis::q(1), f.ring.galois_conjugation())
    })
}

/// `embed` evaluates polynomials whose coefficient `i` stands at exponent `i N / m`, for every `m`,
/// with coefficients up to the largest of 64 bits.
pub fn embedding_equals_upload_and_ntt<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let n = f.ring.degree();
        for log_m in 0..=f.ring.log_degree() {
            let m = 1_usize << log_m;
            for (rows, basis) in [(1, Basis::qp(f.levels(), f.specials())), (3, Basis::q(2))] {
                let coefficients: Vec<i64> = (0..rows * m)
                    .map(|i| match i % 5 {
                        0 => i64::MIN,
                        1 => i64::MAX,
                        2 => rng.next() as i64,
                        _ => rng.signed(1000),
                    })
                    .collect();
                let x = HostBlock::build(&f.ring, rows, basis, |row, prime, j| {
                    let gap = n / m;
                    if j % gap == 0 {
                        oracle::signed(coefficients[row * m + j / gap], f.ring.prime(prime).value())
                    } else {
                        0
                    }
                });
                let found = f.backend.embed(&f.tables, basis, &coefficients, m)?;
                let expected = oracle::transform(&f.ring, &x);
                f.expect(&format!("embed of {m} coefficients"), &found, &expected)?;
            }
        }
        Ok(())
    })
}
