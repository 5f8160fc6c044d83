//! Plaintext matrices, prepared once and multiplied by many encrypted tensors.
//!
//! ```text
//! Coefficients ----> Matrix ---------------> MatrixStore ------------> Product
//! read on demand     which diagonals, in     encoded for a level,      one level
//!                    which steps             a scale and a factor
//! ```
//!
//! A [`Matrix`] holds what does not depend on a value: the layouts of its input and outputs, which
//! generalized diagonals are non-zero, and their baby and giant steps. It is shared by `Arc`, and
//! its [`Coefficients`] stay where they lie. A [`MatrixStore`] keeps encoded forms of matrices
//! within a budget of bytes, and makes them ahead in the order of a pass; all sessions of a model
//! share one. A product reads the form from the store and takes one level.
//!
//! | file | holds |
//! |---|---|
//! | `coefficients` | where coefficients come from |
//! | `structure` | non-zero diagonals, baby and giant steps |
//! | `encode` | from coefficients to encoded diagonals, some giant steps at a time |
//! | `product` | products with encrypted tensors |
//! | `clear` | products in the clear |
//! | `work` | what a product costs, and the rotations it needs |
//! | `store` | encoded forms within a budget |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ckks_math::Evaluator;
use ckks_math::backend::Backend;

use crate::bsgs::{CostModel, PlanWork};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::packed::Packed;
use crate::rotations::Rotation;

mod clear;
mod coefficients;
mod encode;
mod product;
#[cfg(test)]
mod random;
mod store;
mod structure;
#[cfg(test)]
pub(crate) mod tests;
mod work;

pub use coefficients::{Coefficients, FromFn, Relayout, from_fn};
use encode::{Encoding, Operand};
use product::{Product, check_layout};
pub use store::{Announcement, MatrixStore, Planned, StoreOptions};
use structure::{Diagonals, Form, Values};

/// One or several plaintext matrices of the same input, which share the rotations of it.
///
/// With input `[m]` in `i` ciphertexts and outputs `[n_1], [n_2], ...`, matrix `j` is `n_j x m`
/// between the entries of two [`Layout`]s.
pub struct Matrix {
    /// Different for every matrix of the process; stores forget what they hold of dropped ones.
    id: Arc<u64>,
    form: Arc<Form>,
    sources: Vec<Arc<dyn Coefficients>>,
}

impl Matrix {
    /// Plans matrices that read the same input, each with its output layout.
    ///
    /// Asks each source for all rows once, and keeps no value. A row added by
    /// [`Terms::add_row`](crate::Terms::add_row) is not read. Where an output has a smaller period
    /// than the input, its periodic copies hold partial sums that rotate-and-adds complete.
    ///
    /// # Errors
    /// [`Error::Count`] without a matrix, [`Error::SlotMismatch`] for layouts of different rings,
    /// and what [`Coefficients::row`] fails with or names wrongly ([`Error::IndexRange`],
    /// [`Error::IndexRank`], [`Error::NotFinite`]).
    pub fn new(
        input: &Layout,
        maps: Vec<(Arc<dyn Coefficients>, Layout)>,
        model: &CostModel,
    ) -> Result<Matrix> {
        Self::plan(input, maps, Values::Fixed, model)
    }

    /// Plans matrices whose coefficients change from use to use ([`Matrix::apply_with`]), as
    /// [`Matrix::new`].
    ///
    /// The sources list every entry that any use has, with any coefficient but zero. No diagonal
    /// is taken to repeat within its length, whatever the sources list: it is encoded at its full
    /// length, where [`Matrix::new`] would take the period of these coefficients.
    ///
    /// # Errors
    /// As [`Matrix::new`].
    pub fn varying(
        input: &Layout,
        maps: Vec<(Arc<dyn Coefficients>, Layout)>,
        model: &CostModel,
    ) -> Result<Matrix> {
        Self::plan(input, maps, Values::Varying, model)
    }

    fn plan(
        input: &Layout,
        maps: Vec<(Arc<dyn Coefficients>, Layout)>,
        values: Values,
        model: &CostModel,
    ) -> Result<Matrix> {
        let pairs: Vec<_> = maps.iter().map(|(source, to)| (&**source, to)).collect();
        let form = Form::Diagonals(Diagonals::new(input, &pairs, values, model)?);
        let sources = maps.into_iter().map(|(source, _)| source).collect();
        Ok(Matrix::of(Arc::new(form), sources))
    }

    /// The same structure with other coefficients, which are not read: the matrices of the layers
    /// of a model share their structure.
    ///
    /// Each source must list no entry that the one planned with did not, and rows with the keys
    /// that it did; otherwise products fail with [`Error::Unplanned`] or [`Error::NotPeriodic`].
    ///
    /// # Errors
    /// [`Error::Count`] unless there is one source for each matrix.
    pub fn with_coefficients(&self, sources: Vec<Arc<dyn Coefficients>>) -> Result<Matrix> {
        self.check_sources(sources.len())?;
        Ok(Matrix::of(Arc::clone(&self.form), sources))
    }

    fn of(form: Arc<Form>, sources: Vec<Arc<dyn Coefficients>>) -> Matrix {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Matrix {
            id: Arc::new(NEXT.fetch_add(1, Ordering::Relaxed)),
            form,
            sources,
        }
    }

    /// The layout of the input.
    pub fn input(&self) -> &Layout {
        &self.diagonals().input
    }

    /// The layouts of the outputs, one for each matrix.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Layout> {
        self.diagonals().maps.iter().map(|map| &map.output)
    }

    /// Number of generalized diagonals, each of which is one plaintext product.
    pub fn diagonal_count(&self) -> usize {
        self.diagonals().count()
    }

    /// How many parts of which kind a product has.
    pub fn work(&self) -> PlanWork {
        self.diagonals().work()
    }

    /// Seconds of a product whose diagonals are encoded, but not on the device.
    pub fn seconds(&self, model: &CostModel) -> f64 {
        self.diagonals().seconds(model)
    }

    /// The different rotations of a product that need a key, with how often each is used.
    pub fn rotations(&self) -> Vec<Rotation> {
        self.diagonals().rotations()
    }

    /// `factor` times the matrices of an encrypted tensor `x` in the layout of the input, in
    /// order: one level, each result at the canonical scale of the level below.
    ///
    /// The encoded form is that of the store, made now unless it is there.
    ///
    /// # Errors
    /// [`Error::LayoutMismatch`] for another layout, [`Error::OtherContext`] for a store of
    /// another context, what the sources fail with, and [`Error::Scheme`] when no level is left, a
    /// key is missing, a coefficient does not fit the modulus, or the device fails.
    pub fn apply<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        store: &MatrixStore<B>,
        x: &Packed<B>,
        factor: f64,
    ) -> Result<Vec<Packed<B>>> {
        check_layout(x.layout(), self.input())?;
        let operand = Operand::of(x, factor);
        let lease = store.lease(ev.context(), self, operand)?;
        self.product(ev, lease.encoded(), x)
    }

    /// As [`Matrix::apply`] with other coefficients, encoded for this product only: for matrices
    /// whose values change from use to use, and their structure does not ([`Matrix::varying`]).
    ///
    /// # Errors
    /// As [`Matrix::apply`]; [`Error::Count`] unless there is one source for each matrix, and as
    /// [`Matrix::with_coefficients`] for sources that do not fit the structure.
    pub fn apply_with<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        x: &Packed<B>,
        sources: &[&dyn Coefficients],
        factor: f64,
    ) -> Result<Vec<Packed<B>>> {
        check_layout(x.layout(), self.input())?;
        self.check_sources(sources.len())?;
        let mut encoding = Encoding::new(self.diagonals(), ev.context(), Operand::of(x, factor))?;
        if ev.context().backend().holds_residues() {
            encoding.read(self.diagonals(), sources, factor, 1, &mut |_| true)?;
        }
        self.product(ev, &encoding.finish(false)?, x)
    }

    /// The only matrix of a tensor, as [`Matrix::apply`].
    ///
    /// # Errors
    /// As [`Matrix::apply`], and [`Error::Count`] unless there is one matrix.
    pub fn apply_one<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        store: &MatrixStore<B>,
        x: &Packed<B>,
        factor: f64,
    ) -> Result<Packed<B>> {
        self.check_sources(1)?;
        let mut results = self.apply(ev, store, x, factor)?;
        Ok(results.swap_remove(0))
    }

    /// The matrices of slot vectors in the clear: one vector for each input ciphertext, a whole
    /// number of its periods long; for each matrix one vector for each output ciphertext.
    ///
    /// # Errors
    /// [`Error::Count`] and [`Error::VectorLength`] for vectors of other shapes, and what the
    /// sources fail with.
    pub fn apply_clear(&self, inputs: &[Vec<f64>]) -> Result<Vec<Vec<Vec<f64>>>> {
        self.diagonals().apply_clear(&self.sources(), inputs)
    }

    fn diagonals(&self) -> &Diagonals {
        let Form::Diagonals(diagonals) = &*self.form;
        diagonals
    }

    fn sources(&self) -> Vec<&dyn Coefficients> {
        self.sources.iter().map(|source| &**source).collect()
    }

    fn product<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        encoded: &encode::EncodedDiagonals<B>,
        x: &Packed<B>,
    ) -> Result<Vec<Packed<B>>> {
        let diagonals = self.diagonals();
        let product = Product {
            diagonals,
            encoded,
            ev,
        };
        product.of(x)
    }

    fn check_sources(&self, got: usize) -> Result<()> {
        let need = self.diagonals().maps.len();
        if need == got {
            return Ok(());
        }
        Err(Error::Count {
            op: "matrix",
            what: "sources of coefficients",
            need,
            got,
        })
    }
}

impl Operand {
    fn of<B: Backend>(x: &Packed<B>, factor: f64) -> Operand {
        Operand {
            level: x.level(),
            scale: x.scale(),
            factor,
        }
    }
}
