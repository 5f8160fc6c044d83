//! What a softmax is fitted to.

use crate::calibrate::record::{Range, Row};

/// By which factors the windows of sums are wider than recorded rows ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// The lower end is divided by this.
    pub down: f64,
    /// The upper end is multiplied by this.
    pub up: f64,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { down: 1.0, up: 1.0 }
    }
}

/// What is known of the scores of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Rows of scores relative to the anchors.
    pub rows: &'a [Row],
    /// Ranges of each head's scores.
    pub heads: &'a [Range],
    /// Keys `[head][channel]` that scores are relative to.
    pub anchors: &'a [Vec<f64>],
    /// What escapes have asked for.
    pub sums: Stretch,
}
