//! The two linear maps of a refresh on either ring, and the basis they read.

use super::dft::{DftPlan, Diagonals, RealBasis};
use crate::backend::RingKind;
use crate::error::Result;
use crate::params::Params;

/// Coordinates that CoeffsToSlots puts into slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinates {
    /// Coefficients of the standard ring, two to a complex slot.
    Complex,
    /// Coordinates of the conjugate-invariant ring.
    Real(RealBasis),
}

impl Coordinates {
    /// The odd basis where all slots of the conjugate-invariant ring are refreshed; a trace onto
    /// fewer keeps overflow counts small in the native basis only.
    pub fn of(params: &Params, slots: usize) -> Self {
        match params.ring().kind() {
            RingKind::Standard => Self::Complex,
            RingKind::ConjugateInvariant if slots == params.max_slots() => {
                Self::Real(RealBasis::Odd)
            }
            RingKind::ConjugateInvariant => Self::Real(RealBasis::Native),
        }
    }

    /// CoeffsToSlots with `layers` butterfly layers on each level, times `constant`.
    ///
    /// # Errors
    /// [`Error::Dft`](crate::Error::Dft) for a number of slots that is no power of two, layers that
    /// are not those of its DFT, or a constant that is not positive and finite.
    pub fn coeffs_to_slots(
        self,
        slots: usize,
        layers: &[usize],
        constant: f64,
    ) -> Result<Vec<Diagonals>> {
        let plan = DftPlan::with_layers(slots, layers)?.scaled(constant)?;
        Ok(match self {
            Self::Complex => plan.coeffs_to_slots(),
            Self::Real(basis) => plan.real_coeffs_to_slots(basis),
        })
    }

    /// SlotsToCoeffs on `levels` levels, the inverse of [`Coordinates::coeffs_to_slots`].
    ///
    /// # Errors
    /// [`Error::Dft`](crate::Error::Dft) for a number of slots that is no power of two, or levels
    /// that are not from 1 to its log2.
    pub fn slots_to_coeffs(self, slots: usize, levels: usize) -> Result<Vec<Diagonals>> {
        let plan = DftPlan::even(slots, levels)?;
        Ok(match self {
            Self::Complex => plan.slots_to_coeffs(),
            Self::Real(basis) => plan.real_slots_to_coeffs(basis),
        })
    }

    /// How often CoeffsToSlots counts the real value wanted: complex slots are added to their
    /// conjugates.
    pub fn real_parts(self) -> f64 {
        match self {
            Self::Complex => 2.0,
            Self::Real(_) => 1.0,
        }
    }

    /// Whether ModRaise lifts other coordinates than the coefficients.
    pub fn are_odd(self) -> bool {
        self == Self::Real(RealBasis::Odd)
    }
}
