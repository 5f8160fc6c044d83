//! The one error type of the crate: every variant names the offending values and the way out.

use crate::backend::{Basis, Shape};
use crate::keys::OwnerTag;
use crate::params::ParamsHash;

/// Result of every fallible operation of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, from arithmetic to bootstrapping.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A modulus outside the supported range.
    #[error("modulus {q} is not an odd number between 3 and 2^61: choose an NTT prime")]
    InvalidModulus {
        /// The refused modulus.
        q: u64,
    },
    /// Not enough NTT primes of a size.
    #[error("fewer than {count} primes near 2^{bits} are 1 mod {order}: ask for another size")]
    NoPrimes {
        /// Wanted bit length.
        bits: u32,
        /// The primes must be 1 modulo this power of two.
        order: u64,
        /// How many were wanted.
        count: usize,
    },
    /// Parameters that contradict themselves or the backend's limits.
    #[error("invalid parameters: {0}")]
    InvalidParameters(String),
    /// No preset has this name.
    #[error("no preset named {name:?}: choose one of {known}")]
    UnknownPreset {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A set that does not bootstrap, or has no levels for a part of it.
    #[error(
        "{params} has no levels or no ephemeral secret for bootstrapping: choose a preset with `boot` in \
         its name"
    )]
    NoBootstrapping {
        /// Name of the set.
        params: String,
    },
    /// Primes or a degree that the backend does not admit.
    #[error(
        "{params}: {bits}-bit primes at N = 2^{log_n}, but the backend admits {most_bits} bits and N up to \
         {most_degree}: choose {fitting}"
    )]
    BackendLimits {
        /// Name of the set.
        params: String,
        /// Bits of its longest prime.
        bits: u32,
        /// log2 of its degree.
        log_n: u32,
        /// Bits of the longest prime that the backend admits.
        most_bits: u32,
        /// The largest degree that it admits.
        most_degree: usize,
        /// What fits.
        fitting: String,
    },
    /// A parameter set below 128-bit security.
    #[error(
        "log QP = {log_qp:.1} exceeds {bound} bits, the 128-bit bound at N = 2^{log_n} for {secret} \
         ({judged_by}): use fewer or smaller primes, a denser secret, or a larger ring"
    )]
    Insecure {
        /// log2 of the ring degree.
        log_n: u32,
        /// Bits of the largest modulus under which keys are published.
        log_qp: f64,
        /// Largest admitted value.
        bound: u32,
        /// The secret distribution.
        secret: String,
        /// Where the bound is from.
        judged_by: &'static str,
    },
    /// Two blocks, polynomials or ciphertexts whose shapes do not fit.
    #[error("{op}: shapes {left} and {right} do not fit")]
    ShapeMismatch {
        /// The operation.
        op: &'static str,
        /// Left operand.
        left: Shape,
        /// Right operand.
        right: Shape,
    },
    /// A basis that an operation cannot work on.
    #[error("{op}: basis {found} where {expected} is needed")]
    BasisMismatch {
        /// The operation.
        op: &'static str,
        /// What was given.
        found: Basis,
        /// What is needed.
        expected: Basis,
    },
    /// Objects of different rings or parameter sets.
    #[error(
        "{op}: made for parameters {found:.16}, used with {expected:.16}: use the parameters it was made for"
    )]
    WrongParameters {
        /// The operation.
        op: &'static str,
        /// Hash of the object's parameters.
        found: ParamsHash,
        /// Hash of the parameters in use.
        expected: ParamsHash,
    },
    /// Objects of different secret keys.
    #[error(
        "{op}: made with the secret key of tag {found}, used with that of {expected}: use keys and \
         ciphertexts of one owner"
    )]
    WrongOwner {
        /// The operation.
        op: &'static str,
        /// Tag of the object.
        found: OwnerTag,
        /// Tag of what it is used with.
        expected: OwnerTag,
    },
    /// A number that is no Galois element of the ring.
    #[error("Galois element {found} is not an odd number below {order}: take that of a rotation")]
    GaloisElement {
        /// The number.
        found: u64,
        /// The order of the ring's roots of unity.
        order: u64,
    },
    /// Not enough levels left.
    #[error("{op} needs {need} levels, {have} left: bootstrap first")]
    LevelExhausted {
        /// The operation.
        op: &'static str,
        /// Levels the operation consumes.
        need: usize,
        /// Levels left.
        have: usize,
    },
    /// Operands at different levels where equal ones are needed.
    #[error("{op}: level {found} where {expected} is needed")]
    LevelMismatch {
        /// The operation.
        op: &'static str,
        /// Level found.
        found: usize,
        /// Level needed.
        expected: usize,
    },
    /// Scales too far apart to add.
    #[error(
        "{op}: scales 2^{left:.6} and 2^{right:.6} differ by more than 2^-{tolerance_bits} relative: \
         rescale or align first"
    )]
    ScaleMismatch {
        /// The operation.
        op: &'static str,
        /// log2 of the left scale.
        left: f64,
        /// log2 of the right scale.
        right: f64,
        /// Admitted relative difference in bits.
        tolerance_bits: u32,
    },
    /// A key that the key set does not hold.
    #[error("{op} needs the {key} at level {level}, which the key set does not hold: generate it")]
    MissingKey {
        /// The operation.
        op: &'static str,
        /// Name of the key, with its Galois element.
        key: String,
        /// Level of the ciphertext.
        level: usize,
    },
    /// Slot counts that do not fit.
    #[error("{op}: {found} slots where {expected} are needed")]
    SlotMismatch {
        /// The operation.
        op: &'static str,
        /// Slots found.
        found: usize,
        /// Slots needed (or the maximum).
        expected: usize,
    },
    /// A message, slot count or set of residues that cannot be encoded or decoded.
    #[error(transparent)]
    Encoding(#[from] crate::encoding::EncodingError),
    /// A factorisation of the DFT that cannot be made.
    #[error(transparent)]
    Dft(#[from] crate::bootstrap::DftError),
    /// A sampler's arguments out of range.
    #[error(transparent)]
    Sampling(#[from] crate::sampling::SamplingError),
    /// A number of operands or of results out of range.
    #[error("{op}: {found} {what} where {least} to {most} are admitted")]
    Count {
        /// The operation.
        op: &'static str,
        /// What is counted.
        what: &'static str,
        /// Number found.
        found: usize,
        /// Least number.
        least: usize,
        /// Greatest number.
        most: usize,
    },
    /// A ciphertext of another number of polynomials.
    #[error("{op}: {found} components where {expected} are needed: relinearise products first")]
    Components {
        /// The operation.
        op: &'static str,
        /// Components found.
        found: usize,
        /// Components needed.
        expected: usize,
    },
    /// A scale that leaves no room for a message.
    #[error(
        "{op}: a scale of 2^{log_scale:.1} under a modulus of 2^{log_modulus:.1} leaves no room for a \
         message: it must be from 1 to half the modulus, rescale products, and only products"
    )]
    ScaleOutOfRange {
        /// The operation.
        op: &'static str,
        /// log2 of the scale.
        log_scale: f64,
        /// log2 of the modulus of its level.
        log_modulus: f64,
    },
    /// A constant that is no whole number of admitted size.
    #[error(
        "{op}: constant {value} is not a whole number below 2^{bits:.1}, half the modulus (and 2^126): \
         scale it down, or use a higher level"
    )]
    Constant {
        /// The operation.
        op: &'static str,
        /// The value, as it is encoded.
        value: f64,
        /// log2 of the bound.
        bits: f64,
    },
    /// A plan of a polynomial that was made for other operands.
    #[error(
        "{op}: the plan {} a factor and {} was given: make it with Plan::with_factor for a product, \
         with Plan::new for a polynomial alone",
        if *.planned { "has" } else { "has not" },
        if *.planned { "none" } else { "one" }
    )]
    PlanMismatch {
        /// The operation.
        op: &'static str,
        /// Whether the plan was made with a factor.
        planned: bool,
    },
    /// A polynomial approximation that cannot be made as asked.
    #[error(transparent)]
    Approximation(#[from] crate::polynomial::ApproximationError),
    /// A serialized object that cannot be read or written.
    #[error("{object} in wire form: {fault}")]
    Wire {
        /// Kind of object.
        object: &'static str,
        /// What is wrong with it.
        fault: crate::wire::WireFault,
    },
    /// Times that no device can have.
    #[error("times of kernels: {field} is {found} where it must be {expected}: measure them again")]
    KernelTimes {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The backend does not admit what is asked.
    #[error("backend {backend} does not support {what}: {way_out}")]
    Unsupported {
        /// Name of the backend.
        backend: String,
        /// What was asked.
        what: String,
        /// What to do instead.
        way_out: String,
    },
    /// The device has not enough memory.
    #[error(
        "backend {backend} cannot allocate {asked} bytes, {free} free: use fewer or smaller objects"
    )]
    OutOfMemory {
        /// Name of the backend.
        backend: String,
        /// Bytes asked for.
        asked: u64,
        /// Bytes free.
        free: u64,
    },
    /// The device or its driver failed.
    #[error("backend {backend} failed: {message}")]
    Device {
        /// Name of the backend.
        backend: String,
        /// The driver's words.
        message: String,
    },
}

impl Error {
    /// The stable code of the error, in kebab case: what programs and protocols match on. Codes
    /// stay when texts change.
    ///
    /// Errors of encoding, the DFT, sampling and approximation have one code each; those of the
    /// wire format have [`WireFault::code`](crate::wire::WireFault::code).
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidModulus { .. } => "invalid-modulus",
            Self::NoPrimes { .. } => "no-primes",
            Self::InvalidParameters(_) => "invalid-parameters",
            Self::UnknownPreset { .. } => "unknown-preset",
            Self::NoBootstrapping { .. } => "no-bootstrapping",
            Self::BackendLimits { .. } => "backend-limits",
            Self::Insecure { .. } => "insecure",
            Self::ShapeMismatch { .. } => "shape-mismatch",
            Self::BasisMismatch { .. } => "basis-mismatch",
            Self::WrongParameters { .. } => "wrong-parameters",
            Self::WrongOwner { .. } => "wrong-owner",
            Self::GaloisElement { .. } => "galois-element",
            Self::LevelExhausted { .. } => "level-exhausted",
            Self::LevelMismatch { .. } => "level-mismatch",
            Self::ScaleMismatch { .. } => "scale-mismatch",
            Self::ScaleOutOfRange { .. } => "scale-out-of-range",
            Self::MissingKey { .. } => "missing-key",
            Self::SlotMismatch { .. } => "slot-mismatch",
            Self::Count { .. } => "count",
            Self::Components { .. } => "components",
            Self::Constant { .. } => "constant",
            Self::PlanMismatch { .. } => "plan-mismatch",
            Self::Encoding(_) => "encoding",
            Self::Dft(_) => "dft",
            Self::Sampling(_) => "sampling",
            Self::Approximation(_) => "approximation",
            Self::Wire { fault, .. } => fault.code(),
            Self::Unsupported { .. } => "unsupported",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Device { .. } => "device",
            Self::KernelTimes { .. } => "kernel-times",
        }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
