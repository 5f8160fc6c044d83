//! Products of matrices in the clear, step by step as on ciphertexts.

use super::Coefficients;
use super::encode::expand;
use super::structure::{Diagonals, MapSteps};
use crate::error::Result;
use crate::layout::check_vectors;
use crate::linear_map::add_rotated;

impl Diagonals {
    /// For each map the output vectors of slot vectors in the clear, as long as its period.
    pub(super) fn apply_clear(
        &self,
        sources: &[&dyn Coefficients],
        inputs: &[Vec<f64>],
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let (count, period) = (self.input.ciphertexts(), self.input.period());
        check_vectors("matrix product", inputs, count, period)?;
        let maps = self.maps.iter().zip(sources);
        let outputs = |(map, source): (&MapSteps, &&dyn Coefficients)| {
            let one = |output| self.output_clear((map, output), *source, inputs);
            (0..map.outputs.len()).map(one).collect()
        };
        maps.map(outputs).collect()
    }

    fn output_clear(
        &self,
        (map, output): (&MapSteps, usize),
        source: &dyn Coefficients,
        inputs: &[Vec<f64>],
    ) -> Result<Vec<f64>> {
        let input_mask = self.input.period() - 1;
        let all = map.outputs[output].diagonals(self.input.period());
        let mut total = vec![0.0; map.period];
        for giant in all.chunk_by(|a, b| a.giant == b.giant) {
            let window = expand(self, (map, output), source, (&all, giant))?;
            let mut sum = vec![0.0; map.period];
            for (of, diagonal) in giant.iter().zip(window.diagonals()) {
                let (x, baby) = (&inputs[of.input], of.amount.wrapping_sub(of.rotation));
                for (s, value) in sum.iter_mut().enumerate() {
                    let d = diagonal[s.wrapping_sub(of.rotation) & (map.period - 1)];
                    *value += d * x[s.wrapping_add(baby) & input_mask];
                }
            }
            if let Some(of) = giant.first() {
                sum.rotate_left(of.rotation);
            }
            total.iter_mut().zip(sum).for_each(|(out, s)| *out += s);
        }
        let folds = map.folds.iter();
        Ok(folds.fold(total, |x, &fold| add_rotated(&x, fold)))
    }
}
