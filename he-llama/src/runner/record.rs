//! The facts of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::metrics::Agreement;

/// Seconds of the parts of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seconds {
    /// Placing bootstraps and finding the keys.
    pub plan: f64,
    /// Making the keys, sending them, and setting up the server.
    pub keygen: f64,
    /// Encrypting the prompt.
    pub encrypt: f64,
    /// The server's pass over the prompt.
    pub prefill: f64,
    /// Decrypting the first logits and choosing the token.
    pub decrypt: f64,
    /// Each further token: encryption, the server's pass, decryption.
    pub per_token: Vec<f64>,
    /// The server's time by part of the model.
    pub stages: BTreeMap<&'static str, f64>,
}

/// Bytes of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bytes {
    /// Evaluation keys as sent.
    pub keys: u64,
    /// The prompt's request.
    pub request: u64,
    /// Its response.
    pub response: u64,
    /// Largest memory of the client's backend.
    pub client_peak: u64,
    /// Largest memory of the server's backend.
    pub server_peak: u64,
}

/// The facts of a run, the shape of the `--json` file; field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Tokens of the prompt.
    pub prompt_ids: Vec<u32>,
    /// Tokens generated.
    pub ids: Vec<u32>,
    /// What the same model in the clear chooses, where it was asked for.
    #[serde(flatten)]
    pub reference: Reference,
    /// Security in bits; `null` for insecure test sets.
    pub security_bits: Option<u32>,
    /// log2 of the ring degree.
    pub log_n: u32,
    /// Bits of the largest modulus that a key is published under.
    pub log_qp: f64,
    /// Ciphertexts bootstrapped.
    pub bootstraps: usize,
    /// Times.
    pub seconds: Seconds,
    /// Largest memory of the process; of both backends where the system does not say it.
    pub peak_memory_bytes: u64,
    /// Text of `ids`.
    pub text: String,
    /// Name of the parameter set.
    pub preset: String,
    /// Distribution of the secret.
    pub secret: String,
    /// The server's device.
    pub backend: String,
    /// Polynomials multiplied with a switching key.
    pub key_switches: u64,
    /// Evaluation keys.
    pub keys: usize,
    /// log2 of the bound on the probability that any of the bootstraps garbled its result.
    pub failure_log2: f64,
    /// Sizes.
    pub bytes: Bytes,
}

/// The same model in the clear beside a run; every field is `null` where it did not run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reference {
    /// What the exact model chooses behind the same tokens with the same random numbers.
    pub reference_ids: Option<Vec<u32>>,
    /// Share of tokens with the same largest logit as the exact model.
    pub top1_agreement: Option<f64>,
    /// Largest divergence from the exact model of a token, in nats.
    pub kl: Option<f64>,
    /// Largest difference of a logit.
    pub max_logit_error: Option<f64>,
}

impl Reference {
    /// The comparison of all tokens of a run.
    pub fn of(ids: Vec<u32>, agreements: &[Agreement]) -> Self {
        let most = |f: fn(&Agreement) -> f64| agreements.iter().map(f).fold(0.0, f64::max);
        let equal = agreements.iter().filter(|a| a.top1).count();
        Self {
            reference_ids: Some(ids),
            top1_agreement: Some(equal as f64 / agreements.len().max(1) as f64),
            kl: Some(most(|a| a.kl)),
            max_logit_error: Some(most(|a| a.max_logit_error)),
        }
    }

    /// Fails when a token differs from that of the exact model.
    ///
    /// # Errors
    ///
    /// [`Error::Disagreement`] with the number of them.
    pub fn expect(&self, ids: &[u32]) -> Result<()> {
        let reference = self.reference_ids.as_deref().unwrap_or(ids);
        let differing = ids.iter().zip(reference).filter(|(a, b)| a != b).count();
        if differing == 0 {
            return Ok(());
        }
        Err(Error::Disagreement {
            differing,
            tokens: ids.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_differ_are_counted_where_there_is_a_reference() {
        let agreement = |top1| Agreement {
            top1,
            max_logit_error: 0.25,
            kl: 0.5,
        };
        let reference = Reference::of(vec![1, 2, 3], &[agreement(true), agreement(false)]);
        assert_eq!(reference.top1_agreement, Some(0.5));
        assert_eq!(reference.max_logit_error, Some(0.25));
        reference.expect(&[1, 2, 3]).expect("the same");
        let refused = reference.expect(&[1, 7, 8]).expect_err("two differ");
        assert!(matches!(
            refused,
            Error::Disagreement {
                differing: 2,
                tokens: 3
            }
        ));
        Reference::default()
            .expect(&[1])
            .expect("nothing to compare with");
    }
}
