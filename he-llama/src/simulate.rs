//! Text from the simulated twin, compared with the exact one step by step.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::encrypted::PassKind;
use crate::error::Result;
use crate::metrics::Agreement;
use crate::model::policy::Escape;
use crate::model::{Circuit, Exact, NoiseModel, Simulated, Site, Twin};
use crate::protocol::Setup;
use crate::sampling::Sampler;
use crate::source::Source;

/// One token of a simulated run.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The token chosen.
    pub id: u32,
    /// What the exact model chooses behind the same tokens, with the same random numbers.
    pub reference_id: u32,
    /// Logits compared.
    pub agreement: Agreement,
}

/// A finished simulated run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its tokens.
    pub steps: Vec<Step>,
    /// Polynomial arguments that left their intervals.
    pub escapes: BTreeMap<Site, Escape>,
}

impl Run {
    /// The worst over all steps of logit error and divergence, and the share of equal tokens.
    pub fn worst(&self) -> (f64, f64, f64) {
        let most = |f: fn(&Agreement) -> f64| {
            self.steps
                .iter()
                .map(|s| f(&s.agreement))
                .fold(0.0, f64::max)
        };
        let equal = self.steps.iter().filter(|s| s.agreement.top1).count();
        let share = equal as f64 / self.steps.len().max(1) as f64;
        (share, most(|a| a.max_logit_error), most(|a| a.kl))
    }
}

/// The shape of the `--json` file of a run; field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Tokens of the prompt.
    pub prompt_ids: Vec<u32>,
    /// Tokens generated.
    pub ids: Vec<u32>,
    /// Tokens of the exact model behind the same tokens.
    pub reference_ids: Vec<u32>,
    /// Share of steps with the same largest logit.
    pub top1_agreement: f64,
    /// Largest divergence of a step, in nats.
    pub kl: f64,
    /// Largest difference of a logit.
    pub max_logit_error: f64,
    /// Text of `ids`.
    pub text: String,
    /// Noise that was modelled.
    pub noise: NoiseModel,
    /// Polynomial arguments that left their intervals.
    pub escapes: BTreeMap<Site, Escape>,
}

/// Generates up to `tokens` tokens behind `prompt`; `shown` sees each at once.
///
/// Bootstraps are where the plan of `setup` has them. Stops at a token that ends a text.
///
/// # Errors
///
/// [`crate::Error::ContextExceeded`] when prompt and tokens exceed the positions that the
/// calibration holds for, [`crate::Error::Logits`] when a logit is not finite, those of
/// [`Twin::advance`] and of `shown`.
pub fn simulate(
    source: &Source,
    setup: &Setup,
    prompt: &[u32],
    tokens: usize,
    sampler: &Sampler,
    noise: NoiseModel,
    shown: &mut dyn FnMut(&Step) -> Result<()>,
) -> Result<Run> {
    let calibration = &setup.calibration;
    calibration.check_length(prompt.len(), tokens)?;
    let llama = &source.llama;
    let circuit = Circuit::exact(&llama.config);
    let mut exact = Twin::new(llama, &circuit, Exact);
    let policy = Simulated::new(&calibration.bounds, noise);
    let mut twin = Twin::new(llama, &calibration.circuit, policy);
    let (mut choose, mut choose_reference) = (sampler.clone(), sampler.clone());
    let mut steps: Vec<Step> = Vec::new();
    let mut next = prompt.to_vec();
    while steps.len() < tokens {
        let kind = if steps.is_empty() {
            PassKind::First
        } else {
            PassKind::Step
        };
        if let Some(placed) = setup.plan.of(kind) {
            twin.policy_mut().follow(&placed.sites);
        }
        let reference = exact.advance(&next)?;
        let found = twin.advance(&next)?;
        let step = Step {
            id: choose.choose(&found)?,
            reference_id: choose_reference.choose(&reference)?,
            agreement: Agreement::of(&reference, &found)?,
        };
        shown(&step)?;
        steps.push(step);
        if llama.config.eos.contains(&step.id) {
            break;
        }
        next = vec![step.id];
    }
    Ok(Run {
        steps,
        escapes: twin.into_policy().escapes().clone(),
    })
}
