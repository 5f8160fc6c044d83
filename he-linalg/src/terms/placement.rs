//! From an output slot and an input slot to a place in the diagonals.

use crate::field::Axis;
use crate::layout::{Layout, Placed};

/// The replica fields of an input within its slots, as (lowest bit, mask, number of copies).
struct Replicas(Vec<(u32, usize, usize)>);

impl Replicas {
    fn of(input: &Layout) -> Replicas {
        let fields = input.placed().iter().filter(|p| {
            p.field.axis == Axis::REPLICA && p.shift < input.log_period() && p.field.len > 1
        });
        let describe = |p: &Placed| {
            let bits = p.field.log_size.min(input.log_period() - p.shift);
            (p.shift, (1usize << bits) - 1, p.field.len)
        };
        Replicas(fields.map(describe).collect())
    }

    /// Moves the address `t` of a first copy to the copy for which `t - slot` has zeros along the
    /// replica bits: the output's own bits, plus the borrow from the bits below.
    fn choose(&self, mut t: usize, slot: usize) -> usize {
        for &(shift, mask, len) in &self.0 {
            let below = (1usize << shift) - 1;
            let borrow = usize::from(t & below < slot & below);
            let copy = ((slot >> shift) + borrow) & mask;
            // A partly filled field may lack the wanted copy.
            t |= if copy < len { copy << shift } else { 0 };
        }
        t
    }

    /// The slot bits that the choice of a copy depends on.
    fn slot_mask(&self) -> usize {
        let tops = self.0.iter().map(|&(shift, mask, _)| (mask + 1) << shift);
        tops.max().unwrap_or(1) - 1
    }
}

/// Where a product of an input slot lands in the diagonals of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The left rotation of the input, below its period.
    pub amount: usize,
    /// The slot of the diagonal: that of the output, or a copy of it that folds add up.
    pub slot: usize,
}

/// The rule of placement between one input and an output whose first `written` slots get rows.
pub(super) struct Placement {
    replicas: Replicas,
    log_slots: u32,
    written_mask: usize,
    period_mask: usize,
    input_mask: usize,
    slot_mask: usize,
}

impl Placement {
    pub fn new(input: &Layout, written: usize) -> Placement {
        let replicas = Replicas::of(input);
        Placement {
            log_slots: input.log_slots(),
            written_mask: written - 1,
            period_mask: written.max(input.period()) - 1,
            input_mask: input.period() - 1,
            slot_mask: replicas.slot_mask(),
            replicas,
        }
    }

    /// The length of the diagonals.
    pub fn period(&self) -> usize {
        self.period_mask + 1
    }

    /// The period of the input; amounts are below it.
    pub fn input_period(&self) -> usize {
        self.input_mask + 1
    }

    /// Slots of an output that get rows.
    pub fn written(&self) -> usize {
        self.written_mask + 1
    }

    /// Ciphertext and slot of an address of the input.
    pub fn split(&self, address: usize) -> (usize, usize) {
        let slots = (1 << self.log_slots) - 1;
        (address >> self.log_slots, address & slots)
    }

    /// The place of the product of the first copy of an input entry for the row of `slot`.
    pub fn of(&self, first: usize, slot: usize) -> Place {
        let source = self.replicas.choose(first, slot);
        // The copy of the output slot that reads `source` with an amount below `written`; there
        // is only one copy, the slot itself, unless the map is folded.
        let distance = source.wrapping_sub(slot) & self.period_mask;
        let slot = slot + (distance & !self.written_mask);
        Place {
            amount: source.wrapping_sub(slot) & self.input_mask,
            slot,
        }
    }

    /// What the amounts and copies of a row depend on besides which entries it reads, when the
    /// addresses of these are `address` with some bits set that `address` has not: rows with the
    /// same class have the same amounts, at slots that differ by that of the row.
    pub fn class(&self, address: usize, slot: usize) -> Class {
        let (ciphertext, source) = self.split(address);
        Class {
            ciphertext,
            distance: source.wrapping_sub(slot) & self.input_mask,
            low_source: source & self.slot_mask,
            low_slot: slot & self.slot_mask,
        }
    }
}

/// See [`Placement::class`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class {
    ciphertext: usize,
    distance: usize,
    low_source: usize,
    low_slot: usize,
}
