//! Probability that the overflow count of a modulus raise on the conjugate-invariant ring leaves
//! the range of the modular reduction.
//!
//! In the native basis `1, X_k = Y^k + Y^-k`, `X_i X_k = X_{i+k} + X_{|i-k|}`, so that coordinate
//! `l` of `c1 s` is a sum of `2 h` coordinates of `c1` for a ternary secret of weight `h`, where
//! the standard ring has `h`: the coordinate `x` of `c1` counts `s_{|l-x|} + s_{l+x}` times
//! (indices folded, with signs), at most twice. The odd basis is `Z^k + Z^-k` with `k` odd,
//! `Z^2 = Y`, in which the same holds with `X_i` for `i = 2 j`, `s_j` not zero. With `d`
//! coordinates that count twice, the coordinate of `(m + q I) / q` is
//!
//! ```text
//! S = (2 h + 1 - 2 d terms U) + (d terms 2 U),   U uniform on [-1/2, 1/2],
//! ```
//!
//! or fewer. In the native basis `d = h` at `l = 0`. Everywhere else, and in the odd basis always,
//! a term counts twice when both ends of a pair `(|l-x|, l+x)` are in the support; there are at
//! most `N` pairs, and an index is in two of them at most. Among `d` pairs within the support there
//! are then `r >= d / 3` disjoint ones, so that over the uniformly random support
//!
//! ```text
//! P(d > 3 (r - 1)) <= C(N, r) (h / N)^(2 r) <= (h^2 / N)^r / r!.
//! ```
//!
//! The tails are bounded by Chernoff's bound, `E exp(t U) = sinh(t/2) / (t/2)`.

use super::overflow::{chernoff_mixed, log2_add};
use crate::bootstrap::RealBasis;

/// log2 of a bound on the probability that one of `coefficients` coordinates of the overflow count
/// exceeds `k`, for a secret of weight `h` on the conjugate-invariant ring of degree `n`.
///
/// At most 0; minus infinity when overflow is impossible or there is no coefficient.
pub fn real_overflow_failure_log2(
    basis: RealBasis,
    h: usize,
    k: usize,
    n: usize,
    coefficients: u64,
) -> f64 {
    if coefficients == 0 {
        return f64::NEG_INFINITY;
    }
    // Two tails.
    let tail = |double: usize| 1.0 + chernoff_mixed(2 * (h - double) + 1, double, k);
    let (special, others) = match basis {
        RealBasis::Native => (tail(h), coefficients - 1),
        RealBasis::Odd => (f64::NEG_INFINITY, coefficients),
    };
    let others = (others as f64).log2();
    let chance = 2.0 * (h as f64).log2() - (n as f64).log2();
    let mut total = special;
    let (mut r, mut factorial) = (0_usize, 0.0);
    loop {
        let weight = (r as f64 * chance - factorial).min(0.0);
        total = log2_add(total, others + weight + tail((3 * r).min(h)));
        if 3 * r >= h {
            return total.min(0.0);
        }
        r += 1;
        factorial += (r as f64).log2();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polynomial::overflow::overflow_failure_log2;

    /// The sum at `l = 0` is twice that of the standard ring, and one term: it overflows `2 K`
    /// about as rarely as the standard ring's does `K`.
    #[test]
    fn coordinate_zero_is_twice_the_standard_one() {
        for k in [8, 10, 12, 14] {
            let zero = 1.0 + chernoff_mixed(1, 32, 2 * k);
            let standard = overflow_failure_log2(32, k, 1);
            // Chernoff's bound is a few bits above the exact tail.
            assert!(zero >= standard - 2.0, "{k}: {zero} {standard}");
            assert!(zero < standard + 9.0, "{k}: {zero} {standard}");
        }
    }

    #[test]
    fn falls_with_the_range_and_grows_with_weight_and_count() {
        for basis in [RealBasis::Native, RealBasis::Odd] {
            let p = |h, k, c| real_overflow_failure_log2(basis, h, k, 1 << 16, c);
            for k in 12..33 {
                assert!(p(32, k + 1, 1 << 16) <= p(32, k, 1 << 16));
                assert!(p(32, k, 1 << 16) <= p(40, k, 1 << 16));
                assert!(p(32, k, 1 << 10) <= p(32, k, 1 << 16));
            }
            assert_eq!(p(32, 33, 1 << 16), f64::NEG_INFINITY);
            assert_eq!(p(32, 1, 0), f64::NEG_INFINITY);
        }
        // Weight 16 has 33 terms as 32 has on the standard ring.
        let odd = real_overflow_failure_log2(RealBasis::Odd, 16, 12, 1 << 16, 1 << 16);
        assert!(
            (odd - overflow_failure_log2(32, 12, 1 << 16)).abs() < 8.0,
            "{odd}"
        );
    }

    /// The figures of the preset `n16-ci-boot`, K = 31, and of smaller ranges.
    #[test]
    fn ranges_for_weight_32() {
        for (k, native, odd) in [
            (16, -17.5, -19.8),
            (20, -30.0, -44.2),
            (22, -38.1, -60.1),
            (24, -48.0, -79.6),
            (28, -78.2, -133.6),
            (31, -130.6, -202.6),
        ] {
            let p = |basis| real_overflow_failure_log2(basis, 32, k, 1 << 16, 1 << 16);
            let found = [p(RealBasis::Native), p(RealBasis::Odd)];
            println!("K = {k}: {found:?}");
            assert!((found[0] - native).abs() < 1.0, "K = {k}: {found:?}");
            assert!((found[1] - odd).abs() < 1.0, "K = {k}: {found:?}");
        }
    }

    /// Tails counted: products of random elements with secrets of weight 6, against the bound of
    /// each coordinate at ranges that are left often enough to count.
    #[test]
    fn counted_overflows_stay_below_the_bound() {
        let (n, h) = (256_usize, 6_usize);
        let mut state = 7_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 11
        };
        let rounds = 400;
        let mut counts = [0_u32; 5];
        let mut zero = [0_u32; 5];
        for _ in 0..rounds {
            let mut s = vec![0_i32; n];
            while s.iter().filter(|&&x| x != 0).count() < h {
                s[next() as usize % n] = 1 - 2 * (next() & 1) as i32;
            }
            let c: Vec<f64> = (0..2 * n)
                .map(|_| next() as f64 / (1_u64 << 53) as f64 - 0.5)
                .collect();
            // Y^i with Y^(2n) = -1; an element is sum_k c_k (Y^k + Y^-k), coordinate n vanishes.
            let at = |i: i64| -> f64 {
                let i = i.rem_euclid(4 * n as i64) as usize;
                let (i, sign) = if i >= 2 * n {
                    (i - 2 * n, -1.0)
                } else {
                    (i, 1.0)
                };
                match i {
                    i if i < n => sign * c[i],
                    i if i == n => 0.0,
                    i => -sign * c[2 * n - i],
                }
            };
            for l in 0..n as i64 {
                let product: f64 = s
                    .iter()
                    .enumerate()
                    .map(|(i, &s)| {
                        let i = i as i64;
                        let both = if i == 0 { at(l) } else { at(l - i) + at(l + i) };
                        f64::from(s) * both
                    })
                    .sum();
                let value = c[n + l as usize] + product;
                for (k, (count, zero)) in counts.iter_mut().zip(&mut zero).enumerate() {
                    if value.abs() > k as f64 {
                        *count += 1;
                        *zero += u32::from(l == 0);
                    }
                }
            }
        }
        for k in 1..5 {
            let bound = real_overflow_failure_log2(RealBasis::Native, h, k, n, n as u64).exp2();
            let found = f64::from(counts[k]) / f64::from(rounds);
            println!("K = {k}: {found} a product, bound {bound:.3}");
            // A union bound counts expectations; it is cut at 1.
            assert!(bound >= found.min(1.0), "K = {k}: {found} {bound}");
            let bound = (1.0 + chernoff_mixed(1, h, k)).exp2();
            let found = f64::from(zero[k]) / f64::from(rounds);
            assert!(
                found <= bound + 0.05,
                "coordinate 0, K = {k}: {found} {bound}"
            );
        }
        // The sums do leave the range that would do on the standard ring.
        assert!(counts[3] > 0);
    }
}
