//! A clear run of the model, token by token, with its cache.

use crate::error::{Error, Result};
use crate::model::clear::{Clear, ClearCache};
use crate::model::llama::{Circuit, Llama};
use crate::model::machine::Positions;
use crate::model::policy::{Exact, Policy};

/// A text in progress on a clear machine.
#[derive(Debug)]
pub struct Twin<'a, P> {
    llama: &'a Llama,
    circuit: &'a Circuit,
    machine: Clear<P>,
    caches: Vec<ClearCache>,
    limit: usize,
}

impl<'a, P: Policy> Twin<'a, P> {
    /// An empty text.
    pub fn new(llama: &'a Llama, circuit: &'a Circuit, policy: P) -> Self {
        let machine = Clear::new(policy, Positions { start: 0, len: 0 });
        Self {
            llama,
            circuit,
            machine,
            caches: llama.caches(),
            limit: llama.config.positions,
        }
    }

    /// Lets the text be longer than the model's context, as a padded prompt may be.
    pub(crate) fn beyond_context(mut self) -> Self {
        self.limit = usize::MAX;
        self
    }

    /// Appends `ids`; returns the logits of the token after them.
    ///
    /// # Errors
    ///
    /// Those of [`Llama::check_ids`]; [`Error::ContextExceeded`] for texts longer than the model's
    /// context; those of the policy.
    pub fn advance(&mut self, ids: &[u32]) -> Result<Vec<f64>> {
        let input = self.llama.embed(ids)?;
        let (limit, start) = (self.limit, self.position());
        if ids.len() > limit.saturating_sub(start) {
            let (prompt, tokens) = (start, ids.len());
            return Err(Error::ContextExceeded {
                prompt,
                tokens,
                limit,
                of: "of the model",
            });
        }
        let before = self.machine.positions;
        let machine = &mut self.machine;
        machine.positions = Positions {
            start,
            len: ids.len(),
        };
        let output = self
            .llama
            .forward(machine, self.circuit, input, &mut self.caches);
        if output.is_err() {
            machine.positions = before;
        }
        let output = output?;
        let raw: Vec<f64> = output.raw.iter().copied().collect();
        Ok(self.llama.logits(&raw, output.mean_square[[0, 0, 0]]))
    }

    /// Number of tokens so far.
    pub fn position(&self) -> usize {
        self.machine.positions.end()
    }

    /// The policy, with what it has gathered.
    pub fn policy(&self) -> &P {
        &self.machine.policy
    }

    /// The policy, to change it between tokens.
    pub fn policy_mut(&mut self) -> &mut P {
        &mut self.machine.policy
    }

    /// Ends the text and returns the policy.
    pub fn into_policy(self) -> P {
        self.machine.policy
    }
}

/// Logits of the token after `ids` by the exact twin.
///
/// # Errors
///
/// Those of [`Twin::advance`].
pub fn exact_logits(llama: &Llama, ids: &[u32]) -> Result<Vec<f64>> {
    let circuit = Circuit::exact(&llama.config);
    Twin::new(llama, &circuit, Exact).advance(ids)
}
