//! Small coprime numbers that integers are split by and put together from, see `small_moduli.cuh`.

use crate::tables::Tables;
use ckks_math::arith::Modulus;

/// Pairwise coprime numbers that a byte holds the residues of, largest first; 155 bits in all.
const MODULI: [u64; 20] = [
    256, 255, 253, 251, 247, 241, 239, 233, 229, 227, 223, 217, 211, 199, 197, 193, 191, 181, 179,
    173,
];
/// Bits of a fraction; as in `small_moduli.cuh`.
const FRACTION: u32 = 24;
/// What the rounding of all fractions may take of the product of the moduli, in bits, and more.
const MARGIN: f64 = 0.01;
/// Most inputs: sums of products of bytes stay below `2^30`.
const MOST_INPUTS: usize = 1 << 16;

/// How many moduli a matrix takes: their product exceeds twice the largest sum of `|w| q / 2`.
/// `None` where there are too few, or too many inputs.
pub fn moduli_for(t: &Tables, inputs: usize, entries: &[i64]) -> Option<usize> {
    let norm = |row: &[i64]| row.iter().map(|&w| u128::from(w.unsigned_abs())).sum();
    let largest: u128 = entries.chunks(inputs).map(norm).max()?;
    let primes = t.ring().q().iter().chain(t.ring().p());
    let q = primes.map(|m| m.value()).max()?;
    let wanted = (largest.max(1) as f64).log2() + (q as f64).log2() + MARGIN;
    let mut bits = 0.0;
    let enough = MODULI.iter().position(|&m| {
        bits += (m as f64).log2();
        bits > wanted
    })?;
    (inputs <= MOST_INPUTS).then_some(enough + 1)
}

/// The product of moduli modulo `m`, with one left out if asked.
fn product(moduli: &[u64], skip: Option<usize>, m: u64) -> u64 {
    let kept = moduli.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
    kept.fold(1 % m, |acc, (_, &d)| {
        (u128::from(acc) * u128::from(d) % u128::from(m)) as u64
    })
}

/// The words of `Small` for each of the first `count` moduli.
pub fn small_words(count: usize) -> Vec<u64> {
    let moduli = &MODULI[..count];
    let mut words = Vec::with_capacity(3 * count);
    for (i, &m) in moduli.iter().enumerate() {
        let cofactor = product(moduli, Some(i), m);
        // The moduli are pairwise coprime: there is one.
        let inverse = (0..m).find(|y| y * cofactor % m == 1 % m).unwrap_or(0);
        let pair = |low: u64, high: u64| high << 32 | low;
        words.push(u64::MAX / m);
        words.push(pair(m, (1 << 32) / m));
        words.push(pair(inverse, (1 << FRACTION) / m));
    }
    words
}

/// `M / m_t` for each of the first `count` moduli and their product `M`, modulo `q`.
pub fn weights(count: usize, q: Modulus) -> impl Iterator<Item = u64> {
    let skips = (0..count).map(Some).chain([None]);
    skips.map(move |skip| product(&MODULI[..count], skip, q.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moduli_are_pairwise_coprime_bytes() {
        let gcd = |mut a: u64, mut b: u64| {
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        for (i, &m) in MODULI.iter().enumerate() {
            assert!((129..=256).contains(&m));
            assert!(MODULI[..i].iter().all(|&other| gcd(m, other) == 1));
        }
        let bits: f64 = MODULI.iter().map(|&m| (m as f64).log2()).sum();
        // Entries and primes of 2^63 and 2^61, sums of 2^16 of them, and the margin.
        assert!(bits > 63.0 + 61.0 + 16.0 + MARGIN, "{bits}");
        // Fractions fall short by 2^-FRACTION for each unit of y_t; half the margin is left for it.
        let lost: f64 = MODULI.iter().map(|&m| m as f64).sum::<f64>() / f64::from(1 << FRACTION);
        assert!(lost < 0.5 * (1.0 - (-MARGIN).exp2()), "{lost}");
    }

    /// The kernel's formula in whole numbers, at the bounds of what `count` moduli hold.
    #[test]
    fn sums_come_back_from_their_residues() {
        for count in [3, 7, 15] {
            let moduli = &MODULI[..count];
            let q = Modulus::new((1 << 31) - 1).expect("a prime");
            let whole: i128 = moduli.iter().map(|&m| i128::from(m)).product();
            let largest = (whole as f64 / 2.0 / MARGIN.exp2()) as i128;
            let words = small_words(count);
            let weights: Vec<u64> = weights(count, q).collect();
            for v in [0, 1, -1, largest, -largest, largest / 3, -largest / 7] {
                let (mut residue, mut fraction) = (0, 0);
                for (t, &m) in moduli.iter().enumerate() {
                    let (inverse, part) = (words[3 * t + 2] & 0xffff_ffff, words[3 * t + 2] >> 32);
                    let y = v.rem_euclid(i128::from(m)) as u64 * inverse % m;
                    residue = q.add(residue, q.mul(y, weights[t]));
                    fraction += y * part;
                }
                let k = (fraction + (1 << (FRACTION - 1))) >> FRACTION;
                let found = q.sub(residue, q.mul(k, weights[count]));
                let expected = v.rem_euclid(i128::from(q.value())) as u64;
                assert_eq!(found, expected, "{v} from {count} moduli");
            }
        }
    }
}
