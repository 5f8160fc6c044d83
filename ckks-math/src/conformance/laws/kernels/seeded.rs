//! What follows from seeds, and packed transfers.

use super::{Rng, Verdict, ensure};
use crate::backend::packed::packed_len;
use crate::backend::{Backend, Basis, Masks, SeededKeyData};
use crate::conformance::Fixture;
use crate::conformance::oracle::{self, HostBlock, HostSwitchKey};
use crate::sampling::{Seed, uniform_mod};

/// Degrees: tiny ones, and one of several groups of any vector width.
const LOG_DEGREES: [u32; 3] = [1, 4, 9];

fn seed(rng: &mut Rng) -> Seed {
    let words: [u64; 4] = std::array::from_fn(|_| rng.next());
    let mut bytes = [0; 32];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Seed::from_bytes(bytes)
}

/// Uniform polynomials `first ..`, limb by limb as the sampling module defines them.
fn uniform<B: Backend>(
    f: &Fixture<'_, B>,
    seed: &Seed,
    first: usize,
    rows: usize,
    basis: Basis,
) -> Verdict<HostBlock> {
    let total = f.ring.q().len();
    let mut residues = vec![0; rows * basis.limbs() * f.ring.degree()];
    let mut limbs = residues.chunks_exact_mut(f.ring.degree());
    for row in first..first + rows {
        for (prime, limb) in basis.prime_indices(total).zip(&mut limbs) {
            let q = f.ring.prime(prime).value();
            uniform_mod(seed, row as u64, prime as u64, q, limb).map_err(crate::Error::from)?;
        }
    }
    Ok(HostBlock::new(&f.ring, rows, basis, residues).expect("as many residues as the shape has"))
}

/// `uniform` gives the stream of the seed; `masked` is `e - a s + m`, with messages on all primes
/// of the result, on some of them, or absent.
pub fn seeded_polynomials_follow_their_definition<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &LOG_DEGREES, |f, rng| {
        let (l, k, n) = (f.levels(), f.specials(), f.ring.degree());
        let seed = seed(rng);
        for (first, rows, basis) in [
            (0, 1, Basis::q(1)),
            (0, 3, Basis::qp(l, k)),
            (2, 2, Basis::qp(2, 1)),
        ] {
            let found = f.backend.uniform(&f.tables, &seed, first, rows, basis)?;
            let expected = uniform(f, &seed, first, rows, basis)?;
            f.expect(&format!("uniform over {basis}"), &found, &expected)?;
        }
        let whole = Basis::qp(l, k);
        let secret = f.random(rng, 1, whole);
        let device_secret = f.upload(&secret)?;
        for (rows, basis, held) in [
            (1, Basis::q(l), None),
            (1, Basis::qp(2, 1), Some(vec![Basis::qp(2, 1)])),
            (2, whole, Some(vec![Basis::digit(0, 2), Basis::digit(2, l)])),
        ] {
            let errors: Vec<i64> = (0..rows * n).map(|_| rng.signed(19)).collect();
            let a = uniform(f, &seed, 0, rows, basis)?;
            let messages: Vec<HostBlock> = held
                .into_iter()
                .flatten()
                .map(|basis| f.random(rng, 1, basis))
                .collect();
            let lifted = HostBlock::build(&f.ring, rows, basis, |row, prime, j| {
                oracle::signed(errors[row * n + j], f.ring.prime(prime).value())
            });
            let lifted = oracle::transform(&f.ring, &lifted);
            let expected = HostBlock::build(&f.ring, rows, basis, |row, prime, j| {
                let q = f.ring.prime(prime).value();
                let mask = oracle::mul(a.limb(row, prime)[j], secret.limb(0, prime)[j], q);
                let out = oracle::sub(lifted.limb(row, prime)[j], mask, q);
                match messages.get(row) {
                    Some(m) if has(&m.shape().basis, prime, l) => {
                        oracle::add(out, m.limb(0, prime)[j], q)
                    }
                    _ => out,
                }
            });
            let messages = messages
                .iter()
                .map(|m| f.upload(m))
                .collect::<Verdict<Vec<_>>>()?;
            let masks = Masks {
                seed: &seed,
                secret: &device_secret,
                errors: &errors,
                messages: &messages.iter().collect::<Vec<_>>(),
            };
            let found = f.backend.masked(&f.tables, basis, &masks)?;
            f.expect(&format!("masked over {basis}"), &found, &expected)?;
            let short = Masks {
                errors: &errors[1..],
                ..masks
            };
            ensure!(
                f.backend.masked(&f.tables, basis, &short).is_err(),
                "errors that are no whole rows are taken"
            );
        }
        Ok(())
    })
}

fn has(basis: &Basis, prime: usize, total: usize) -> bool {
    basis.prime_indices(total).any(|held| held == prime)
}

/// Bits stand where the format says, and unpacking is the inverse.
pub fn packed_rows_come_back<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &LOG_DEGREES, |f, rng| {
        let (l, k, n) = (f.levels(), f.specials(), f.ring.degree());
        for (rows, basis) in [
            (1, Basis::q(1)),
            (3, Basis::qp(l, k)),
            (2, Basis::digit(1, 3)),
        ] {
            let x = f.random(rng, rows, basis);
            let block = f.upload(&x)?;
            let found = f.backend.download_packed(&f.tables, &block)?;
            let mut expected = Vec::new();
            let limbs = x.residues().chunks_exact(n);
            for (limb, m) in limbs.zip(f.ring.moduli(basis).cycle()) {
                let mut bytes = vec![0_u8; packed_len(n, m.bits())];
                for (i, &residue) in limb.iter().enumerate() {
                    for bit in 0..m.bits() as usize {
                        let at = i * m.bits() as usize + bit;
                        bytes[at / 8] |= ((residue >> bit & 1) as u8) << (at % 8);
                    }
                }
                expected.extend(bytes);
            }
            ensure!(found == expected, "download_packed over {basis}");
            let back = f.backend.upload_packed(&f.tables, rows, basis, &found)?;
            f.expect(&format!("upload_packed over {basis}"), &back, &x)?;
            let short = &found[..found.len() - 1];
            ensure!(
                f.backend
                    .upload_packed(&f.tables, rows, basis, short)
                    .is_err(),
                "packed rows over {basis} without their last byte are taken"
            );
        }
        Ok(())
    })
}

/// Only a block without any other residue is zero.
pub fn zeros_are_told_from_others<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &LOG_DEGREES, |f, _| {
        let (rows, basis) = (2, Basis::qp(f.levels(), f.specials()));
        let words = rows * basis.limbs() * f.ring.degree();
        let zero = f.backend.alloc(&f.tables, rows, basis)?;
        ensure!(f.backend.is_zero(&f.tables, &zero)?, "zeros are not zero");
        for at in [0, words / 2, words - 1] {
            let mut residues = vec![0; words];
            residues[at] = 1;
            let x = f.backend.upload(&f.tables, rows, basis, &residues)?;
            ensure!(
                !f.backend.is_zero(&f.tables, &x)?,
                "a 1 at {at} is not seen"
            );
        }
        Ok(())
    })
}

/// A seeded key multiplies as the key of both halves.
pub fn seeded_keys_are_those_of_both_halves<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &LOG_DEGREES, |f, rng| {
        let seed = seed(rng);
        for (digit_size, special) in [(1, 1), (2, f.specials()), (3, 1)] {
            let basis = Basis::qp(f.levels(), special);
            let digits = f.levels().div_ceil(digit_size);
            let random = HostSwitchKey::random(&f.ring, rng, basis, digit_size);
            let whole = HostSwitchKey {
                a: uniform(f, &seed, 0, digits, basis)?,
                ..random
            };
            let packed = f.backend.download_packed(&f.tables, &f.upload(&whole.b)?)?;
            let data = SeededKeyData {
                basis,
                digit_size,
                seed: &seed,
                b: &packed,
            };
            let key = f.backend.load_seeded_key(&f.tables, &data)?;
            ensure!(
                f.backend.switch_key_layout(&key) == (basis, digit_size),
                "the layout of a seeded key over {basis}"
            );
            let x = f.random(rng, digits, basis);
            let found = f.backend.dot_key(&f.tables, &f.upload(&x)?, &key)?;
            let expected = oracle::dot_key(&f.ring, &x, &whole);
            f.expect(
                &format!("dot_key of a seeded key over {basis}"),
                &found,
                &expected,
            )?;
            let short = SeededKeyData {
                b: &packed[1..],
                ..data
            };
            ensure!(
                f.backend.load_seeded_key(&f.tables, &short).is_err(),
                "a key over {basis} without one byte is taken"
            );
        }
        Ok(())
    })
}
