//! What client and server must agree on, and the digest that names it.

use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::params::ParamsLiteral;
use he_linalg::{Axis, Field, Layout, Padding};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digester};
use crate::encrypted::{PassKind, Placed, Plan, Shape};
use crate::error::Result;
use crate::protocol::envelope;
use crate::protocol::session::{Session, Setup};

/// Everything that both sides must agree on for messages to mean the same to both.
///
/// A server makes it; a client gets it in its package. Both name it by [`Agreement::digest`], which
/// is part of every message: a program of another version, or with another plan, is refused before
/// anything is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Version of the protocol, [`envelope::VERSION`].
    pub protocol: u16,
    /// The parameter set.
    pub parameters: ParamsLiteral,
    /// Fingerprint of the weights.
    pub model: String,
    /// Fingerprint of the calibration.
    pub calibration: String,
    /// Times of the kernels that the plan was made with.
    pub times: KernelTimes,
    /// Digest of the plan of bootstraps.
    pub plan: Digest,
    /// Most positions of a conversation.
    pub capacity: usize,
    /// The kinds of passes.
    pub passes: Vec<PassFacts>,
}

/// What the client writes and reads in one kind of pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassFacts {
    /// What kind it is.
    pub kind: PassKind,
    /// Tokens that run together, padding included.
    pub tokens: usize,
    /// Level at which both inputs are encrypted.
    pub level: usize,
    /// What a stored 1 stands for, in the plain and the normalised embeddings.
    pub units: [f64; 2],
    /// Layout of both inputs.
    pub input: LayoutFacts,
    /// Layout of the logits before the last norm's factor.
    pub raw: LayoutFacts,
    /// Layout of the mean squares.
    pub mean_square: LayoutFacts,
}

/// A layout in numbers and names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutFacts {
    /// log2 of the slots of a ciphertext.
    pub log_slots: u32,
    /// Axis, length and bits of each field, fastest first.
    pub fields: Vec<(String, usize, u32)>,
    /// Whether padding slots are zero.
    pub zero_padding: bool,
}

/// The axes that a client's layouts may have.
const AXES: [(&str, Axis); 3] = [
    ("token", Axis::TOKEN),
    ("channel", Axis::CHANNEL),
    ("replica", Axis::REPLICA),
];

impl Agreement {
    /// What the two sides of `setup` agree on.
    ///
    /// # Errors
    ///
    /// Fails when a layout of a pass does not fit the parameters.
    pub fn of(setup: &Setup) -> Result<Self> {
        let session = &setup.session;
        let mut agreement = Self {
            protocol: envelope::VERSION,
            parameters: setup.params.literal().clone(),
            model: session.model.clone(),
            calibration: session.calibration.clone(),
            times: setup.times,
            plan: plan_digest(&setup.plan),
            capacity: session.capacity,
            passes: Vec::new(),
        };
        for kind in PassKind::ALL {
            if let Some(shape) = Shape::of_kind(kind, session.capacity) {
                agreement.passes.push(PassFacts::of(setup, shape)?);
            }
        }
        Ok(agreement)
    }

    /// The session that it describes.
    pub fn session(&self) -> Session {
        Session {
            preset: self.parameters.name.clone(),
            model: self.model.clone(),
            calibration: self.calibration.clone(),
            agreement: self.digest(),
            capacity: self.capacity,
        }
    }

    /// Index of the kind of pass with a shape; `None` where there is none.
    pub fn pass_of(&self, shape: Shape) -> Option<usize> {
        let same = |p: &PassFacts| p.tokens == shape.tokens && p.kind == shape.kind;
        self.passes.iter().position(same)
    }

    /// The name of all of it.
    pub fn digest(&self) -> Digest {
        let mut digester = Digester::new("he-llama 0.1 agreement");
        digester.json(self).finish()
    }
}

impl PassFacts {
    fn of(setup: &Setup, shape: Shape) -> Result<Self> {
        let packing = setup.packing(shape);
        let config = &setup.llama.config;
        Ok(Self {
            kind: shape.kind,
            tokens: shape.tokens,
            level: setup.budget.top,
            units: setup.input_units()?,
            input: LayoutFacts::of(&packing.channels(config.hidden)?),
            raw: LayoutFacts::of(&packing.channels(config.vocabulary)?),
            mean_square: LayoutFacts::of(&packing.per_token()?),
        })
    }
}

impl LayoutFacts {
    /// The numbers and names of a layout.
    pub fn of(layout: &Layout) -> Self {
        let fields = layout.fields();
        Self {
            log_slots: layout.log_slots(),
            fields: fields
                .map(|f| (f.axis.to_string(), f.len, f.log_size))
                .collect(),
            zero_padding: layout.padding() == Padding::Zero,
        }
    }

    /// The layout itself.
    ///
    /// # Errors
    ///
    /// Fails for axes that no client has, and for fields that are no layout.
    pub fn layout(&self) -> Result<Layout, String> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for (name, len, log_size) in &self.fields {
            let known = AXES.iter().find(|(known, _)| known == name);
            let (_, axis) = known.ok_or_else(|| format!("a layout has no axis {name:?}"))?;
            if *log_size > 30 {
                return Err(format!("a field of 2^{log_size} places"));
            }
            fields.push(Field::padded(*axis, *len, *log_size));
        }
        let padding = match self.zero_padding {
            true => Padding::Zero,
            false => Padding::Any,
        };
        let layout = Layout::new(self.log_slots, &fields).map_err(|e| e.to_string())?;
        Ok(layout.with_padding(padding))
    }
}

/// Names where bootstraps go and how they are made.
fn plan_digest(plan: &Plan) -> Digest {
    let facts = |placed: &Placed| {
        let sites = placed.sites.iter();
        let sites: Vec<_> = sites
            .map(|(site, level)| (site.to_string(), *level))
            .collect();
        let refresh = (placed.refresh.slots, placed.refresh.bottom);
        (sites, placed.bootstraps, refresh)
    };
    let mut digester = Digester::new("he-llama 0.1 plan");
    for (kind, placed) in plan.kinds() {
        digester.json(&(kind, facts(placed)));
    }
    digester.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;
    use crate::protocol::session::tests::setup;

    #[test]
    fn everything_that_is_agreed_on_changes_the_name() {
        let setup = setup(20);
        let agreed = Agreement::of(&setup).expect("fits");
        assert_eq!(agreed.digest(), setup.session.agreement);
        assert_eq!(agreed.passes.len(), 3);
        let changes: [&dyn Fn(&mut Agreement); 9] = [
            &|a| a.protocol += 1,
            &|a| a.parameters.special_primes += 1,
            &|a| a.model.push('0'),
            &|a| a.calibration.push('0'),
            &|a| a.times.add_limb_ns *= 2.0,
            &|a| a.plan = Digest::from_bytes([0; 32]),
            &|a| a.capacity += 1,
            &|a| a.passes[1].level -= 1,
            &|a| a.passes[0].input.zero_padding ^= true,
        ];
        let mut names = vec![agreed.digest()];
        for change in changes {
            let mut other = agreed.clone();
            change(&mut other);
            names.push(other.digest());
        }
        let all = names.len();
        names.sort_by_key(|name| *name.as_bytes());
        names.dedup();
        assert_eq!(names.len(), all);
    }

    /// One bootstrap at another level is another plan.
    #[test]
    fn another_plan_is_another_agreement() {
        let mut setup = std::sync::Arc::into_inner(setup(20)).expect("one owner");
        let before = Agreement::of(&setup).expect("fits").digest();
        setup.plan.lower_one_for_tests();
        assert_ne!(Agreement::of(&setup).expect("fits").digest(), before);
    }

    #[test]
    fn layouts_are_made_again_from_their_numbers() {
        let setup = setup(6);
        let packing = setup.packing(Shape::window(0, 6, 6));
        let llama = embedded::source().expect("built in").llama;
        for layout in [
            packing.channels(llama.config.hidden).expect("fits"),
            packing.channels(llama.config.vocabulary).expect("fits"),
            packing.per_token().expect("fits"),
        ] {
            assert_eq!(LayoutFacts::of(&layout).layout(), Ok(layout));
        }
        let good = LayoutFacts::of(&packing.per_token().expect("fits"));
        for (name, len, log_size) in [
            ("head", 4, 2),
            ("token", 0, 2),
            ("token", 4, 31),
            ("token", 5, 2),
        ] {
            let bad = LayoutFacts {
                fields: vec![(name.into(), len, log_size)],
                ..good.clone()
            };
            assert!(bad.layout().is_err(), "{name} {len} {log_size}");
        }
    }
}
