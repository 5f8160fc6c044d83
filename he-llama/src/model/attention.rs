//! Attention with the softmax of [Cho et al. 2024]: normalise and square.

use serde::{Deserialize, Serialize};

use crate::model::function::{Function, Kind};
use crate::model::machine::Machine;
use crate::model::projection::Rope;
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

/// What the scores of a layer are taken relative to: for each query head a key that travels with
/// the query, at its position.
///
/// `q k_j - q a` in place of `q k_j` moves all scores of a row alike, which softmax does not see.
/// With `a` fitted to the largest scores of rows, their range shrinks, at no cost: `a` is taken
/// from the keys.
#[derive(Clone, Copy, Debug)]
pub struct Anchor<'a> {
    /// `[head][channel]`, before rotation.
    pub keys: &'a [Vec<f64>],
    /// Rotates them to the query's position.
    pub rope: Option<&'a Rope>,
}

impl Anchor<'_> {
    /// The keys `[head][channel]` that a query at `position` meets.
    pub fn at(&self, position: usize) -> Vec<Vec<f64>> {
        let mut keys = self.keys.to_vec();
        if let Some(rope) = self.rope {
            keys.iter_mut().for_each(|key| rope.rotate(key, position));
        }
        keys
    }
}

/// Softmax of the scores of one layer: `y = exp((score - shift) / 2^k)`, masked, then `k` times
/// squared and, where needed, normalised, after the last squaring accurately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// Taken from the scores of each head, so that the largest of a row stays near one value.
    pub anchors: Vec<Vec<f64>>,
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
            anchors: Vec::new(),
            shift: vec![0.0; heads],
            exponential: Function::exact(Kind::Exponential { divisor: 2.0 }),
            rounds: Vec::new(),
            last: Function::exact(Kind::Reciprocal),
        }
    }
}

/// The first powers of softmax, of queries, keys and values of the pass's tokens against all of
/// `cache`, to which keys and values are appended first: `[head, token, key]`, and the values of
/// all keys.
///
/// # Errors
///
/// Those of the operations of the machine.
pub fn weigh<M: Machine>(
    m: &mut M,
    [queries, keys, values]: [M::Tensor; 3],
    cache: &mut M::Cache,
    softmax: &Softmax,
    rope: Option<&Rope>,
    layer: usize,
) -> Result<[M::Tensor; 2], M::Error> {
    let at = |role| Site::new(layer, role);
    let sites = [at(Role::Key), at(Role::Value)];
    let [keys, values] = m.append(cache, &keys, &values, sites)?;

    let keys_of = &softmax.anchors;
    let anchor = (!keys_of.is_empty()).then_some(Anchor {
        keys: keys_of,
        rope,
    });
    let scores = m.scores(&queries, &keys, anchor.as_ref(), at(Role::Scores))?;
    let [scores] = m.refresh([scores], [at(Role::Scores)])?;
    let y = m.exponential(&scores, softmax, at(Role::Scores), at(Role::Powers(0)))?;
    Ok([y, values])
}

/// The values `[head, token, channel]` mixed by the weights that softmax makes of its first powers.
/// The same work at every position.
///
/// The last normalisation is applied to the mixed values instead of the weights, so that mixing
/// runs while its polynomial is evaluated.
///
/// # Errors
///
/// Those of the operations of the machine.
pub fn mix<M: Machine>(
    m: &mut M,
    mut y: M::Tensor,
    values: &M::Tensor,
    softmax: &Softmax,
    layer: usize,
) -> Result<M::Tensor, M::Error> {
    let at = |role| Site::new(layer, role);
    let mut number = 0;
    for round in &softmax.rounds {
        [y] = m.refresh([y], [at(Role::Powers(number))])?;
        let next = at(Role::Powers(number + 1));
        y = match round {
            Round::Square => m.square(&y, next)?,
            Round::Normalise(reciprocal) => {
                let squares = m.square(&y, at(Role::Squares(number)))?;
                let sum = m.sum_keys(&squares, at(Role::SquareSum(number)))?;
                let argument = at(Role::SquareSum(number));
                let [y] = m.apply_times(&sum, reciprocal, [&squares], argument, [next])?;
                y
            }
        };
        number += 1;
    }
    [y] = m.refresh([y], [at(Role::Powers(number))])?;
    let squares = m.square(&y, at(Role::Squares(number)))?;
    let sum = m.sum_keys(&squares, at(Role::SquareSum(number)))?;
    let raw = m.mix(&squares, values, at(Role::MixedRaw))?;
    let argument = at(Role::SquareSum(number));
    let [mixed] = m.apply_times(&sum, &softmax.last, [&raw], argument, [at(Role::Mixed)])?;
    Ok(mixed)
}
