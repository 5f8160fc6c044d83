//! Prices of operations on ciphertexts at one level.

use super::transform::LinearTransformPrices;
use super::{Batched, Scales};
use crate::backend::GemmKernels;
use crate::backend::dry_run::DryRun;
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::evaluator::Evaluator;

/// Prices of operations on ciphertexts of two components at one level, in seconds.
///
/// An operation that consumes a level costs infinitely much at level 0, where it cannot be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LevelPrices {
    /// The level.
    pub level: usize,
    /// The parts of a linear transform.
    pub transform: LinearTransformPrices,
    /// A rotation: automorphism, decomposition, product with a key, division by `P`.
    pub rotate: Batched,
    /// A further rotation of a ciphertext that is decomposed already.
    pub rotate_hoisted: Batched,
    /// A sum of two ciphertexts.
    pub add: Batched,
    /// A copy of one ciphertext of a batch.
    pub slice: f64,
    /// A batch of ciphertexts that were apart.
    pub join: Batched,
    /// A rescaling.
    pub rescale: Batched,
    /// A product of two ciphertexts, relinearised and rescaled.
    pub multiply: Batched,
    /// `x + rot(x, s)`, see [`Evaluator::doublings`].
    pub doubling: Batched,
    /// Two doublings in one key switch.
    pub two_doublings: Batched,
    /// A product of a matrix entry with a polynomial in a matrix product: that of a matrix of
    /// `m x n` entries with `n` polynomials takes `m n` of them, and one call.
    pub gemm_product: f64,
}

/// An operation on a batch.
type Operation<'a> = dyn Fn(&Evaluator<DryRun>, &Ciphertext<DryRun>) -> Result<()> + 'a;

impl LevelPrices {
    pub(super) fn new(scales: &Scales<'_>, level: usize) -> Result<Self> {
        let at = |operation: &Operation<'_>| batched(scales, level, operation);
        let rotations =
            |many: i64| at(&|ev, x| ev.rotate_many(x, &Vec::from_iter(1..=many)).map(drop));
        let (one, two) = (rotations(1)?, rotations(2)?);
        let with_level = |price: &dyn Fn() -> Result<Batched>| match level {
            0 => Ok(Batched::IMPOSSIBLE),
            _ => price(),
        };
        Ok(Self {
            level,
            transform: LinearTransformPrices::new(scales, level)?,
            rotate: at(&|ev, x| ev.rotate(x, 1).map(drop))?,
            rotate_hoisted: Batched {
                call: two.call - one.call,
                each: two.each - one.each,
            },
            add: at(&|ev, x| ev.add(x, x).map(drop))?,
            slice: at(&|ev, x| ev.slice(x, 0..1).map(drop))?.of(1),
            join: join(scales, level)?,
            rescale: with_level(&|| at(&|ev, x| ev.rescaled("rescale", x).map(drop)))?,
            multiply: with_level(&|| at(&|ev, x| ev.mul(x, x).map(drop)))?,
            doubling: at(&|ev, x| ev.doublings(x, &[1]).map(drop))?,
            two_doublings: at(&|ev, x| ev.doublings(x, &[1, 2]).map(drop))?,
            gemm_product: gemm_product(scales, level)?,
        })
    }

    /// Seconds of [`Evaluator::doublings`] by `steps` steps on a batch of `count`.
    pub fn doublings(&self, steps: usize, count: usize) -> f64 {
        let pairs = (steps / 2) as f64 * self.two_doublings.of(count);
        pairs + (steps % 2) as f64 * self.doubling.of(count)
    }
}

fn batched(scales: &Scales<'_>, level: usize, operation: &Operation<'_>) -> Result<Batched> {
    let of = |count: usize| {
        // At a scale whose square has room on every level.
        let x = scales.ev.zeros(SLOTS, level, count)?.with_scale(1.0);
        scales.seconds(|ev| operation(ev, &x))
    };
    Ok(Batched::between(of(1)?, of(2)?))
}

/// Slots of the operands: their number does not enter any price, and that many rotations differ.
const SLOTS: usize = 4;

fn join(scales: &Scales<'_>, level: usize) -> Result<Batched> {
    let of = |count: usize| {
        let parts = vec![scales.ev.zeros(SLOTS, level, 1)?; count];
        scales.seconds(|ev| ev.join(&parts))
    };
    Ok(Batched::between(of(1)?, of(2)?))
}

fn gemm_product(scales: &Scales<'_>, level: usize) -> Result<f64> {
    let of = |outputs: usize| {
        let x = scales.ev.zeros(SLOTS, level, 1)?;
        let matrix = scales.ev.backend().matrix_shape(outputs, 2)?;
        scales.seconds(|ev| ev.backend().gemm(ev.tables(), &matrix, &x.poly.block))
    };
    // The ciphertext is two polynomials: an output more is two products more.
    Ok((of(2)? - of(1)?) / 2.0)
}
