//! Which files a command may replace: those of the same kind and conversation, others on request.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::outputs::{Access, Output, check_absent, check_target};
use crate::protocol::conversation::ConversationId;
use crate::protocol::envelope::Kind;
use crate::protocol::key_file::header_of;

/// Checks before a run that a message may be written to `path`.
///
/// # Errors
///
/// Fails where no file can be written, and for a file that exists, unless it is a message of this
/// kind and conversation or `force` is given.
pub fn check_message(
    path: &Path,
    kind: Kind,
    conversation: Option<ConversationId>,
    force: bool,
) -> Result<()> {
    check_target(path)?;
    let own = || {
        let header = header_of(kind, path).ok()?;
        Some(header.conversation?.id)
    };
    check_absent(
        path,
        force || (path.exists() && own().is_some_and(|id| Some(id) == conversation)),
    )
}

/// Checks before a run that a record may be written to `path`.
///
/// # Errors
///
/// Fails where no file can be written, and for a file that exists, unless it is a record or `force`
/// is given.
pub fn check_record(path: Option<&Path>, force: bool) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    check_target(path)?;
    check_absent(path, force || is_record(path))
}

fn is_record(path: &Path) -> bool {
    let parsed = std::fs::read(path).ok();
    let parsed = parsed.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    parsed.is_some_and(|value| value.get("prompt_ids").is_some() && value.get("text").is_some())
}

/// Writes a record as JSON, readable by its owner alone: it holds the text.
///
/// # Errors
///
/// Fails when the file cannot be written; an old one is then as before.
pub fn write_record(path: &Path, record: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(record).map_err(|source| Error::Json {
        path: path.to_path_buf(),
        what: "record",
        source,
    })?;
    Output::write(path, Access::Owner, (text + "\n").as_bytes())
}
