//! What can be wrong with a message between client and server.

/// What is wrong with a message between client and server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// The bytes are something else.
    #[error("the first bytes are {found:02x?}, not the mark of this program's files")]
    Mark {
        /// The first bytes.
        found: [u8; 8],
    },
    /// A message of another kind.
    #[error("this is {found}: give it where one is expected")]
    Kind {
        /// What it is, or its number.
        found: String,
    },
    /// A version that this build does not know.
    #[error(
        "version {found} of the protocol, but this program speaks {expected}: use the same version \
         of the program on both sides"
    )]
    Version {
        /// The version found.
        found: u16,
        /// The one that this program reads and writes.
        expected: u16,
    },
    /// A header that is too long.
    #[error("a header of {found} bytes exceeds the limit of {limit}")]
    Limit {
        /// Its length.
        found: u32,
        /// The longest admitted.
        limit: u32,
    },
    /// Bytes changed on the way.
    #[error("checksum {computed:08x}, {stored:08x} was stored: the bytes were damaged on the way")]
    Checksum {
        /// The checksum of what arrived.
        computed: u32,
        /// The checksum that came with it.
        stored: u32,
    },
    /// Objects that were exchanged, left out, or taken from another message.
    #[error(
        "the digest of the whole message is {computed}, {stored} was stored: its parts are damaged, \
         missing or in another order; transfer it again"
    )]
    Digest {
        /// The digest of what arrived.
        computed: String,
        /// The digest that came with it.
        stored: String,
    },
    /// The header does not parse.
    #[error("the header cannot be understood: {}", reason.escape_debug())]
    Header {
        /// Where and why the parser stopped.
        reason: String,
    },
    /// A number outside its range.
    #[error("{field} is {found}, admitted: {admitted}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: String,
        /// Values that it may have.
        admitted: String,
    },
    /// The data end too early.
    #[error("the data end inside the header: the transfer was cut off, transfer them again")]
    Truncated,
    /// Bytes behind the message.
    #[error("bytes follow the end of the message: the file was appended to")]
    Trailing,
    /// The file or connection failed.
    #[error("the file or connection failed: {0}")]
    Io(std::io::Error),
}
