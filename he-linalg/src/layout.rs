//! Packings: where the entries of a tensor lie in the slots of ciphertexts.
//!
//! A [`Layout`] cuts the bits of a slot address into fields, one for each axis, from the fastest
//! varying (lowest bits) to the slowest. The low `log2 S` bits of the address are the slot, the
//! bits above are the number of the ciphertext. Printed forms put the slowest axis first:
//!
//! ```text
//! [channel 3/4][token 2]     channel c = 0..3 in 2 bits, token t = 0..2 in 1 bit
//!
//! address      0   1   2   3   4   5   6   7
//! (c, t)      0,0 0,1 1,0 1,1 2,0 2,1  pad pad       address = 2 c + t
//!
//! with S = 4:  |- ciphertext 0 -|  |- ciphertext 1 -|
//! with S = 8:  one ciphertext, period 8
//! with S = 16: one ciphertext, period 8: slots 8..16 repeat slots 0..8
//! ```
//!
//! A field of [`Axis::REPLICA`] holds copies of the same value along its bits. An axis that would
//! stand above the slowest field is replicated without being written, because a ciphertext with
//! fewer than `S` slots is periodic.

use std::fmt;

use crate::error::{Error, Result};
use crate::field::{Axis, Field, Padding};

/// Most address bits of a layout (slot bits and ciphertext bits together).
const MAX_BITS: u32 = 30;

/// A field at its place in the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Placed {
    pub(crate) field: Field,
    /// Lowest address bit of the field.
    pub(crate) shift: u32,
}

/// The place of every entry of a tensor in the slots of one or several ciphertexts.
///
/// An index lists one component for each logical axis in the order of the fields, fastest first,
/// replicas left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    log_slots: u32,
    bits: u32,
    placed: Vec<Placed>,
    padding: Padding,
}

impl Layout {
    /// The layout of `fields`, fastest first, in ciphertexts of `2^log_slots` slots.
    ///
    /// The padding is taken to be zero, see [`Layout::with_padding`].
    ///
    /// # Errors
    ///
    /// When an axis is empty, does not fit its field or is repeated, or when the address has more
    /// than 30 bits.
    pub fn new(log_slots: u32, fields: &[Field]) -> Result<Layout> {
        let mut placed: Vec<Placed> = Vec::with_capacity(fields.len());
        let mut bits = 0u32;
        for &field in fields {
            let total = bits.saturating_add(field.log_size);
            if total.max(log_slots) > MAX_BITS {
                return Err(Error::TooManyBits {
                    bits: total.max(log_slots),
                    limit: MAX_BITS,
                });
            }
            let Field { axis, len, .. } = field;
            if len == 0 || len > field.capacity() {
                return Err(Error::FieldLength {
                    axis,
                    len,
                    capacity: field.capacity(),
                });
            }
            if axis != Axis::REPLICA && placed.iter().any(|p| p.field.axis == axis) {
                return Err(Error::DuplicateAxis { axis });
            }
            placed.push(Placed { field, shift: bits });
            bits = total;
        }
        Ok(Layout {
            log_slots,
            bits,
            placed,
            padding: Padding::Zero,
        })
    }

    /// The same layout with another promise about its padding slots.
    #[must_use]
    pub fn with_padding(mut self, padding: Padding) -> Layout {
        self.padding = padding;
        self
    }

    /// What the padding slots hold.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// log2 of the slots of a ciphertext.
    pub fn log_slots(&self) -> u32 {
        self.log_slots
    }

    /// The fields, fastest first.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + '_ {
        self.placed.iter().map(|p| p.field)
    }

    pub(crate) fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// The fields that take part in an index, fastest first.
    fn logical(&self) -> impl Iterator<Item = &Placed> {
        self.placed.iter().filter(|p| p.field.axis != Axis::REPLICA)
    }

    /// The logical axes in the order of the components of an index, fastest first.
    pub fn axes(&self) -> Vec<Axis> {
        self.logical().map(|p| p.field.axis).collect()
    }

    /// The lengths of the logical axes in the order of the components of an index.
    pub fn lens(&self) -> Vec<usize> {
        self.logical().map(|p| p.field.len).collect()
    }

    /// Which component of an index belongs to `axis`.
    pub fn component(&self, axis: Axis) -> Option<usize> {
        self.logical().position(|p| p.field.axis == axis)
    }

    /// Number of entries of the tensor (copies counted once).
    pub fn len(&self) -> usize {
        self.logical().map(|p| p.field.len).product()
    }

    /// Whether the tensor has no entry, which [`Layout::new`] refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every slot holds an entry or a copy of one: there is no padding.
    pub fn is_full(&self) -> bool {
        self.placed
            .iter()
            .all(|p| p.field.len == p.field.capacity())
            && (self.bits <= self.log_slots
                || self.ciphertexts() == 1 << (self.bits - self.log_slots))
    }

    /// Number of ciphertexts up to the last one that holds an entry.
    pub fn ciphertexts(&self) -> usize {
        let last: usize = self
            .placed
            .iter()
            .map(|p| (p.field.len - 1) << p.shift)
            .sum();
        (last >> self.log_slots) + 1
    }

    /// log2 of [`Layout::period`].
    pub fn log_period(&self) -> u32 {
        let mut top = self.bits.min(self.log_slots);
        for p in self
            .placed
            .iter()
            .rev()
            .filter(|p| p.shift < self.log_slots)
        {
            if p.field.log_size > 0 && !p.field.is_uniform() {
                break;
            }
            top = top.min(p.shift);
        }
        top
    }

    /// The period of the slots of every ciphertext: a power of two, at most `2^log_slots`.
    ///
    /// Replica fields at the top of the slot bits are not counted, they are what periodicity is.
    pub fn period(&self) -> usize {
        1 << self.log_period()
    }

    /// The address of the first copy of an entry.
    pub(crate) fn address(&self, index: &[usize]) -> Result<usize> {
        let mut address = 0;
        let mut components = index.iter();
        for p in self.logical() {
            let Some(&i) = components.next() else {
                return Err(self.rank_error(index));
            };
            if i >= p.field.len {
                let Field { axis, len, .. } = p.field;
                return Err(Error::IndexRange {
                    axis,
                    index: i,
                    len,
                });
            }
            address += i << p.shift;
        }
        if components.next().is_some() {
            return Err(self.rank_error(index));
        }
        Ok(address)
    }

    #[cold]
    fn rank_error(&self, index: &[usize]) -> Error {
        let need = self.logical().count();
        Error::IndexRank {
            layout: self.to_string(),
            need,
            got: index.len(),
        }
    }

    /// Ciphertext and slot of the first copy of an entry; the slot is below the period.
    ///
    /// # Errors
    ///
    /// [`Error::IndexRank`] for another number of components than the layout has axes,
    /// [`Error::IndexRange`] for one beyond its axis.
    pub fn position(&self, index: &[usize]) -> Result<(usize, usize)> {
        let address = self.address(index)?;
        Ok((
            address >> self.log_slots,
            address & ((1 << self.log_slots) - 1),
        ))
    }

    /// Writes into `index` which entry lies at a ciphertext and slot.
    ///
    /// `index` must have one place for each logical axis. Returns false, with `index` unspecified,
    /// for padding. Slots beyond the period are periodic copies.
    pub fn index_at(&self, ciphertext: usize, slot: usize, index: &mut [usize]) -> bool {
        let address = (ciphertext << self.log_slots) | (slot & (self.period() - 1));
        if address >> self.bits.max(self.log_slots) != 0 {
            return false;
        }
        let mut components = index.iter_mut();
        for p in &self.placed {
            let i = (address >> p.shift) & (p.field.capacity() - 1);
            if i >= p.field.len {
                return false;
            }
            if p.field.axis != Axis::REPLICA
                && let Some(component) = components.next()
            {
                *component = i;
            }
        }
        true
    }

    /// Calls `visit` for every index, the fastest axis varying fastest.
    ///
    /// This is the order of a C array whose shape lists the axes slowest first.
    pub fn for_each_index(&self, mut visit: impl FnMut(&[usize])) {
        let lens = self.lens();
        let mut index = vec![0; lens.len()];
        for _ in 0..self.len() {
            visit(&index);
            for (i, &len) in index.iter_mut().zip(&lens) {
                *i += 1;
                if *i < len {
                    break;
                }
                *i = 0;
            }
        }
    }

    /// The slot vectors of a tensor given by its entries: one vector of [`Layout::period`] values
    /// for each ciphertext, copies written, padding zero.
    pub fn pack(&self, mut value: impl FnMut(&[usize]) -> f64) -> Vec<Vec<f64>> {
        let mut index = vec![0; self.logical().count()];
        (0..self.ciphertexts())
            .map(|ciphertext| {
                (0..self.period())
                    .map(|slot| match self.index_at(ciphertext, slot, &mut index) {
                        true => value(&index),
                        false => 0.0,
                    })
                    .collect()
            })
            .collect()
    }

    /// [`Layout::pack`] of a C array whose shape lists the logical axes slowest first.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of values than the tensor has entries.
    pub fn pack_array(&self, values: &[f64]) -> Result<Vec<Vec<f64>>> {
        if values.len() != self.len() {
            let (need, got) = (self.len(), values.len());
            return Err(Error::Count {
                op: "pack",
                what: "values",
                need,
                got,
            });
        }
        let lens = self.lens();
        Ok(self.pack(|index| {
            values[index
                .iter()
                .zip(&lens)
                .rev()
                .fold(0, |flat, (i, len)| flat * len + i)]
        }))
    }

    /// The tensor in the slot vectors, as a C array whose shape lists the axes slowest first.
    ///
    /// Reads the first copy of every entry. The vectors may be any number of periods long.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than the layout has ciphertexts,
    /// [`Error::VectorLength`] for one that is no whole number of periods.
    pub fn unpack(&self, vectors: &[Vec<f64>]) -> Result<Vec<f64>> {
        self.check_vectors("unpack", vectors)?;
        let mut values = Vec::with_capacity(self.len());
        self.for_each_index(|index| {
            let (ciphertext, slot) = self.position(index).expect("the walk stays in range");
            values.push(vectors[ciphertext][slot]);
        });
        Ok(values)
    }

    /// Checks the number and the length of slot vectors.
    pub(crate) fn check_vectors(&self, op: &'static str, vectors: &[Vec<f64>]) -> Result<()> {
        check_vectors(op, vectors, self.ciphertexts(), self.period())
    }
}

/// Checks that there are `need` slot vectors, each a whole number of periods long.
pub(crate) fn check_vectors(
    op: &'static str,
    vectors: &[Vec<f64>],
    need: usize,
    period: usize,
) -> Result<()> {
    if vectors.len() != need {
        return Err(Error::Count {
            op,
            what: "ciphertexts",
            need,
            got: vectors.len(),
        });
    }
    match vectors
        .iter()
        .find(|v| v.is_empty() || v.len() % period != 0)
    {
        Some(v) => Err(Error::VectorLength {
            op,
            period,
            got: v.len(),
        }),
        None => Ok(()),
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Field {
            axis,
            len,
            log_size,
        } in self.placed.iter().rev().map(|p| p.field)
        {
            write!(f, "[{axis} {len}")?;
            if len != 1 << log_size {
                write!(f, "/{}", 1usize << log_size)?;
            }
            f.write_str("]")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(log_slots: u32) -> Layout {
        Layout::new(
            log_slots,
            &[Field::new(Axis::TOKEN, 2), Field::new(Axis::CHANNEL, 3)],
        )
        .expect("valid")
    }

    #[test]
    fn picture_of_the_module_holds() {
        let layout = picture(3);
        assert_eq!(layout.to_string(), "[channel 3/4][token 2]");
        assert_eq!(
            layout.pack(|i| (10 * i[1] + i[0] + 1) as f64),
            [[1.0, 2.0, 11.0, 12.0, 21.0, 22.0, 0.0, 0.0]]
        );
        assert_eq!((layout.period(), layout.ciphertexts()), (8, 1));
        assert_eq!((picture(4).period(), picture(4).ciphertexts()), (8, 1));
        assert_eq!((picture(2).period(), picture(2).ciphertexts()), (4, 2));
        assert_eq!(picture(2).position(&[1, 2]), Ok((1, 1)));
    }

    #[test]
    fn unpack_inverts_pack_and_index_at_inverts_position() {
        for log_slots in 0..9 {
            let layout = Layout::new(
                log_slots,
                &[
                    Field::new(Axis::TOKEN, 5),
                    Field::replica(1),
                    Field::padded(Axis::DIM, 3, 3),
                    Field::new(Axis::HEAD, 2),
                ],
            )
            .expect("valid");
            let values: Vec<f64> = (0..layout.len()).map(|v| v as f64 + 1.0).collect();
            let packed = layout.pack_array(&values).expect("length fits");
            assert_eq!(packed.len(), layout.ciphertexts());
            assert_eq!(layout.unpack(&packed), Ok(values));
            let mut back = vec![0; 3];
            layout.for_each_index(|index| {
                let (ciphertext, slot) = layout.position(index).expect("in range");
                assert!(layout.index_at(ciphertext, slot, &mut back));
                assert_eq!(back, index);
            });
            // Two copies of 30 entries in all slots together, the other places padding.
            let slots = 0..1usize << log_slots.min(8);
            let value = |v: &Vec<f64>, s: usize| v[s % v.len()];
            let filled = |v| slots.clone().filter(|&s| value(v, s) != 0.0).count();
            assert_eq!(packed.iter().map(filled).sum::<usize>(), 60);
        }
    }

    #[test]
    fn replicas_at_the_top_of_the_slots_are_periodicity() {
        let fields = [
            Field::new(Axis::CHANNEL, 4),
            Field::replica(2),
            Field::new(Axis::HEAD, 2),
        ];
        let period = |log_slots| Layout::new(log_slots, &fields).expect("valid").period();
        assert_eq!(
            (period(6), period(5), period(4), period(3), period(2)),
            (32, 32, 4, 4, 4)
        );
        // A partly filled replica field is data.
        let part = [
            Field::new(Axis::CHANNEL, 4),
            Field::padded(Axis::REPLICA, 3, 2),
        ];
        assert_eq!(Layout::new(6, &part).expect("valid").period(), 16);
    }

    #[test]
    fn empty_top_ciphertexts_are_not_counted() {
        let fields = [
            Field::new(Axis::TOKEN, 16),
            Field::padded(Axis::CHANNEL, 5, 4),
        ];
        assert_eq!(Layout::new(5, &fields).expect("valid").ciphertexts(), 3);
    }

    #[test]
    fn wrong_layouts_and_indices_are_refused() {
        let new = |fields: &[Field]| Layout::new(4, fields);
        assert!(matches!(
            new(&[Field::new(Axis::DIM, 0)]),
            Err(Error::FieldLength { .. })
        ));
        assert!(matches!(
            new(&[Field::padded(Axis::DIM, 9, 3)]),
            Err(Error::FieldLength { .. })
        ));
        let twice = [Field::new(Axis::DIM, 2), Field::new(Axis::DIM, 2)];
        assert_eq!(new(&twice), Err(Error::DuplicateAxis { axis: Axis::DIM }));
        let wide = [Field::padded(Axis::DIM, 2, 31)];
        assert_eq!(
            new(&wide),
            Err(Error::TooManyBits {
                bits: 31,
                limit: 30
            })
        );
        assert!(matches!(
            picture(3).position(&[0]),
            Err(Error::IndexRank { .. })
        ));
        assert!(matches!(
            picture(3).position(&[0, 0, 0]),
            Err(Error::IndexRank { .. })
        ));
        assert!(matches!(
            picture(3).position(&[0, 3]),
            Err(Error::IndexRange { .. })
        ));
        assert!(matches!(picture(3).unpack(&[]), Err(Error::Count { .. })));
        assert!(matches!(
            picture(3).unpack(&[vec![0.0; 4]]),
            Err(Error::VectorLength { .. })
        ));
    }
}
