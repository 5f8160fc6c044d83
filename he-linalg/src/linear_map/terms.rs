//! From the terms of one output slot to places in diagonals.

use std::collections::BTreeMap;

use super::Block;
use crate::error::{Error, Result};
use crate::field::Axis;
use crate::layout::{Layout, Placed};

/// Marks a rotation amount that has no diagonal yet.
const NONE: u32 = u32::MAX;

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
}

/// Collects the terms of one output slot, see [`LinearMap::build`](super::LinearMap::build).
pub struct Terms<'a> {
    input: &'a Layout,
    replicas: Replicas,
    written_mask: usize,
    period: usize,
    input_mask: usize,
    slot: usize,
    /// Input ciphertext times input period plus amount, to a place in `diagonals`.
    diagonal_of: Vec<u32>,
    diagonals: Vec<Vec<f64>>,
    failure: Option<Error>,
}

impl<'a> Terms<'a> {
    /// No terms yet, for an output ciphertext whose first `written` slots get rows.
    pub(super) fn new(input: &'a Layout, written: usize) -> Terms<'a> {
        Terms {
            input,
            replicas: Replicas::of(input),
            written_mask: written - 1,
            period: written.max(input.period()),
            input_mask: input.period() - 1,
            slot: 0,
            diagonal_of: vec![NONE; input.ciphertexts() * input.period()],
            diagonals: Vec::new(),
            failure: None,
        }
    }

    /// Directs the terms that follow to `slot`.
    pub(super) fn start_slot(&mut self, slot: usize) {
        self.slot = slot;
    }

    /// Adds `coefficient` times the input entry `index` to the output entry.
    ///
    /// Zero coefficients cost nothing. The first bad index or coefficient is reported by the
    /// builder.
    pub fn add(&mut self, index: &[usize], coefficient: f64) {
        if coefficient == 0.0 || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.try_add(index, coefficient) {
            self.failure = Some(error);
        }
    }

    fn try_add(&mut self, index: &[usize], coefficient: f64) -> Result<()> {
        if !coefficient.is_finite() {
            return Err(Error::NotFinite {
                value: coefficient,
                slot: self.slot,
            });
        }
        let (ciphertext, first) = self.input.position(index)?;
        let source = self.replicas.choose(first, self.slot);
        // The copy of the output slot that reads `source` with an amount below `written`; there is
        // only one copy, the slot itself, unless the map is folded.
        let distance = source.wrapping_sub(self.slot) & (self.period - 1);
        let slot = self.slot + (distance & !self.written_mask);
        let amount = source.wrapping_sub(slot) & self.input_mask;
        let place = &mut self.diagonal_of[ciphertext * (self.input_mask + 1) + amount];
        if *place == NONE {
            *place = self.diagonals.len() as u32;
            self.diagonals.push(vec![0.0; self.period]);
        }
        self.diagonals[*place as usize][slot] += coefficient;
        Ok(())
    }

    /// Sorts the diagonals into blocks, leaving out those that cancelled to zero.
    pub(super) fn into_blocks(mut self, output: usize) -> Result<Vec<Block>> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let mut blocks = Vec::new();
        for (input, places) in self.diagonal_of.chunks(self.input_mask + 1).enumerate() {
            let mut diagonals = BTreeMap::new();
            for (amount, &place) in places.iter().enumerate().filter(|&(_, &p)| p != NONE) {
                let diagonal = std::mem::take(&mut self.diagonals[place as usize]);
                if diagonal.iter().any(|&d| d != 0.0) {
                    diagonals.insert(amount, diagonal);
                }
            }
            if !diagonals.is_empty() {
                blocks.push(Block {
                    output,
                    input,
                    diagonals,
                });
            }
        }
        Ok(blocks)
    }
}
