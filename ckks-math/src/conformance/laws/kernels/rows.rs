//! Moving rows and limbs.

use super::Verdict;
use crate::backend::{Backend, Basis, Permuted};
use crate::conformance::Fixture;
use crate::conformance::oracle::{self, HostBlock};

/// `restrict` copies the rows and limbs asked for, `stack` puts rows one after the other.
pub fn restrict_and_stack_move_rows<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let (l, k) = (f.levels(), f.specials());
        let from = Basis::qp(l, k);
        let x = f.random(rng, 5, from);
        let block = f.upload(&x)?;
        for basis in [
            from,
            Basis::q(1),
            Basis::q(l),
            Basis::qp(2, 1),
            Basis::p(k),
            Basis::digit(2, 4),
            Basis::digit(l - 1, l),
        ] {
            for rows in [0..5, 0..1, 2..4, 4..5] {
                let expected = HostBlock::build_limbs(&f.ring, rows.len(), basis, |row, prime| {
                    x.limb(rows.start + row, prime).to_vec()
                });
                let found = f.backend.restrict(&f.tables, &block, rows.clone(), basis)?;
                f.expect(
                    &format!("restrict rows {rows:?} to {basis}"),
                    &found,
                    &expected,
                )?;
            }
        }
        // From a basis that does not begin with q[0].
        let digit = f.random(rng, 2, Basis::digit(1, 4));
        let inner = Basis::digit(2, 3);
        let found = f
            .backend
            .restrict(&f.tables, &f.upload(&digit)?, 0..2, inner)?;
        let expected = HostBlock::build_limbs(&f.ring, 2, inner, |row, prime| {
            digit.limb(row, prime).to_vec()
        });
        f.expect("restrict a digit", &found, &expected)?;

        for basis in [from, Basis::digit(1, 3)] {
            let parts: Vec<_> = [1, 3, 2].map(|rows| f.random(rng, rows, basis)).into();
            let blocks = parts
                .iter()
                .map(|p| f.upload(p))
                .collect::<Verdict<Vec<_>>>()?;
            let found = f
                .backend
                .stack(&f.tables, &blocks.iter().collect::<Vec<_>>())?;
            let origin = [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)];
            let expected = HostBlock::build_limbs(&f.ring, 6, basis, |row, prime| {
                let (part, inner) = origin[row];
                parts[part].limb(inner, prime).to_vec()
            });
            f.expect("stack", &found, &expected)?;
            let single = f.backend.stack(&f.tables, &[&blocks[1]])?;
            f.expect("stack of one", &single, &parts[1])?;
        }
        Ok(())
    })
}

/// `add_scaled` multiplies and adds rows, permuted if asked, on the limbs of its operand and leaves
/// the others as they are.
pub fn scaled_rows_add_on_their_limbs<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let whole = Basis::qp(f.levels(), f.specials());
        let pairs = [
            (whole, Basis::q(f.levels())),
            (whole, whole),
            (Basis::qp(2, 1), Basis::q(2)),
            (whole, Basis::digit(1, 3)),
        ];
        for (basis, y_basis) in pairs {
            for (first, rows, galois) in [(0, 0..5, 1), (0, 1..3, 1), (1, 0..3, 5), (4, 2..3, 3)] {
                let (x, y) = (f.random(rng, 5, basis), f.random(rng, 5, y_basis));
                let galois = galois % f.ring.root_order();
                let gather = f.ring.automorphism_gather(galois);
                let constants: Vec<u64> = f
                    .ring
                    .moduli(y_basis)
                    .map(|m| rng.residue(m.value()))
                    .collect();
                let expected = HostBlock::build(&f.ring, 5, basis, |row, prime, j| {
                    let old = x.limb(row, prime)[j];
                    let limb = y.primes().iter().position(|&p| p == prime);
                    let from = rows.clone().nth(row.wrapping_sub(first));
                    let (Some(limb), Some(from)) = (limb, from) else {
                        return old;
                    };
                    let q = f.ring.prime(prime).value();
                    let permuted = y.limb(from, prime)[gather[j] as usize];
                    oracle::add(old, oracle::mul(permuted, constants[limb], q), q)
                });
                let mut found = f.upload(&x)?;
                let y = f.upload(&y)?;
                let permuted = Permuted::rows(&y, rows.clone()).by(galois);
                f.backend
                    .add_scaled(&f.tables, &mut found, first, &permuted, &constants)?;
                let what = format!(
                    "add_scaled of rows {rows:?} over {y_basis} from row {first}, permuted by {galois}"
                );
                f.expect(&what, &found, &expected)?;
            }
        }
        Ok(())
    })
}

/// `add_rows` changes the rows it names and no others; `tensor` multiplies linear polynomials.
pub fn rows_add_and_tensor<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 6], |f, rng| {
        let larger = Basis::qp(f.levels(), f.specials());
        for basis in [Basis::q(f.levels()), Basis::qp(2, 1), Basis::digit(1, 3)] {
            for (first, rows) in [(0, 5), (0, 2), (1, 3), (4, 1)] {
                for y_basis in [basis, larger] {
                    let (x, y) = (f.random(rng, 5, basis), f.random(rng, rows, y_basis));
                    let expected = HostBlock::build(&f.ring, 5, basis, |row, prime, j| {
                        let old = x.limb(row, prime)[j];
                        if row < first || row >= first + rows {
                            return old;
                        }
                        let q = f.ring.prime(prime).value();
                        oracle::add(old, y.limb(row - first, prime)[j], q)
                    });
                    let mut found = f.upload(&x)?;
                    f.backend
                        .add_rows(&f.tables, &mut found, first, &f.upload(&y)?)?;
                    let what = format!("add_rows of {rows} from row {first}");
                    f.expect(&what, &found, &expected)?;
                }
            }
            for count in [1, 3] {
                let (x, y) = (
                    f.random(rng, 2 * count, basis),
                    f.random(rng, 2 * count, basis),
                );
                let expected = HostBlock::build(&f.ring, 3 * count, basis, |row, prime, j| {
                    let q = f.ring.prime(prime).value();
                    let (component, pair) = (row / count, row % count);
                    let mul = |i: usize, k: usize| {
                        let left = x.limb(i * count + pair, prime)[j];
                        oracle::mul(left, y.limb(k * count + pair, prime)[j], q)
                    };
                    match component {
                        0 => mul(0, 0),
                        1 => oracle::add(mul(0, 1), mul(1, 0), q),
                        _ => mul(1, 1),
                    }
                });
                let found = f
                    .backend
                    .tensor(&f.tables, &f.upload(&x)?, &f.upload(&y)?)?;
                f.expect(&format!("tensor of {count} pairs"), &found, &expected)?;
            }
        }
        Ok(())
    })
}
