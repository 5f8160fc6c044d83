//! Prices of the parts of linear transforms.

use super::Scales;
use crate::backend::RingKernels;
use crate::encoding::Complex64;
use crate::error::Result;
use crate::evaluator::{EncodedLinearTransform, LinearTransformPlan, LinearTransformWork};

/// Prices of the parts of a linear transform at one level, in seconds: see
/// [`crate::evaluator::Evaluator::linear_transforms`].
///
/// The sum of the parts is the price of the whole to rounding: what is counted is linear in the
/// numbers of the parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinearTransformPrices {
    /// Splitting the operand into digits, once for all its baby steps.
    pub decompose: f64,
    /// A rotation of the decomposed operand, over `QP`.
    pub baby: f64,
    /// The operand itself times `P`: the baby step by 0.
    pub identity: f64,
    /// A step of a chain of giant steps: a division of one polynomial by `P`, an automorphism, a
    /// decomposition and a product with a key.
    pub giant: f64,
    /// An inner sum, without its products, with its addition to the others.
    pub sum: f64,
    /// A product of a baby step with a diagonal that is on the device, with its addition.
    pub product: f64,
    /// What is done once for an operand.
    pub operand: f64,
    /// The division of a result by `P`.
    pub result: f64,
    /// The division of a result by `P` and by the modulus of the level; infinite at level 0.
    pub rescaled_result: f64,
    /// Bringing diagonals to the device, where they are not.
    pub lift: LiftPrices,
}

/// Prices of bringing compact diagonals to the device, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiftPrices {
    degree: usize,
    /// Coefficients of a diagonal for each value of its period.
    words_of_a_value: usize,
    /// The calls of a lift.
    call: f64,
    /// A whole row of `N` words.
    row: f64,
    /// The transforms of a polynomial of `2^i` words.
    embed: Vec<f64>,
}

impl LinearTransformPrices {
    pub(super) fn new(scales: &Scales<'_>, level: usize) -> Result<Self> {
        let lift = LiftPrices::new(scales, level)?;
        let of = |transforms: &[Giants<'_>], rescaled| seconds(scales, level, transforms, rescaled);
        let one_more = |count: usize| lift.of(count + 1, 1) - lift.of(count, 1);

        let one = of(&[&[(0, &[0])]], false)?;
        let product = of(&[&[(0, &[0, 0])]], false)? - one - one_more(1);
        let with_baby = of(&[&[(0, &[0, 1])]], false)?;
        let with_two = of(&[&[(0, &[0, 1, 2])]], false)?;
        let baby = with_two - with_baby - product - one_more(2);
        let decompose = with_baby - one - product - one_more(1) - baby;
        let only_baby = of(&[&[(0, &[1])]], false)?;
        let identity = with_baby - only_baby - product - one_more(1);
        let two_sums = of(&[&[(0, &[0]), (0, &[0])]], false)?;
        let sum_and_product = two_sums - one;
        let giant = of(&[&[(0, &[0]), (1, &[0])]], false)? - two_sums;
        let result = of(&[&[(0, &[0])], &[(0, &[0])]], false)? - one - sum_and_product;
        let rescaled_result = match level {
            0 => f64::INFINITY,
            _ => {
                let two = of(&[&[(0, &[0])], &[(0, &[0])]], true)?;
                two - of(&[&[(0, &[0])]], true)? - sum_and_product
            }
        };
        Ok(Self {
            decompose,
            baby,
            identity,
            giant,
            sum: sum_and_product - product - lift.of(1, 1),
            product,
            operand: one - identity - sum_and_product - result,
            result,
            rescaled_result,
            lift,
        })
    }

    /// Seconds of transforms of one operand, without and with rescaling.
    pub fn seconds(&self, work: &LinearTransformWork, rescaled: bool) -> f64 {
        let result = if rescaled {
            self.rescaled_result
        } else {
            self.result
        };
        let lifts = work.lifts.iter();
        let lifts: f64 = lifts
            .map(|(&(count, period), &times)| times as f64 * self.lift.of(count, period))
            .sum();
        let decompose = if work.babies > 0 { self.decompose } else { 0.0 };
        let identity = if work.identity { self.identity } else { 0.0 };
        self.operand
            + decompose
            + identity
            + work.babies as f64 * self.baby
            + work.giants as f64 * self.giant
            + work.sums as f64 * self.sum
            + work.products as f64 * self.product
            + work.results as f64 * result
            + lifts
    }
}

impl LiftPrices {
    fn new(scales: &Scales<'_>, level: usize) -> Result<Self> {
        let degree = scales.ev.context().params().degree();
        let basis = scales.ev.switching_basis(level);
        let of = |count: usize, words: usize| {
            let zeros = vec![0; count * words];
            scales.seconds(|ev| {
                ev.backend()
                    .embed_compact(ev.tables(), basis, &zeros, words)
            })
        };
        let least = of(1, 1)?;
        let embed = (0..=degree.trailing_zeros())
            .map(|log| Ok(of(1, 1 << log)? - least))
            .collect::<Result<Vec<f64>>>()?;
        let whole = embed.last().copied().unwrap_or_default();
        let row = of(2, degree)? - of(1, degree)? - whole;
        Ok(Self {
            degree,
            words_of_a_value: degree / scales.ev.context().params().max_slots(),
            call: least - row,
            row,
            embed,
        })
    }

    /// Seconds of bringing `count` diagonals to the device as compact evaluations, each given by
    /// one period of `period` values: a power of two at most the slots of the parameters.
    pub fn of(&self, count: usize, period: usize) -> f64 {
        let words = period * self.words_of_a_value;
        let rows = (count * words).div_ceil(self.degree.max(1));
        let log = words.max(1).ilog2() as usize;
        let embed = self.embed.get(log).or(self.embed.last());
        self.call + rows as f64 * self.row + count as f64 * embed.copied().unwrap_or_default()
    }
}

/// Giant steps with their baby steps.
type Giants<'a> = &'a [(usize, &'a [usize])];

/// Slots of the transforms whose differences are the prices.
const SLOTS: usize = 4;

/// Seconds of transforms of one operand with diagonals of one value each.
fn seconds(
    scales: &Scales<'_>,
    level: usize,
    transforms: &[Giants<'_>],
    rescaled: bool,
) -> Result<f64> {
    let encode = |giants: &Giants<'_>| {
        let diagonal = || vec![Complex64::new(1.0, 0.0); SLOTS];
        let terms = |babies: &[usize]| babies.iter().map(|&b| (b, diagonal())).collect();
        let plan = LinearTransformPlan {
            slots: SLOTS,
            giants: giants.iter().map(|&(g, b)| (g, terms(b))).collect(),
        };
        EncodedLinearTransform::new(scales.ev.context(), &plan, level, 1.0, false)
    };
    let encoded = transforms.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let encoded: Vec<_> = encoded.iter().collect();
    let x = scales.ev.zeros(SLOTS, level, 1)?;
    scales.seconds(|ev| match rescaled {
        true => ev.linear_transforms_rescaled(&x, &encoded),
        false => ev.linear_transforms(&x, &encoded),
    })
}
