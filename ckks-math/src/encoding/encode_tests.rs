//! Laws of encoding: round trips within the stated precision, products of polynomials, refusals.

use super::*;
use crate::encoding::crt::CrtReconstructor;

fn noise(n: usize, mut state: u64) -> Vec<f64> {
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect()
}

fn to_f64(coeffs: &IntegerCoeffs) -> Vec<f64> {
    (0..coeffs.len())
        .map(|i| coeffs.get(i).unwrap() as f64)
        .collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f64::max)
}

#[test]
fn precision_in_bits_at_full_size() {
    let encoder = Encoder::new(SlotRing::Standard, 1 << 16).unwrap();
    let n = 1 << 15;
    let values: Vec<Complex64> = noise(n, 1)
        .into_iter()
        .zip(noise(n, 2))
        .map(|(re, im)| Complex64::new(re, im))
        .collect();
    // Rounding errors are uniform of variance 1/12: a slot's parts have deviation sqrt(2n/24), and
    // the largest of 2^16 such normal values stays below 6 deviations.
    for (log_scale, floor) in [
        (30, 0.0),
        (40, 0.0),
        (60, 2_f64.powi(-47)),
        (110, 2_f64.powi(-47)),
    ] {
        let scale = 2_f64.powi(log_scale);
        let coeffs = encoder.encode_complex(&values, scale, 120).unwrap();
        let back = encoder.decode_complex(&to_f64(&coeffs), n, scale).unwrap();
        let error = values
            .iter()
            .zip(&back)
            .map(|(x, y)| (*x - *y).norm())
            .fold(0.0, f64::max);
        let bound = 6.0 * (2.0 * n as f64 / 12.0).sqrt() / scale + floor;
        println!("scale 2^{log_scale}: worst slot 2^{:.2}", error.log2());
        assert!(error < bound, "2^{} above 2^{}", error.log2(), bound.log2());
    }
}

#[test]
fn every_slot_count_round_trips_through_residues_on_both_rings() {
    let moduli = [(1_u64 << 61) - 1, (1 << 61) - 31];
    let crt = CrtReconstructor::new(&moduli).unwrap();
    for (ring, most) in [(SlotRing::Standard, 9), (SlotRing::ConjugateInvariant, 10)] {
        let encoder = Encoder::new(ring, 1 << 10).unwrap();
        for log_n in 0..=most {
            let values = noise(1 << log_n, 9 + log_n);
            for scale in [2_f64.powi(40), 3.7e20] {
                let coeffs = encoder.encode_real(&values, scale, 122).unwrap();
                let rows = coeffs.to_rns(&moduli).unwrap();
                let centred = crt.centered_f64(&rows, 1 << 10).unwrap();
                let back = encoder.decode_real(&centred, values.len(), scale).unwrap();
                assert!(worst(&values, &back) < 2048.0 / scale + 2_f64.powi(-46));
                // All slots of the ring repeat the sparse ones.
                let full = encoder
                    .decode_complex(&centred, encoder.max_slots(), scale)
                    .unwrap();
                for (j, z) in full.iter().enumerate() {
                    let error = (*z - values[j % values.len()].into()).norm();
                    assert!(error < 2048.0 / scale + 2_f64.powi(-45));
                }
            }
        }
    }
}

/// Product in the ring with `coeffs` in its own basis, by the definition.
fn ring_product(ring: SlotRing, a: &[f64], b: &[f64]) -> Vec<f64> {
    let n = a.len();
    // Both rings as quotients of Laurent polynomials: exponents modulo 2m with X^m = -1.
    let m = if ring == SlotRing::Standard { n } else { 2 * n };
    let terms = |k: usize| match ring {
        SlotRing::ConjugateInvariant if k > 0 => vec![k, 2 * m - k],
        _ => vec![k],
    };
    let mut out = vec![0.0; 2 * m];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            for e in terms(i) {
                for f in terms(j) {
                    out[(e + f) % (2 * m)] += x * y;
                }
            }
        }
    }
    (0..n).map(|k| out[k] - out[k + m]).collect()
}

#[test]
fn encoding_turns_ring_products_into_slot_products() {
    for ring in [SlotRing::Standard, SlotRing::ConjugateInvariant] {
        let encoder = Encoder::new(ring, 64).unwrap();
        for n in [1, 8, encoder.max_slots()] {
            let scale = 2_f64.powi(24);
            let (a, b) = (noise(n, 21), noise(n, 22));
            let pa = to_f64(&encoder.encode_real(&a, scale, 60).unwrap());
            let pb = to_f64(&encoder.encode_real(&b, scale, 60).unwrap());
            let product = ring_product(ring, &pa, &pb);
            let got = encoder.decode_real(&product, n, scale * scale).unwrap();
            let want: Vec<f64> = a.iter().zip(&b).map(|(x, y)| x * y).collect();
            // Each factor is off by at most 64 coefficients of one half, twice in the cosine basis.
            assert!(worst(&want, &got) < 130.0 / scale);
        }
    }
}

#[test]
fn coefficient_encoding_is_direct() {
    let encoder = Encoder::new(SlotRing::Standard, 16).unwrap();
    let coeffs = encoder
        .encode_coefficients(&[1.0, -0.5, 0.25, 2.5], 2.0, 40)
        .unwrap();
    // Ties go to the even neighbour.
    let mut want = vec![0_i64; 16];
    (want[0], want[4], want[8], want[12]) = (2, -1, 0, 5);
    assert_eq!(coeffs, IntegerCoeffs::Small(want));
    let back = encoder
        .decode_coefficients(&to_f64(&coeffs), 4, 2.0)
        .unwrap();
    assert_eq!(back, [1.0, -0.5, 0.0, 2.5]);
    let wide = encoder
        .encode_coefficients(&[-3.0, 1.0], 2_f64.powi(110), 120)
        .unwrap();
    assert_eq!(
        (wide.get(0), wide.get(8)),
        (Some(-3 << 110), Some(1 << 110))
    );
    // The three rounding paths agree where their ranges meet.
    for x in [
        2_f64.powi(50) + 0.5,
        2_f64.powi(51) - 0.5,
        2_f64.powi(52) + 1.0,
        -1.5 * 2_f64.powi(62),
    ] {
        let got = encoder.encode_coefficients(&[x], 1.0, 70).unwrap();
        assert_eq!(got.get(0), Some(x.round_ties_even() as i128));
    }
}

#[test]
fn refusals_name_the_culprit() {
    let encoder = Encoder::new(SlotRing::Standard, 16).unwrap();
    let scale = 1024.0;
    assert_eq!(
        encoder.encode_real(&[0.0; 6], scale, 60),
        Err(EncodingError::Length { given: 6, max: 8 })
    );
    assert_eq!(
        encoder.encode_real(&[0.0; 16], scale, 60),
        Err(EncodingError::Length { given: 16, max: 8 })
    );
    let infinite = encoder.encode_real(&[0.0, 0.0, f64::INFINITY, 0.0], scale, 60);
    assert_eq!(
        infinite,
        Err(EncodingError::NotFinite {
            index: 2,
            value: f64::INFINITY
        })
    );
    let nan = encoder.encode_complex(&[Complex64::new(0.0, f64::NAN)], scale, 60);
    assert!(matches!(
        nan,
        Err(EncodingError::NotFinite { index: 0, .. })
    ));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            encoder.encode_real(&[1.0], scale, 60),
            Err(EncodingError::Scale { .. })
        ));
    }
    let large = encoder.encode_coefficients(&[0.0, 4.0], 2_f64.powi(58), 60);
    let want = EncodingError::CoefficientTooLarge {
        index: 8,
        bits: 60.0,
        modulus_bits: 60,
    };
    assert_eq!(large, Err(want));
    // Largest that fits half a modulus of 60 bits, and the transform's own overflow to infinity.
    assert!(
        encoder
            .encode_coefficients(&[1.9], 2_f64.powi(58), 60)
            .is_ok()
    );
    assert!(encoder.encode_real(&[f64::MAX; 8], 1.0, 60).is_err());
    assert!(encoder.encode_real(&[1e300], 1e300, 60).is_err());
    assert!(matches!(
        encoder.decode_real(&[0.0; 15], 8, 1.0),
        Err(EncodingError::Shape {
            given: 15,
            expected: 16,
            ..
        })
    ));
    let real_only = Encoder::new(SlotRing::ConjugateInvariant, 16).unwrap();
    let complex = real_only.encode_complex(&[Complex64::I], scale, 60);
    assert_eq!(complex, Err(EncodingError::RealSlotsOnly));
    assert_eq!(
        Encoder::new(SlotRing::Standard, 24).unwrap_err(),
        EncodingError::Degree { degree: 24 }
    );
}

#[test]
fn compact_coefficients_are_those_at_the_multiples_of_the_gap() {
    for ring in [SlotRing::Standard, SlotRing::ConjugateInvariant] {
        let encoder = Encoder::new(ring, 64).unwrap();
        for slots in [1, 4, encoder.max_slots()] {
            let values: Vec<f64> = (0..slots).map(|i| (i as f64 * 0.7).sin()).collect();
            for scale in [2_f64.powi(40), 2_f64.powi(80)] {
                let whole = encoder.encode_real(&values, scale, 100).unwrap();
                let compact = encoder.encode_real_compact(&values, scale, 100).unwrap();
                let each = if ring == SlotRing::Standard { 2 } else { 1 };
                assert_eq!(compact.len(), each * slots);
                let gap = 64 / compact.len();
                let kept: Vec<_> = (0..compact.len()).map(|i| whole.get(i * gap)).collect();
                let got: Vec<_> = (0..compact.len()).map(|i| compact.get(i)).collect();
                assert_eq!(got, kept);
            }
        }
    }
    let encoder = Encoder::new(SlotRing::Standard, 64).unwrap();
    let values: Vec<Complex64> = (0..8).map(|i| Complex64::new(i as f64, -0.5)).collect();
    let whole = encoder.encode_complex(&values, 1e9, 60).unwrap();
    let compact = encoder.encode_complex_compact(&values, 1e9, 60).unwrap();
    let kept: Vec<_> = (0..16).map(|i| whole.get(4 * i)).collect();
    assert_eq!((0..16).map(|i| compact.get(i)).collect::<Vec<_>>(), kept);
}
