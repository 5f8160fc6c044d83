//! Diagonals of plans in little memory.
//!
//! Weights that do not depend on the token repeat along its bits, and maps to replicated outputs
//! repeat from the top: a diagonal is stored as one value for each run of equal slots of one
//! period, in single precision.

/// A slot vector, stored as the values of the runs of its first period.
///
/// Values are rounded to single precision: a relative error of at most `2^-24` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonal {
    values: Vec<f32>,
    log_run: u32,
    len: usize,
}

impl Diagonal {
    /// Stores a vector whose length is a power of two.
    pub fn new(values: &[f64]) -> Diagonal {
        let len = values.len();
        let mut period = len;
        while period > 1 && values[..period / 2] == values[period / 2..period] {
            period /= 2;
        }
        let mut runs: Vec<f32> = values[..period].iter().map(|&v| v as f32).collect();
        let mut log_run = 0;
        while runs.len() > 1 && runs.chunks_exact(2).all(|pair| pair[0] == pair[1]) {
            runs = runs.into_iter().step_by(2).collect();
            log_run += 1;
        }
        runs.shrink_to_fit();
        Diagonal {
            values: runs,
            log_run,
            len,
        }
    }

    /// All values, as many as were given.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        let (run, mask) = (self.log_run, (self.values.len() << self.log_run) - 1);
        (0..self.len).map(move |s| f64::from(self.values[(s & mask) >> run]))
    }

    /// The period with which the values repeat.
    pub fn period(&self) -> usize {
        self.values.len() << self.log_run
    }

    /// Bytes of the stored values.
    pub fn bytes(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn runs_and_periods_are_stored_once() {
        for (log_run, log_values, log_copies) in [(0, 4, 0), (3, 2, 2), (2, 0, 3), (0, 3, 1)] {
            let stored = noise(60, 1 << log_values);
            let all: Vec<f64> = (0..1usize << (log_run + log_values + log_copies))
                .map(|s| f64::from(stored[(s >> log_run) % stored.len()] as f32))
                .collect();
            let diagonal = Diagonal::new(&all);
            assert_eq!(diagonal.bytes(), 4 << log_values);
            assert_eq!(diagonal.values().collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn values_are_rounded_to_single_precision() {
        let values = noise(61, 64);
        for (a, b) in values.iter().zip(Diagonal::new(&values).values()) {
            assert!((a - b).abs() <= a.abs() * 2f64.powi(-24));
        }
    }
}
