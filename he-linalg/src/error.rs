//! The errors of this crate.

use std::fmt;
use std::sync::Arc;

use crate::field::Axis;
use ckks_math::params::ParamsHash;

/// An error of the scheme underneath, shared so that errors stay comparable and cheap to clone.
#[derive(Clone)]
pub struct SchemeError(Arc<ckks_math::Error>);

impl SchemeError {
    /// The error itself.
    pub fn inner(&self) -> &ckks_math::Error {
        &self.0
    }
}

impl fmt::Debug for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for SchemeError {
    /// Errors are equal when they say the same.
    fn eq(&self, other: &SchemeError) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.to_string() == other.to_string()
    }
}

impl std::error::Error for SchemeError {}

/// What a source of coefficients failed with, shared as [`SchemeError`] is.
#[derive(Clone)]
pub struct SourceError(Arc<dyn std::error::Error + Send + Sync>);

impl SourceError {
    /// The failure itself.
    pub fn inner(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartialEq for SourceError {
    /// Failures are equal when they say the same.
    fn eq(&self, other: &SourceError) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.to_string() == other.to_string()
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

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
    /// Two packings cannot meet slot by slot.
    #[error(
        "{op}: layouts {left} and {right} hold different axes in the same bits: move one of them \
         with LinearMap::relayout first"
    )]
    LayoutMismatch {
        /// The operation.
        op: &'static str,
        /// The first layout, printed.
        left: String,
        /// The other layout, printed.
        right: String,
    },
    /// A cyclic operation along an axis that does not stand at the top of the period.
    #[error(
        "{op} needs axis {axis} at the top of the slots of {layout}: move it there with \
         LinearMap::relayout"
    )]
    NotCyclic {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: Axis,
        /// The layout, printed.
        layout: String,
    },
    /// No polynomial of the degrees tried is accurate enough.
    #[error(
        "{function} on [{lo}, {hi}]: {wanted} bits were asked for, degree {degree} reaches \
         {reached:.1}: narrow the range or ask for fewer bits"
    )]
    Fit {
        /// The function.
        function: &'static str,
        /// Low end of the range.
        lo: f64,
        /// High end of the range.
        hi: f64,
        /// Bits asked for.
        wanted: f64,
        /// Bits of the highest degree.
        reached: f64,
        /// The highest degree tried.
        degree: usize,
    },
    /// A number that a function cannot be set up with.
    #[error("{what} is {value}, it must be {range}")]
    Argument {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f64,
        /// The admitted range.
        range: &'static str,
    },
    /// The scheme refused an operation: levels, scales, keys or the device.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// A source of coefficients failed.
    #[error("the coefficients of a matrix cannot be read: {0}")]
    Source(#[source] SourceError),
    /// A coefficient lies where the structure of its matrix has no diagonal.
    #[error(
        "a coefficient for output slot {slot} is on the diagonal of amount {amount} of input \
         {input}, which the structure of the matrix lacks: a source must list the same entries \
         each time"
    )]
    Unplanned {
        /// Number of the input ciphertext.
        input: usize,
        /// The rotation amount of the diagonal.
        amount: usize,
        /// The slot of the diagonal.
        slot: usize,
    },
    /// The values of a diagonal do not repeat with the period of the structure.
    #[error(
        "the diagonal of amount {amount} of input {input} holds {found} at slot {slot}, and \
         {expected} a period of {period} before: rows with the same key must have the same \
         coefficients"
    )]
    NotPeriodic {
        /// Number of the input ciphertext.
        input: usize,
        /// The rotation amount of the diagonal.
        amount: usize,
        /// The slot of the diagonal.
        slot: usize,
        /// The period that the structure has.
        period: usize,
        /// The value found.
        found: f64,
        /// The value a period before.
        expected: f64,
    },
    /// Encoded matrices belong to another context than the evaluator.
    #[error(
        "the store of matrices encodes for parameters {store:.16} on {store_device}, the \
         evaluator has {evaluator:.16} on {device}: make the store of the evaluator's context"
    )]
    OtherContext {
        /// Fingerprint of the parameters of the store.
        store: ParamsHash,
        /// The device of the store.
        store_device: String,
        /// Fingerprint of the parameters of the evaluator.
        evaluator: ParamsHash,
        /// The device of the evaluator.
        device: String,
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

impl Error {
    /// The error of a source of coefficients.
    pub fn source_failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Source(SourceError(Arc::from(error.into())))
    }
}

impl From<ckks_math::Error> for Error {
    fn from(error: ckks_math::Error) -> Error {
        Error::Scheme(SchemeError(Arc::new(error)))
    }
}

impl From<ckks_math::polynomial::ApproximationError> for Error {
    fn from(error: ckks_math::polynomial::ApproximationError) -> Error {
        ckks_math::Error::from(error).into()
    }
}

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;
