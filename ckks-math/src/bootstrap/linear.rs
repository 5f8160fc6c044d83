//! The two linear maps of a refresh on either ring, and the basis they read.

use super::dft::{DftPlan, Diagonals, RealBasis};
use crate::arith::Modulus;
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
    /// The odd basis where all slots of the conjugate-invariant ring are refreshed; a trace onto fewer
    /// keeps overflow counts small in the native basis only.
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

/// Odd coordinates of rows of `n` native coefficients modulo `moduli` in turn, in place:
/// `a_m = b_m + b_{m+1}`, `b_n = 0`.
pub(super) fn odd_from_native(residues: &mut [u64], n: usize, moduli: &[Modulus]) {
    for (limb, q) in residues.chunks_exact_mut(n).zip(moduli.iter().cycle()) {
        for m in 0..n - 1 {
            limb[m] = q.add(limb[m], limb[m + 1]);
        }
    }
}

/// The inverse of [`odd_from_native`].
pub(super) fn native_from_odd(residues: &mut [u64], n: usize, moduli: &[Modulus]) {
    for (limb, q) in residues.chunks_exact_mut(n).zip(moduli.iter().cycle()) {
        for m in (0..n - 1).rev() {
            limb[m] = q.sub(limb[m], limb[m + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_basis_are_inverse_modulo_every_prime() {
        let moduli = [97, 193].map(|q| Modulus::new(q).unwrap());
        let native: Vec<u64> = (0..32).map(|i| (i * i * 7 + 3) % 97).collect();
        let mut odd = native.clone();
        odd_from_native(&mut odd, 8, &moduli);
        assert_eq!(odd[0], (native[0] + native[1]) % 97);
        assert_eq!(odd[8 + 2], (native[10] + native[11]) % 193);
        assert_eq!(odd[7], native[7]);
        native_from_odd(&mut odd, 8, &moduli);
        assert_eq!(odd, native);
    }
}
