//! Choices of a bootstrapper.

use crate::backend::dry_run::KernelTimes;

/// Choices of a bootstrapper that do not change its keys' security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Levels that CoeffsToSlots uses; `None` for all that the preset reserves. Fewer levels raise
    /// to a lower top: each refresh has fewer limbs, with more diagonals a level.
    ///
    /// One level alone costs up to 6 bits of the refreshed slots' precision against the levels that
    /// the presets reserve.
    pub coeffs_to_slots_levels: Option<usize>,
    /// Levels that StC uses; `None` for all that the preset reserves. What it leaves is the
    /// circuit's.
    pub slots_to_coeffs_levels: Option<usize>,
    /// Keep all encoded diagonals on the device. Without, only those of matrices that take at most
    /// [`RESIDENT_BYTES`] stay there (all but the one of the largest blocks, whose diagonals have
    /// no shorter period than the slots); the others are embedded at each use.
    pub resident: bool,
    /// Rotation keys against time.
    pub keys: RotationKeys,
    /// Times of the kernels of the device, by which matrices are split into baby and giant steps.
    /// The keys depend on them: both sides of a session take the same.
    pub times: KernelTimes,
}

/// What a rotation key of CoeffsToSlots and SlotsToCoeffs is worth, against the time of a refresh.
///
/// Each matrix splits its diagonals into baby steps, which are cheap and take a key each, and giant
/// steps, which cost three to six baby steps and share one key or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RotationKeys {
    /// As many as time gains by.
    Many,
    /// One more only where it saves the time of a baby step.
    #[default]
    Balanced,
    /// About half of the balanced ones.
    Few,
}

impl RotationKeys {
    /// The price of a key, in baby steps.
    pub(super) const fn price(self) -> usize {
        match self {
            Self::Many => 0,
            Self::Balanced => 1,
            Self::Few => 8,
        }
    }
}

/// Encoded matrices up to this size stay on the device in any case.
pub const RESIDENT_BYTES: u64 = 160 << 20;
