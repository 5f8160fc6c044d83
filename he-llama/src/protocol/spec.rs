//! All that a client knows: no layer's weights, no calibration, no plan.

use ckks_math::backend::Limits;
use ckks_math::params::Params;
use he_linalg::Layout;
use ndarray::Array3;

use crate::encrypted::{PassKind, Shape};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::Embedded;
use crate::model::llama::{embed, logits};
use crate::protocol::agreement::{Agreement, LayoutFacts, PassFacts};
use crate::protocol::objects::message_limit;
use crate::protocol::session::{Session, Setup, parameters_of};

/// What a client needs of a session: names, parameters, layouts, and the ends of the model.
#[derive(Clone, Debug)]
pub struct ClientSpec {
    session: Session,
    agreement: Agreement,
    params: Params,
    passes: Vec<ClientPass>,
    ends: Ends,
}

/// The ends of a model, which a client computes itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// Token embeddings `[vocabulary, hidden]`.
    pub embedding: Matrix,
    /// Added to mean squares in norms.
    pub norm_epsilon: f64,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
    /// Positions that the model was trained for.
    pub positions: usize,
}

/// One kind of pass as a client sees it.
#[derive(Clone, Debug)]
pub struct ClientPass {
    /// Level of what it encrypts.
    pub level: usize,
    /// What a stored 1 stands for, in the plain and the normalised embeddings.
    pub units: [f64; 2],
    /// Layout of both.
    pub input: Layout,
    /// Layout of the logits before the last norm's factor.
    pub raw: Layout,
    /// Layout of the mean squares.
    pub mean_square: Layout,
}

impl ClientSpec {
    /// The client's part of a session.
    ///
    /// # Errors
    ///
    /// Fails when a layout does not fit the parameters.
    pub fn of(setup: &Setup) -> Result<Self> {
        let (llama, config) = (&setup.llama, &setup.llama.config);
        let ends = Ends {
            embedding: llama.embedding.clone(),
            norm_epsilon: config.norm_epsilon,
            eos: config.eos.clone(),
            positions: config.positions,
        };
        let agreement = Agreement::of(setup)?;
        let params = setup.params.clone();
        Self::checked(agreement, params, ends).map_err(|reason| Error::System {
            what: "the client's part of a session",
            reason,
        })
    }

    /// The client of an agreement that came from elsewhere, with the ends of its model.
    ///
    /// # Errors
    ///
    /// The reason as text: parameters that are not secure or not named as they are, layouts that do
    /// not fit them or the embedding, numbers out of range.
    pub(super) fn from_parts(
        agreement: Agreement,
        ends: Ends,
        limits: Limits,
    ) -> Result<Self, String> {
        agreement.session().check().map_err(|e| e.to_string())?;
        let params = parameters_of(&agreement.parameters, limits).map_err(|e| e.to_string())?;
        Self::checked(agreement, params, ends)
    }

    fn checked(agreement: Agreement, params: Params, ends: Ends) -> Result<Self, String> {
        ends.check()?;
        let session = agreement.session();
        let passes = agreement.passes.iter();
        let passes = passes
            .map(|facts| ClientPass::new(facts, &params, &ends))
            .collect::<Result<Vec<_>, _>>()?;
        for kind in PassKind::ALL {
            let shape = Shape::of_kind(kind, session.capacity);
            if shape.is_some_and(|shape| agreement.pass_of(shape).is_none()) {
                return Err(format!("no layouts for passes of the kind {kind:?}"));
            }
        }
        Ok(Self {
            session,
            agreement,
            params,
            passes,
            ends,
        })
    }

    /// Its name.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// All that is agreed on with the server.
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Parameters of the scheme.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The ends of the model.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Number of tokens of the model.
    pub fn vocabulary(&self) -> usize {
        self.ends.embedding.nrows()
    }

    /// The layouts of a pass; `None` where the session has no such kind of pass.
    pub fn pass(&self, shape: Shape) -> Option<&ClientPass> {
        self.passes.get(self.agreement.pass_of(shape)?)
    }

    /// Most bytes of a response of any pass.
    pub fn response_limit(&self) -> u64 {
        let of = |pass: &ClientPass| message_limit(&self.params, [&pass.raw, &pass.mean_square]);
        self.passes.iter().map(of).max().unwrap_or(0)
    }

    /// Most bytes of a request: of one that fills all windows.
    pub fn request_limit(&self) -> u64 {
        let of = |pass: &ClientPass| message_limit(&self.params, [&pass.input, &pass.input]);
        let capacity = self.session.capacity;
        let windows = capacity.div_ceil(Shape::window_tokens(capacity)) as u64;
        windows.saturating_mul(self.passes.iter().map(of).max().unwrap_or(0))
    }

    /// Embeddings of `ids`, plain and normalised, `[1, token, hidden]`.
    ///
    /// # Errors
    ///
    /// Fails on no id and on ids outside the vocabulary.
    pub fn embed(&self, ids: &[u32]) -> Result<Embedded<Array3<f64>>> {
        embed(&self.ends.embedding, self.ends.norm_epsilon, ids)
    }

    /// Logits from what was decrypted of the last token.
    pub fn logits(&self, raw: &[f64], mean_square: f64) -> Vec<f64> {
        logits(self.ends.norm_epsilon, raw, mean_square)
    }
}

impl Ends {
    fn check(&self) -> Result<(), String> {
        let [vocabulary, hidden] = [self.embedding.nrows(), self.embedding.ncols()];
        if vocabulary == 0 || hidden == 0 || self.positions == 0 {
            let positions = self.positions;
            return Err(format!(
                "{vocabulary} tokens of {hidden} channels, {positions} positions: none may be 0"
            ));
        }
        let epsilon = self.norm_epsilon;
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(format!("norm_epsilon is {epsilon}: 0 to 1 is admitted"));
        }
        match self.eos.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(format!("end token {id} is not below {vocabulary}")),
            None => Ok(()),
        }
    }
}

impl ClientPass {
    fn new(facts: &PassFacts, params: &Params, ends: &Ends) -> Result<Self, String> {
        let (level, top) = (facts.level, params.max_level());
        if level == 0 || level > top {
            return Err(format!("inputs at level {level}: 1 to {top} are admitted"));
        }
        if let Some(bad) = facts.units.iter().find(|u| !u.is_normal() || **u <= 0.0) {
            return Err(format!("a unit is {bad}: it must be positive and finite"));
        }
        let [vocabulary, hidden] = [ends.embedding.nrows(), ends.embedding.ncols()];
        let layout = |facts: &LayoutFacts, lens: &[usize]| {
            let layout = facts.layout()?;
            let log_slots = params.max_slots().trailing_zeros();
            if layout.log_slots() != log_slots || layout.lens() != lens {
                return Err(format!(
                    "a layout of {:?} values in 2^{} slots: {lens:?} in 2^{log_slots} are expected",
                    layout.lens(),
                    layout.log_slots()
                ));
            }
            Ok(layout)
        };
        let tokens = facts.tokens;
        Ok(Self {
            level,
            units: facts.units,
            input: layout(&facts.input, &[tokens, hidden])?,
            raw: layout(&facts.raw, &[tokens, vocabulary])?,
            mean_square: layout(&facts.mean_square, &[tokens])?,
        })
    }
}
