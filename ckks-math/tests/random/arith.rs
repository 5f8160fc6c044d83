//! Arithmetic modulo `q` against 128-bit integers, and residues as bit strings.

use ckks_math::arith::Modulus;
use ckks_math::backend::packed::{first_not_below, pack, packed_len, unpack};
use proptest::prelude::*;

/// Odd moduli of all lengths.
fn modulus() -> impl Strategy<Value = u64> {
    (2_u32..=61, any::<u64>()).prop_map(|(bits, x)| {
        let top = 1_u64 << (bits - 1);
        (top | (x & (top - 1)) | 1).max(3)
    })
}

/// A modulus and two residues, often at the ends of the range.
fn operands() -> impl Strategy<Value = (u64, u64, u64)> {
    modulus().prop_flat_map(|q| {
        let residue = prop_oneof![4 => 0..q, 1 => Just(0), 1 => Just(q - 1), 1 => Just(q / 2)];
        (Just(q), residue.clone(), residue)
    })
}

/// `x^e` by the schoolbook.
fn power(x: u64, e: u64, q: u64) -> u64 {
    let (mut base, mut e, mut result) = (u128::from(x), e, 1_u128 % u128::from(q));
    while e > 0 {
        if e & 1 == 1 {
            result = result * base % u128::from(q);
        }
        base = base * base % u128::from(q);
        e >>= 1;
    }
    result as u64
}

proptest! {
    #![proptest_config(crate::config(256))]

    #[test]
    fn ring_operations_are_those_of_wide_integers((q, x, y) in operands()) {
        let m = Modulus::new(q).unwrap();
        let (wide, a, b) = (u128::from(q), u128::from(x), u128::from(y));
        prop_assert_eq!(u128::from(m.add(x, y)), (a + b) % wide);
        prop_assert_eq!(u128::from(m.sub(x, y)), (a + wide - b) % wide);
        prop_assert_eq!(u128::from(m.neg(x)), (wide - a) % wide);
        prop_assert_eq!(u128::from(m.mul(x, y)), a * b % wide);
        let shoup = m.shoup(y);
        prop_assert_eq!(u128::from(m.mul_shoup(x, shoup)), a * b % wide);
        let lazy = m.mul_shoup_lazy(x, shoup);
        prop_assert!(lazy < 2 * q && u128::from(lazy) % wide == a * b % wide);
        let centred = m.centre(x);
        prop_assert_eq!(i128::from(centred).rem_euclid(wide as i128), a as i128);
        prop_assert!(2 * centred.unsigned_abs() <= q);
    }

    #[test]
    fn reductions_take_any_integer(
        q in modulus(),
        (x, e, y, wide, signed) in any::<(u64, u64, i64, u128, i128)>(),
    ) {
        let m = Modulus::new(q).unwrap();
        prop_assert_eq!(m.reduce(x), x % q);
        prop_assert_eq!(u128::from(m.reduce_u128(wide)), wide % u128::from(q));
        prop_assert_eq!(i128::from(m.reduce_i64(y)), i128::from(y).rem_euclid(i128::from(q)));
        prop_assert_eq!(i128::from(m.reduce_i128(signed)), signed.rem_euclid(i128::from(q)));
        prop_assert_eq!(m.pow(x % q, e), power(x % q, e, q));
    }

    #[test]
    fn even_and_long_moduli_are_refused(q in any::<u64>()) {
        let valid = (3..=1 << 61).contains(&q) && q % 2 == 1;
        prop_assert_eq!(Modulus::new(q).is_ok(), valid);
    }

    /// Packing loses nothing, and what is not below a modulus is found at its first position.
    #[test]
    fn packed_residues_come_back((q, values) in modulus().prop_flat_map(|q| {
        (Just(q), prop::collection::vec(0..q, 1..12).prop_map(|v| v.repeat(8)))
    }), position in any::<prop::sample::Index>()) {
        let bits = Modulus::new(q).unwrap().bits();
        let mut bytes = vec![0; packed_len(values.len(), bits)];
        pack(&values, bits, &mut bytes);
        let mut back = vec![0; values.len()];
        unpack(&bytes, bits, &mut back);
        prop_assert_eq!(&back, &values);
        prop_assert_eq!(first_not_below(&bytes, bits, values.len(), q), None);
        // The largest number of as many bits is not below an odd modulus unless it is all ones.
        let most = (1_u64 << bits) - 1;
        let at = position.index(values.len());
        let mut spoilt = values.clone();
        spoilt[at] = most;
        pack(&spoilt, bits, &mut bytes);
        prop_assert_eq!(first_not_below(&bytes, bits, values.len(), q), Some((at, most)));
    }
}
