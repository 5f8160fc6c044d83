//! Choosing the next token from logits, at the client.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Result};

/// How to choose: greedily, or at random with a temperature and a nucleus.
#[derive(Clone, Debug)]
pub struct Sampler {
    temperature: f64,
    top_p: f64,
    rng: ChaCha20Rng,
}

impl Sampler {
    /// The largest logit wins; of equal ones the first.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            rng: ChaCha20Rng::seed_from_u64(0),
        }
    }

    /// Draws from the softmax of `logits / temperature`, cut to the smallest set of tokens with
    /// probability at least `top_p` [Holtzman et al. 2020]. Temperature 0 is greedy.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless `temperature` is finite and not negative, and `0 < top_p <= 1`.
    pub fn new(temperature: f64, top_p: f64, seed: u64) -> Result<Self> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            let (found, expected) = (temperature.to_string(), "a finite number, at least 0");
            return Err(Error::Argument {
                name: "temperature",
                found,
                expected,
            });
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            let (found, expected) = (top_p.to_string(), "above 0 and at most 1");
            return Err(Error::Argument {
                name: "top-p",
                found,
                expected,
            });
        }
        Ok(Self {
            temperature,
            top_p,
            rng: ChaCha20Rng::seed_from_u64(seed),
        })
    }

    /// Leaves out the random numbers of `tokens` tokens, chosen elsewhere.
    pub fn skip(&mut self, tokens: usize) {
        if self.temperature > 0.0 {
            for _ in 0..tokens {
                uniform(&mut self.rng);
            }
        }
    }

    /// The next token.
    ///
    /// # Errors
    ///
    /// [`Error::Logits`] for no logits and for one that is not finite.
    pub fn choose(&mut self, logits: &[f64]) -> Result<u32> {
        let best = argmax(logits)?;
        if self.temperature == 0.0 {
            return Ok(best as u32);
        }
        let top = logits[best];
        let mut weights: Vec<(usize, f64)> = logits
            .iter()
            .map(|z| ((z - top) / self.temperature).exp())
            .enumerate()
            .collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f64 = weights.iter().map(|w| w.1).sum();
        let mut kept = 0.0;
        let nucleus = weights
            .iter()
            .position(|w| {
                kept += w.1;
                kept >= self.top_p * total
            })
            .map_or(weights.len(), |last| last + 1);
        weights.truncate(nucleus);
        let kept: f64 = weights.iter().map(|w| w.1).sum();
        let mut left = uniform(&mut self.rng) * kept;
        for (token, weight) in &weights {
            left -= weight;
            if left < 0.0 {
                return Ok(*token as u32);
            }
        }
        Ok(weights[weights.len() - 1].0 as u32)
    }
}

/// Uniform in [0, 1) with 53 bits.
pub(crate) fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Index of the largest logit, the first of equal ones.
///
/// # Errors
///
/// [`Error::Logits`] for no logits and for one that is not finite.
pub fn argmax(logits: &[f64]) -> Result<usize> {
    let len = logits.len();
    if let Some(index) = logits.iter().position(|z| !z.is_finite()) {
        return Err(Error::Logits {
            index,
            len,
            value: logits[index],
        });
    }
    let mut best = 0;
    for (i, z) in logits.iter().enumerate() {
        if *z > logits[best] {
            best = i;
        }
    }
    if len == 0 {
        Err(Error::Logits {
            index: 0,
            len,
            value: f64::NAN,
        })
    } else {
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        assert_eq!(
            Sampler::greedy().choose(&[1.0, 3.0, 3.0]).expect("finite"),
            1
        );
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (t, p) in [
            (-1.0, 0.5),
            (f64::NAN, 0.5),
            (f64::INFINITY, 1.0),
            (1.0, 0.0),
            (1.0, 1.5),
        ] {
            assert!(
                matches!(Sampler::new(t, p, 0), Err(Error::Argument { .. })),
                "{t} {p}"
            );
        }
        assert!(matches!(
            Sampler::greedy().choose(&[0.0, f64::NAN]),
            Err(Error::Logits {
                index: 1,
                len: 2,
                ..
            })
        ));
        assert!(Sampler::greedy().choose(&[]).is_err());
    }

    /// 20,000 draws: frequencies within five standard deviations sqrt(p(1-p)/n) <= 0.0036.
    #[test]
    fn draws_follow_the_softmax_and_the_nucleus() {
        let logits = [2.0_f64.ln(), 5.0_f64.ln(), 1.0_f64.ln(), 2.0_f64.ln()];
        let frequencies = |top_p| {
            let mut sampler = Sampler::new(1.0, top_p, 7).expect("valid");
            let mut counts = [0.0_f64; 4];
            for _ in 0..20_000 {
                counts[sampler.choose(&logits).expect("finite") as usize] += 1.0 / 20_000.0;
            }
            counts
        };
        for (got, want) in frequencies(1.0).iter().zip([0.2, 0.5, 0.1, 0.2]) {
            assert!((got - want).abs() < 0.018, "{got} {want}");
        }
        // The nucleus of 0.6 is tokens 1 and 0, with 5/7 and 2/7.
        for (got, want) in frequencies(0.6)
            .iter()
            .zip([2.0 / 7.0, 5.0 / 7.0, 0.0, 0.0])
        {
            assert!((got - want).abs() < 0.018, "{got} {want}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| -> Vec<u32> {
            let mut s = Sampler::new(1.5, 1.0, seed).expect("valid");
            (0..32)
                .map(|_| s.choose(&[0.0; 64]).expect("finite"))
                .collect()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
