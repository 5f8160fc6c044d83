//! The plaintext matrices of a model between its packings, each planned once.
//!
//! What a matrix needs beyond its coefficients follows from the kind of pass, so it is planned at
//! its first use and shared by all passes and sessions from then on. The weights stay where the
//! checkpoint has them and are read when diagonals are encoded. Rotary angles, the places of new
//! keys and values, and the visibility of keys change from pass to pass: those coefficients are
//! given anew to a structure that has room for any of them: applied on their own, they would take
//! a level more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ckks_math::Evaluator;
use ckks_math::backend::Backend;
use he_linalg::bsgs::CostModel;
use he_linalg::matrix::{MatrixStore, Planned, from_fn};
use he_linalg::{Coefficients, Layout, Matrix, Packed, Terms};

use crate::config::Config;
use crate::encrypted::maps;
use crate::encrypted::packing::{Packing, Shape};
use crate::encrypted::weights::{Part, Weights, Written};
use crate::error::Result;
use crate::model::Site;

/// What decides the structure of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// Projections to some sites, into one output or several, of an input and its part.
    Weights(Vec<Site>, Shape, Layout, usize),
    /// See [`maps::by_offset`].
    ByOffset(Shape),
    /// See [`maps::compact_scores`].
    Compact(Shape),
    /// See [`maps::spread_weights`].
    Spread(Shape),
    /// See [`maps::first_of_windows`].
    FirstOfWindows(Shape),
    /// See [`maps::exchanged`]: of windows.
    Exchange(Shape),
    /// See [`maps::placed`]: of windows, in the part of a step's cache.
    Place(Shape, Shape, Option<usize>),
}

/// The matrices of a model that were planned so far.
#[derive(Default)]
pub struct Matrices {
    /// Whether projections have few diagonals in place of their weights: enough to follow levels.
    thin: bool,
    /// Prices that their steps are chosen by.
    model: CostModel,
    known: Mutex<HashMap<Name, Arc<Matrix>>>,
}

/// A matrix with its coefficients.
pub(super) struct Prepared {
    matrix: Arc<Matrix>,
    /// Those of this pass; none where they are the matrix's own.
    of_pass: Option<Vec<Weights>>,
}

impl Matrices {
    /// None yet; the steps of each will be chosen by the prices of `model`.
    pub fn new(model: CostModel) -> Self {
        Self {
            model,
            ..Self::default()
        }
    }

    /// Matrices whose projections take the levels of the real ones, and nearly no time.
    pub fn thin() -> Self {
        Self {
            thin: true,
            ..Self::default()
        }
    }

    /// The matrix of a name, planned now unless it is known.
    fn known(&self, name: Name, plan: impl FnOnce() -> Result<Matrix>) -> Result<Arc<Matrix>> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(matrix) = lock().get(&name) {
            return Ok(Arc::clone(matrix));
        }
        let matrix = Arc::new(plan()?);
        Ok(Arc::clone(lock().entry(name).or_insert(matrix)))
    }

    /// A matrix of attention. Where its coefficients differ among the passes of a kind, `row` lists
    /// all that any of them has.
    pub(super) fn of_attention(
        &self,
        name: Name,
        (input, output): (&Layout, &Layout),
        row: impl Fn(&[usize], &mut Terms<'_>) + Send + Sync + 'static,
    ) -> Result<Arc<Matrix>> {
        self.known(name, || {
            let source: Arc<dyn Coefficients> = Arc::new(from_fn(row));
            let maps = vec![(source, output.clone())];
            Ok(Matrix::new(input, maps, &self.model)?)
        })
    }

    /// Projections of an input, whose parts lie in one output each, for a pass.
    ///
    /// Those to queries and keys hold the pass's rotary angles, and are encoded anew for each
    /// window: angles that are applied behind the projection would take one level more of queries,
    /// keys and values in every kind of pass.
    pub(super) fn weights(
        &self,
        parts: &[(Vec<Part>, Layout)],
        (config, packing): (&Config, &Packing),
        (input, from): (&Layout, usize),
    ) -> Result<Prepared> {
        let shape = packing.shape();
        let all = parts.iter().flat_map(|(parts, _)| parts);
        let sites = all.map(|part| part.projection.site).collect();
        let name = Name::Weights(sites, shape.common(), input.clone(), from);
        let source = |parts: &[Part], output: &Layout, written| {
            Weights::new(parts.to_vec(), config, written, (input, from), output)
        };
        let matrix = self.known(name, || {
            let maps = parts.iter().map(|(parts, output)| {
                let source: Arc<dyn Coefficients> = match self.thin {
                    true => Arc::new(maps::thin(input, output)),
                    false => Arc::new(source(parts, output, Written::Any)),
                };
                (source, output.clone())
            });
            Ok(Matrix::new(input, maps.collect(), &self.model)?)
        })?;
        let of_pass = parts
            .iter()
            .map(|(parts, output)| source(parts, output, Written::Of(shape)));
        let of_pass: Vec<Weights> = of_pass.collect();
        let varies = !self.thin && of_pass.iter().any(Weights::vary);
        Ok(Prepared {
            matrix,
            of_pass: varies.then_some(of_pass),
        })
    }
}

impl Prepared {
    /// The images of a tensor.
    ///
    /// # Errors
    ///
    /// Those of [`Matrix::apply`], and those of [`Matrix::apply_with`] where it varies with the
    /// pass.
    pub fn apply<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        store: &MatrixStore<B>,
        x: &Packed<B>,
    ) -> Result<Vec<Packed<B>>> {
        let Some(of_pass) = &self.of_pass else {
            return Ok(self.matrix.apply(ev, store, x, 1.0)?);
        };
        let sources: Vec<&dyn Coefficients> = of_pass.iter().map(|w| w as _).collect();
        Ok(self.matrix.apply_with(ev, x, &sources, 1.0)?)
    }

    /// The product as it is announced; `None` where it is encoded for one pass only.
    pub fn planned<B: Backend>(&self, x: &Packed<B>) -> Option<Planned> {
        self.of_pass.is_none().then(|| Planned {
            matrix: Arc::clone(&self.matrix),
            level: x.level(),
            scale: x.scale(),
            factor: 1.0,
        })
    }
}
