//! The terms of one row of a matrix, and what is made of them.
//!
//! A source of coefficients lists the terms of each output entry to a [`Terms`]. The same list
//! serves three purposes:
//!
//! | file | makes of the terms |
//! |---|---|
//! | `placement` | the rotation amount and the slot of each |
//! | `collect` | all diagonals of one output, with their values |
//! | `pattern` | only which diagonals there are, and with which period they repeat |
//! | `window` | the values of chosen diagonals |

use crate::error::{Error, Result};
use crate::layout::Layout;

mod collect;
mod pattern;
mod placement;
mod window;

pub(crate) use collect::{Collected, Diagonals};
pub(crate) use pattern::{InputPattern, Pattern};
use placement::{Place, Placement};
pub(crate) use window::Window;

/// Collects the terms of one output slot, see [`LinearMap::build`](crate::LinearMap::build) and
/// [`Coefficients`](crate::matrix::Coefficients).
pub struct Terms<'a> {
    input: &'a Layout,
    placement: Placement,
    slot: usize,
    sink: Sink,
    /// The boxes of input entries that rows were added along so far.
    boxes: Vec<EntryBox>,
    /// The coefficients of the row added last, with its key.
    row: Option<(u64, Vec<f64>)>,
    failure: Option<Error>,
}

/// What becomes of the terms.
enum Sink {
    Diagonals(Diagonals),
    Pattern(Pattern),
    Window(Window),
}

/// The addresses of input entries that differ along some components only.
struct EntryBox {
    along: Vec<usize>,
    /// Of each entry, relative to the one with zeros along all components.
    offsets: Vec<usize>,
}

impl<'a> Terms<'a> {
    /// For an output ciphertext whose first `written` slots get rows: all its diagonals.
    pub(crate) fn collecting(input: &'a Layout, written: usize) -> Terms<'a> {
        Self::new(input, written, |placement| {
            Sink::Diagonals(Diagonals::new(input.ciphertexts(), placement))
        })
    }

    /// As [`Terms::collecting`]: only which diagonals there are.
    pub(crate) fn marking(input: &'a Layout, written: usize) -> Terms<'a> {
        Self::new(input, written, |placement| {
            Sink::Pattern(Pattern::new(input.ciphertexts(), placement))
        })
    }

    /// As [`Terms::collecting`]: the values of the diagonals of a window.
    pub(crate) fn expanding(input: &'a Layout, written: usize, window: Window) -> Terms<'a> {
        Self::new(input, written, |_| Sink::Window(window))
    }

    fn new(input: &'a Layout, written: usize, sink: impl FnOnce(&Placement) -> Sink) -> Terms<'a> {
        let placement = Placement::new(input, written);
        Terms {
            sink: sink(&placement),
            input,
            placement,
            slot: 0,
            boxes: Vec::new(),
            row: None,
            failure: None,
        }
    }

    /// Lists the rows of all written slots of an output ciphertext.
    pub(crate) fn of_rows(
        &mut self,
        output: &Layout,
        ciphertext: usize,
        mut row: impl FnMut(&[usize], &mut Terms<'a>) -> Result<()>,
    ) -> Result<()> {
        let mut index = vec![0; output.axes().len()];
        for slot in 0..self.placement.written() {
            if output.index_at(ciphertext, slot, &mut index) {
                self.slot = slot;
                row(&index, self)?;
                if let Some(error) = self.failure.take() {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Adds `coefficient` times the input entry `index` to the output entry.
    ///
    /// Zero coefficients cost nothing. The first bad index or coefficient is reported by the
    /// builder.
    pub fn add(&mut self, index: &[usize], coefficient: f64) {
        if coefficient == 0.0 || self.failure.is_some() {
            return;
        }
        let added = self.check_finite(coefficient).and_then(|()| {
            let first = self.input.address(index)?;
            self.put(first, coefficient)
        });
        self.keep(added);
    }

    /// Adds the `count` coefficients of a row times the input entries that agree with `index`
    /// but along the components `along`, the first of these varying fastest.
    ///
    /// `weights` writes the coefficients. It is not called where only the structure of a matrix
    /// is asked for: the coefficients are taken to be non-zero, and rows with the same `key` to
    /// have the same ones. A key must not stand for two different rows of one source.
    ///
    /// The first bad index or coefficient is reported by the builder.
    pub fn add_row(
        &mut self,
        key: u64,
        index: &[usize],
        along: &[usize],
        count: usize,
        weights: impl FnOnce(&mut [f64]) -> Result<()>,
    ) {
        if count == 0 || self.failure.is_some() {
            return;
        }
        let added = self.try_add_row(key, index, along, count, weights);
        self.keep(added);
    }

    fn keep(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.failure = Some(error);
        }
    }

    fn try_add_row(
        &mut self,
        key: u64,
        index: &[usize],
        along: &[usize],
        count: usize,
        weights: impl FnOnce(&mut [f64]) -> Result<()>,
    ) -> Result<()> {
        let entries = self.entries(along, count)?;
        let mut corner = index.to_vec();
        for &component in along {
            match corner.get_mut(component) {
                Some(i) => *i = 0,
                None => return Err(self.no_component(component)),
            }
        }
        let base = self.input.address(&corner)?;
        if let Sink::Pattern(pattern) = &mut self.sink {
            let offsets = &self.boxes[entries].offsets[..count];
            pattern.mark_row(&self.placement, self.slot, key, base, (entries, offsets));
            return Ok(());
        }
        let known = matches!(&self.row, Some((k, row)) if *k == key && row.len() == count);
        if !known {
            let mut row = vec![0.0; count];
            weights(&mut row)?;
            self.row = Some((key, row));
        }
        let Some((key, row)) = self.row.take() else {
            return Ok(());
        };
        for (i, &weight) in row.iter().enumerate() {
            if weight != 0.0 {
                self.check_finite(weight)?;
                let first = base | self.boxes[entries].offsets[i];
                self.put(first, weight)?;
            }
        }
        self.row = Some((key, row));
        Ok(())
    }

    /// Adds a product with the input entry at an address.
    fn put(&mut self, first: usize, coefficient: f64) -> Result<()> {
        let (input, source) = self.placement.split(first);
        let place = self.placement.of(source, self.slot);
        match &mut self.sink {
            Sink::Diagonals(all) => all.add(input, place, coefficient),
            Sink::Pattern(pattern) => pattern.mark(input, place, coefficient),
            Sink::Window(window) => {
                if !window.add(input, place, coefficient) {
                    return Err(Error::Unplanned {
                        input,
                        amount: place.amount,
                        slot: place.slot,
                    });
                }
            }
        }
        Ok(())
    }

    fn check_finite(&self, value: f64) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let slot = self.slot;
        Err(Error::NotFinite { value, slot })
    }

    /// The number of the box of at least `count` entries along some components.
    fn entries(&mut self, along: &[usize], count: usize) -> Result<usize> {
        let known = self.boxes.iter().position(|b| b.along == along);
        let entries = match known {
            Some(entries) => entries,
            None => {
                let offsets = self.offsets(along)?;
                self.boxes.push(EntryBox {
                    along: along.to_vec(),
                    offsets,
                });
                self.boxes.len() - 1
            }
        };
        let need = self.boxes[entries].offsets.len();
        if count > need {
            return Err(Error::Count {
                op: "row of a matrix",
                what: "coefficients at most",
                need,
                got: count,
            });
        }
        Ok(entries)
    }

    fn offsets(&self, along: &[usize]) -> Result<Vec<usize>> {
        let lens = self.input.lens();
        let mut offsets = vec![0];
        for &component in along {
            let Some(&len) = lens.get(component) else {
                return Err(self.no_component(component));
            };
            let mut unit = vec![0; lens.len()];
            let mut next = Vec::with_capacity(offsets.len() * len);
            for i in 0..len {
                unit[component] = i;
                let at = self.input.address(&unit)?;
                next.extend(offsets.iter().map(|offset| offset + at));
            }
            offsets = next;
        }
        Ok(offsets)
    }

    #[cold]
    fn no_component(&self, component: usize) -> Error {
        Error::IndexRank {
            layout: self.input.to_string(),
            need: self.input.lens().len(),
            got: component + 1,
        }
    }

    /// The diagonals collected; empty unless made by [`Terms::collecting`].
    pub(crate) fn into_collected(self) -> Vec<Collected> {
        match self.sink {
            Sink::Diagonals(all) => all.into_inputs(&self.placement),
            Sink::Pattern(_) | Sink::Window(_) => Vec::new(),
        }
    }

    /// The pattern marked, one for each input; empty unless made by [`Terms::marking`].
    pub(crate) fn into_pattern(self) -> Vec<InputPattern> {
        match self.sink {
            Sink::Pattern(pattern) => pattern.into_inputs(&self.placement),
            Sink::Diagonals(_) | Sink::Window(_) => Vec::new(),
        }
    }

    /// The window expanded; `None` unless made by [`Terms::expanding`].
    pub(crate) fn into_window(self) -> Option<Window> {
        match self.sink {
            Sink::Window(window) => Some(window),
            Sink::Diagonals(_) | Sink::Pattern(_) => None,
        }
    }
}
