//! Which layouts can meet slot by slot, and what the result's layout is.
//!
//! Two layouts lie over each other when every field of one covers the same bits in the other, or
//! bits of copies. Beyond its last field a layout holds copies, in the slots by periodicity and in
//! the ciphertexts by using the same ciphertext again:
//!
//! ```text
//! [dim 8][head 2][replica 4]  over  [dim 8][head 2][key 4]  gives  [dim 8][head 2][key 4]
//!        [head 2][key 4]      over  [dim 8][head 2][key 4]  gives  [dim 8][head 2][key 4]
//! ```

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::field::{Axis, Field, Padding};
use crate::layout::Layout;

/// Two layouts laid over each other.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    common: Layout,
    /// For each layout: whether its padding is zero, and whether it has all fields with padding.
    sides: [(bool, bool); 2],
}

impl Overlay {
    pub(crate) fn of(op: &'static str, left: &Layout, right: &Layout) -> Result<Overlay> {
        if left.log_slots() != right.log_slots() {
            return Err(Error::SlotMismatch {
                input: left.log_slots(),
                output: right.log_slots(),
            });
        }
        let fields = if left.fields().eq(right.fields()) {
            left.fields().collect()
        } else {
            overlay(left, right).ok_or_else(|| Error::LayoutMismatch {
                op,
                left: left.to_string(),
                right: right.to_string(),
            })?
        };
        let common = Layout::new(left.log_slots(), &fields)?;
        let side = |layout: &Layout| {
            let has = |f: &Field| f.len == f.capacity() || layout.fields().any(|g| g == *f);
            (layout.padding() == Padding::Zero, fields.iter().all(has))
        };
        let sides = [side(left), side(right)];
        Ok(Overlay { common, sides })
    }

    /// The layout of a product: padding is zero where that of a factor is.
    pub(crate) fn product(&self) -> Layout {
        let both = self.sides.iter().all(|&(zero, _)| zero);
        let one = self.sides.iter().any(|&(zero, all)| zero && all);
        self.padded(both || one)
    }

    /// The layout of a sum: padding is zero where that of both terms is.
    pub(crate) fn sum(&self) -> Layout {
        self.padded(self.sides.iter().all(|&(zero, all)| zero && all))
    }

    fn padded(&self, zero: bool) -> Layout {
        let padding = if zero { Padding::Zero } else { Padding::Any };
        self.common.clone().with_padding(padding)
    }

    /// For each ciphertext of the common layout the one of `layout` that it reads.
    pub(crate) fn sources(&self, layout: &Layout) -> Vec<usize> {
        let bits = layout
            .placed()
            .last()
            .map_or(0, |p| p.shift + p.field.log_size);
        let own = 1usize << bits.saturating_sub(layout.log_slots());
        (0..self.common.ciphertexts())
            .map(|c| c & (own - 1))
            .collect()
    }
}

/// The common fields, none if an axis of one meets another axis of the other.
fn overlay(left: &Layout, right: &Layout) -> Option<Vec<Field>> {
    let (mut left, mut right) = (queue(left), queue(right));
    let mut fields = Vec::new();
    loop {
        let field = match (left.front().copied(), right.front().copied()) {
            (None, None) => return Some(fields),
            (Some(f), Some(g)) if f == g => {
                right.pop_front();
                left.pop_front()
            }
            (Some(f), _) if f.log_size == 0 => left.pop_front(),
            (_, Some(g)) if g.log_size == 0 => right.pop_front(),
            (Some(_), None) => left.pop_front(),
            (None, Some(_)) => right.pop_front(),
            (Some(f), Some(g)) if g.is_uniform() && g.log_size >= f.log_size => {
                consume(&mut right, f.log_size);
                left.pop_front()
            }
            (Some(f), Some(g)) if f.is_uniform() && f.log_size >= g.log_size => {
                consume(&mut left, g.log_size);
                right.pop_front()
            }
            _ => return None,
        };
        fields.extend(field);
    }
}

/// The fields with copies merged, without those at the end: what follows is copies anyway.
fn queue(layout: &Layout) -> VecDeque<Field> {
    let mut fields: VecDeque<Field> = VecDeque::new();
    for field in layout.fields() {
        match fields.back_mut() {
            Some(last) if last.is_uniform() && field.is_uniform() => {
                *last = Field::replica(last.log_size + field.log_size);
            }
            _ if field.axis == Axis::REPLICA && field.log_size == 0 => {}
            _ => fields.push_back(field),
        }
    }
    while fields.back().is_some_and(Field::is_uniform) {
        fields.pop_back();
    }
    fields
}

/// Takes `bits` of the copies at the front.
fn consume(fields: &mut VecDeque<Field>, bits: u32) {
    if let Some(front) = fields.pop_front()
        && front.log_size > bits
    {
        fields.push_front(Field::replica(front.log_size - bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(fields: &[Field]) -> Layout {
        Layout::new(4, fields).expect("valid")
    }

    const KEY: Field = Field::new(Axis::KEY, 3);
    const HEAD: Field = Field::new(Axis::HEAD, 2);
    const DIM: Field = Field::new(Axis::DIM, 4);

    #[test]
    fn copies_make_room_for_axes() {
        let full = layout(&[KEY, HEAD, DIM]);
        for other in [
            layout(&[Field::replica(2), HEAD, DIM]),
            layout(&[Field::replica(1), Field::replica(1), HEAD]),
            layout(&[KEY, Field::replica(3)]),
            layout(&[KEY, HEAD]),
            layout(&[Field::new(Axis::PART, 1), KEY]),
            layout(&[]),
        ] {
            for (l, r) in [(&full, &other), (&other, &full)] {
                let fields: Vec<Field> = Overlay::of("test", l, r)
                    .expect("fits")
                    .common
                    .fields()
                    .filter(|f| f.log_size > 0)
                    .collect();
                assert_eq!(fields, [KEY, HEAD, DIM], "{l} over {r}");
            }
        }
        for other in [layout(&[HEAD, KEY]), layout(&[Field::replica(1), HEAD])] {
            assert!(matches!(
                Overlay::of("test", &full, &other),
                Err(Error::LayoutMismatch { .. })
            ));
        }
    }

    #[test]
    fn padding_of_products_and_sums() {
        let full = layout(&[KEY, HEAD, DIM]);
        let copies = layout(&[Field::replica(2), HEAD, DIM]);
        let any = |l: &Layout| l.clone().with_padding(Padding::Any);
        let paddings = |l: &Layout, r: &Layout| {
            let overlay = Overlay::of("test", l, r).expect("fits");
            (overlay.product().padding(), overlay.sum().padding())
        };
        use Padding::{Any, Zero};
        assert_eq!(paddings(&full, &copies), (Zero, Any));
        assert_eq!(paddings(&full, &full), (Zero, Zero));
        assert_eq!(paddings(&full, &any(&copies)), (Zero, Any));
        assert_eq!(paddings(&any(&full), &copies), (Any, Any));
        assert_eq!(paddings(&any(&full), &full), (Zero, Any));
    }

    #[test]
    fn ciphertexts_are_used_again() {
        // 3 * 2 * 4 places in ciphertexts of 16: two; without DIM one, read twice.
        let full = layout(&[KEY, HEAD, DIM]);
        let overlay = Overlay::of("test", &full, &layout(&[KEY, HEAD])).expect("fits");
        assert_eq!(overlay.sources(&full), [0, 1]);
        assert_eq!(overlay.sources(&layout(&[KEY, HEAD])), [0, 0]);
    }
}
