//! What client and server agree on before a run, worked out by each from public facts.

use std::sync::Arc;

use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use ckks_math::backend::{Limits, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_cost};
use ckks_math::params::{Params, ParamsLiteral, preset, preset_names};
use ckks_math::{Context, Error as SchemeError};
use serde::{Deserialize, Serialize};

use crate::calibrate::{Calibration, fingerprint};
use crate::digest::Digest;
use crate::encrypted::{Budget, Packing, PassPlan, Plan, Refresh, Shape, Units};
use crate::error::{Error, MessageFault, Result};
use crate::length::Length;
use crate::model::{Llama, Role, Site};
use crate::protocol::agreement::Agreement;
use crate::protocol::envelope::Kind;

/// The preset used when none is named.
pub const DEFAULT_PRESET: &str = "n16-boot";
/// Name of the ring too small to be secure that tests use, up to log N.
const INSECURE: &str = "insecure-n";
/// Most tokens of prompt and answer together that a message may name. No model is near it.
const LONGEST: usize = 1 << 30;

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
    /// Names all that both sides must agree on, see [`Agreement`].
    pub agreement: Digest,
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

    /// The pass of a message that takes tokens from `position` on.
    ///
    /// # Errors
    ///
    /// Fails when the session has none.
    pub(super) fn pass_of(&self, kind: Kind, position: usize) -> Result<usize> {
        self.pass_at(position).ok_or_else(|| {
            let (first, last) = (self.prompt, self.positions());
            kind.fault(MessageFault::Field {
                field: "position",
                found: position.to_string(),
                admitted: format!("0, and from {first} to below {last}: make keys for more tokens"),
            })
        })
    }

    /// Fails for values that no program writes, so that the others can be used and shown.
    pub(super) fn check(&self) -> Result<(), MessageFault> {
        check_name("preset", &self.preset)?;
        check_name("model", &self.model)?;
        check_name("calibration", &self.calibration)?;
        let length = Length::new(self.prompt, self.tokens);
        if length.is_ok_and(|length| length.total() <= LONGEST) {
            return Ok(());
        }
        Err(MessageFault::Field {
            field: "prompt and tokens",
            found: format!("{} and {}", self.prompt, self.tokens),
            admitted: format!("1 each to {LONGEST} together"),
        })
    }

    /// Fails unless `other`, read from `what`, names the same session.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] with the first field that differs and both its values.
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
        // All that has a name of its own agrees: what is left is the program or its plan.
        if other.agreement != self.agreement {
            let way_out = "use the same version of this program on both sides, export the client \
                           package again, and make keys with it";
            return differs("plan", &other.agreement, &self.agreement, way_out);
        }
        Ok(())
    }
}

/// Fails for a name that is empty, long, or of other characters than letters, digits, `-`, `_`, `.`
/// and `:`: whatever is left may be shown on a terminal.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), MessageFault> {
    const LIMIT: usize = 128;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if !name.is_empty() && name.len() <= LIMIT && name.chars().all(plain) {
        return Ok(());
    }
    let start: String = name.chars().take(LIMIT).collect();
    Err(MessageFault::Field {
        field,
        found: format!("{start:?}"),
        admitted: format!("1 to {LIMIT} letters, digits and any of - _ . :"),
    })
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
    /// # Errors
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
        Length::new(prompt, tokens)?;
        // Padding repeats tokens of the prompt at the positions up to a power of two.
        let padding = prompt.next_power_of_two() - prompt;
        calibration.check_length(prompt, tokens.max(padding))?;
        let params = parameters(preset, limits)?;
        let session = Session {
            preset: params.name().to_owned(),
            model: fingerprint(llama)?,
            calibration: calibration.fingerprint_of_contents(),
            agreement: Digest::from_bytes([0; 32]),
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
        let mut setup = Self {
            session,
            params,
            llama,
            calibration,
            units,
            budget,
            plan,
            times: *times,
        };
        setup.session.agreement = Agreement::of(&setup)?.digest();
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

/// The checked parameters of a literal from elsewhere, which must be those that this program knows
/// under its name.
///
/// # Errors
///
/// Those of [`parameters`], and [`Error::Session`] where a field differs.
pub(super) fn parameters_of(literal: &ParamsLiteral, limits: Limits) -> Result<Params> {
    let params = parameters(&literal.name, limits)?;
    if params.literal() == literal {
        return Ok(params);
    }
    Err(Error::Session {
        what: "client package",
        field: "parameters",
        found: format!("{literal:?}"),
        expected: format!("{:?}", params.literal()),
        way_out: "use the same version of this program on both sides",
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

#[cfg(test)]
pub(super) mod tests {
    use ckks_math::backend::Device;

    use super::*;
    use crate::embedded;

    /// A session of the embedded model on a ring that protects nothing.
    pub fn setup(length: (usize, usize)) -> Arc<Setup> {
        let llama = embedded::source().expect("built in").llama;
        let calibration = Arc::new(embedded::calibration(&llama).expect("built in"));
        let limits = DryRun::default().limits();
        let (preset, times) = ("insecure-n10-boot", KernelTimes::default());
        let setup = Setup::new(&llama, &calibration, preset, length, limits, &times);
        setup.expect("levels enough")
    }
}
