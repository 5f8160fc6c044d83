//! Linear maps between packed tensors, as generalized diagonals.
//!
//! With `n` the larger of the two periods, a map from one ciphertext to another is
//!
//! ```text
//! out[s] = sum over k of  diag_k[s] * in[(s + k) mod n]          0 <= s < n
//! ```
//!
//! where `in` rotated left by `k` is one key switch and `diag_k` one plaintext
//! [Halevi-Shoup 2014]. An input of period `p < n` is periodic, so amounts count modulo
//! `p`. The cost is the number of different amounts, and the builder has two freedoms to keep it
//! small:
//!
//! * An input value with several copies may be read from any of them. The copy is chosen so that
//!   the bits of `k` along a replica field are zero.
//! * An output of period `p < n` needs only the *sum* of its `n / p` periodic copies to be right,
//!   if rotations by `p, 2p, ..., n/2` are added afterwards ([`LinearMap::build_folded`]). Each
//!   term goes to the copy that reads it with an amount below `p`. This is the hybrid method of
//!   GAZELLE [Juvekar-Vaikuntanathan-Chandrakasan 2018, section 4], and turns replicas of the input
//!   into parallel work:
//!
//! ```text
//! [channel 64][replica 32] -> [channel 64]      plain: 64 diagonals      folded: 2, and 5 folds
//! ```

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::field::Axis;
use crate::layout::{Layout, check_vectors};
use crate::terms::Terms;

/// The diagonals between one input and one output ciphertext.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Number of the output ciphertext.
    pub output: usize,
    /// Number of the input ciphertext.
    pub input: usize,
    /// Left rotation amount (below the input period) to diagonal (as long as the map's period).
    pub diagonals: BTreeMap<usize, Vec<f64>>,
}

/// A plaintext matrix between two packed tensors, as the non-zero generalized diagonals of every
/// pair of ciphertexts.
///
/// Applying it takes one level.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    period: usize,
    input_period: usize,
    inputs: usize,
    outputs: usize,
    blocks: Vec<Block>,
    folds: Vec<usize>,
}

impl LinearMap {
    /// The map that gives each output entry the sum of the terms that `row` lists for it.
    ///
    /// `row(index, terms)` gets an output index and calls [`Terms::add`] for every input entry that
    /// takes part. It is called once for each slot that holds the entry, so it must answer the same
    /// every time. Padding slots of the output become zero, padding slots of the input are never
    /// read.
    ///
    /// # Errors
    ///
    /// When the layouts have different numbers of slots, when `row` names an entry that the input
    /// lacks, or for coefficients that are not finite.
    pub fn build(
        input: &Layout,
        output: &Layout,
        row: impl FnMut(&[usize], &mut Terms<'_>),
    ) -> Result<LinearMap> {
        let period = input.period().max(output.period());
        Self::build_copies(input, output, period, row)
    }

    /// [`LinearMap::build`] with fewer diagonals and some [`LinearMap::folds`] where the output
    /// has a smaller period than the input.
    ///
    /// The result of both maps is the same. At most `output.period()` amounts occur, all below
    /// it, and `log2(n / output.period())` rotations of the output follow.
    ///
    /// # Errors
    ///
    /// As [`LinearMap::build`].
    pub fn build_folded(
        input: &Layout,
        output: &Layout,
        row: impl FnMut(&[usize], &mut Terms<'_>),
    ) -> Result<LinearMap> {
        Self::build_copies(input, output, output.period(), row)
    }

    /// The map that moves entries from one layout to another with the same axes.
    ///
    /// Entries beyond the length of an output axis are dropped, output entries beyond the length of
    /// an input axis are zero, and an axis that only the output has receives copies.
    ///
    /// # Errors
    ///
    /// When the output lacks an axis of the input.
    pub fn relayout(input: &Layout, output: &Layout) -> Result<LinearMap> {
        let from = |&axis: &Axis| {
            let unknown = || Error::UnknownAxis {
                axis,
                layout: output.to_string(),
            };
            output.component(axis).ok_or_else(unknown)
        };
        let source: Vec<usize> = input.axes().iter().map(from).collect::<Result<_>>()?;
        let lens = input.lens();
        let mut index = vec![0; source.len()];
        Self::build(input, output, |out, terms| {
            for (i, &component) in index.iter_mut().zip(&source) {
                *i = out[component];
            }
            if index.iter().zip(&lens).all(|(i, len)| i < len) {
                terms.add(&index, 1.0);
            }
        })
    }

    /// Builds the rows of the first `written` slots; the others are periodic copies, or with
    /// `written < n` partial sums that the folds complete.
    fn build_copies(
        input: &Layout,
        output: &Layout,
        written: usize,
        mut row: impl FnMut(&[usize], &mut Terms<'_>),
    ) -> Result<LinearMap> {
        if input.log_slots() != output.log_slots() {
            let (input, output) = (input.log_slots(), output.log_slots());
            return Err(Error::SlotMismatch { input, output });
        }
        let (input_period, inputs) = (input.period(), input.ciphertexts());
        let period = input_period.max(written);
        let mut blocks = Vec::new();
        for ciphertext in 0..output.ciphertexts() {
            let mut terms = Terms::collecting(input, written);
            terms.of_rows(output, ciphertext, |index, terms| {
                row(index, terms);
                Ok(())
            })?;
            let of_inputs = terms.into_collected().into_iter().enumerate();
            let blocks_of = of_inputs.filter(|(_, diagonals)| !diagonals.is_empty());
            blocks.extend(blocks_of.map(|(input, diagonals)| Block {
                output: ciphertext,
                input,
                diagonals,
            }));
        }
        let folds = (written.ilog2()..period.ilog2())
            .map(|bit| 1 << bit)
            .collect();
        let outputs = output.ciphertexts();
        Ok(LinearMap {
            period,
            input_period,
            inputs,
            outputs,
            blocks,
            folds,
        })
    }

    /// The length of the diagonals: the larger of the periods of input and output.
    pub fn period(&self) -> usize {
        self.period
    }

    /// The period of the input; rotation amounts are below it.
    pub fn input_period(&self) -> usize {
        self.input_period
    }

    /// Number of input ciphertexts.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output ciphertexts.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The pairs of ciphertexts that have diagonals, by output and then by input.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Amounts of the rotate-and-adds that complete every output; empty from
    /// [`LinearMap::build`].
    pub fn folds(&self) -> &[usize] {
        &self.folds
    }

    /// Number of diagonals of all blocks together, the number of plaintext products.
    pub fn diagonal_count(&self) -> usize {
        self.blocks.iter().map(|b| b.diagonals.len()).sum()
    }

    /// The largest sum over `k` and inputs of `|diag_k[s]|`, before folds: the outputs are at
    /// most this times the largest input.
    pub fn max_row_sum(&self) -> f64 {
        let mut largest = 0.0f64;
        for output in 0..self.outputs {
            let mut sums = vec![0.0; self.period];
            for block in self.blocks.iter().filter(|b| b.output == output) {
                for diagonal in block.diagonals.values() {
                    sums.iter_mut()
                        .zip(diagonal)
                        .for_each(|(sum, d)| *sum += d.abs());
                }
            }
            largest = sums.into_iter().fold(largest, f64::max);
        }
        largest
    }

    /// The map on slot vectors in the clear; each output vector has [`LinearMap::period`] slots.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than the map has inputs,
    /// [`Error::VectorLength`] for one that is no whole number of periods.
    pub fn apply_clear(&self, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        check_vectors("linear map", inputs, self.inputs, self.input_period)?;
        let mut outputs = vec![vec![0.0; self.period]; self.outputs];
        for block in &self.blocks {
            let (input, output) = (&inputs[block.input], &mut outputs[block.output]);
            for (&amount, diagonal) in &block.diagonals {
                for (s, (out, d)) in output.iter_mut().zip(diagonal).enumerate() {
                    *out += d * input[(s + amount) & (self.input_period - 1)];
                }
            }
        }
        for output in &mut outputs {
            for &fold in &self.folds {
                *output = add_rotated(output, fold);
            }
        }
        Ok(outputs)
    }
}

/// `x` plus `x` rotated left by `amount`.
pub(crate) fn add_rotated(x: &[f64], amount: usize) -> Vec<f64> {
    x.iter()
        .zip(x.iter().cycle().skip(amount % x.len()))
        .map(|(a, b)| a + b)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::testing::{activations, dense, distance, layout, noise};

    const HEADS: usize = 8;
    const DIMS: usize = 8;

    /// Sums of up to 256 terms below 1 in double precision.
    const TOLERANCE: f64 = 1e-12;

    /// `expected` against the map of `x`, at every slot: values, copies and zero padding.
    fn check(
        map: &LinearMap,
        input: &Layout,
        output: &Layout,
        x: &[f64],
        expected: impl FnMut(&[usize]) -> f64,
    ) {
        let got = map
            .apply_clear(&input.pack_array(x).expect("length"))
            .expect("shape");
        let want: Vec<Vec<f64>> = output
            .pack(expected)
            .iter()
            .map(|v| v.iter().cycle().take(map.period()).copied().collect())
            .collect();
        assert!(distance(&got, &want) < TOLERANCE);
    }

    /// Row `o` of 64 weights times column `t` of `x` laid out as `[channel 64][token tokens]`.
    fn row_times(w: &[f64], x: &[f64], o: usize, t: usize, tokens: usize) -> f64 {
        (0..64).map(|i| w[o * 64 + i] * x[i * tokens + t]).sum()
    }

    #[test]
    fn weights_per_token_have_one_diagonal_for_each_channel() {
        let x = activations(64, 16);
        let (w, v) = (noise(1, 64 * 64), noise(2, 64 * 16));
        let map = dense(&x, &x, &w);
        assert_eq!((map.diagonal_count(), map.period()), (64, 1024));
        check(&map, &x, &x, &v, |i| row_times(&w, &v, i[1], i[0], 16));
        let row = |o: usize| w[o * 64..][..64].iter().map(|w| w.abs()).sum::<f64>();
        let largest = (0..64).map(row).fold(0.0, f64::max);
        assert!((map.max_row_sum() - largest).abs() < TOLERANCE);
    }

    #[test]
    fn queries_replicated_over_offsets_have_64_diagonals() {
        let x = activations(64, 16);
        let q = layout(&[
            Field::new(Axis::TOKEN, 16),
            Field::new(Axis::HEAD, HEADS),
            Field::new(Axis::DIM, DIMS),
            Field::new(Axis::OFFSET, 16),
        ]);
        let (w, v) = (noise(3, 64 * 64), noise(4, 64 * 16));
        let map = LinearMap::build(&x, &q, |out, terms| {
            let o = out[1] * DIMS + out[2];
            (0..64).for_each(|i| terms.add(&[out[0], i], w[o * 64 + i]));
        })
        .expect("valid");
        assert_eq!((map.diagonal_count(), map.period()), (64, 16384));
        check(&map, &x, &q, &v, |i| {
            row_times(&w, &v, i[1] * DIMS + i[2], i[0], 16)
        });
    }

    #[test]
    fn keys_shifted_by_every_offset_have_one_diagonal_for_each_offset() {
        for (tokens, ciphertexts) in [(16, 1), (32, 2)] {
            let heads = [Field::new(Axis::HEAD, HEADS), Field::new(Axis::DIM, DIMS)];
            let k = layout(&[Field::new(Axis::KEY, tokens), heads[0], heads[1]]);
            let offsets = Field::new(Axis::OFFSET, tokens);
            let shifted = layout(&[Field::new(Axis::TOKEN, tokens), heads[0], heads[1], offsets]);
            let map = LinearMap::build(&k, &shifted, |out, terms| {
                if out[0] >= out[3] {
                    terms.add(&[out[0] - out[3], out[1], out[2]], 1.0);
                }
            })
            .expect("valid");
            assert_eq!((map.diagonal_count(), map.outputs()), (tokens, ciphertexts));
            let v = noise(5, k.len());
            check(&map, &k, &shifted, &v, |i| match i[0].checked_sub(i[3]) {
                Some(j) => v[(i[2] * HEADS + i[1]) * tokens + j],
                None => 0.0,
            });
        }
    }

    #[test]
    fn one_token_to_every_key_or_to_one_key_has_64_diagonals() {
        let x = layout(&[Field::new(Axis::CHANNEL, 64)]);
        let heads = [Field::new(Axis::HEAD, HEADS), Field::new(Axis::DIM, DIMS)];
        let (w, v) = (noise(6, 64 * 64), noise(7, 64));

        let q = layout(&[Field::replica(5), heads[0], heads[1]]);
        let map = LinearMap::build(&x, &q, |out, terms| {
            let o = out[0] * DIMS + out[1];
            (0..64).for_each(|i| terms.add(&[i], w[o * 64 + i]));
        })
        .expect("valid");
        assert_eq!((map.diagonal_count(), map.period()), (64, 2048));
        check(&map, &x, &q, &v, |i| {
            row_times(&w, &v, i[0] * DIMS + i[1], 0, 1)
        });

        let k = layout(&[Field::new(Axis::KEY, 32), heads[0], heads[1]]);
        let position = 11;
        let map = LinearMap::build(&x, &k, |out, terms| {
            if out[0] == position {
                let o = out[1] * DIMS + out[2];
                (0..64).for_each(|i| terms.add(&[i], w[o * 64 + i]));
            }
        })
        .expect("valid");
        assert!(map.diagonal_count() <= 64);
        check(&map, &x, &k, &v, |i| match i[0] == position {
            true => row_times(&w, &v, i[1] * DIMS + i[2], 0, 1),
            false => 0.0,
        });
    }

    #[test]
    fn replicated_input_has_64_diagonals_and_two_when_folded() {
        let o = layout(&[
            Field::replica(5),
            Field::new(Axis::HEAD, HEADS),
            Field::new(Axis::DIM, DIMS),
        ]);
        let y = layout(&[Field::new(Axis::CHANNEL, 64)]);
        let w = noise(8, 64 * 64);
        let v = noise(9, 64);
        let row = |out: &[usize], terms: &mut Terms<'_>| {
            (0..64).for_each(|i| terms.add(&[i % HEADS, i / HEADS], w[out[0] * 64 + i]));
        };
        let plain = LinearMap::build(&o, &y, row).expect("valid");
        assert_eq!((plain.diagonal_count(), plain.folds()), (64, &[][..]));
        check(&plain, &o, &y, &v, |i| row_times(&w, &v, i[0], 0, 1));

        let folded = LinearMap::build_folded(&o, &y, row).expect("valid");
        assert_eq!(folded.diagonal_count(), 2);
        assert_eq!(folded.folds(), [64, 128, 256, 512, 1024]);
        check(&folded, &o, &y, &v, |i| row_times(&w, &v, i[0], 0, 1));

        // With the output replicated at the bottom there is nothing to fold.
        let wide = layout(&[Field::replica(5), Field::new(Axis::CHANNEL, 64)]);
        let map = LinearMap::build(&o, &wide, row).expect("valid");
        assert_eq!(map.diagonal_count(), 64);
        check(&map, &o, &wide, &v, |i| row_times(&w, &v, i[0], 0, 1));
    }

    #[test]
    fn padded_intermediate_channels_both_ways() {
        let (tokens, width) = (16, 172);
        let x = activations(64, tokens);
        let (token, ffn) = (
            Field::new(Axis::TOKEN, tokens),
            Field::new(Axis::CHANNEL, width),
        );
        let up = layout(&[token, ffn, Field::new(Axis::PART, 2)]);
        let (w, v) = (noise(10, 2 * width * 64), noise(11, 64 * tokens));
        let map = LinearMap::build(&x, &up, |out, terms| {
            let o = out[2] * width + out[1];
            (0..64).for_each(|i| terms.add(&[out[0], i], w[o * 64 + i]));
        })
        .expect("valid");
        assert_eq!((map.diagonal_count(), map.period()), (64, 8192));
        check(&map, &x, &up, &v, |i| {
            row_times(&w, &v, i[2] * width + i[1], i[0], tokens)
        });

        let hidden = layout(&[token, ffn]);
        let (w, v) = (noise(12, 64 * width), noise(13, width * tokens));
        let row = |out: &[usize], terms: &mut Terms<'_>| {
            (0..width).for_each(|f| terms.add(&[out[0], f], w[out[1] * width + f]));
        };
        let expected = |i: &[usize]| -> f64 {
            (0..width)
                .map(|f| w[i[1] * width + f] * v[f * tokens + i[0]])
                .sum()
        };
        let plain = LinearMap::build(&hidden, &x, row).expect("valid");
        assert_eq!(plain.diagonal_count(), 256);
        check(&plain, &hidden, &x, &v, expected);
        let folded = LinearMap::build_folded(&hidden, &x, row).expect("valid");
        assert_eq!(
            (folded.diagonal_count(), folded.folds()),
            (64, &[1024, 2048][..])
        );
        check(&folded, &hidden, &x, &v, expected);
    }

    #[test]
    fn several_input_ciphertexts_and_odd_replicas_agree_with_the_dense_product() {
        // Replicas between the axes, not all of them filled, and ciphertexts of 32 slots.
        for (copies, log_copies) in [(4, 2), (3, 2), (1, 1)] {
            let input = Layout::new(
                5,
                &[
                    Field::new(Axis::DIM, 3),
                    Field::padded(Axis::REPLICA, copies, log_copies),
                    Field::new(Axis::HEAD, 5),
                ],
            )
            .expect("valid");
            let output = Layout::new(
                5,
                &[
                    Field::replica(1),
                    Field::new(Axis::CHANNEL, 7),
                    Field::new(Axis::PART, 3),
                ],
            )
            .expect("valid");
            let (w, v) = (noise(14, 21 * 15), noise(15, 15));
            let row = |out: &[usize], terms: &mut Terms<'_>| {
                let o = out[1] * 7 + out[0];
                (0..15).for_each(|i| terms.add(&[i % 3, i / 3], w[o * 15 + i]));
            };
            let expected = |i: &[usize]| -> f64 {
                let o = i[1] * 7 + i[0];
                (0..15).map(|j| w[o * 15 + j] * v[j]).sum()
            };
            for map in [
                LinearMap::build(&input, &output, row).expect("valid"),
                LinearMap::build_folded(&input, &output, row).expect("valid"),
            ] {
                assert_eq!((map.inputs(), map.outputs()), (input.ciphertexts(), 2));
                check(&map, &input, &output, &v, expected);
            }
        }
    }

    #[test]
    fn copies_between_two_axes_are_chosen_with_the_borrow_from_below() {
        let fields =
            |middle| layout(&[Field::new(Axis::DIM, 8), middle, Field::new(Axis::HEAD, 4)]);
        let (input, output) = (fields(Field::replica(2)), fields(Field::new(Axis::KEY, 4)));
        let (w, v) = (noise(18, 32 * 32), noise(19, 32));
        let map = LinearMap::build(&input, &output, |out, terms| {
            let o = out[2] * 8 + out[0];
            (0..32).for_each(|i| terms.add(&[i % 8, i / 8], w[o * 32 + i]));
        })
        .expect("valid");
        // 8 distances along DIM times 4 along HEAD, the two bits between them zero.
        assert_eq!(map.diagonal_count(), 32);
        assert!(map.blocks()[0].diagonals.keys().all(|k| k & 0b11000 == 0));
        check(&map, &input, &output, &v, |i| {
            let o = i[2] * 8 + i[0];
            (0..32).map(|j| w[o * 32 + j] * v[j]).sum()
        });
    }

    #[test]
    fn relayout_moves_drops_and_broadcasts() {
        let from = layout(&[Field::new(Axis::DIM, 3), Field::new(Axis::HEAD, 4)]);
        let to = layout(&[
            Field::new(Axis::HEAD, 3),
            Field::new(Axis::OFFSET, 2),
            Field::new(Axis::DIM, 4),
        ]);
        let v = noise(16, 12);
        let map = LinearMap::relayout(&from, &to).expect("axes present");
        check(&map, &from, &to, &v, |i| {
            if i[2] < 3 { v[i[0] * 3 + i[2]] } else { 0.0 }
        });
        assert!(matches!(
            LinearMap::relayout(&to, &from),
            Err(Error::UnknownAxis { .. })
        ));
    }

    #[test]
    fn bad_terms_and_shapes_are_refused() {
        let x = activations(4, 2);
        let build = |index: &'static [usize], c| {
            LinearMap::build(&x, &x, |_, terms| terms.add(index, c)).map(|_| ())
        };
        assert!(matches!(build(&[0, 4], 1.0), Err(Error::IndexRange { .. })));
        assert!(matches!(build(&[0], 1.0), Err(Error::IndexRank { .. })));
        assert!(matches!(
            build(&[0, 0], f64::NAN),
            Err(Error::NotFinite { .. })
        ));
        let small = Layout::new(4, &[]).expect("valid");
        let result = LinearMap::build(&x, &small, |_, _| ());
        assert_eq!(
            result,
            Err(Error::SlotMismatch {
                input: 15,
                output: 4
            })
        );
        let map = dense(&x, &x, &noise(17, 16));
        assert!(matches!(map.apply_clear(&[]), Err(Error::Count { .. })));
        assert!(matches!(
            map.apply_clear(&[vec![0.0; 4]]),
            Err(Error::VectorLength { .. })
        ));
    }

    #[test]
    fn cancelled_terms_leave_no_diagonal() {
        let x = activations(4, 2);
        let map = LinearMap::build(&x, &x, |out, terms| {
            terms.add(&[out[0], (out[1] + 1) % 4], 0.5);
            terms.add(&[out[0], (out[1] + 1) % 4], -0.5);
            terms.add(out, 1.0);
        })
        .expect("valid");
        assert_eq!(map.diagonal_count(), 1);
    }
}
