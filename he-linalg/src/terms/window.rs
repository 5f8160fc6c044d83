//! The values of chosen diagonals of one output.

use super::Place;

/// No diagonal of the structure.
const ABSENT: u32 = u32::MAX;
/// A diagonal of the structure that the window leaves out.
const ELSEWHERE: u32 = u32::MAX - 1;

/// Values of some of the diagonals that the structure of a matrix has for one output.
pub(crate) struct Window {
    input_period: usize,
    period: usize,
    /// Input ciphertext times input period plus amount, to a number in the window.
    number_of: Vec<u32>,
    /// The diagonals of the window one after the other.
    values: Vec<f64>,
}

impl Window {
    /// A window on an output that has the diagonals `all`, each an input and an amount, and of
    /// which `chosen` are expanded: diagonal `i` of the window is `chosen[i]`.
    pub fn new(
        (inputs, input_period, period): (usize, usize, usize),
        all: impl Iterator<Item = (usize, usize)>,
        chosen: &[(usize, usize)],
    ) -> Window {
        let mut number_of = vec![ABSENT; inputs * input_period];
        for (input, amount) in all {
            number_of[input * input_period + amount] = ELSEWHERE;
        }
        for (number, (input, amount)) in chosen.iter().enumerate() {
            number_of[input * input_period + amount] = number as u32;
        }
        Window {
            input_period,
            period,
            number_of,
            values: vec![0.0; chosen.len() * period],
        }
    }

    /// Adds a term, or leaves it out if its diagonal is not of the window; `false` if the
    /// structure has no such diagonal.
    pub(super) fn add(&mut self, input: usize, place: Place, coefficient: f64) -> bool {
        match self.number_of[input * self.input_period + place.amount] {
            ABSENT => return false,
            ELSEWHERE => {}
            number => {
                self.values[number as usize * self.period + place.slot] += coefficient;
            }
        }
        true
    }

    /// The values of the diagonals, in the order in which they were chosen.
    pub fn diagonals(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks(self.period)
    }
}
