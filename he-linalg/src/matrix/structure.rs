//! What is known of a matrix before any value: its non-zero diagonals and their steps.

use std::collections::BTreeMap;

use ckks_math::evaluator::LinearTransformSteps;

use super::Coefficients;
use crate::bsgs::{Amount, CostModel, Steps};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::terms::{InputPattern, Terms};

/// The form in which a matrix is multiplied by an encrypted tensor.
#[derive(Debug)]
pub(super) enum Form {
    /// Generalized diagonals with baby and giant steps.
    Diagonals(Diagonals),
}

/// Whether coefficients change from use to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// The diagonals of all uses repeat as those of the structure do.
    Fixed,
    /// The diagonals of a use may have no shorter period than their length.
    Varying,
}

/// One or several matrices of the same input as generalized diagonals.
#[derive(Debug)]
pub(super) struct Diagonals {
    pub input: Layout,
    pub maps: Vec<MapSteps>,
}

/// The diagonals of one matrix.
#[derive(Debug)]
pub(super) struct MapSteps {
    pub output: Layout,
    /// The length of the diagonals: the larger of the periods of input and output.
    pub period: usize,
    /// Amounts of the rotate-and-adds that complete every output.
    pub folds: Vec<usize>,
    pub outputs: Vec<OutputSteps>,
}

/// The giant steps of one output ciphertext.
#[derive(Debug)]
pub(super) struct OutputSteps {
    pub giants: Vec<GiantStep>,
    /// For each input ciphertext the period with which its diagonals repeat.
    pub periods: Vec<usize>,
}

/// The products that are summed and then rotated together.
#[derive(Debug)]
pub(super) struct GiantStep {
    /// Left rotation of the sum; 0 costs nothing.
    pub amount: usize,
    /// The input ciphertexts with the left rotations of them that are multiplied.
    pub inputs: Vec<(usize, Vec<usize>)>,
}

/// A diagonal, by the sum that it contributes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiagonalOf {
    pub input: usize,
    pub amount: usize,
    /// The number of the giant step in its output.
    pub giant: usize,
    /// The rotation of the giant step.
    pub rotation: usize,
}

/// Which sum a transform contributes to: of a single input a whole output, else of the giant step
/// of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    pub map: usize,
    pub output: usize,
    /// 0 with a single input.
    pub giant: usize,
}

impl Diagonals {
    /// The structure of matrices given by their coefficients, each with its output layout.
    ///
    /// Holds a mark for each amount and a fingerprint for each slot of one output at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] without a map, and the error of a source of coefficients.
    pub fn new(
        input: &Layout,
        maps: &[(&dyn Coefficients, &Layout)],
        values: Values,
        model: &CostModel,
    ) -> Result<Diagonals> {
        if maps.is_empty() {
            return Err(Error::Count {
                op: "matrix",
                what: "output layouts",
                need: 1,
                got: 0,
            });
        }
        let mut patterns = Vec::new();
        let mut amounts = Vec::new();
        for (source, output) in maps {
            let period = input.period().max(output.period());
            for pattern in patterns_of(input, output, *source)? {
                let number = patterns.len();
                for (input, of_input) in pattern.iter().enumerate() {
                    let of = |&amount: &usize| Amount {
                        input,
                        output: number,
                        amount,
                        period,
                    };
                    amounts.extend(of_input.amounts.iter().map(of));
                }
                patterns.push(pattern);
            }
        }
        let steps = Steps::cheapest(&amounts, (input.ciphertexts(), input.period()), model);
        let mut patterns = patterns.iter();
        let maps = maps.iter().map(|(_, output)| {
            let of_map = patterns.by_ref().take(output.ciphertexts());
            let (period, written) = (input.period().max(output.period()), output.period());
            MapSteps {
                output: (*output).clone(),
                period,
                folds: (written.ilog2()..period.ilog2())
                    .map(|bit| 1 << bit)
                    .collect(),
                outputs: of_map
                    .map(|pattern| OutputSteps::new(pattern, &steps, (values, period)))
                    .collect(),
            }
        });
        Ok(Diagonals {
            input: input.clone(),
            maps: maps.collect(),
        })
    }

    /// Whether there is one input ciphertext: then its transforms are the outputs.
    pub fn single(&self) -> bool {
        self.input.ciphertexts() == 1
    }

    /// Number of diagonals, each of which is one plaintext product.
    pub fn count(&self) -> usize {
        let giants = self.maps.iter().flat_map(|m| &m.outputs);
        let inputs = giants.flat_map(|o| &o.giants).flat_map(|g| &g.inputs);
        inputs.map(|(_, babies)| babies.len()).sum()
    }

    /// What the evaluator does with one input ciphertext, by target: with a single input a
    /// transform for each output, else the inner sum of each giant step.
    pub fn transforms(&self, input: usize) -> Vec<(Target, LinearTransformSteps)> {
        let mut transforms = Vec::new();
        for (map, steps) in self.maps.iter().enumerate() {
            for (output, of_output) in steps.outputs.iter().enumerate() {
                let of_giants = of_output.giants.iter().enumerate();
                let read = of_giants.filter_map(|(number, giant)| {
                    let (_, babies) = giant.inputs.iter().find(|(i, _)| *i == input)?;
                    Some((number, giant.amount, babies.clone()))
                });
                let (slots, period) = (steps.period, of_output.periods[input]);
                let transform = |giants| LinearTransformSteps {
                    slots,
                    period,
                    giants,
                };
                if self.single() {
                    let giants: Vec<_> = read.map(|(_, amount, b)| (amount, b)).collect();
                    if !giants.is_empty() {
                        let giant = 0;
                        transforms.push((Target { map, output, giant }, transform(giants)));
                    }
                } else {
                    transforms.extend(read.map(|(giant, _, babies)| {
                        let target = Target { map, output, giant };
                        (target, transform(vec![(0, babies)]))
                    }));
                }
            }
        }
        transforms
    }
}

impl OutputSteps {
    fn new(
        pattern: &[InputPattern],
        steps: &Steps,
        (values, period): (Values, usize),
    ) -> OutputSteps {
        let mut giants: BTreeMap<usize, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
        for (input, of_input) in pattern.iter().enumerate() {
            for &amount in &of_input.amounts {
                let (baby, giant) = steps.of(amount);
                let inputs = giants.entry(giant).or_default();
                match inputs.last_mut() {
                    Some((last, babies)) if *last == input => babies.push(baby),
                    _ => inputs.push((input, vec![baby])),
                }
            }
        }
        let giants = giants.into_iter();
        OutputSteps {
            giants: giants
                .map(|(amount, inputs)| GiantStep { amount, inputs })
                .collect(),
            periods: pattern
                .iter()
                .map(|of_input| match values {
                    Values::Fixed => of_input.period,
                    Values::Varying => period,
                })
                .collect(),
        }
    }

    /// All diagonals, by giant step, then by input.
    pub fn diagonals(&self, input_period: usize) -> Vec<DiagonalOf> {
        let mut all = Vec::new();
        for (giant, step) in self.giants.iter().enumerate() {
            for (input, babies) in &step.inputs {
                all.extend(babies.iter().map(|baby| DiagonalOf {
                    input: *input,
                    amount: (baby + step.amount) & (input_period - 1),
                    giant,
                    rotation: step.amount,
                }));
            }
        }
        all
    }
}

/// For each output ciphertext the diagonals that each input has.
fn patterns_of(
    input: &Layout,
    output: &Layout,
    source: &dyn Coefficients,
) -> Result<Vec<Vec<InputPattern>>> {
    if input.log_slots() != output.log_slots() {
        let (input, output) = (input.log_slots(), output.log_slots());
        return Err(Error::SlotMismatch { input, output });
    }
    let pattern = |ciphertext| {
        let mut terms = Terms::marking(input, output.period());
        terms.of_rows(output, ciphertext, |index, terms| source.row(index, terms))?;
        Ok(terms.into_pattern())
    };
    (0..output.ciphertexts()).map(pattern).collect()
}
