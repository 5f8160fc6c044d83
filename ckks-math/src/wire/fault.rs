//! What can be wrong with serialized bytes.

/// Why an object cannot be read or written; [`crate::Error::Wire`] adds which object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireFault {
    /// The bytes are something else.
    #[error(
        "the first bytes are {found:02x?}, not the mark of this format: check that the right file \
         or message was given"
    )]
    Mark {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// Bytes changed between writer and reader.
    #[error(
        "checksum of the {part} is {computed:08x}, {stored:08x} was stored: the bytes were damaged \
         on the way, transfer them again"
    )]
    Checksum {
        /// `header` or `object`.
        part: &'static str,
        /// The checksum of what arrived.
        computed: u32,
        /// The checksum that came with it.
        stored: u32,
    },
    /// The data end too early.
    #[error(
        "the data end before byte {needed} of {total}: the transfer was cut off, transfer them again"
    )]
    Truncated {
        /// One past the last byte that was asked for.
        needed: u64,
        /// Length of the object as far as it is known (of the header, before it has been read).
        total: u64,
    },
    /// The object is larger than the reader admits.
    #[error("{bytes} bytes exceed the limit of {limit}: raise the limit if so much is expected")]
    Limit {
        /// Length of the object.
        bytes: u64,
        /// The reader's limit.
        limit: u64,
    },
    /// An object of another kind.
    #[error("{found} found where {expected} is expected: give it to the reader of its kind")]
    Kind {
        /// The kind found, by name, or its number if it has none.
        found: String,
        /// The kind asked for.
        expected: &'static str,
    },
    /// A version that this build does not know.
    #[error(
        "version {found}, but this build knows {known} only: have both sides run the same release"
    )]
    Version {
        /// The version found.
        found: u16,
        /// The version that can be read.
        known: u16,
    },
    /// Flags that this build does not know.
    #[error(
        "flags {found:#010x}, of which this build knows none: update it, or have it sent older"
    )]
    Flags {
        /// The flags found.
        found: u32,
    },
    /// The declared length is not that of the contents.
    #[error(
        "the payload has {declared} bytes where its contents take {needed}: refuse this sender"
    )]
    Length {
        /// Bytes of the payload.
        declared: u64,
        /// Bytes that the counts in it, with the parameters, amount to.
        needed: u64,
    },
    /// A field outside its range.
    #[error("{field} is {found}, admitted: {admitted}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values it may have, and what to do.
        admitted: String,
    },
    /// A residue that is not below its modulus.
    #[error(
        "residue {value} at position {position} is not below its modulus {modulus}: refuse this sender"
    )]
    Residue {
        /// The residue.
        value: u64,
        /// Its modulus.
        modulus: u64,
        /// Its index in its limb.
        position: usize,
    },
    /// Bytes behind the object.
    #[error(
        "{bytes} or more bytes follow the object: read several objects from a stream one by one"
    )]
    Trailing {
        /// How many at least.
        bytes: u64,
    },
    /// The file or connection failed.
    #[error("{action} failed ({source}): check the file or connection and start again")]
    Io {
        /// `reading` or `writing`.
        action: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl WireFault {
    /// The stable code of the fault, see [`crate::Error::code`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mark { .. } => "wire-mark",
            Self::Checksum { .. } => "wire-checksum",
            Self::Truncated { .. } => "wire-truncated",
            Self::Limit { .. } => "wire-limit",
            Self::Kind { .. } => "wire-kind",
            Self::Version { .. } => "wire-version",
            Self::Flags { .. } => "wire-flags",
            Self::Length { .. } => "wire-length",
            Self::Field { .. } => "wire-field",
            Self::Residue { .. } => "wire-residue",
            Self::Trailing { .. } => "wire-trailing",
            Self::Io { .. } => "wire-io",
        }
    }

    /// A field outside its range.
    pub(super) fn field(
        field: &'static str,
        found: &impl ToString,
        admitted: impl Into<String>,
    ) -> Self {
        Self::Field {
            field,
            found: found.to_string(),
            admitted: admitted.into(),
        }
    }
}
