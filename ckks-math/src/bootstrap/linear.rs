//! The two linear maps of a refresh on either ring.

use super::dft::{DftError, DftPlan, Diagonals};
use crate::backend::RingKind;
use crate::error::Result;

/// CoeffsToSlots on `levels` levels, times `constant`: on the standard ring as
/// [`DftPlan::coeffs_to_slots`], on the conjugate-invariant one as [`DftPlan::real_coeffs_to_slots`].
pub(super) fn coeffs_to_slots(
    kind: RingKind,
    slots: usize,
    levels: usize,
    constant: f64,
) -> Result<Vec<Diagonals>> {
    Ok(match kind {
        RingKind::Standard => DftPlan::even(slots, levels)?
            .scaled(constant)?
            .coeffs_to_slots(),
        RingKind::ConjugateInvariant => largest_first(slots, levels)?
            .scaled(constant)?
            .real_coeffs_to_slots(),
    })
}

/// SlotsToCoeffs on `levels` levels, the inverse of [`coeffs_to_slots`].
pub(super) fn slots_to_coeffs(
    kind: RingKind,
    slots: usize,
    levels: usize,
) -> Result<Vec<Diagonals>> {
    let plan = DftPlan::even(slots, levels)?;
    Ok(match kind {
        RingKind::Standard => plan.slots_to_coeffs(),
        RingKind::ConjugateInvariant => plan.real_slots_to_coeffs(),
    })
}

/// How often CoeffsToSlots counts the real value wanted: on the standard ring it yields complex
/// slots, and twice the real part is their sum with the conjugates.
pub(super) fn real_parts(kind: RingKind) -> f64 {
    match kind {
        RingKind::Standard => 2.0,
        RingKind::ConjugateInvariant => 1.0,
    }
}

/// The larger levels applied first: a level of the largest blocks has `2^k` diagonals, the others
/// of the conjugate-invariant ring nearly `2^(k+2)`.
fn largest_first(slots: usize, levels: usize) -> std::result::Result<DftPlan, DftError> {
    let mut layers = DftPlan::even(slots, levels)?.layers().to_vec();
    layers.reverse();
    DftPlan::with_layers(slots, &layers)
}
