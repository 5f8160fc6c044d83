//! Integer coefficients of an encoded polynomial, and their residues modulo each prime.

use super::error::EncodingError;

/// Largest modulus bit length that residues may have here.
pub(super) const MAX_MODULUS_BITS: u32 = 61;

/// Integer coefficients of a polynomial: 64-bit where they fit, else 128-bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntegerCoeffs {
    /// Every coefficient is below 2^63 in absolute value.
    Small(Vec<i64>),
    /// Some coefficient is not; all are below 2^127 in absolute value.
    Wide(Vec<i128>),
}

impl IntegerCoeffs {
    /// Number of coefficients.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Small(c) => c.len(),
            Self::Wide(c) => c.len(),
        }
    }

    /// True when there are no coefficients.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the coefficients.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Small(c) => size_of_val(c.as_slice()) as u64,
            Self::Wide(c) => size_of_val(c.as_slice()) as u64,
        }
    }

    /// Coefficient `index` as a 128-bit integer, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<i128> {
        match self {
            Self::Small(c) => c.get(index).map(|&x| i128::from(x)),
            Self::Wide(c) => c.get(index).copied(),
        }
    }

    /// Residues modulo each of `moduli`, limb-major: `out[l * len + i] = c_i mod moduli[l]`.
    ///
    /// # Errors
    /// [`EncodingError::Modulus`] for a modulus that is not odd and in `[3, 2^61]`.
    pub fn to_rns(&self, moduli: &[u64]) -> Result<Vec<u64>, EncodingError> {
        match self {
            Self::Small(c) => signed_to_rns(c, moduli),
            Self::Wide(c) => {
                let mut out = vec![0; c.len() * moduli.len()];
                for (row, &q) in out.chunks_exact_mut(c.len().max(1)).zip(moduli) {
                    let reducer = Reducer::new(q)?;
                    for (r, &x) in row.iter_mut().zip(c) {
                        let sign = x >> 127;
                        *r = reducer.signed(reducer.reduce_wide((x ^ sign) as u128), sign as u64);
                    }
                }
                Ok(out)
            }
        }
    }
}

/// Residues of signed integers (`i8`, `i32`, `i64`) modulo each prime, limb-major.
///
/// `out[l * values.len() + i] = values[i] mod moduli[l]`, in `[0, moduli[l])`.
///
/// # Errors
/// [`EncodingError::Modulus`] for a modulus that is not odd and in `[3, 2^61]`.
pub fn signed_to_rns<T: Copy + Into<i64>>(
    values: &[T],
    moduli: &[u64],
) -> Result<Vec<u64>, EncodingError> {
    let largest = values
        .iter()
        .map(|&x| x.into().unsigned_abs())
        .max()
        .unwrap_or(0);
    let mut out = vec![0; values.len() * moduli.len()];
    for (row, &q) in out.chunks_exact_mut(values.len().max(1)).zip(moduli) {
        let reducer = Reducer::new(q)?;
        if largest < q {
            for (r, &x) in row.iter_mut().zip(values) {
                let x: i64 = x.into();
                // The sign, spread over all bits, selects whether the modulus is added.
                *r = (x as u64).wrapping_add((x >> 63) as u64 & q);
            }
        } else {
            for (r, &x) in row.iter_mut().zip(values) {
                let x: i64 = x.into();
                let sign = x >> 63;
                *r = reducer.signed(reducer.reduce((x ^ sign) as u64), sign as u64);
            }
        }
    }
    Ok(out)
}

/// Barrett and Shoup constants of one odd modulus `q <= 2^61`.
struct Reducer {
    q: u64,
    /// `floor(2^64 / q)`.
    ratio: u64,
    /// `2^64 mod q` and its Shoup companion `floor((2^64 mod q) 2^64 / q)`.
    word: u64,
    word_shoup: u64,
}

impl Reducer {
    fn new(q: u64) -> Result<Self, EncodingError> {
        check_modulus(q)?;
        let two_64 = 1_u128 << 64;
        let word = (two_64 % u128::from(q)) as u64;
        Ok(Self {
            q,
            ratio: (two_64 / u128::from(q)) as u64,
            word,
            word_shoup: shoup(word, q),
        })
    }

    /// `x mod q`. The estimated quotient is at most one too small.
    fn reduce(&self, x: u64) -> u64 {
        let r = x - mul_high(x, self.ratio) * self.q;
        r.min(r.wrapping_sub(self.q))
    }

    /// `x mod q` of a 128-bit integer.
    fn reduce_wide(&self, x: u128) -> u64 {
        let high = mul_shoup_lazy((x >> 64) as u64, self.word, self.word_shoup, self.q);
        // Below 2q + q <= 3 * 2^61.
        self.reduce(high + self.reduce(x as u64))
    }

    /// The residue of `x` from that of `x ^ sign`, without a branch; `sign` is 0 or all ones.
    ///
    /// A negative `x` has complement `-x - 1`, so its residue is `q - 1 - r = q + !r`.
    fn signed(&self, r: u64, sign: u64) -> u64 {
        (r ^ sign).wrapping_add(self.q & sign)
    }
}

/// Refuses a modulus that is even or not in `[3, 2^61]`.
pub(super) fn check_modulus(q: u64) -> Result<(), EncodingError> {
    if q < 3 || q.is_multiple_of(2) || q > 1 << MAX_MODULUS_BITS {
        return Err(EncodingError::Modulus { modulus: q });
    }
    Ok(())
}

/// `floor(x y / 2^64)`.
pub(super) fn mul_high(x: u64, y: u64) -> u64 {
    ((u128::from(x) * u128::from(y)) >> 64) as u64
}

/// Shoup's companion `floor(w 2^64 / q)` of a constant `w < q`.
pub(super) fn shoup(w: u64, q: u64) -> u64 {
    ((u128::from(w) << 64) / u128::from(q)) as u64
}

/// `x w mod q` in `[0, 2q)` for any 64-bit `x`, with `w`'s Shoup companion.
pub(super) fn mul_shoup_lazy(x: u64, w: u64, w_shoup: u64, q: u64) -> u64 {
    x.wrapping_mul(w)
        .wrapping_sub(mul_high(x, w_shoup).wrapping_mul(q))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULI: [u64; 6] = [
        3,
        0x7ffe_6001,
        (1 << 40) + 0x10_0001,
        (1 << 60) - 93,
        2_305_843_009_213_693_951, // 2^61 - 1
        (1 << 61) - 31,
    ];

    #[test]
    fn residues_agree_with_128_bit_remainders() {
        let edge = [
            0_i64,
            1,
            -1,
            2,
            -3,
            i64::MAX,
            -i64::MAX,
            1 << 61,
            -(1 << 60) + 93,
        ];
        let rows = signed_to_rns(&edge, &MODULI).unwrap();
        for (l, &q) in MODULI.iter().enumerate() {
            for (i, &x) in edge.iter().enumerate() {
                let want = i128::from(x).rem_euclid(i128::from(q)) as u64;
                assert_eq!(rows[l * edge.len() + i], want, "{x} mod {q}");
            }
        }
        let small = signed_to_rns(&[-1_i8, 0, 1], &MODULI[1..]).unwrap();
        assert_eq!(&small[..3], &[MODULI[1] - 1, 0, 1]);
        let mut wide = vec![i128::MAX, i128::MIN, 0, -1, 1 << 64, (1 << 126) - 1];
        let mut x = 1_i128;
        for _ in 0..200 {
            x = x
                .wrapping_mul(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f)
                .wrapping_add(1)
                | 1;
            wide.push(x >> 1);
        }
        let rows = IntegerCoeffs::Wide(wide.clone()).to_rns(&MODULI).unwrap();
        for (l, &q) in MODULI.iter().enumerate() {
            for (i, x) in wide.iter().enumerate() {
                assert_eq!(rows[l * wide.len() + i], x.rem_euclid(i128::from(q)) as u64);
            }
        }
    }

    #[test]
    fn unusable_moduli_are_refused() {
        for modulus in [0, 1, 2, 4, (1 << 61) + 1, u64::MAX] {
            let want = Err(EncodingError::Modulus { modulus });
            assert_eq!(signed_to_rns(&[1_i64], &[modulus]), want);
        }
    }
}
