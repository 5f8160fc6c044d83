//! How the matrices of a refresh are split into levels, baby steps and giant steps.

use super::dft::{DftPlan, Diagonals};
use super::linear::Coordinates;
use super::options::{BootstrapOptions, RESIDENT_BYTES, RotationKeys};
use crate::backend::Backend;
use crate::context::Context;
use crate::error::Result;
use crate::evaluator::{EncodedTransform, TransformPlan, encoded_bytes};

/// Encodes successive matrices from `level` downwards so that the scale goes from `from` to `to`, by
/// the same factor in each: rounding the diagonals then costs each the same.
pub(super) fn encode<B: Backend>(
    context: &Context<B>,
    matrices: &[Diagonals],
    level: usize,
    (from, to): (f64, f64),
    options: BootstrapOptions,
) -> Result<Vec<EncodedTransform<B>>> {
    let params = context.params();
    let each = (to / from).powf(1.0 / matrices.len() as f64);
    matrices
        .iter()
        .enumerate()
        .map(|(i, matrix)| {
            let level = level - i;
            let scale = each * params.group_modulus(level);
            let (babies, _) = steps(matrix.map.len(), options.keys);
            let plan = TransformPlan::from_diagonals(matrix.n, &matrix.map, babies);
            let resident =
                options.resident || encoded_bytes(params, &plan, level) <= RESIDENT_BYTES;
            EncodedTransform::new(context, &plan, level, scale, resident)
        })
        .collect()
}

/// What a giant step costs, in baby steps: a decomposition and a division more.
const GIANT: usize = 3;

/// The number of baby steps, a power of two, that costs least for a matrix, and what it costs in
/// baby steps.
fn steps(diagonals: usize, keys: RotationKeys) -> (usize, usize) {
    let cost = |babies: usize| {
        let giants = diagonals.div_ceil(babies) - 1;
        (babies - 1) * (1 + keys.price()) + GIANT * giants
    };
    (0..=diagonals.next_power_of_two().trailing_zeros())
        .map(|bits| (1 << bits, cost(1 << bits)))
        .min_by_key(|&(_, cost)| cost)
        .unwrap_or((1, 0))
}

/// Butterfly layers of each level of CtS, split evenly: the order of the cheapest steps.
///
/// `k` layers have `2^k` diagonals where blocks are largest, and elsewhere `2^(k+1) - 1` or, where
/// real and imaginary parts have slots of their own, `2^(k+2) - 1`.
pub(super) fn grouping(
    slots: usize,
    levels: usize,
    keys: RotationKeys,
    coordinates: Coordinates,
) -> Result<Vec<usize>> {
    let parts = if coordinates == Coordinates::Complex {
        1
    } else {
        2
    };
    let even = DftPlan::even(slots, levels)?.layers().to_vec();
    let cost = |order: &Vec<usize>| -> usize {
        let diagonals = |(i, k): (usize, &usize)| {
            if i == 0 {
                1 << k
            } else {
                ((2 * parts) << k) - 1
            }
        };
        let each = order.iter().enumerate().map(diagonals);
        each.map(|diagonals| steps(diagonals, keys).1).sum()
    };
    let orders = (0..levels).map(|turn| {
        let mut order = even.clone();
        order.rotate_right(turn);
        order
    });
    Ok(orders.min_by_key(cost).unwrap_or(even))
}
