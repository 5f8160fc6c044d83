//! How far one row of logits is from another.

use crate::error::{Error, Result};
use crate::sampling::argmax;

/// Agreement of two rows of logits.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Both have the same largest logit.
    pub top1: bool,
    /// Largest absolute difference.
    pub max_logit_error: f64,
    /// Kullback-Leibler divergence of the softmax of `found` from that of `reference`, in nats.
    pub kl: f64,
}

impl Agreement {
    /// Compares `found` with `reference`.
    ///
    /// # Errors
    ///
    /// [`Error::Logits`] when lengths differ or a logit is not finite.
    pub fn of(reference: &[f64], found: &[f64]) -> Result<Self> {
        if reference.len() != found.len() {
            let (index, len) = (reference.len().min(found.len()), reference.len());
            return Err(Error::Logits {
                index,
                len,
                value: f64::NAN,
            });
        }
        let top1 = argmax(reference)? == argmax(found)?;
        let max_logit_error = reference
            .iter()
            .zip(found)
            .map(|(r, f)| (r - f).abs())
            .fold(0.0, f64::max);
        let (p, q) = (log_softmax(reference), log_softmax(found));
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        Ok(Self {
            top1,
            max_logit_error,
            kl: kl.max(0.0),
        })
    }
}

/// Logarithms of the softmax of `logits`.
pub fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| (z - top).exp()).sum();
    logits.iter().map(|z| z - top - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KL((1/4, 3/4) || (1/2, 1/2)) = ln 2 + (1/4) ln(1/4) + (3/4) ln(3/4).
    #[test]
    fn divergence_of_two_coins() {
        let a = Agreement::of(&[0.0, 3.0_f64.ln()], &[1.0, 1.0]).expect("finite");
        let want = 2.0_f64.ln() + 0.25 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln();
        assert!((a.kl - want).abs() < 1e-14);
        assert!(!a.top1 && (a.max_logit_error - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_constant_shift_changes_neither_choice_nor_divergence() {
        let a = Agreement::of(&[1.0, -2.0, 0.5], &[4.0, 1.0, 3.5]).expect("finite");
        assert!(a.top1 && a.kl < 1e-14 && (a.max_logit_error - 3.0).abs() < 1e-14);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        assert!(Agreement::of(&[1.0], &[1.0, 2.0]).is_err());
        assert!(Agreement::of(&[1.0], &[f64::INFINITY]).is_err());
    }
}
