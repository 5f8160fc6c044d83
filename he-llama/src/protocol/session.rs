//! What client and server agree on before a run, worked out by each from public facts.

use std::sync::Arc;

use ckks_math::backend::dry_run::{DryRun, KernelTimes};
use ckks_math::backend::{Limits, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::params::{Params, ParamsLiteral, preset, preset_names};
use ckks_math::{Context, Error as SchemeError};
use serde::{Deserialize, Serialize};

use crate::calibrate::{Calibration, fingerprint};
use crate::digest::Digest;
use crate::encrypted::{Budget, Packing, PassKind, PassPlan, Plan, Shape, Units};
use crate::error::{Error, MessageFault, Result};
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
    /// Most positions of a conversation: all of its tokens but the last one chosen.
    pub capacity: usize,
}

/// What a server's cache holds of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cached {
    /// Positions that windows wrote: a later window goes on from here.
    pub windows: usize,
    /// All positions.
    pub positions: usize,
}

impl Cached {
    /// What is held behind a pass.
    fn behind(self, pass: Shape) -> Self {
        Self {
            windows: if pass.is_step() {
                self.windows
            } else {
                pass.end()
            },
            positions: pass.end(),
        }
    }
}

impl Session {
    /// The passes that bring a cache to `positions` positions, and what it then holds: a step for
    /// one more token, else windows, from the last one that is not full.
    ///
    /// # Errors
    ///
    /// [`Error::Capacity`] for more positions than the session has, [`Error::EmptyPrompt`] for none
    /// that are new.
    pub fn passes(&self, cached: Cached, positions: usize) -> Result<(Vec<Shape>, Cached)> {
        let capacity = self.capacity;
        if positions > capacity {
            return Err(Error::Capacity {
                found: positions,
                capacity,
            });
        }
        if positions <= cached.positions {
            return Err(Error::EmptyPrompt);
        }
        let passes = if cached.positions > 0 && positions == cached.positions + 1 {
            vec![Shape::step(cached.positions, capacity)]
        } else {
            let tokens = Shape::window_tokens(capacity);
            let windows = (cached.windows / tokens * tokens..positions).step_by(tokens);
            let shape = |start| Shape::window(start, tokens.min(positions - start), capacity);
            windows.map(shape).collect()
        };
        let after = passes
            .iter()
            .fold(cached, |cached, pass| cached.behind(*pass));
        Ok((passes, after))
    }

    /// The last pass that left a cache, whose contents a message of this kind states.
    ///
    /// # Errors
    ///
    /// Fails where no passes of this session leave such a cache.
    pub(super) fn last_pass(&self, kind: Kind, cached: Cached) -> Result<Shape> {
        let Cached { windows, positions } = cached;
        let possible = 0 < windows && windows <= positions && positions <= self.capacity;
        if !possible {
            return Err(kind.fault(MessageFault::Field {
                field: "positions",
                found: format!("{windows} and {positions}"),
                admitted: format!("1 to {}, in this order", self.capacity),
            }));
        }
        if windows < positions {
            return Ok(Shape::step(positions - 1, self.capacity));
        }
        let tokens = Shape::window_tokens(self.capacity);
        let start = (windows - 1) / tokens * tokens;
        Ok(Shape::window(start, windows - start, self.capacity))
    }

    /// Fails for values that no program writes, so that the others can be used and shown.
    pub(super) fn check(&self) -> Result<(), MessageFault> {
        check_name("preset", &self.preset)?;
        check_name("model", &self.model)?;
        check_name("calibration", &self.calibration)?;
        if (1..=LONGEST).contains(&self.capacity) {
            return Ok(());
        }
        Err(MessageFault::Field {
            field: "capacity",
            found: self.capacity.to_string(),
            admitted: format!("1 to {LONGEST}"),
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
        if other.capacity != self.capacity {
            return differs("capacity", &other.capacity, &self.capacity, keys);
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
    /// Works out parameters and plan for conversations of up to `capacity` positions, by the times
    /// of a device's kernels: both sides must take the same.
    ///
    /// # Errors
    ///
    /// Fails for unknown presets and those without bootstrapping, for more positions than the
    /// calibration holds for, and when the model needs more levels than the preset has.
    pub fn new(
        llama: &Arc<Llama>,
        calibration: &Arc<Calibration>,
        preset: &str,
        capacity: usize,
        limits: Limits,
        times: &KernelTimes,
    ) -> Result<Arc<Self>> {
        if capacity == 0 {
            return Err(Error::EmptyPrompt);
        }
        calibration.check_length(capacity, 1)?;
        let params = parameters(preset, limits)?;
        let session = Session {
            preset: params.name().to_owned(),
            model: fingerprint(llama)?,
            calibration: calibration.fingerprint_of_contents(),
            agreement: Digest::from_bytes([0; 32]),
            capacity,
        };
        let units = Units::new(llama, calibration)?;
        let budget = budget(&params)?;
        let plan = Plan::new(
            llama,
            calibration,
            &units,
            (&params, budget),
            capacity,
            times,
        )?;
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

    /// Layouts of a pass.
    pub fn packing(&self, pass: Shape) -> Packing {
        Packing::new(&self.llama.config, pass, self.budget.log_slots)
    }

    /// Bootstraps of a kind of pass.
    ///
    /// # Panics
    ///
    /// When the session has no pass of this kind.
    pub fn pass_plan(&self, kind: PassKind) -> &PassPlan {
        &self
            .plan
            .of(kind)
            .expect("the session has such passes")
            .sites
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
/// # Errors
///
/// Fails for unknown names, for presets that do not bootstrap, and for primes longer than the
/// backend admits: the error names the presets that fit.
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
        SchemeError::UnknownPreset { name, .. } => SchemeError::UnknownPreset {
            name,
            known: bootstrapping().join(", "),
        },
        other => other,
    })?;
    if !bootstraps(&literal) {
        let levels = |name: &str| {
            let params = preset(name)?.check(limits)?;
            Ok::<_, Error>(format!("{name} ({} levels)", budget(&params)?.top))
        };
        let described = |name: &'static str| levels(name).unwrap_or_else(|_| name.to_owned());
        let others: Vec<_> = bootstrapping().into_iter().map(described).collect();
        return Err(Error::Preset {
            name: name.to_owned(),
            others: others.join(", "),
        });
    }
    literal.check(limits).map_err(|mut error| {
        if let SchemeError::BackendLimits { fitting, .. } = &mut error {
            let fits = |name: &&&str| preset(name).is_ok_and(|l| l.check(limits).is_ok());
            let names: Vec<_> = bootstrapping().iter().filter(fits).copied().collect();
            if !names.is_empty() {
                *fitting = names.join(" or ");
            }
        }
        error.into()
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

#[cfg(test)]
pub(super) mod tests {
    use ckks_math::backend::Device;

    use super::*;
    use crate::embedded;

    /// A session of the embedded model on a ring that protects nothing.
    pub fn setup(capacity: usize) -> Arc<Setup> {
        let llama = embedded::source().expect("built in").llama;
        let calibration = Arc::new(embedded::calibration(&llama).expect("built in"));
        let limits = DryRun::default().limits();
        let (preset, times) = ("insecure-n10-boot", KernelTimes::default());
        let setup = Setup::new(&llama, &calibration, preset, capacity, limits, &times);
        setup.expect("levels enough")
    }
}
