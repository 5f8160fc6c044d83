//! Where the coefficients of a matrix come from.

use crate::error::{Error, Result};
use crate::field::Axis;
use crate::layout::Layout;
use crate::terms::Terms;

/// The coefficients of a matrix between two packed tensors, read when they are needed.
///
/// A source may lie in a memory-mapped file and convert its numbers as they are asked for. It is
/// asked once for the structure of a matrix, and again for its values whenever these are encoded.
pub trait Coefficients: Send + Sync {
    /// Lists the terms of the output entry `index`: calls [`Terms::add`] or [`Terms::add_row`] for
    /// every input entry that takes part.
    ///
    /// It is called once for each slot that holds the entry, on any thread, and must list the same
    /// terms every time: values that come later may be zero where the structure has a diagonal,
    /// never the other way round. Entries without a term become zero.
    ///
    /// # Errors
    /// [`Error::Source`] when the coefficients cannot be read ([`Error::source_failed`]).
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()>;
}

/// Coefficients from a function of the output index, see [`from_fn`].
pub struct FromFn<F>(F);

/// The coefficients that a function lists, under the contract of [`Coefficients::row`]; it cannot
/// fail.
pub fn from_fn<F: Fn(&[usize], &mut Terms<'_>) + Send + Sync>(row: F) -> FromFn<F> {
    FromFn(row)
}

impl<F: Fn(&[usize], &mut Terms<'_>) + Send + Sync> Coefficients for FromFn<F> {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        (self.0)(index, terms);
        Ok(())
    }
}

/// Moves entries from one layout to another with the same axes, see [`Relayout::new`].
pub struct Relayout {
    /// For each component of an input index its component of the output index.
    source: Vec<usize>,
    lens: Vec<usize>,
}

impl Relayout {
    /// Moves entries from `input` to `output`.
    ///
    /// Entries beyond the length of an output axis are dropped, output entries beyond the length
    /// of an input axis are zero, and an axis that only the output has receives copies.
    ///
    /// # Errors
    /// [`Error::UnknownAxis`] when the output lacks an axis of the input.
    pub fn new(input: &Layout, output: &Layout) -> Result<Relayout> {
        let from = |&axis: &Axis| {
            let unknown = || Error::UnknownAxis {
                axis,
                layout: output.to_string(),
            };
            output.component(axis).ok_or_else(unknown)
        };
        let source = input.axes().iter().map(from).collect::<Result<_>>()?;
        let lens = input.lens();
        Ok(Relayout { source, lens })
    }
}

impl Coefficients for Relayout {
    fn row(&self, index: &[usize], terms: &mut Terms<'_>) -> Result<()> {
        let from: Vec<usize> = self.source.iter().map(|&c| index[c]).collect();
        if from.iter().zip(&self.lens).all(|(i, len)| i < len) {
            terms.add(&from, 1.0);
        }
        Ok(())
    }
}
