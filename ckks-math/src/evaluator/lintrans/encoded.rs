//! Encoded diagonals: polynomials of the subring that their period allows.

use super::plan::{BabyTerms, Chain, LinearTransformPlan, LinearTransformSteps, chains};
use crate::backend::{Backend, Basis, RingKind};
use crate::context::Context;
use crate::encoding::{Complex64, IntegerCoeffs};
use crate::error::{Error, Result};
use crate::keys::{KeyPurpose, KeyRequest};
use crate::params::Params;

/// A transform encoded for one level and one scale.
///
/// Diagonals that repeat with a period of `p` slots are polynomials in `X^(N / 2p)`
/// (`X^(N / p)` on the conjugate-invariant ring): they take `p / slots` of the memory and of the
/// transforms. All diagonals are encoded at the longest of their periods.
pub struct EncodedLinearTransform<B: Backend> {
    pub(super) slots: usize,
    pub(super) level: usize,
    pub(super) scale: f64,
    /// Giant rotations, each with its baby rotations and the numbers of their diagonals.
    pub(super) giants: Vec<(usize, BabyTerms<usize>)>,
    pub(super) diagonals: Diagonals<B>,
    bytes: u64,
}

/// Encoded diagonals.
pub(super) enum Diagonals<B: Backend> {
    /// Coefficients in the subring, on the host.
    Host(Vec<IntegerCoeffs>),
    /// Compact evaluations over `QP` on the device, with the number of words of each.
    Device(B::Block, usize),
    /// The words of each on a device whose blocks hold no residues: there are no values.
    Counted(usize),
}

/// Encodes the diagonals of one transform, in any order and on any number of threads.
pub struct LinearTransformEncoder<B: Backend> {
    context: Context<B>,
    steps: LinearTransformSteps,
    level: usize,
    scale: f64,
    modulus_bits: u32,
}

impl<B: Backend> LinearTransformEncoder<B> {
    /// Prepares to encode the diagonals of `steps` at `scale`, for operands at `level`.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] when the parameters have no such level, [`Error::SlotMismatch`]
    /// when the period is not a power of two that divides the slots.
    pub fn new(
        context: &Context<B>,
        steps: LinearTransformSteps,
        level: usize,
        scale: f64,
    ) -> Result<Self> {
        let max = context.params().max_level();
        if level > max {
            return Err(Error::LevelMismatch {
                op: "encode transform",
                found: level,
                expected: max,
            });
        }
        if !steps.period.is_power_of_two() || !steps.slots.is_multiple_of(steps.period) {
            return Err(Error::SlotMismatch {
                op: "encode transform",
                found: steps.period,
                expected: steps.slots,
            });
        }
        Ok(Self {
            modulus_bits: context.params().log_q_at(level) as u32,
            context: context.clone(),
            steps,
            level,
            scale,
        })
    }

    /// The rotations whose diagonals are encoded.
    pub fn steps(&self) -> &LinearTransformSteps {
        &self.steps
    }

    /// Bytes of the finished transform ([`EncodedLinearTransform::bytes`]) if all coefficients fit
    /// 64 bits, which they do for values below `2^62 / scale`.
    pub fn bytes(&self, resident: bool) -> u64 {
        let params = self.context.params();
        let words = self.steps.period * coefficients_of_a_slot(params);
        diagonal_bytes(params, self.steps.len(), words, self.level, resident)
    }

    /// The coefficients of a real diagonal, given by one period of its values.
    ///
    /// # Errors
    /// [`Error::SlotMismatch`] unless `period` values are given; else as
    /// [`crate::encoding::Encoder::encode_real`].
    pub fn encode(&self, values: &[f64]) -> Result<IntegerCoeffs> {
        self.check_length(values.len())?;
        let encoder = self.context.encoder();
        Ok(encoder.encode_real_compact(values, self.scale, self.modulus_bits)?)
    }

    /// The coefficients of a complex diagonal, as [`LinearTransformEncoder::encode`]; on the
    /// conjugate-invariant ring, whose slots are real, only the real parts enter.
    ///
    /// # Errors
    /// As [`LinearTransformEncoder::encode`].
    pub fn encode_complex(&self, values: &[Complex64]) -> Result<IntegerCoeffs> {
        self.check_length(values.len())?;
        if self.context.params().ring().kind() == RingKind::ConjugateInvariant {
            let real: Vec<f64> = values.iter().map(|v| v.re).collect();
            return self.encode(&real);
        }
        let encoder = self.context.encoder();
        Ok(encoder.encode_complex_compact(values, self.scale, self.modulus_bits)?)
    }

    /// The transform with all its diagonals, in the order of the giant steps and of their babies.
    ///
    /// With `resident`, evaluations over `QP` stay on the device ([`encoded_bytes`]), and no
    /// transform is left for each use. Without, they are made at use, a giant step at a time. On
    /// a device whose blocks hold no residues ([`crate::backend::Device::holds_residues`]) no
    /// polynomial is needed and none is kept.
    ///
    /// # Errors
    /// [`Error::SlotMismatch`] unless there is one polynomial for each diagonal, of the length of
    /// the period; errors of the device.
    pub fn finish(
        self,
        polynomials: Vec<IntegerCoeffs>,
        resident: bool,
    ) -> Result<EncodedLinearTransform<B>> {
        let (context, level, count) = (&self.context, self.level, self.steps.len());
        let params = context.params();
        let words = self.steps.period * coefficients_of_a_slot(params);
        let mut bytes = self.bytes(resident);
        let basis = switching_basis(params, level);
        let diagonals = if !context.backend().holds_residues() {
            match resident && count > 0 {
                true => {
                    let (backend, t) = (context.backend(), context.tables());
                    let block = backend.embed_compact_zeros(t, basis, count, words)?;
                    Diagonals::Device(block, words)
                }
                false => Diagonals::Counted(words),
            }
        } else {
            self.check_polynomials(&polynomials, words)?;
            if resident && count > 0 {
                let all: Vec<_> = polynomials.iter().collect();
                let (block, words) = context.lift_compact(&all, basis)?;
                bytes = 8 * context.backend().shape(&block).words() as u64;
                Diagonals::Device(block, words)
            } else {
                bytes = polynomials.iter().map(IntegerCoeffs::bytes).sum();
                Diagonals::Host(polynomials)
            }
        };
        let mut first = 0;
        let number = |(giant, babies): &(usize, Vec<usize>)| {
            let start = first;
            first += babies.len();
            (*giant, babies.iter().copied().zip(start..).collect())
        };
        Ok(EncodedLinearTransform {
            slots: self.steps.slots,
            level,
            scale: self.scale,
            giants: self.steps.giants.iter().map(number).collect(),
            diagonals,
            bytes,
        })
    }

    fn check_length(&self, found: usize) -> Result<()> {
        let expected = self.steps.period;
        if found != expected {
            return Err(Error::SlotMismatch {
                op: "encode diagonal",
                found,
                expected,
            });
        }
        Ok(())
    }

    fn check_polynomials(&self, polynomials: &[IntegerCoeffs], words: usize) -> Result<()> {
        let mismatch = |found, expected| {
            Err(Error::SlotMismatch {
                op: "encode transform",
                found,
                expected,
            })
        };
        if polynomials.len() != self.steps.len() {
            return mismatch(polynomials.len(), self.steps.len());
        }
        match polynomials.iter().find(|p| p.len() != words) {
            Some(short) => mismatch(short.len(), words),
            None => Ok(()),
        }
    }
}

impl<B: Backend> EncodedLinearTransform<B> {
    /// Encodes the diagonals of a plan at `scale` for operands at `level`, as
    /// [`LinearTransformEncoder::finish`] keeps them.
    ///
    /// # Errors
    /// As [`LinearTransformEncoder::new`], [`LinearTransformEncoder::encode_complex`] and
    /// [`LinearTransformEncoder::finish`].
    pub fn new(
        context: &Context<B>,
        plan: &LinearTransformPlan,
        level: usize,
        scale: f64,
        resident: bool,
    ) -> Result<Self> {
        let encoder = LinearTransformEncoder::new(context, plan.steps(), level, scale)?;
        let period = encoder.steps().period;
        let mut polynomials = Vec::new();
        if context.backend().holds_residues() {
            for (_, values) in plan.giants.iter().flat_map(|(_, terms)| terms) {
                let values = &values[..period.min(values.len())];
                polynomials.push(encoder.encode_complex(values)?);
            }
        }
        encoder.finish(polynomials, resident)
    }

    /// The level of the operands.
    pub fn level(&self) -> usize {
        self.level
    }

    /// What the scale of an operand is multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Bytes of the diagonals: on the host 8 for each coefficient (16 where one of the diagonal
    /// does not fit 64 bits), on the device 8 for each residue. On a device that only counts work
    /// it is what they would take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The order of giant steps for an operand of `slots` slots.
    pub(super) fn chains(&self, slots: usize) -> Vec<Chain> {
        let giants: Vec<usize> = self.giants.iter().map(|(giant, _)| *giant).collect();
        chains(&giants, self.slots, slots == self.slots)
    }
}

/// Bytes that the resident diagonals of a plan take at a level, where coefficients fit 64 bits.
pub fn encoded_bytes(params: &Params, plan: &LinearTransformPlan, level: usize) -> u64 {
    let words = plan.period() * coefficients_of_a_slot(params);
    diagonal_bytes(params, plan.len(), words, level, true)
}

/// Bytes of `count` diagonals of `words` coefficients of 64 bits each.
fn diagonal_bytes(
    params: &Params,
    count: usize,
    words: usize,
    level: usize,
    resident: bool,
) -> u64 {
    if !resident {
        return 8 * (count * words) as u64;
    }
    let rows = (count * words).div_ceil(params.degree());
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
