//! Derived operations against their definitions: digits, divisions, key switching.

use super::kernels::near_ties;
use super::{Rng, Verdict, ensure, galois_elements};
use crate::backend::{Backend, Basis, RingKind, SwitchKernels};
use crate::conformance::oracle::{self, Big, CentredLift, HostBlock, HostSwitchKey};
use crate::conformance::{DefaultsOnly, Fixture, Violation};

/// Moduli of some primes.
fn moduli<B: Backend>(f: &Fixture<'_, B>, primes: &[usize]) -> Vec<u64> {
    primes.iter().map(|&i| f.ring.prime(i).value()).collect()
}

/// Whether residues are those of the centred lift, all on the same side of a tie.
fn is_lift(lift: &CentredLift, residues: &[u64], moduli: &[u64]) -> bool {
    [true, false].into_iter().any(|above| {
        let mut pairs = residues.iter().zip(moduli);
        pairs.all(|(&r, &q)| lift.admits(r, q, above))
    })
}

/// Digit `d` is the centred lift of the limbs `q[d s .. d s + s]` to all primes: congruent to them
/// and at most `D/2 + D k 2^-27` in absolute value, also for the last, shorter digit.
pub fn digits_lift_their_limbs<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        let special = f.specials();
        for level in 1..=f.levels() {
            for digit_size in 1..=3 {
                let x = near_ties(f, rng, 2, Basis::q(level));
                let block = f.upload_transformed(&x)?;
                let digits = f
                    .backend
                    .decompose(&f.tables, &block, digit_size, special)?;
                let shape = f.backend.shape(&digits);
                let count = level.div_ceil(digit_size);
                ensure!(
                    shape.rows == 2 * count && shape.basis == Basis::qp(level, special),
                    "decompose at level {level} into digits of {digit_size}: shape {shape}"
                );
                let digits = f.coefficients(&digits)?;
                let all = digits.primes().to_vec();
                for d in 0..count {
                    let own: Vec<usize> =
                        (d * digit_size..level.min((d + 1) * digit_size)).collect();
                    for (row, j) in (0..2).flat_map(|r| (0..f.ring.degree()).map(move |j| (r, j))) {
                        let lift = CentredLift::new(&x.column(row, &own, j), &moduli(f, &own));
                        let found = digits.column(2 * d + row, &all, j);
                        ensure!(
                            is_lift(&lift, &found, &moduli(f, &all)),
                            "digit {d} of {digit_size} primes at level {level}, row {row}, \
                             coefficient {j} is not the centred lift of its limbs"
                        );
                    }
                }
            }
        }
        Ok(())
    })
}

/// Fails unless `x - D out` over the kept primes is the centred lift of `x` modulo the dropped
/// ones, `D` their product: then `out` is an integer within `1/2 + k 2^-27` of `x / D`.
fn divides<B: Backend>(
    f: &Fixture<'_, B>,
    what: &str,
    x: &HostBlock,
    out: &B::Block,
    (kept, dropped): (Basis, Basis),
) -> Verdict {
    let out = f.coefficients(out)?;
    ensure!(
        out.shape().basis == kept && out.shape().rows == x.shape().rows,
        "{what}: shape {}",
        out.shape()
    );
    let primes = |basis: Basis| -> Vec<usize> { basis.prime_indices(f.levels()).collect() };
    let (kept, dropped) = (primes(kept), primes(dropped));
    let divisor = Big::product(moduli(f, &dropped));
    for row in 0..x.shape().rows {
        for j in 0..f.ring.degree() {
            let lift = CentredLift::new(&x.column(row, &dropped, j), &moduli(f, &dropped));
            let remainders: Vec<u64> = kept
                .iter()
                .map(|&prime| {
                    let q = f.ring.prime(prime).value();
                    let product = oracle::mul(divisor.modulo(q), out.limb(row, prime)[j], q);
                    oracle::sub(x.limb(row, prime)[j], product, q)
                })
                .collect();
            ensure!(
                is_lift(&lift, &remainders, &moduli(f, &kept)),
                "{what}: row {row}, coefficient {j} is not the nearest integer to x / D"
            );
        }
    }
    Ok(())
}

/// Residues whose remainder modulo the dropped primes is near a half, at odd positions.
fn dividend<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    (kept, dropped, whole): (Basis, Basis, Basis),
) -> HostBlock {
    let (high, low) = (f.random(rng, 2, kept), near_ties(f, rng, 2, dropped));
    HostBlock::build_limbs(&f.ring, 2, whole, |row, prime| {
        let from = if low.primes().contains(&prime) {
            &low
        } else {
            &high
        };
        from.limb(row, prime).to_vec()
    })
}

/// `mod_down` is `round(x / P)`, with error at most `1/2 + k 2^-27`.
pub fn mod_down_divides_by_p<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        for level in 1..=f.levels() {
            for special in 1..=f.specials() {
                let (kept, dropped) = (Basis::q(level), Basis::p(special));
                let x = dividend(f, rng, (kept, dropped, Basis::qp(level, special)));
                let out = f.backend.mod_down(&f.tables, &f.upload_transformed(&x)?)?;
                let what = format!("mod_down at level {level} by {special} primes");
                divides(f, &what, &x, &out, (kept, dropped))?;
            }
        }
        Ok(())
    })
}

/// `rescale` is `round(x / D)`, `D` the product of the last primes, error at most `1/2 + k 2^-27`.
pub fn rescale_divides_by_the_last_primes<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        for level in 2..=f.levels() {
            for primes in 1..level {
                let kept = Basis::q(level - primes);
                let dropped = Basis::digit(level - primes, level);
                let x = dividend(f, rng, (kept, dropped, Basis::q(level)));
                let block = f.upload_transformed(&x)?;
                let out = f.backend.rescale(&f.tables, &block, primes)?;
                let what = format!("rescale at level {level} by {primes} primes");
                divides(f, &what, &x, &out, (kept, dropped))?;
            }
        }
        Ok(())
    })
}

/// `mod_down_and_rescale` is `round(x / D)` with one rounding, `D` the product of the special
/// primes and the last moduli.
pub fn mod_down_and_rescale_divides_once<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        for level in 2..=f.levels() {
            for special in 1..=f.specials() {
                for primes in 1..level {
                    let whole = Basis::qp(level, special);
                    let kept = Basis::q(level - primes);
                    let dropped = Basis {
                        lo: kept.hi,
                        ..whole
                    };
                    let x = dividend(f, rng, (kept, dropped, whole));
                    let block = f.upload_transformed(&x)?;
                    let (b, t) = (f.backend, &f.tables);
                    let out = b.mod_down_and_rescale(t, &block, primes)?;
                    let what = format!(
                        "mod_down_and_rescale at level {level} by {special} and {primes} primes"
                    );
                    divides(f, &what, &x, &out, (kept, dropped))?;
                    let default = DefaultsOnly(b.clone());
                    let default = default.mod_down_and_rescale(t, &block, primes)?;
                    f.expect(&what, &out, &f.download(&default)?)?;
                }
            }
        }
        Ok(())
    })
}

/// Largest error of a switching key in these laws.
const KEY_NOISE: u32 = 10;

/// A ternary polynomial.
fn ternary(rng: &mut Rng, degree: usize) -> Vec<i64> {
    (0..degree).map(|_| rng.signed(1)).collect()
}

/// Bound of the coefficients of `c0 + c1 s - x s'` after a key switch.
///
/// With `w = 1` on the standard ring and `2` on the conjugate-invariant one, where `C_i C_j` has
/// two terms, a product has coefficients at most `w |a|_1 |b|_max`. Each of the `D` digits is at
/// most `(product of its primes) (1/2 + 2^-25)` and meets an error of at most `KEY_NOISE`; division
/// by `P` makes two rounding errors of at most `1/2 + 2^-25`, one of them times `s`, `|s|_1 <= N`.
fn noise_bound<B: Backend>(f: &Fixture<'_, B>, level: usize, digit_size: usize) -> f64 {
    let w = match f.ring.kind() {
        RingKind::Standard => 1.0,
        RingKind::ConjugateInvariant => 2.0,
    };
    let n = f.ring.degree() as f64;
    let half = 0.5 + 2.0_f64.powi(-25);
    let primes: Vec<usize> = (0..level).collect();
    let digits: f64 = primes
        .chunks(digit_size)
        .map(|digit| Big::product(moduli(f, digit)).to_f64() * half)
        .sum();
    let p = Big::product(f.ring.p().iter().map(|m| m.value())).to_f64();
    w * n * digits * f64::from(KEY_NOISE) / p + half * (1.0 + w * n)
}

/// Fails unless the pair `(c0, c1)` decrypts under `to` to `x` times `from`, within `bound`.
fn decrypts<B: Backend>(
    f: &Fixture<'_, B>,
    what: &str,
    pair: &B::Block,
    x: &HostBlock,
    (from, to): (&[i64], &[i64]),
    bound: f64,
) -> Verdict {
    let pair = f.coefficients(pair)?;
    let rows = x.shape().rows;
    ensure!(
        pair.shape().rows == 2 * rows && pair.shape().basis == x.shape().basis,
        "{what}: shape {}",
        pair.shape()
    );
    let kind = f.ring.kind();
    for row in 0..rows {
        for &prime in x.primes() {
            let q = f.ring.prime(prime).value();
            let residues = |s: &[i64]| s.iter().map(|&c| oracle::signed(c, q)).collect::<Vec<_>>();
            let phase = oracle::multiply(kind, pair.limb(rows + row, prime), &residues(to), q);
            let wanted = oracle::multiply(kind, x.limb(row, prime), &residues(from), q);
            for j in 0..f.ring.degree() {
                let sum = oracle::add(pair.limb(row, prime)[j], phase[j], q);
                let error = oracle::sub(sum, wanted[j], q);
                let error = error.min(q - error) as f64;
                ensure!(
                    error <= bound,
                    "{what}: coefficient {j} of row {row} modulo {q} is off by {error}, \
                     the bound is {bound:.1}"
                );
            }
        }
    }
    Ok(())
}

/// After a key switch from `s'` to `s` the pair decrypts under `s` to `x s'`, up to the noise
/// bound, at every level up to the key's.
pub fn key_switch_decrypts_alike<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[5], |f, rng| {
        let n = f.ring.degree();
        let (from, to) = (ternary(rng, n), ternary(rng, n));
        for digit_size in 1..=2 {
            let basis = Basis::qp(f.levels(), f.specials());
            let key =
                HostSwitchKey::generate(&f.ring, rng, basis, digit_size, (&from, &to), KEY_NOISE);
            let key = f.backend.load_switch_key(&f.tables, &key.data())?;
            for level in 1..=f.levels() {
                let x = f.random(rng, 1 + level % 2, Basis::q(level));
                let block = f.upload_transformed(&x)?;
                let pair = f.backend.key_switch(&f.tables, &block, &key)?;
                let what = format!("key_switch at level {level}, digits of {digit_size}");
                let bound = noise_bound(f, level, digit_size);
                decrypts(f, &what, &pair, &x, (&from, &to), bound)?;
            }
        }
        Ok(())
    })
}

/// Turning digits by `g`, then the key product and division, decrypts to `x(X^g) s'`; and the key
/// product is that of the digits substituted by definition.
pub fn hoisted_equals_switch_of_permuted<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[4], |f, rng| {
        let (from, to) = (ternary(rng, f.ring.degree()), ternary(rng, f.ring.degree()));
        for digit_size in 1..=2 {
            let basis = Basis::qp(f.levels(), f.specials());
            let host =
                HostSwitchKey::generate(&f.ring, rng, basis, digit_size, (&from, &to), KEY_NOISE);
            let key = f.backend.load_switch_key(&f.tables, &host.data())?;
            for galois in galois_elements(f.ring.root_order()) {
                for level in [1, f.levels() - 1, f.levels()] {
                    let place = |v: Violation| v.at(&format!("galois {galois}, level {level}"));
                    permuted_at(f, rng, (&host, &key), galois, level, (&from, &to))
                        .map_err(place)?;
                }
            }
        }
        Ok(())
    })
}

fn permuted_at<B: Backend>(
    f: &Fixture<'_, B>,
    rng: &mut Rng,
    (host, key): (&HostSwitchKey, &B::SwitchKey),
    galois: u64,
    level: usize,
    secrets: (&[i64], &[i64]),
) -> Verdict {
    // Uniform residues: the lift of -x is minus the lift of x but for ties, so bits agree.
    let x = f.uniform(rng, 2, Basis::q(level));
    let block = f.upload_transformed(&x)?;
    let (size, special) = (host.digit_size, usize::from(host.basis.special));
    let digits = f.backend.decompose(&f.tables, &block, size, special)?;
    let hoisted = f
        .backend
        .dot_key_permuted(&f.tables, &digits, galois, key)?;
    let permuted_digits = oracle::permute_evaluations(&f.ring, &f.download(&digits)?, galois);
    let expected = oracle::dot_key(&f.ring, &permuted_digits, host);
    f.expect("dot_key_permuted", &hoisted, &expected)?;

    let pair = f.backend.mod_down(&f.tables, &hoisted)?;
    let permuted = f.backend.automorphism(&f.tables, &block, galois)?;
    let switched = f.backend.key_switch(&f.tables, &permuted, key)?;
    f.expect("hoisted switch", &pair, &f.download(&switched)?)?;

    let permuted = HostBlock::build_limbs(&f.ring, 2, Basis::q(level), |row, prime| {
        let q = f.ring.prime(prime).value();
        oracle::substitute(f.ring.kind(), x.limb(row, prime), galois, q)
    });
    let bound = noise_bound(f, level, size);
    decrypts(f, "hoisted switch", &pair, &permuted, secrets, bound)
}
