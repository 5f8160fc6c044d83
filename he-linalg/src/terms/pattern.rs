//! Which diagonals a matrix has, and their period, without their values.
//!
//! The diagonals of an output repeat with the period with which its rows do. Each row leaves a
//! fingerprint at every slot of the diagonals that it writes to, a sum over its terms of hashes of
//! amount and coefficient (of amounts and key for a row without coefficients). Equal diagonals
//! have equal fingerprints. Should different ones ever have the same, the expansion of the values
//! finds that they do not repeat, and fails.

use std::collections::HashMap;

use super::placement::Class;
use super::{Place, Placement};

/// The diagonals between one input ciphertext and an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPattern {
    /// Rotation amounts, ascending.
    pub amounts: Vec<usize>,
    /// The period with which all diagonals repeat.
    pub period: usize,
}

/// Rows of the same class along the same box of entries.
struct Marked {
    number: u64,
    /// The input ciphertexts read, with the distance from the slot of the row to the one written.
    copies: Vec<(usize, usize)>,
}

/// Marks of the diagonals of one output.
pub(crate) struct Pattern {
    input_period: usize,
    period: usize,
    /// Input ciphertext times input period plus amount.
    marks: Vec<bool>,
    /// Input ciphertext times period plus slot.
    fingerprints: Vec<u64>,
    classes: HashMap<(Class, usize, usize), Marked>,
}

impl Pattern {
    pub(super) fn new(inputs: usize, placement: &Placement) -> Pattern {
        let (input_period, period) = (placement.input_period(), placement.period());
        Pattern {
            input_period,
            period,
            marks: vec![false; inputs * input_period],
            fingerprints: vec![0; inputs * period],
            classes: HashMap::new(),
        }
    }

    /// Marks one term.
    pub(super) fn mark(&mut self, input: usize, place: Place, coefficient: f64) {
        self.marks[input * self.input_period + place.amount] = true;
        let coefficient = u64::from((coefficient as f32).to_bits());
        self.leave(input, place.slot, mix(place.amount as u64, coefficient));
    }

    /// Marks a row that reads the entries of a box, given by its number and their offsets from
    /// the address `base`.
    pub(super) fn mark_row(
        &mut self,
        placement: &Placement,
        slot: usize,
        key: u64,
        base: usize,
        (entries, offsets): (usize, &[usize]),
    ) {
        let class = (placement.class(base, slot), entries, offsets.len());
        if !self.classes.contains_key(&class) {
            let mut copies = Vec::new();
            for offset in offsets {
                let (input, source) = placement.split(base | offset);
                let place = placement.of(source, slot);
                self.marks[input * self.input_period + place.amount] = true;
                let copy = (input, place.slot - slot);
                if !copies.contains(&copy) {
                    copies.push(copy);
                }
            }
            let number = self.classes.len() as u64;
            self.classes.insert(class, Marked { number, copies });
        }
        let marked = &self.classes[&class];
        for &(input, distance) in &marked.copies {
            let of_row = mix(mix(key, marked.number), distance as u64);
            let print = &mut self.fingerprints[input * self.period + slot + distance];
            *print = print.wrapping_add(of_row);
        }
    }

    fn leave(&mut self, input: usize, slot: usize, of_term: u64) {
        let print = &mut self.fingerprints[input * self.period + slot];
        *print = print.wrapping_add(of_term);
    }

    pub(super) fn into_inputs(self, placement: &Placement) -> Vec<InputPattern> {
        let marks = self.marks.chunks(placement.input_period());
        let prints = self.fingerprints.chunks(placement.period());
        let of_input = |(marks, prints): (&[bool], &[u64])| InputPattern {
            amounts: (0..marks.len()).filter(|&k| marks[k]).collect(),
            period: shortest_period(prints),
        };
        marks.zip(prints).map(of_input).collect()
    }
}

/// The shortest period of a vector of a power-of-two length.
pub(crate) fn shortest_period<T: PartialEq>(values: &[T]) -> usize {
    let mut period = values.len();
    while period > 1 && values[..period / 2] == values[period / 2..period] {
        period /= 2;
    }
    period
}

/// A hash of two words in order: the finalizer of SplitMix64 [Steele-Lea-Flood 2014] over their
/// combination.
fn mix(a: u64, b: u64) -> u64 {
    let mut z = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        .wrapping_add(b)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
