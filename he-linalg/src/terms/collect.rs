//! All diagonals of one output ciphertext with their values.

use std::collections::BTreeMap;

use super::{Place, Placement};

/// Marks a rotation amount that has no diagonal yet.
const NONE: u32 = u32::MAX;

/// The diagonals of one input ciphertext by their rotation amount.
pub(crate) type Collected = BTreeMap<usize, Vec<f64>>;

/// Diagonals that grow in number as terms come.
pub(crate) struct Diagonals {
    period: usize,
    input_period: usize,
    /// Input ciphertext times input period plus amount, to a place in `diagonals`.
    diagonal_of: Vec<u32>,
    diagonals: Vec<Vec<f64>>,
}

impl Diagonals {
    pub(super) fn new(inputs: usize, placement: &Placement) -> Diagonals {
        let input_period = placement.input_period();
        Diagonals {
            period: placement.period(),
            input_period,
            diagonal_of: vec![NONE; inputs * input_period],
            diagonals: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, input: usize, place: Place, coefficient: f64) {
        let diagonal = &mut self.diagonal_of[input * self.input_period + place.amount];
        if *diagonal == NONE {
            *diagonal = self.diagonals.len() as u32;
            self.diagonals.push(vec![0.0; self.period]);
        }
        self.diagonals[*diagonal as usize][place.slot] += coefficient;
    }

    /// The diagonals of each input, without those that cancelled to zero.
    pub(super) fn into_inputs(mut self, placement: &Placement) -> Vec<Collected> {
        let mut inputs = Vec::new();
        for places in self.diagonal_of.chunks(placement.input_period()) {
            let mut diagonals = BTreeMap::new();
            for (amount, &place) in places.iter().enumerate().filter(|&(_, &p)| p != NONE) {
                let diagonal = std::mem::take(&mut self.diagonals[place as usize]);
                if diagonal.iter().any(|&d| d != 0.0) {
                    diagonals.insert(amount, diagonal);
                }
            }
            inputs.push(diagonals);
        }
        inputs
    }
}
