//! The fixed parts of a refresh: the same work whatever is refreshed, which a device may submit as
//! one.

use super::Bootstrapper;
use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;

/// A fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sequence {
    /// From aligned slots to coefficients.
    SlotsToCoeffs,
    /// From coefficients to complex slots.
    Complex,
    /// From coefficients to real slots, divided by so many copies.
    Real { copies: usize },
}

impl<B: Backend> Bootstrapper<B> {
    /// `body(x)`, one of the fixed parts, see [`Evaluator::run_captured`].
    pub(super) fn run_captured(
        &self,
        ev: &Evaluator<B>,
        sequence: Sequence,
        x: &Ciphertext<B>,
        mut body: impl FnMut(&Ciphertext<B>) -> Result<Ciphertext<B>>,
    ) -> Result<Ciphertext<B>> {
        // The matrices are on the queue of this context.
        if !self.context.is(ev.context()) {
            return body(x);
        }
        let whole = |x: Vec<Ciphertext<B>>| -> Result<_> { Ok((vec![body(&x[0])?], ())) };
        let (mut results, ()) =
            ev.run_captured(&self.captured, sequence, vec![x.clone()], whole)?;
        // The one that `whole` makes.
        Ok(results.swap_remove(0))
    }
}
