//! Sums of neighbouring coefficients.

use super::Verdict;
use crate::backend::{Backend, Basis, Neighbour};
use crate::conformance::Fixture;
use crate::conformance::oracle::{self, HostBlock};

/// Each coefficient meets the one that was behind it, or before it, when the call began.
pub fn neighbours_are_added<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for basis in [
            Basis::qp(f.levels(), f.specials()),
            Basis::q(1),
            Basis::digit(1, 3),
        ] {
            for neighbour in [Neighbour::Next, Neighbour::Previous] {
                let x = f.random(rng, 3, basis);
                let expected = HostBlock::build(&f.ring, 3, basis, |row, prime, k| {
                    let limb = x.limb(row, prime);
                    let other = match neighbour {
                        Neighbour::Next => limb.get(k + 1).copied().unwrap_or(0),
                        Neighbour::Previous if k == 0 => limb[0],
                        Neighbour::Previous => limb[k - 1],
                    };
                    oracle::add(limb[k], other, f.ring.prime(prime).value())
                });
                let mut found = f.upload(&x)?;
                f.backend.add_neighbours(&f.tables, &mut found, neighbour)?;
                f.expect(&format!("{neighbour:?} over {basis}"), &found, &expected)?;
            }
        }
        Ok(())
    })
}
