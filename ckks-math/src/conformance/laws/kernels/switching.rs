//! Base conversion and the key inner product.

use super::{Rng, Verdict};
use crate::backend::{Backend, Basis};
use crate::conformance::Fixture;
use crate::conformance::oracle::{self, Big, HostBlock, HostSwitchKey};

/// Every source and target that key switching uses, and overlapping ones, against the formula.
/// Every second coefficient is an integer near half of the source product, where rounding decides.
pub fn base_conversion_follows_its_formula<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let (l, k) = (f.levels(), f.specials());
        for (from, to) in [
            (Basis::q(1), Basis::qp(l, k)),
            (Basis::q(2), Basis::qp(l, k)),
            (Basis::digit(2, 4), Basis::qp(l, k)),
            (Basis::digit(l - 1, l), Basis::qp(l, k)),
            (Basis::p(k), Basis::q(l)),
            (Basis::p(1), Basis::q(2)),
            (Basis::digit(l - 1, l), Basis::q(l - 1)),
            (Basis::digit(l - 2, l), Basis::q(l - 2)),
            (Basis::digit(1, 3), Basis::q(2)),
            (Basis::q(l), Basis::p(k)),
            (Basis::q(l), Basis::q(l)),
            (Basis::qp(l - 1, k), Basis::q(l)),
        ] {
            for rows in [1, 3] {
                let x = near_ties(f, rng, rows, from);
                let found = f.backend.base_convert(&f.tables, &f.upload(&x)?, to)?;
                let expected = oracle::base_convert(&f.ring, &x, to);
                f.expect(&format!("base_convert {from} to {to}"), &found, &expected)?;
            }
        }
        Ok(())
    })
}

/// Random residues; at odd positions those of `(D -+ 1) / 2 + small` with `D` the source product.
pub(in super::super) fn near_ties<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    rows: usize,
    basis: Basis,
) -> HostBlock {
    let product = Big::product(f.ring.moduli(basis).map(|m| m.value()));
    let random = f.random(rng, rows, basis);
    let shift: Vec<i64> = (0..f.ring.degree())
        .map(|j| match j % 8 {
            1 => 0,
            3 => 1,
            5 => -1,
            _ => rng.signed(1 << 20),
        })
        .collect();
    HostBlock::build(&f.ring, rows, basis, |row, prime, j| {
        if j % 2 == 0 {
            return random.limb(row, prime)[j];
        }
        let q = f.ring.prime(prime).value();
        // D is 0 modulo its primes: (D - 1) / 2 = -1/2.
        debug_assert_eq!(product.modulo(q), 0);
        let half = oracle::mul(q - 1, oracle::inverse(2, q), q);
        oracle::add(half, oracle::signed(shift[j], q), q)
    })
}

/// Inner products at every level up to the key's, with every digit size, one and more rows.
pub fn dot_key_matches_integers<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        for key_levels in [f.levels(), f.levels() - 1] {
            for specials in 1..=f.specials() {
                for digit_size in 1..=3 {
                    let basis = Basis::qp(key_levels, specials);
                    let key = HostSwitchKey::random(&f.ring, rng, basis, digit_size);
                    let loaded = f.backend.load_switch_key(&f.tables, &key.data())?;
                    let layout = f.backend.switch_key_layout(&loaded);
                    super::ensure!(
                        layout == (basis, digit_size),
                        "layout {layout:?} of a key over {basis} with digits of {digit_size}"
                    );
                    for level in 1..=key_levels {
                        let rows = 1 + level % 2;
                        let digits = f.random(
                            rng,
                            level.div_ceil(digit_size) * rows,
                            Basis::qp(level, specials),
                        );
                        let found = f.backend.dot_key(&f.tables, &f.upload(&digits)?, &loaded)?;
                        let expected = oracle::dot_key(&f.ring, &digits, &key);
                        let what = format!(
                            "dot_key at level {level}, key over {basis}, digits of {digit_size}"
                        );
                        f.expect(&what, &found, &expected)?;
                    }
                }
            }
        }
        // Many digits of extreme residues overflow sums that are reduced too late.
        let basis = Basis::qp(f.levels(), 1);
        let extreme = |rows| {
            HostBlock::build(&f.ring, rows, basis, |_, prime, _| {
                f.ring.prime(prime).value() - 1
            })
        };
        let key = HostSwitchKey {
            basis,
            digit_size: 1,
            b: extreme(f.levels()),
            a: extreme(f.levels()),
        };
        let loaded = f.backend.load_switch_key(&f.tables, &key.data())?;
        let digits = extreme(f.levels());
        let found = f.backend.dot_key(&f.tables, &f.upload(&digits)?, &loaded)?;
        f.expect(
            "dot_key of extremes",
            &found,
            &oracle::dot_key(&f.ring, &digits, &key),
        )
    })
}
