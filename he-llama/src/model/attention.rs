//! Attention with the softmax of Cho, Hanrot, Kim, Park, Stehle ("Fast and accurate homomorphic
//! softmax evaluation", CCS 2024): normalise and square.

use serde::{Deserialize, Serialize};

use crate::model::function::{Function, Kind};
use crate::model::machine::{Cache, Machine, Positions};
use crate::model::site::{Role, Site};

/// One squaring of the softmax, but for the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// `y <- y^2`.
    Square,
    /// `y <- y^2 p(sum y^2)` with a polynomial `p` of `1/x`, which may be crude: its error is a
    /// common factor of the row, and the next normalisation divides that out.
    Normalise(Function),
}

/// Softmax of the scores of one layer: `y = exp((score - shift) / 2^k)`, masked, then `k` times
/// squared and, where needed, normalised, after the last squaring accurately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// Constant taken from the scores of each head, near the largest that its rows reach.
    pub shift: Vec<f64>,
    /// `exp(x / 2^k)`.
    pub exponential: Function,
    /// The first `k - 1` squarings.
    pub rounds: Vec<Round>,
    /// `1/x` of the sum after the last squaring.
    pub last: Function,
}

impl Softmax {
    /// The exact function: one squaring, no shift.
    pub fn exact(heads: usize) -> Self {
        Self {
            shift: vec![0.0; heads],
            exponential: Function::exact(Kind::Exponential { divisor: 2.0 }),
            rounds: Vec::new(),
            last: Function::exact(Kind::Reciprocal),
        }
    }
}

/// Attention of queries, keys and values of the tokens at `positions` to all of `cache`:
/// `[head, token, channel]`. Keys and values are appended to `cache` first.
///
/// The last normalisation is applied to the mixed values instead of the weights, so that mixing
/// runs while its polynomial is evaluated.
pub fn attend<M: Machine>(
    m: &mut M,
    [queries, keys, values]: [M::Tensor; 3],
    cache: &mut Cache<M::Tensor>,
    softmax: &Softmax,
    positions: Positions,
    layer: usize,
) -> Result<M::Tensor, M::Error> {
    let at = |role| Site::new(layer, role);
    let queries = m.refresh(queries, at(Role::Query))?;
    let keys = m.refresh(keys, at(Role::Key))?;
    let values = m.refresh(values, at(Role::Value))?;
    m.append(cache, &keys, &values, positions)?;
    let (keys, values) = cache.entries.clone().unwrap_or((keys, values));

    let scores = m.scores(&queries, &keys, positions, at(Role::Scores))?;
    let scores = m.refresh(scores, at(Role::Scores))?;
    let mut y = m.exponential(
        &scores,
        softmax,
        positions,
        at(Role::Scores),
        at(Role::Powers(0)),
    )?;
    let mut number = 0;
    for round in &softmax.rounds {
        y = m.refresh(y, at(Role::Powers(number)))?;
        let next = at(Role::Powers(number + 1));
        y = match round {
            Round::Square => m.square(&y, next)?,
            Round::Normalise(reciprocal) => {
                let squares = m.square(&y, at(Role::Squares(number)))?;
                let sum = m.sum_keys(&squares, at(Role::SquareSum(number)))?;
                m.apply_times(
                    &sum,
                    reciprocal,
                    &squares,
                    at(Role::SquareSum(number)),
                    next,
                )?
            }
        };
        number += 1;
    }
    y = m.refresh(y, at(Role::Powers(number)))?;
    let squares = m.square(&y, at(Role::Squares(number)))?;
    let sum = m.sum_keys(&squares, at(Role::SquareSum(number)))?;
    let raw = m.mix(&squares, &values, positions, at(Role::MixedRaw))?;
    m.apply_times(
        &sum,
        &softmax.last,
        &raw,
        at(Role::SquareSum(number)),
        at(Role::Mixed),
    )
}
