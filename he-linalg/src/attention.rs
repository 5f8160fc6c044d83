//! Products of two encrypted tensors summed over an axis: attention scores and mixed values.
//!
//! The operands meet slot by slot, copies of one against axes of the other, so the product is one
//! multiplication of ciphertexts for each ciphertext of the common layout, followed by a sum
//! ([`ReducePlan`]). Layouts that suit (slowest axis first):
//!
//! ```text
//! decoding        q  [dim][head][replica]         one token, copies along the keys
//!                 k  [dim][head][key]
//!                 scores over dim: top axis, no mask      ->  [head][key], copies on top
//!                 p  [replica][head][key]  v  [dim][head][key]
//!                 mix over key: bottom axis, one mask     ->  [dim][head][replica]
//!
//! prefill by      q  [offset: replica][dim][head][token]
//! offsets         k  [offset][dim][head][token]   key of token - offset, a relayout of the cache
//!                 scores over dim                         ->  [offset][replica][head][token]
//!                 v  [offset][dim][head][token]
//!                 mix over offset: top axis, no mask      ->  [dim][head][token]
//! ```
//!
//! Keys and values of grouped-query attention are shared by laying out the query's group as an
//! axis where the keys have copies; the projection's map writes those copies at no cost.

use ckks_math::Evaluator;
use ckks_math::backend::Backend;

use crate::error::Result;
use crate::field::Axis;
use crate::layout::Layout;
use crate::overlay::Overlay;
use crate::packed::Packed;
use crate::reduce::{ReducePlan, SumOptions};

/// A product of two tensors summed over axes, planned for their layouts.
#[derive(Debug, Clone)]
pub struct Contraction {
    sum: ReducePlan,
}

impl Contraction {
    /// Plans `sum over axes of left * right`.
    ///
    /// # Errors
    ///
    /// When the layouts do not lie over each other, or as [`ReducePlan::sum`].
    pub fn new(
        left: &Layout,
        right: &Layout,
        axes: &[Axis],
        options: SumOptions,
    ) -> Result<Contraction> {
        let product = Overlay::of("contraction", left, right)?.product();
        let sum = ReducePlan::sum(&product, axes, options)?;
        Ok(Contraction { sum })
    }

    /// Attention scores: queries times keys summed over [`Axis::DIM`].
    ///
    /// # Errors
    ///
    /// As [`Contraction::new`].
    pub fn scores(queries: &Layout, keys: &Layout, options: SumOptions) -> Result<Contraction> {
        Self::new(queries, keys, &[Axis::DIM], options)
    }

    /// Attention outputs: weights times values summed over `keys`, [`Axis::KEY`] or
    /// [`Axis::OFFSET`].
    ///
    /// # Errors
    ///
    /// As [`Contraction::new`].
    pub fn mix(
        weights: &Layout,
        values: &Layout,
        keys: Axis,
        options: SumOptions,
    ) -> Result<Contraction> {
        Self::new(weights, values, &[keys], options)
    }

    /// The sum that follows the product.
    pub fn sum(&self) -> &ReducePlan {
        &self.sum
    }

    /// The layout of the result.
    pub fn output(&self) -> &Layout {
        self.sum.output()
    }

    /// Levels: one for the product, and one for the mask if the sum needs one.
    pub fn levels(&self) -> usize {
        1 + self.sum.levels()
    }

    /// The contraction of two encrypted tensors, [`Contraction::levels`] below the lower of both.
    ///
    /// # Errors
    ///
    /// As [`Packed::mul`] and [`ReducePlan::apply`].
    pub fn apply<B: Backend>(
        &self,
        ev: &Evaluator<B>,
        left: &Packed<B>,
        right: &Packed<B>,
    ) -> Result<Packed<B>> {
        self.sum.apply(ev, &left.mul(ev, right)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::testing::cipher::{Fixture, TOLERANCE};

    const HEADS: usize = 2;
    const DIMS: usize = 4;
    const KEYS: usize = 3;

    #[test]
    fn one_query_against_all_keys() {
        let mut f = Fixture::new(3, 6);
        let (key, head) = (Field::new(Axis::KEY, KEYS), Field::new(Axis::HEAD, HEADS));
        let dim = Field::new(Axis::DIM, DIMS);
        for log_slots in [6, 5, 4, 3] {
            let layout = |fields: &[Field]| Layout::new(log_slots, fields).expect("valid");
            let cache = layout(&[key, head, dim]);
            let (q, query) = f.random(&layout(&[Field::replica(2), head, dim]), 95);
            let (k, keys) = f.random(&cache, 96);
            let (v, values) = f.random(&cache, 97);
            let at = |d: usize, h: usize, j: usize| (d * HEADS + h) * KEYS + j;
            let scores = |h: usize, j: usize| -> f64 {
                (0..DIMS).map(|d| q[d * HEADS + h] * k[at(d, h, j)]).sum()
            };
            let want: Vec<f64> = (0..HEADS * KEYS)
                .map(|i| scores(i / KEYS, i % KEYS))
                .collect();

            let options = SumOptions::default();
            let contraction =
                Contraction::scores(query.layout(), &cache, options).expect("lies over");
            assert_eq!(contraction.levels(), 1);
            let s = contraction.apply(&f.ev, &query, &keys).expect("keys");
            f.check(&s, 2, &want, TOLERANCE);

            let contraction =
                Contraction::mix(s.layout(), &cache, Axis::KEY, options).expect("lies over");
            assert_eq!(contraction.levels(), 2);
            let out = contraction.apply(&f.ev, &s, &values).expect("keys");
            let mix = |d: usize, h: usize| -> f64 {
                (0..KEYS).map(|j| scores(h, j) * v[at(d, h, j)]).sum()
            };
            let want: Vec<f64> = (0..DIMS * HEADS)
                .map(|i| mix(i / HEADS, i % HEADS))
                .collect();
            f.check(&out, 0, &want, 10.0 * TOLERANCE);
        }
    }

    #[test]
    fn causal_attention_by_offsets() {
        let mut f = Fixture::new(2, 6);
        let tokens = 4;
        let (token, offset) = (
            Field::new(Axis::TOKEN, tokens),
            Field::new(Axis::OFFSET, tokens),
        );
        let dim = Field::new(Axis::DIM, DIMS);
        for log_slots in [6, 5, 4] {
            let layout = |fields: &[Field]| Layout::new(log_slots, fields).expect("valid");
            let (q, query) = f.random(&layout(&[token, dim]), 98);
            let (k, keys) = f.random(&layout(&[token, dim, offset]), 99);
            let contraction =
                Contraction::scores(query.layout(), keys.layout(), SumOptions::default());
            let contraction = contraction.expect("lies over");
            let s = contraction.apply(&f.ev, &query, &keys).expect("keys");
            let score = |o: usize, t: usize| -> f64 {
                (0..DIMS)
                    .map(|d| q[d * tokens + t] * k[(o * DIMS + d) * tokens + t])
                    .sum()
            };
            let want: Vec<f64> = (0..tokens * tokens)
                .map(|i| score(i / tokens, i % tokens))
                .collect();
            f.check(&s, 2 - contraction.levels(), &want, 10.0 * TOLERANCE);
        }
    }
}
