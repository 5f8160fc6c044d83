//! The errors of this crate.

use crate::field::Axis;

/// What can be wrong with a packing, a linear map or a plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis does not fit its bit field, or is empty.
    #[error("axis {axis} has {len} values, its field holds 1 to {capacity}: widen the field")]
    FieldLength {
        /// The axis of the field.
        axis: Axis,
        /// The logical length asked for.
        len: usize,
        /// The number of values that the bits of the field tell apart.
        capacity: usize,
    },
    /// A logical axis appears twice in one layout.
    #[error("axis {axis} appears twice in a layout: only Axis::REPLICA may be repeated")]
    DuplicateAxis {
        /// The repeated axis.
        axis: Axis,
    },
    /// A layout has more address bits than this crate handles.
    #[error("a layout of {bits} address bits was asked for, at most {limit} are handled")]
    TooManyBits {
        /// Address bits asked for.
        bits: u32,
        /// The largest number handled.
        limit: u32,
    },
    /// A layout lacks an axis that an operation names.
    #[error("layout {layout} has no axis {axis}")]
    UnknownAxis {
        /// The axis looked for.
        axis: Axis,
        /// The layout, printed.
        layout: String,
    },
    /// An index has the wrong number of components.
    #[error("an index into {layout} needs {need} components, {got} were given")]
    IndexRank {
        /// The layout, printed.
        layout: String,
        /// Number of logical axes.
        need: usize,
        /// Number of components given.
        got: usize,
    },
    /// One component of an index is too large.
    #[error("index {index} on axis {axis}, which has {len} values")]
    IndexRange {
        /// The axis.
        axis: Axis,
        /// The component given.
        index: usize,
        /// The length of the axis.
        len: usize,
    },
    /// Two layouts are meant for ciphertexts with different numbers of slots.
    #[error("the input has 2^{input} slots a ciphertext, the output 2^{output}: use one ring")]
    SlotMismatch {
        /// log2 of the slots of the input layout.
        input: u32,
        /// log2 of the slots of the output layout.
        output: u32,
    },
    /// A coefficient of a linear map is infinite or not a number.
    #[error("the coefficient {value} at output slot {slot} is not finite")]
    NotFinite {
        /// The coefficient.
        value: f64,
        /// The output slot it was meant for.
        slot: usize,
    },
    /// The number of ciphertexts or of values is not the one of the layout or map.
    #[error("{op} needs {need} {what}, {got} were given")]
    Count {
        /// The operation.
        op: &'static str,
        /// What is counted.
        what: &'static str,
        /// The number needed.
        need: usize,
        /// The number given.
        got: usize,
    },
    /// The slot vector of a ciphertext is not a whole number of periods.
    #[error("{op} needs slot vectors whose length is a multiple of {period}, one has {got}")]
    VectorLength {
        /// The operation.
        op: &'static str,
        /// The period of the layout or map.
        period: usize,
        /// The length given.
        got: usize,
    },
    /// Maps that are to be fused read different inputs.
    #[error(
        "fused maps must read the same input: {left:?} against {right:?} (ciphertexts, period)"
    )]
    InputMismatch {
        /// Ciphertexts and period of the first map's input.
        left: (usize, usize),
        /// Ciphertexts and period of the other map's input.
        right: (usize, usize),
    },
    /// A sum would run over padding slots that may hold anything.
    #[error(
        "axis {axis} has {len} values in {capacity} places and the padding is not known to be \
         zero: multiply by a mask first, and declare Padding::Zero"
    )]
    DirtyPadding {
        /// The axis of the sum.
        axis: Axis,
        /// Its length.
        len: usize,
        /// The places in its field.
        capacity: usize,
    },
    /// The limit on rotation keys is below what can reach every amount.
    #[error("{need} rotation keys are needed to reach every amount, the limit is {limit}")]
    TooFewKeys {
        /// Smallest number of keys that works.
        need: usize,
        /// The limit given.
        limit: usize,
    },
}

/// Result of this crate's host functions.
pub type Result<T> = std::result::Result<T, Error>;
