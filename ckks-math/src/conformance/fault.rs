//! Faults to plant in the naive backend.

/// A mistake that a backend could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Uploads of several rows keep the first one only.
    UploadRepeatsFirstRow,
    /// Copies share what they hold: here, a copy is zeroed as if it had been reused.
    DuplicateLost,
    /// Freed blocks go on counting.
    MemoryLeaks,
    /// Any ring is taken.
    LimitsIgnored,
    /// Evaluations in natural instead of bit-reversed order.
    NttNaturalOrder,
    /// The inverse transform forgets `1/N`.
    InverseNotScaled,
    /// The second operand's limbs are read by position instead of by prime.
    LimbsByPosition,
    /// The second operand's row is its first.
    NoBroadcastInPermutation,
    /// A difference in the other direction.
    SubReversed,
    /// Product stored instead of accumulated.
    AccumulateForgets,
    /// Rows are not checked before constants are added to them.
    RowsUnchecked,
    /// Constants are added to all rows.
    OffsetAllRows,
    /// `combine` leaves out its last term.
    CombineSkipsLast,
    /// Automorphism by the inverse element.
    InverseGalois,
    /// `restrict` begins at row 0.
    RestrictFromFirstRow,
    /// The quotient of base conversion rounds down.
    QuotientFloors,
    /// The quotient of base conversion comes from floating point.
    QuotientInFloat,
    /// Limbs common to source and target are converted instead of copied, from the lift.
    CommonLimbsZeroed,
    /// The key product leaves out the last digit.
    SkipsLastDigit,
    /// The key's special limbs are read as if it had the level of the digits.
    KeyLimbsByPosition,
    /// The halves of the key are exchanged.
    KeyHalvesSwapped,
    /// The key product accumulates into memory that it did not clear.
    AccumulatesIntoFresh,
    /// Matrix entries lose their sign.
    GemmUnsigned,
    /// The matrix is read by columns.
    GemmTransposed,
    /// Overridden row sum that begins at row 0.
    AddRowsOverride,
    /// Overridden scaled sum that leaves the constants out.
    AddScaledOverride,
    /// Overridden sum of neighbours that takes those on the other side.
    NeighboursOverride,
    /// Overridden tensor product without the second cross term.
    TensorOverride,
    /// Overridden embedding with coefficients side by side.
    EmbedOverride,
    /// Overridden compact embedding that turns the order of the polynomials around.
    EmbedCompactOverride,
    /// Overridden sum of products without the last one.
    SumProductsOverride,
    /// Overridden decomposition whose digits are not centred.
    DecomposeOverride,
    /// Overridden division that rounds down.
    ModDownOverride,
    /// Overridden rescale that drops the wrong prime's remainder.
    RescaleOverride,
    /// Overridden division by special primes and last moduli with a rounding for each.
    ModDownAndRescaleOverride,
    /// Overridden product with a key, doubled.
    KeyProductOverride,
    /// Overridden key switch that returns its pair in the wrong order.
    KeySwitchOverride,
    /// Overridden hoisted product that turns the result by the identity.
    PermutedOverride,
}
