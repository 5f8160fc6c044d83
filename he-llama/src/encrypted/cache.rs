//! Keys and values of one layer, encrypted.

use ckks_math::backend::Backend;
use he_linalg::Packed;
use he_linalg::matrix::from_fn;

use crate::encrypted::machine::{Encrypted, Event};
use crate::encrypted::maps;
use crate::encrypted::matrices::Name;
use crate::encrypted::packing::{Packing, PassKind, Shape};
use crate::encrypted::tensor::Tensor;
use crate::error::{Error, Result};
use crate::model::{Machine, Site};

/// Keys and values of one layer.
///
/// Windows and steps have them in different orders. What windows wrote is kept as they wrote it;
/// the first step behind them converts it (`maps::placed`, two levels) and adds its own. A later
/// window therefore runs all positions behind the last one anew, those of steps too: converting
/// back would cost two levels more at each change, until none is left.
pub struct KeyValues<B: Backend> {
    /// Of all windows before the last, as later windows have them.
    pub(crate) complete: Option<[Tensor<B>; 2]>,
    /// Of the last window, and its shape.
    pub(crate) last: Option<(Shape, [Tensor<B>; 2])>,
    /// Of all positions, as steps have them; `None` until a step follows the last window.
    pub(crate) stepped: Option<[Tensor<B>; 2]>,
}

impl<B: Backend> Default for KeyValues<B> {
    fn default() -> Self {
        Self {
            complete: None,
            last: None,
            stepped: None,
        }
    }
}

impl<B: Backend> Clone for KeyValues<B> {
    fn clone(&self) -> Self {
        Self {
            complete: self.complete.clone(),
            last: self.last.clone(),
            stepped: self.stepped.clone(),
        }
    }
}

impl<B: Backend> KeyValues<B> {
    /// Keys and values as the last pass wrote them: of all positions where it was a step, of its
    /// own window where it was not.
    pub fn entries(&self) -> Option<&[Tensor<B>; 2]> {
        let last = self.last.as_ref().map(|(_, entries)| entries);
        self.stepped.as_ref().or(last)
    }

    /// Position behind the last one that a window wrote.
    fn window_end(&self) -> usize {
        self.last.as_ref().map_or(0, |(shape, _)| shape.end())
    }

    /// Takes up the keys and values `new` of a window; returns those of all windows up to it.
    pub(super) fn append_window(
        &mut self,
        m: &mut Encrypted<'_, B>,
        new: [Tensor<B>; 2],
        sites: [Site; 2],
    ) -> Result<[Tensor<B>; 2]> {
        let shape = m.packing.shape();
        if shape.kind == PassKind::First {
            *self = Self::default();
        } else {
            match self.last.take() {
                // The same window again, with more tokens.
                Some((last, _)) if last.start == shape.start => {}
                Some((last, entries)) if last.end() == shape.start => {
                    let entries = among_windows(m, last, entries)?;
                    self.complete = Some(match self.complete.take() {
                        None => entries,
                        Some(before) => sums(m, &before, &entries, sites)?,
                    });
                }
                last => {
                    self.last = last;
                    return Err(Error::Position {
                        found: shape.start,
                        expected: self.window_end(),
                    });
                }
            }
        }
        self.stepped = None;
        self.last = Some((shape, new.clone()));
        match &self.complete {
            None => Ok(new),
            Some(before) => sums(m, before, &new, sites),
        }
    }

    /// Takes up the keys and values `new` of a step; returns those of all positions up to it.
    pub(super) fn append_step(
        &mut self,
        m: &mut Encrypted<'_, B>,
        new: &[Tensor<B>; 2],
        sites: [Site; 2],
    ) -> Result<[Tensor<B>; 2]> {
        let before = match self.stepped.take() {
            Some(before) => before,
            None => self.converted(m, new, sites)?,
        };
        let all = match new[0].part {
            None => sums(m, &before, new, sites)?,
            // Keys and values are parts of one ciphertext, added once for both.
            Some(_) => {
                let keys = m.add(&before[0], &new[0], sites[0])?;
                let site = sites[1];
                let packed =
                    Packed::new(new[1].packed.layout().clone(), keys.packed.batch().clone())?;
                m.report(Event::Reached(site))?;
                let values = Tensor {
                    packed,
                    unit: new[1].unit,
                    part: new[1].part,
                };
                [
                    Tensor {
                        part: new[0].part,
                        ..keys
                    },
                    values,
                ]
            }
        };
        self.stepped = Some(all.clone());
        Ok(all)
    }

    /// What windows wrote, in the order of a step, whose own keys and values are `like`.
    pub(super) fn converted(
        &self,
        m: &mut Encrypted<'_, B>,
        like: &[Tensor<B>; 2],
        sites: [Site; 2],
    ) -> Result<[Tensor<B>; 2]> {
        let missing = || Error::Position {
            found: m.packing.shape().start,
            expected: 0,
        };
        let (shape, entries) = self.last.as_ref().ok_or_else(missing)?;
        let entries = match &self.complete {
            None => entries.clone(),
            Some(before) => sums(m, before, entries, sites)?,
        };
        let windows = m.packing.with_shape(*shape);
        let convert = |m: &Encrypted<'_, B>, x: &Tensor<B>, like: &Tensor<B>| {
            let packed = into_cache(m, &windows, &x.packed, like.part)?;
            Ok::<_, Error>(Tensor {
                packed,
                unit: x.unit,
                part: like.part,
            })
        };
        let [keys, values] = [0, 1].map(|i| convert(m, &entries[i], &like[i]));
        let (keys, values) = (keys?, values?);
        if keys.part.is_none() {
            return Ok([keys, values]);
        }
        // One ciphertext: keys in their part, values in theirs, each in its own unit.
        let both = m.ev.add(keys.packed.batch(), values.packed.batch())?;
        let layout = keys.packed.layout().clone();
        let packed = Packed::new(layout, both)?;
        Ok([keys, values].map(|x| Tensor {
            packed: packed.clone(),
            ..x
        }))
    }
}

/// Keys or values of windows as a step has them, in its `part` of the cache.
fn into_cache<B: Backend>(
    m: &Encrypted<'_, B>,
    windows: &Packing,
    x: &Packed<B>,
    part: Option<usize>,
) -> Result<Packed<B>> {
    let (input, output) = (windows.windows()?, m.packing.cache()?);
    let by_token = windows.windows_by_token()?;
    let (of, to) = (windows.shape(), m.packing.shape());
    let name = Name::Exchange(of.common());
    let matrix = (m.matrices).of_attention(name, (&input, &by_token), maps::exchanged())?;
    let x = matrix.apply_one(m.ev, m.store, x, 1.0)?;
    let name = Name::Place(of.common(), to.common(), part);
    let any = maps::placed(windows, part, maps::any_factor);
    let matrix = (m.matrices).of_attention(name, (&by_token, &output), any)?;
    let of_held = move |index: &[usize]| f64::from(u8::from(index[1] < of.end()));
    let held = from_fn(maps::placed(windows, part, of_held));
    let mut placed = matrix.apply_with(m.ev, &x, &[&held], 1.0)?;
    Ok(placed.swap_remove(0))
}

/// Keys and values of the first window among those of all windows; of any other as they are.
pub(super) fn among_windows<B: Backend>(
    m: &Encrypted<'_, B>,
    shape: Shape,
    entries: [Tensor<B>; 2],
) -> Result<[Tensor<B>; 2]> {
    if shape.kind != PassKind::First {
        return Ok(entries);
    }
    let input = m.packing.with_shape(shape).windows()?;
    let layouts = (&input, &m.packing.windows()?);
    let name = Name::FirstOfWindows(m.packing.shape().common());
    let matrix = (m.matrices).of_attention(name, layouts, maps::first_of_windows())?;
    let [keys, values] = entries.map(|x| {
        Ok::<_, Error>(Tensor {
            packed: matrix.apply_one(m.ev, m.store, &x.packed, 1.0)?,
            ..x
        })
    });
    Ok([keys?, values?])
}

fn sums<B: Backend>(
    m: &mut Encrypted<'_, B>,
    x: &[Tensor<B>; 2],
    y: &[Tensor<B>; 2],
    sites: [Site; 2],
) -> Result<[Tensor<B>; 2]> {
    Ok([
        m.add(&x[0], &y[0], sites[0])?,
        m.add(&x[1], &y[1], sites[1])?,
    ])
}
