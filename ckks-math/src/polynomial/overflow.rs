//! Probability that the overflow count of a modulus raise leaves the range of the modular
//! reduction.
//!
//! Raising (c0, c1) mod q to a larger modulus turns the message m into m + q I with
//! m + q I = c0 + c1 s over the integers. With c0 and c1 uniform in [-q/2, q/2] (the ring-LWE
//! assumption) and s ternary of weight h, each coefficient of (m + q I) / q is a sum S of h + 1
//! independent uniform variables on [-1/2, 1/2], an Irwin-Hall variable. |I| > K implies |S| > K,
//! because |m| < q/2 and I is an integer; hence P(|S| > K) bounds the failure probability of one
//! coefficient, and a union bound gives that of a ciphertext, as for the same event in
//! [Bossuat-Troncoso-Hubaux 2022, section 3].
//!
//! Check: h = 32, K = 16. S has 33 terms and exceeds 16 only in the corner of the cube where the
//! distances to 1/2 sum to less than 1/2, of volume (1/2)^33 / 33!; twice that, times 2^16
//! coefficients, is 2^-138.7, the value published for such parameter sets.

/// Greatest weight for which the tail is evaluated exactly; beyond, Chernoff's bound is used.
const EXACT_WEIGHT: usize = 1024;

/// log2 of a bound on the probability that, among `coefficients` coefficients of the overflow
/// count, one exceeds `k` in absolute value, for a ternary secret of weight `h`.
///
/// At most 0; minus infinity when overflow is impossible (k >= (h + 1) / 2) or there is no
/// coefficient. Exact Irwin-Hall tail and union bound up to weight 1024, Chernoff's bound beyond.
pub fn overflow_failure_log2(h: usize, k: usize, coefficients: u64) -> f64 {
    let terms = h.saturating_add(1);
    if k >= terms.div_ceil(2) || coefficients == 0 {
        return f64::NEG_INFINITY;
    }
    let tail = if h <= EXACT_WEIGHT {
        irwin_hall_tail(terms, k)
    } else {
        chernoff(terms, k)
    };
    // 1.0 is the second tail, by symmetry.
    (tail + 1.0 + (coefficients as f64).log2()).min(0.0)
}

/// Least K with [`overflow_failure_log2`] at most `log2_probability`.
///
/// Always exists: overflow beyond (h + 1) / 2 is impossible. A target that is NaN counts as minus
/// infinity.
pub fn least_range(h: usize, coefficients: u64, log2_probability: f64) -> usize {
    let (mut low, mut high) = (0, h.saturating_add(1).div_ceil(2));
    while low < high {
        let middle = low + (high - low) / 2;
        if overflow_failure_log2(h, middle, coefficients) <= log2_probability {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// log2 P(S > k), S the sum of n uniform variables on [-1/2, 1/2], 0 <= k < n/2.
///
/// With variables on [0, 1], P = F_n(x) at x = n/2 - k. The density obeys the B-spline recurrence
/// f_n(x) = (x f_{n-1}(x) + (n - x) f_{n-1}(x - 1)) / (n - 1) [De Boor 1972], and
/// F_n(x) = sum_j f_{n+1}(x - j) because f_{n+1}(x) = F_n(x) - F_n(x - 1). All terms are
/// non-negative, so nothing cancels, unlike in the alternating closed form; logarithms keep
/// probabilities below the smallest f64.
fn irwin_hall_tail(n: usize, k: usize) -> f64 {
    let x = 0.5 * n as f64 - k as f64;
    // density[j] = log2 f_m(x - j), for the points x - j >= 0.
    let points: Vec<f64> = (0..=x as usize).map(|j| x - j as f64).collect();
    let uniform = |t: f64| {
        if (0.0..1.0).contains(&t) {
            0.0
        } else {
            f64::NEG_INFINITY
        }
    };
    let mut density: Vec<f64> = points.iter().map(|&t| uniform(t)).collect();
    for m in 2..=n + 1 {
        for j in 0..points.len() {
            let t = points[j];
            let from_same = t.log2() + density[j];
            let from_left = match density.get(j + 1) {
                Some(left) if t < m as f64 => (m as f64 - t).log2() + left,
                _ => f64::NEG_INFINITY,
            };
            // density[j + 1] is still that of m - 1: the loop ascends and reads to the right.
            density[j] = log2_add(from_same, from_left) - ((m - 1) as f64).log2();
        }
    }
    density.into_iter().fold(f64::NEG_INFINITY, log2_add)
}

/// log2 of Chernoff's bound min_t exp(-t k) (sinh(t/2) / (t/2))^n on P(S > k).
fn chernoff(n: usize, k: usize) -> f64 {
    chernoff_mixed(n, 0, k)
}

/// log2 of Chernoff's bound on P(S > k) for the sum S of `single` uniform variables on [-1/2, 1/2]
/// and twice `double` others; minus infinity where S cannot exceed k.
pub(super) fn chernoff_mixed(single: usize, double: usize, k: usize) -> f64 {
    let reach = 0.5 * single as f64 + double as f64;
    if k as f64 >= reach {
        return f64::NEG_INFINITY;
    }
    let exponent =
        |t: f64| single as f64 * ln_sinhc(0.5 * t) + double as f64 * ln_sinhc(t) - t * k as f64;
    // The exponent is convex in t. Where its derivative vanishes, with coth at least 1,
    // k >= reach - (single + double) / t, which puts the minimiser below the upper end.
    let (mut low, mut high) = (0.0, (single + double) as f64 / (reach - k as f64));
    for _ in 0..100 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if exponent(a) < exponent(b) {
            high = b;
        } else {
            low = a;
        }
    }
    exponent(0.5 * (low + high)).min(0.0) * std::f64::consts::LOG2_E
}

/// ln(sinh(y) / y), y >= 0, without overflow and accurate near 0.
fn ln_sinhc(y: f64) -> f64 {
    if y < 1e-3 {
        y * y / 6.0
    } else {
        y + (-(-2.0 * y).exp_m1() / (2.0 * y)).ln()
    }
}

/// log2(2^a + 2^b).
pub(super) fn log2_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + (low - high).exp2().ln_1p() * std::f64::consts::LOG2_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_exact_rational_arithmetic_where_the_closed_form_is_short() {
        // P(S > k) = (1/n!) sum_i (-1)^i C(n,i) (n/2 - k - i)^n; for n = 6, in units of 1/6!:
        // k = 2: 1; k = 1: 2^6 - 6 = 58; k = 0: 3^6 - 6 2^6 + 15 = 360 = 6!/2.
        for (k, numerator) in [(2, 1.0_f64), (1, 58.0), (0, 360.0)] {
            let expected = (numerator / 720.0).log2();
            assert!((irwin_hall_tail(6, k) - expected).abs() < 1e-13, "k = {k}");
        }
        // n = 5, x = 5/2 - k: k = 1 gives (1.5^5 - 5 0.5^5) / 120.
        let expected = ((1.5_f64.powi(5) - 5.0 * 0.5_f64.powi(5)) / 120.0).log2();
        assert!((irwin_hall_tail(5, 1) - expected).abs() < 1e-13);
    }

    #[test]
    fn median_is_one_half_for_every_number_of_terms() {
        for n in 1..400 {
            assert!((irwin_hall_tail(n, 0) + 1.0).abs() < 1e-11, "n = {n}");
        }
    }

    #[test]
    fn published_sparse_set() {
        // h = 32, K = 16: 2 * 2^-33 / 33! * 2^16, see the module's first comment.
        let log2_factorial: f64 = (2..=33).map(|i| f64::from(i).log2()).sum();
        let value = overflow_failure_log2(32, 16, 1 << 16);
        assert!((value - (16.0 - 32.0 - log2_factorial)).abs() < 1e-10);
        assert!((value + 138.7).abs() < 0.1, "{value}");
    }

    #[test]
    fn tail_falls_with_the_range_and_grows_with_the_weight() {
        for h in [16, 32, 64, 192, 1023, 1024, 1025, 20_000] {
            let tails: Vec<f64> = (0..40)
                .map(|k| overflow_failure_log2(h, k, 1 << 16))
                .collect();
            assert!(tails.windows(2).all(|w| w[1] <= w[0]), "h = {h}");
            assert!(tails.iter().all(|&t| t <= 0.0));
        }
        let weights = (30..200).chain([300, 1023, 1024, 1025, 3000]);
        let in_h: Vec<f64> = weights
            .map(|h| overflow_failure_log2(h, 14, 1 << 16))
            .collect();
        assert!(in_h.windows(2).all(|w| w[1] >= w[0]));
    }

    #[test]
    fn chernoff_bounds_the_exact_tail_within_a_few_bits() {
        for n in [33, 65, 193, 800] {
            for k in (1..n / 2).step_by(n / 16 + 1) {
                let (bound, exact) = (chernoff(n, k), irwin_hall_tail(n, k));
                // Bahadur-Rao: the ratio is about t sigma sqrt(2 pi), at most polynomial in n; in
                // the corner of the cube it is n! e^n / n^n, about sqrt(2 pi n).
                let slack = (2.0 * std::f64::consts::PI * n as f64).log2() + 2.0;
                assert!(bound >= exact - 1e-9, "n = {n}, k = {k}: {bound} < {exact}");
                assert!(
                    bound - exact < slack,
                    "n = {n}, k = {k}: {bound} against {exact}"
                );
            }
        }
    }

    #[test]
    fn impossible_overflow_and_least_range() {
        assert_eq!(overflow_failure_log2(32, 17, 1 << 16), f64::NEG_INFINITY);
        assert_eq!(overflow_failure_log2(usize::MAX, 3, 0), f64::NEG_INFINITY);
        assert_eq!(least_range(32, 1 << 16, -138.0), 16);
        assert_eq!(least_range(32, 1 << 16, -139.0), 17);
        let k = least_range(192, 1 << 16, -128.0);
        assert!(overflow_failure_log2(192, k, 1 << 16) <= -128.0);
        assert!(overflow_failure_log2(192, k - 1, 1 << 16) > -128.0);
    }
}
