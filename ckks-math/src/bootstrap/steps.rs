//! How the matrices of a refresh are split into levels, baby steps and giant steps.

use super::dft::{DftPlan, Diagonals};
use super::linear::Coordinates;
use super::options::{BootstrapOptions, RESIDENT_BYTES, RotationKeys};
use crate::backend::Backend;
use crate::context::Context;
use crate::cost::{LinearTransformPrices, Prices};
use crate::error::Result;
use crate::evaluator::{EncodedLinearTransform, LinearTransformPlan, encoded_bytes};

/// Encodes successive matrices from `level` downwards so that the scale goes from `from` to `to`,
/// by the same factor in each: rounding the diagonals then costs each the same.
pub(super) fn encode<B: Backend>(
    context: &Context<B>,
    matrices: &[Diagonals],
    level: usize,
    (from, to): (f64, f64),
    options: BootstrapOptions,
    prices: &Prices,
) -> Result<Vec<EncodedLinearTransform<B>>> {
    let params = context.params();
    let each = (to / from).powf(1.0 / matrices.len() as f64);
    matrices
        .iter()
        .enumerate()
        .map(|(i, matrix)| {
            let level = level - i;
            let scale = each * params.group_modulus(level);
            let parts = &prices.at(level)?.transform;
            let (babies, _) = steps(matrix.map.len(), options.keys, parts);
            let plan = LinearTransformPlan::from_diagonals(matrix.n, &matrix.map, babies);
            let resident =
                options.resident || encoded_bytes(params, &plan, level) <= RESIDENT_BYTES;
            EncodedLinearTransform::new(context, &plan, level, scale, resident)
        })
        .collect()
}

/// The number of baby steps, a power of two, that costs least for a matrix, and its seconds.
fn steps(diagonals: usize, keys: RotationKeys, parts: &LinearTransformPrices) -> (usize, f64) {
    let baby = parts.baby * (1 + keys.price()) as f64;
    let cost = |babies: usize| {
        let giants = diagonals.div_ceil(babies) - 1;
        (babies - 1) as f64 * baby + giants as f64 * (parts.giant + parts.sum)
    };
    (0..=diagonals.next_power_of_two().trailing_zeros())
        .map(|bits| (1 << bits, cost(1 << bits)))
        .min_by(|(_, x), (_, y)| x.total_cmp(y))
        .unwrap_or((1, 0.0))
}

/// Butterfly layers of each level of CtS, from `top` downwards, split evenly: the order of the
/// cheapest steps.
///
/// `k` layers have `2^k` diagonals where blocks are largest, and elsewhere `2^(k+1) - 1` or, where
/// real and imaginary parts have slots of their own, `2^(k+2) - 1`.
pub(super) fn grouping(
    slots: usize,
    (top, levels): (usize, usize),
    keys: RotationKeys,
    coordinates: Coordinates,
    prices: &Prices,
) -> Result<Vec<usize>> {
    let parts = if coordinates == Coordinates::Complex {
        1
    } else {
        2
    };
    let even = DftPlan::even(slots, levels)?.layers().to_vec();
    let of_level = |i: usize| prices.at(top - i);
    let prices = (0..levels).map(of_level).collect::<Result<Vec<_>>>()?;
    let cost = |order: &[usize]| -> f64 {
        let each = order.iter().zip(&prices).enumerate();
        each.map(|(i, (k, price))| {
            let diagonals = if i == 0 {
                1 << k
            } else {
                ((2 * parts) << k) - 1
            };
            steps(diagonals, keys, &price.transform).1
        })
        .sum()
    };
    let orders = (0..levels).map(|turn| {
        let mut order = even.clone();
        order.rotate_right(turn);
        order
    });
    let cheapest = orders.min_by(|x, y| cost(x).total_cmp(&cost(y)));
    Ok(cheapest.unwrap_or(even))
}
