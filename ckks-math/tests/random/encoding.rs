//! Encoding and decoding, and residues against exact integers.

use ckks_math::arith::ntt_primes;
use ckks_math::encoding::{Complex64, CrtReconstructor, Encoder, SlotRing, signed_to_rns};
use proptest::prelude::*;

const DEGREE: usize = 64;

/// A number of slots that the ring has, with values of all magnitudes below 2^20.
fn values(most: u32) -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![-1.0..1.0, -1e6..1e6, -1e-6..1e-6, Just(0.0)];
    (0..=most).prop_flat_map(move |log| prop::collection::vec(value.clone(), 1_usize << log))
}

/// A slot is off by at most half a unit in each of the coefficients that it sums, two words for
/// each coefficient of the conjugate-invariant ring; and by 45 bits of the largest value.
fn bound(slots: usize, scale: f64, values: impl Iterator<Item = f64>) -> f64 {
    let largest = values.fold(1.0_f64, |most, v| most.max(v.abs()));
    2.0 * slots as f64 / scale + largest * 2_f64.powi(-45)
}

proptest! {
    #![proptest_config(crate::config(128))]

    #[test]
    fn real_slots_come_back(values in values(5), log_scale in 20_i32..60) {
        for ring in [SlotRing::Standard, SlotRing::ConjugateInvariant] {
            let encoder = Encoder::new(ring, DEGREE).unwrap();
            let scale = 2_f64.powi(log_scale);
            let encoded = encoder.encode_real(&values, scale, 120).unwrap();
            let exact: Vec<f64> = (0..DEGREE).map(|i| encoded.get(i).unwrap() as f64).collect();
            let found = encoder.decode_real(&exact, values.len(), scale).unwrap();
            let bound = bound(values.len(), scale, values.iter().copied());
            for (found, wanted) in found.iter().zip(&values) {
                prop_assert!((found - wanted).abs() <= bound, "{} {}: {}", found, wanted, bound);
            }
        }
    }

    #[test]
    fn complex_slots_come_back(re in values(5), log_scale in 20_i32..60) {
        let values: Vec<Complex64> =
            re.iter().map(|&x| Complex64::new(x, 0.5 - x)).collect();
        let encoder = Encoder::new(SlotRing::Standard, DEGREE).unwrap();
        let scale = 2_f64.powi(log_scale);
        let encoded = encoder.encode_complex(&values, scale, 120).unwrap();
        let exact: Vec<f64> = (0..DEGREE).map(|i| encoded.get(i).unwrap() as f64).collect();
        let found = encoder.decode_complex(&exact, values.len(), scale).unwrap();
        let bound = 2.0 * bound(values.len(), scale, re.iter().map(|x| x.abs() + 0.5));
        for (&found, &wanted) in found.iter().zip(&values) {
            prop_assert!((found - wanted).norm() <= bound);
        }
    }

    /// Whatever the values and the modulus: an error, or coefficients that the modulus holds.
    #[test]
    fn encoding_refuses_what_does_not_fit(
        values in prop::collection::vec(any::<f64>(), 0..9),
        scale in any::<f64>(),
        bits in 0_u32..200,
    ) {
        let encoder = Encoder::new(SlotRing::Standard, DEGREE).unwrap();
        if let Ok(encoded) = encoder.encode_real(&values, scale, bits) {
            let most = (0..encoded.len()).map(|i| encoded.get(i).unwrap().unsigned_abs()).max();
            let needed = 128 - most.unwrap_or(0).leading_zeros();
            prop_assert!(needed < bits.max(1), "{} of {} bits", needed, bits);
            prop_assert!(values.len().is_power_of_two());
        }
    }

    /// Residues of whole numbers, put together again, are those numbers.
    #[test]
    fn residues_reconstruct_whole_numbers(
        words in prop::collection::vec(any::<i64>(), 16),
        count in 3_usize..6,
    ) {
        let moduli = ntt_primes(30, 32, count).unwrap();
        let residues = signed_to_rns(&words, &moduli).unwrap();
        let found = CrtReconstructor::new(&moduli).unwrap().centered_f64(&residues, 16).unwrap();
        for (&found, &wanted) in found.iter().zip(&words) {
            prop_assert_eq!(found, wanted as f64);
        }
    }
}
