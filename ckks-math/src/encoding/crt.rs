//! From residues back to centred integers, by Garner's mixed-radix form of the CRT.
//!
//! With `x = v_0 + v_1 q_0 + v_2 q_0 q_1 + ...`, `0 <= v_k < q_k`, the digits follow from
//! `v_k = (((x - v_0) / q_0 - v_1) / q_1 - ...) mod q_k` [Garner 1959; Knuth 1997, 4.3.2]. Digits
//! compare like decimal ones, so the sign of the centred value is read off without large integers,
//! and only as many digits enter the conversion to `f64` as the value has.

use super::error::EncodingError;
use super::integer::{MAX_MODULUS_BITS, check_modulus, mul_shoup_lazy, shoup};

/// An inverse modulo a prime, with its Shoup companion.
#[derive(Clone, Copy, Debug)]
struct Inverse {
    value: u64,
    shoup: u64,
}

/// Precomputed constants to reconstruct centred integers from residues.
#[derive(Clone, Debug)]
pub struct CrtReconstructor {
    moduli: Vec<u64>,
    /// `inverses[k][j] = q_j^-1 mod q_k`, `j < k`.
    inverses: Vec<Vec<Inverse>>,
    /// Multiples of each modulus that are at least 2^61, to keep differences of digits positive.
    shifts: Vec<u64>,
    /// Mixed-radix digits of `(Q - 1) / 2`, the largest positive centred value.
    half: Vec<u64>,
}

impl CrtReconstructor {
    /// Constants for these moduli, in this order.
    ///
    /// A value below `Q'/2` in absolute value, `Q'` the product of the first moduli, needs only
    /// those: reconstruct from a prefix where the value is known to be small (see
    /// [`CrtReconstructor::moduli_needed`]); the cost grows with the square of their number.
    ///
    /// # Errors
    /// [`EncodingError::Modulus`] for a modulus that is not odd and in `[3, 2^61]`,
    /// [`EncodingError::NotCoprime`] for two that share a factor, [`EncodingError::Shape`] for
    /// none.
    pub fn new(moduli: &[u64]) -> Result<Self, EncodingError> {
        if moduli.is_empty() {
            return Err(EncodingError::Shape {
                what: "moduli",
                given: 0,
                expected: 1,
            });
        }
        let mut inverses = Vec::with_capacity(moduli.len());
        let mut shifts = Vec::with_capacity(moduli.len());
        for (k, &q) in moduli.iter().enumerate() {
            check_modulus(q)?;
            let row = moduli[..k].iter().map(|&other| {
                let value = inverse_mod(other, q).ok_or(EncodingError::NotCoprime {
                    first: other,
                    second: q,
                })?;
                Ok(Inverse {
                    value,
                    shoup: shoup(value, q),
                })
            });
            inverses.push(row.collect::<Result<Vec<_>, EncodingError>>()?);
            shifts.push((1_u64 << MAX_MODULUS_BITS).div_ceil(q) * q);
        }
        let mut this = Self {
            moduli: moduli.to_vec(),
            inverses,
            shifts,
            half: Vec::new(),
        };
        // (Q - 1) / 2 is -1/2, hence (q - 1) / 2, modulo every odd q.
        let mut half: Vec<u64> = moduli.iter().map(|q| (q - 1) / 2).collect();
        this.mixed_radix(&mut half);
        this.half = half;
        Ok(this)
    }

    /// How many of `moduli`, from the first, hold every integer of at most `bits` bits and a sign.
    ///
    /// `None` if all of them together do not.
    #[must_use]
    pub fn moduli_needed(moduli: &[u64], bits: f64) -> Option<usize> {
        let mut log_q = 0.0;
        moduli
            .iter()
            .position(|&q| {
                log_q += (q as f64).log2();
                // A margin of 2^-20 bits covers the rounding of the logarithms.
                log_q >= bits + 1.0 + 1e-6
            })
            .map(|index| index + 1)
    }

    /// The moduli, in order.
    #[must_use]
    pub fn moduli(&self) -> &[u64] {
        &self.moduli
    }

    /// Centred integers in `(-Q/2, Q/2)`, each correctly rounded to `f64` (exact below 2^53).
    ///
    /// `residues` is limb-major `[moduli, coefficients]`: residue of coefficient `i` modulo
    /// modulus `l` at `l * coefficients + i`.
    ///
    /// # Errors
    /// [`EncodingError::Shape`] unless the length is `coefficients` times the number of moduli,
    /// [`EncodingError::NotReduced`] for a residue not below its modulus,
    /// [`EncodingError::OutOfFloatRange`] for an integer of more than 1024 bits.
    pub fn centered_f64(
        &self,
        residues: &[u64],
        coefficients: usize,
    ) -> Result<Vec<f64>, EncodingError> {
        let count = self.moduli.len();
        if Some(residues.len()) != coefficients.checked_mul(count) {
            let expected = coefficients.saturating_mul(count);
            let what = "residues, one row of coefficients per modulus";
            return Err(EncodingError::Shape {
                what,
                given: residues.len(),
                expected,
            });
        }
        for (row, &q) in residues.chunks_exact(coefficients.max(1)).zip(&self.moduli) {
            if let Some(index) = row.iter().position(|&r| r >= q) {
                return Err(EncodingError::NotReduced {
                    index,
                    residue: row[index],
                    modulus: q,
                });
            }
        }
        let mut digits = vec![0; count];
        let mut big = Vec::with_capacity(count);
        (0..coefficients)
            .map(|i| {
                for (l, digit) in digits.iter_mut().enumerate() {
                    *digit = residues[l * coefficients + i];
                }
                self.mixed_radix(&mut digits);
                self.digits_to_f64(&mut digits, &mut big)
                    .map_err(|bits| EncodingError::OutOfFloatRange { index: i, bits })
            })
            .collect()
    }

    /// Residues of one integer in `[0, Q)` to its mixed-radix digits, in place.
    fn mixed_radix(&self, x: &mut [u64]) {
        for k in 1..x.len() {
            let (done, rest) = x.split_at_mut(k);
            let (q, shift) = (self.moduli[k], self.shifts[k]);
            let mut t = rest[0];
            for (&v, inverse) in done.iter().zip(&self.inverses[k]) {
                // t < 2^62 and shift < 2^62 is a multiple of q no smaller than v.
                t = mul_shoup_lazy(t + shift - v, inverse.value, inverse.shoup, q);
            }
            rest[0] = t.min(t.wrapping_sub(q));
        }
    }

    /// The centred value of the digits, rounded to nearest; its bit length if it has no `f64`.
    fn digits_to_f64(&self, digits: &mut [u64], big: &mut Vec<u64>) -> Result<f64, usize> {
        let negative = digits.iter().rev().gt(self.half.iter().rev());
        if negative {
            // Digits of Q - 1 - x; one is added below.
            for (v, q) in digits.iter_mut().zip(&self.moduli) {
                *v = q - 1 - *v;
            }
        }
        let plus = u64::from(negative);
        let top = digits.iter().rposition(|&v| v != 0).unwrap_or(0);
        let magnitude = match top {
            0 => (digits[0] + plus) as f64,
            1 => {
                let low = u128::from(digits[1]) * u128::from(self.moduli[0]);
                (low + u128::from(digits[0] + plus)) as f64
            }
            _ => {
                big.clear();
                for k in (0..=top).rev() {
                    let carry = digits[k] + if k == 0 { plus } else { 0 };
                    multiply_add(big, self.moduli[k], carry);
                }
                big_to_f64(big)?
            }
        };
        Ok(if negative { -magnitude } else { magnitude })
    }
}

/// `x = x m + a` on little-endian words; the most significant word stays non-zero.
fn multiply_add(x: &mut Vec<u64>, m: u64, a: u64) {
    let mut carry = a;
    for word in x.iter_mut() {
        let wide = u128::from(*word) * u128::from(m) + u128::from(carry);
        *word = wide as u64;
        carry = (wide >> 64) as u64;
    }
    if carry != 0 {
        x.push(carry);
    }
}

/// The nearest `f64` (ties to even) of a non-negative integer; its bit length if there is none.
fn big_to_f64(x: &[u64]) -> Result<f64, usize> {
    let Some(&high) = x.last() else {
        return Ok(0.0);
    };
    if x.len() == 1 {
        return Ok(high as f64);
    }
    let shift = high.leading_zeros();
    let bits = 64 * x.len() - shift as usize;
    let below = x[x.len() - 2];
    let (head, mut lost) = if shift == 0 {
        (high, below != 0)
    } else {
        (
            (high << shift) | (below >> (64 - shift)),
            below << shift != 0,
        )
    };
    lost |= x[..x.len() - 2].iter().any(|&word| word != 0);
    // The head has 64 significant bits, 11 more than f64: a sticky last bit settles every tie.
    let mantissa = (head | u64::from(lost)) as f64;
    let exponent = bits - 64;
    if exponent > 960 {
        return Err(bits);
    }
    let value = mantissa * f64::from_bits((exponent as u64 + 1023) << 52);
    if value.is_finite() {
        Ok(value)
    } else {
        Err(bits)
    }
}

/// `a^-1 mod q` for odd or even `a`, if there is one, by the extended Euclidean algorithm.
fn inverse_mod(a: u64, q: u64) -> Option<u64> {
    let (mut r, mut next_r) = (i128::from(q), i128::from(a % q));
    let (mut t, mut next_t) = (0_i128, 1_i128);
    while next_r != 0 {
        let quotient = r / next_r;
        (r, next_r) = (next_r, r - quotient * next_r);
        (t, next_t) = (next_t, t - quotient * next_t);
    }
    (r == 1).then(|| t.rem_euclid(i128::from(q)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::integer::IntegerCoeffs;

    /// The `count` largest primes below `2^bits`.
    fn primes_below(bits: u32, count: usize) -> Vec<u64> {
        let power = |mut b: u64, mut e: u64, q: u64| {
            let mut r = 1_u64;
            while e > 0 {
                if e & 1 == 1 {
                    r = (u128::from(r) * u128::from(b) % u128::from(q)) as u64;
                }
                b = (u128::from(b) * u128::from(b) % u128::from(q)) as u64;
                e >>= 1;
            }
            r
        };
        // Fermat tests to a few bases; coprimality is all that is needed and is checked by `new`.
        (1..)
            .step_by(2)
            .map(|d| (1_u64 << bits) - d)
            .filter(|&q| [2, 3, 5, 7].iter().all(|&b| power(b, q - 1, q) == 1))
            .take(count)
            .collect()
    }

    fn round_trip(values: &[i128], moduli: &[u64]) {
        let rows = IntegerCoeffs::Wide(values.to_vec()).to_rns(moduli).unwrap();
        let crt = CrtReconstructor::new(moduli).unwrap();
        let back = crt.centered_f64(&rows, values.len()).unwrap();
        for (x, y) in values.iter().zip(back) {
            assert_eq!(*x as f64, y, "{x} over {} moduli", moduli.len());
        }
    }

    #[test]
    fn signed_values_come_back_correctly_rounded() {
        let mut values = vec![0_i128, 1, -1, 123_456_789, -(1 << 24)];
        round_trip(&values, &primes_below(31, 1));
        values.extend([
            (1 << 53) + 1,
            -(1 << 53) - 1,
            (1 << 57) + 17,
            -(1 << 58) + 1,
        ]);
        for count in [1, 2, 3, 17, 60] {
            round_trip(&values, &primes_below(61, count));
            round_trip(&values, &primes_below(31, count.max(2)));
        }
        // Ties, just above and just below them, in every code path.
        for e in [70, 100, 110] {
            let (even, half) = (1_i128 << e, 1 << (e - 53));
            let odd = even + 2 * half;
            for x in [
                even + half,
                even + half + 1,
                odd + half - 1,
                odd + half,
                odd + 1,
                odd - 1,
            ] {
                values.extend([x, -x]);
            }
        }
        for count in [2, 3, 5, 60] {
            round_trip(&values, &primes_below(61, count));
            round_trip(&values, &primes_below(31, count.max(4)));
        }
    }

    #[test]
    fn extremes_of_the_centred_range_and_mixed_sizes() {
        let moduli = [
            &primes_below(61, 2)[..],
            &primes_below(25, 2),
            &primes_below(45, 1),
        ]
        .concat();
        for count in 1..=moduli.len() {
            let moduli = &moduli[..count];
            let crt = CrtReconstructor::new(moduli).unwrap();
            // (Q - 1) / 2 and (Q + 1) / 2 = -(Q - 1) / 2.
            let rows: Vec<u64> = moduli
                .iter()
                .flat_map(|q| [(q - 1) / 2, q.div_ceil(2)])
                .collect();
            let got = crt.centered_f64(&rows, 2).unwrap();
            let product = moduli.iter().map(|&q| q as f64).product::<f64>();
            assert!((got[0] / (product / 2.0) - 1.0).abs() < 1e-15);
            assert_eq!(got[0], -got[1]);
        }
    }

    #[test]
    fn values_of_1000_bits_and_overflow() {
        let moduli = primes_below(61, 18);
        let power = |bits: u32| -> Vec<u64> {
            moduli
                .iter()
                .map(|&q| (0..bits).fold(1_u64, |x, _| (x * 2) % q))
                .collect()
        };
        let crt = CrtReconstructor::new(&moduli).unwrap();
        assert_eq!(
            crt.centered_f64(&power(1000), 1).unwrap(),
            [2_f64.powi(1000)]
        );
        // One above a tie: the single bit 947 places further down decides.
        let tie = power(1000).into_iter().zip(power(947)).zip(&moduli);
        let above: Vec<u64> = tie.map(|((x, y), q)| (x + y + 1) % q).collect();
        let rounded = 2_f64.powi(1000) + 2_f64.powi(948);
        assert_eq!(crt.centered_f64(&above, 1).unwrap(), [rounded]);
        let over = crt.centered_f64(&power(1025), 1);
        assert_eq!(
            over,
            Err(EncodingError::OutOfFloatRange {
                index: 0,
                bits: 1026
            })
        );
    }

    #[test]
    fn prefix_lengths_and_refusals() {
        let moduli = primes_below(40, 4);
        assert_eq!(CrtReconstructor::moduli_needed(&moduli, 38.0), Some(1));
        assert_eq!(CrtReconstructor::moduli_needed(&moduli, 39.5), Some(2));
        assert_eq!(CrtReconstructor::moduli_needed(&moduli, 200.0), None);
        let same = CrtReconstructor::new(&[moduli[0], moduli[0]]);
        let want = EncodingError::NotCoprime {
            first: moduli[0],
            second: moduli[0],
        };
        assert_eq!(same.unwrap_err(), want);
        assert!(CrtReconstructor::new(&[]).is_err());
        let crt = CrtReconstructor::new(&moduli[..1]).unwrap();
        assert!(matches!(
            crt.centered_f64(&[1, 2], 3),
            Err(EncodingError::Shape { .. })
        ));
        let bad = crt.centered_f64(&[1, moduli[0]], 2);
        assert!(matches!(
            bad,
            Err(EncodingError::NotReduced { index: 1, .. })
        ));
    }
}
