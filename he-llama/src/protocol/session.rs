//! What client and server agree on before a run, worked out by each from public facts.

use std::sync::Arc;

use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use ckks_math::backend::{Limits, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_cost};
use ckks_math::params::{Params, ParamsLiteral, preset, preset_names};
use ckks_math::{Context, Error as SchemeError};
use serde::{Deserialize, Serialize};

use crate::calibrate::{Calibration, fingerprint};
use crate::encrypted::{Budget, Packing, PassPlan, Plan, Refresh, Shape, Units};
use crate::error::{Error, Result};
use crate::model::{Llama, Role, Site};

/// The preset used when none is named.
pub const DEFAULT_PRESET: &str = "n16-boot";
/// Name of the ring too small to be secure that tests use, up to log N.
const INSECURE: &str = "insecure-n";
/// Names a session: everything that keys and messages depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Name of the parameter set.
    pub preset: String,
    /// Fingerprint of the weights.
    pub model: String,
    /// Fingerprint of the calibration.
    pub calibration: String,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Most tokens generated behind it.
    pub tokens: usize,
}

impl Session {
    /// Positions that the cache must hold: the last token is never fed back.
    pub fn positions(&self) -> usize {
        self.prompt + self.tokens - 1
    }

    /// Number of passes: the prompt's and one for each further token.
    pub fn passes(&self) -> usize {
        self.tokens
    }

    /// Sizes of pass `index`.
    pub fn shape(&self, index: usize) -> Shape {
        match index {
            0 => Shape::prompt(self.prompt, self.positions()),
            later => Shape::step(self.prompt + later - 1, self.positions()),
        }
    }

    /// The pass that takes tokens from `position` on; `None` when there is none.
    pub fn pass_at(&self, position: usize) -> Option<usize> {
        match position {
            0 => Some(0),
            later => Some((later + 1).checked_sub(self.prompt)?)
                .filter(|index| (1..self.passes()).contains(index)),
        }
    }

    /// Fails unless `other`, read from `what`, names the same session.
    pub fn expect(&self, other: &Self, what: &'static str) -> Result<()> {
        let differs = |field, found: &dyn ToString, expected: &dyn ToString, way_out| {
            Err(Error::Session {
                what,
                field,
                found: found.to_string(),
                expected: expected.to_string(),
                way_out,
            })
        };
        let keys = "make keys for this run with `he-llama keygen`, or use those it was made with";
        if other.preset != self.preset {
            return differs("preset", &other.preset, &self.preset, keys);
        }
        if other.model != self.model {
            return differs(
                "model",
                &other.model,
                &self.model,
                "give its model with --model",
            );
        }
        if other.calibration != self.calibration {
            let way_out = "use the same calibration file on both sides, then make keys again";
            return differs(
                "calibration",
                &other.calibration,
                &self.calibration,
                way_out,
            );
        }
        if other.prompt != self.prompt {
            return differs("prompt length", &other.prompt, &self.prompt, keys);
        }
        if other.tokens != self.tokens {
            return differs("number of tokens", &other.tokens, &self.tokens, keys);
        }
        Ok(())
    }
}

/// A session with all that follows from it: the same on both sides, none of it secret.
#[derive(Debug)]
pub struct Setup {
    /// Its name.
    pub session: Session,
    /// Parameters of the scheme.
    pub params: Params,
    /// The model.
    pub llama: Arc<Llama>,
    /// Its polynomials and ranges.
    pub calibration: Arc<Calibration>,
    /// Units of its tensors.
    pub units: Units,
    /// Levels between bootstraps.
    pub budget: Budget,
    /// Where bootstraps go.
    pub plan: Plan,
    /// Times of the kernels that the plan was made with.
    pub times: KernelTimes,
}

impl Setup {
    /// Works out parameters and plan for a prompt of `prompt` tokens and `tokens` behind it, by
    /// the times of a device's kernels: both sides must take the same.
    ///
    /// Fails for unknown presets and those without bootstrapping, for texts longer than the
    /// calibration holds for, and when the model needs more levels than the preset has.
    pub fn new(
        llama: &Arc<Llama>,
        calibration: &Arc<Calibration>,
        preset: &str,
        (prompt, tokens): (usize, usize),
        limits: Limits,
        times: &KernelTimes,
    ) -> Result<Arc<Self>> {
        if tokens == 0 {
            let (found, expected) = ("0".into(), "at least 1");
            return Err(Error::Argument {
                name: "tokens",
                found,
                expected,
            });
        }
        if prompt == 0 {
            return Err(Error::EmptyPrompt);
        }
        calibration.check_length(prompt, tokens)?;
        let params = parameters(preset, limits)?;
        let session = Session {
            preset: params.name().to_owned(),
            model: fingerprint(llama)?,
            calibration: calibration.fingerprint_of_contents(),
            prompt,
            tokens,
        };
        let units = Units::new(llama, calibration)?;
        let budget = budget(&params)?;
        let length = (prompt, session.positions());
        let cost = |refresh| seconds(&params, refresh, times);
        let plan = Plan::new(llama, calibration, &units, budget, length, &cost);
        let plan = plan.map_err(|error| match error {
            Error::Unplannable { site, levels, .. } => Error::Unplannable {
                site,
                preset: preset.to_owned(),
                levels,
            },
            other => other,
        })?;
        let (llama, calibration) = (Arc::clone(llama), Arc::clone(calibration));
        let setup = Self {
            session,
            params,
            llama,
            calibration,
            units,
            budget,
            plan,
            times: *times,
        };
        Ok(Arc::new(setup))
    }

    /// Layouts of pass `index`.
    pub fn packing(&self, index: usize) -> Packing {
        Packing::new(
            &self.llama.config,
            self.session.shape(index),
            self.budget.log_slots,
        )
    }

    /// Bootstraps of pass `index`.
    pub fn pass_plan(&self, index: usize) -> &PassPlan {
        if index == 0 {
            &self.plan.prompt.sites
        } else {
            &self.plan.step.sites
        }
    }

    /// The units of what the client encrypts.
    pub(crate) fn input_units(&self) -> Result<[f64; 2]> {
        let of = |role| self.units.of(Site::new(0, role));
        Ok([of(Role::Hidden)?, of(Role::Normed)?])
    }
}

/// The checked parameter set of a name, one that bootstraps.
///
/// Besides the presets of the scheme there are `insecure-n12-boot` (12: log2 of the ring degree, 9
/// to 15) and `insecure-n12-boot-w31` for tests: `n16-boot` and `n16-boot-w31` on a ring that
/// protects nothing.
///
/// Where a backend admits shorter primes only, the error names the presets that fit.
pub fn parameters(name: &str, limits: Limits) -> Result<Params> {
    if let Some((log_n, model)) = insecure(name) {
        let literal = ParamsLiteral {
            log_n,
            name: name.to_owned(),
            ..preset(model)?
        };
        return Ok(literal.check_insecure_for_tests(limits)?);
    }
    let literal = preset(name).map_err(|error| match error {
        // Only those that can run a model are of use here.
        SchemeError::InvalidParameters(_) => SchemeError::InvalidParameters(format!(
            "no preset named {name:?}: choose one of {}",
            bootstrapping().join(", ")
        )),
        other => other,
    })?;
    if !bootstraps(&literal) {
        let others = bootstrapping().join(", ");
        return Err(Error::Preset {
            name: name.to_owned(),
            others,
        });
    }
    literal.check(limits).map_err(|error| {
        let fitting = |name: &&&str| preset(name).is_ok_and(|l| l.check(limits).is_ok());
        let names: Vec<_> = bootstrapping().iter().filter(fitting).copied().collect();
        match (error, names.is_empty()) {
            (SchemeError::InvalidParameters(why), false) => {
                SchemeError::InvalidParameters(format!("{why}: {} fits", names.join(" or ")))
            }
            (other, _) => other,
        }
        .into()
    })
}

/// The ring degree and the preset of a name for tests.
fn insecure(name: &str) -> Option<(u32, &'static str)> {
    let (digits, model) = match name.strip_prefix(INSECURE)?.split_once("-boot")? {
        (digits, "") => (digits, DEFAULT_PRESET),
        (digits, "-w31") => (digits, "n16-boot-w31"),
        _ => return None,
    };
    let log_n = digits.parse().ok()?;
    (9..=15).contains(&log_n).then_some((log_n, model))
}

fn bootstraps(literal: &ParamsLiteral) -> bool {
    literal.bootstrap.is_some() && literal.ring == RingKind::Standard
}

/// Names of the presets that can run a model, the default first.
pub fn bootstrapping() -> Vec<&'static str> {
    let able = |name: &&&str| preset(name).is_ok_and(|literal| bootstraps(&literal));
    preset_names().iter().filter(able).copied().collect()
}

/// Levels between two bootstraps, of any number of slots.
fn budget(params: &Params) -> Result<Budget> {
    let context = Context::new(params.clone(), DryRun::default())?;
    let few = Bootstrapper::new(&context, 4, BootstrapOptions::default())?;
    let literal = params.literal().bootstrap.as_ref();
    let reserved = literal.map_or(1, |b| b.slots_to_coeffs_levels);
    Ok(Budget {
        log_slots: params.max_slots().trailing_zeros(),
        reserved,
        least: params.least_product_level(),
        top: few.output_level(),
    })
}

/// Seconds of a bootstrap, from a dry run's counts.
fn seconds(params: &Params, refresh: Refresh, times: &KernelTimes) -> Result<f64> {
    let cost = refresh_cost(params, refresh.slots, refresh.options(), false)?;
    Ok(times.seconds(&cost.counts))
}
