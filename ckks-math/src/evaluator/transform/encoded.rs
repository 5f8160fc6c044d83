//! Encoded diagonals: polynomials of the subring that their period allows.

use super::plan::{BabyTerms, Chain, TransformPlan, chains};
use crate::backend::{Backend, Basis, RingKind};
use crate::context::Context;
use crate::encoding::{Complex64, IntegerCoeffs};
use crate::error::Result;
use crate::keys::{KeyPurpose, KeyRequest};
use crate::params::Params;

/// A transform encoded for one level and one scale.
///
/// Diagonals that repeat with a period of `p` slots are polynomials in `X^(N / 2p)`
/// (`X^(N / p)` on the conjugate-invariant ring): they take `p / slots` of the memory and of the
/// transforms. All diagonals are encoded at the longest of their periods.
pub struct EncodedTransform<B: Backend> {
    pub(super) slots: usize,
    pub(super) level: usize,
    pub(super) scale: f64,
    /// Giant rotations, each with its baby rotations and the numbers of their diagonals.
    pub(super) giants: Vec<(usize, BabyTerms<usize>)>,
    pub(super) diagonals: Diagonals<B>,
}

/// Encoded diagonals: their coefficients in the subring on the host, or compact evaluations over
/// `QP` on the device, with the number of words of each.
pub(super) enum Diagonals<B: Backend> {
    Host(Vec<IntegerCoeffs>),
    Device(B::Block, usize),
}

impl<B: Backend> EncodedTransform<B> {
    /// Encodes the diagonals at `scale` for operands at `level`.
    ///
    /// With `resident`, evaluations over `QP` stay on the device ([`encoded_bytes`]), and no
    /// transform is left for each use. Without, they are made at use, a giant step at a time.
    pub fn new(
        context: &Context<B>,
        plan: &TransformPlan,
        level: usize,
        scale: f64,
        resident: bool,
    ) -> Result<Self> {
        let bits = context.params().log_q_at(level) as u32;
        let period = plan.period();
        let mut polynomials = Vec::with_capacity(plan.len());
        let mut giants = Vec::with_capacity(plan.giants.len());
        for (giant, terms) in &plan.giants {
            let first = polynomials.len();
            let babies = terms.iter().map(|(baby, _)| *baby);
            giants.push((*giant, babies.zip(first..).collect()));
            for (_, values) in terms {
                let values = &values[..period.min(values.len())];
                polynomials.push(encode_diagonal(context, values, scale, bits)?);
            }
        }
        let diagonals = if resident && !polynomials.is_empty() {
            let all: Vec<_> = polynomials.iter().collect();
            let (block, words) =
                context.lift_compact(&all, switching_basis(context.params(), level))?;
            Diagonals::Device(block, words)
        } else {
            Diagonals::Host(polynomials)
        };
        Ok(Self {
            slots: plan.slots,
            level,
            scale,
            giants,
            diagonals,
        })
    }

    /// The order of giant steps for an operand of `slots` slots.
    pub(super) fn chains(&self, slots: usize) -> Vec<Chain> {
        let giants: Vec<usize> = self.giants.iter().map(|(giant, _)| *giant).collect();
        chains(&giants, self.slots, slots == self.slots)
    }
}

/// Bytes that the resident diagonals of a plan take at a level, where coefficients fit 64 bits.
pub fn encoded_bytes(params: &Params, plan: &TransformPlan, level: usize) -> u64 {
    let words = plan.period() * coefficients_of_a_slot(params);
    let rows = (plan.len() * words).div_ceil(params.degree());
    let limbs = switching_basis(params, level).limbs();
    8 * (rows * limbs * params.degree()) as u64
}

/// The primes of keys at a level, over which diagonals are encoded.
pub(super) fn switching_basis(params: &Params, level: usize) -> Basis {
    KeyRequest {
        purpose: KeyPurpose::Relinearization,
        level,
    }
    .basis(params)
}

fn coefficients_of_a_slot(params: &Params) -> usize {
    match params.ring().kind() {
        RingKind::Standard => 2,
        RingKind::ConjugateInvariant => 1,
    }
}

/// The coefficients of a diagonal in the subring of its length; diagonals are real on the
/// conjugate-invariant ring, whose slots are.
fn encode_diagonal<B: Backend>(
    context: &Context<B>,
    values: &[Complex64],
    scale: f64,
    bits: u32,
) -> Result<IntegerCoeffs> {
    let params = context.params();
    let whole = match params.ring().kind() {
        RingKind::Standard => context.encoder().encode_complex(values, scale, bits)?,
        RingKind::ConjugateInvariant => {
            let real: Vec<f64> = values.iter().map(|v| v.re).collect();
            context.encoder().encode_real(&real, scale, bits)?
        }
    };
    let gap = params.degree() / (values.len() * coefficients_of_a_slot(params));
    Ok(match whole {
        IntegerCoeffs::Small(c) => IntegerCoeffs::Small(c.into_iter().step_by(gap).collect()),
        IntegerCoeffs::Wide(c) => IntegerCoeffs::Wide(c.into_iter().step_by(gap).collect()),
    })
}
