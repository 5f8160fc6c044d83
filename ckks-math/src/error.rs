//! The one error type of the crate: every variant names the offending values and the way out.

use crate::backend::{Basis, Shape};

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
    #[error("{op}: made for parameters {found:016x}, used with {expected:016x}")]
    WrongParameters {
        /// The operation.
        op: &'static str,
        /// Hash of the object's parameters.
        found: u64,
        /// Hash of the parameters in use.
        expected: u64,
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
    /// A constant that is no whole number of at most 126 bits.
    #[error("{op}: constant {value} is not a whole number below 2^126: scale it down")]
    Constant {
        /// The operation.
        op: &'static str,
        /// The value.
        value: f64,
    },
    /// A polynomial approximation that cannot be made as asked.
    #[error(transparent)]
    Approximation(#[from] crate::polyval::ApproximationError),
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
