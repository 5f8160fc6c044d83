//! Stable codes of errors, for programs: texts may change, codes do not.

use crate::error::{Error, MessageFault};

impl Error {
    /// A stable name of the kind of error, in lower case with dots, as in `session.plan`.
    ///
    /// Codes that begin with `input.` are the caller's to correct, those with `message.` and
    /// `session.` are of a client and a server that do not fit each other, those with `file.` of the
    /// files of either, and those with `internal.` neither's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "file.read",
            Self::Write { .. } => "file.write",
            Self::Json { .. } => "file.json",
            Self::Exists { .. } => "file.exists",
            Self::NotPlain { .. } => "file.not-plain",
            Self::SameFile { .. } => "file.same",
            Self::Locked { .. } => "file.locked",
            Self::Package { .. } => "file.package",
            Self::Changed { .. } => "file.changed",
            Self::File { source, .. } => source.code(),
            Self::Unsupported { .. } => "model.unsupported",
            Self::Config { .. } => "model.config",
            Self::Weights { .. } => "model.weights",
            Self::MissingTensor { .. } => "model.missing-tensor",
            Self::Shape { .. } => "model.shape",
            Self::NumberFormat { .. } => "model.number-format",
            Self::NotFinite { .. } => "model.not-finite",
            Self::Tokenizer { .. } => "model.tokenizer",
            Self::TooLarge { .. } => "model.too-large",
            Self::Unplannable { .. } => "model.unplannable",
            Self::TokenId { .. } => "input.token-id",
            Self::EmptyPrompt => "input.empty-prompt",
            Self::ContextExceeded { .. } => "input.context-exceeded",
            Self::Argument { .. } => "input.argument",
            Self::Backend { .. } => "input.backend",
            Self::Preset { .. } => "input.preset",
            Self::Logits { .. } => "internal.logits",
            Self::Fit { .. } => "calibration.fit",
            Self::Interval { .. } => "calibration.interval",
            Self::Uncalibrated { .. } => "calibration.absent",
            Self::StaleCalibration { .. } => "calibration.stale",
            Self::StaleTimes { .. } => "times.stale",
            Self::CalibrationText { .. } => "calibration.text",
            Self::Softmax { .. } => "calibration.softmax",
            Self::Message { fault, .. } => fault.code(),
            Self::MessageLength { .. } => "message.length",
            Self::MissingKeys { .. } => "session.missing-keys",
            Self::Position { .. } => "session.position",
            Self::Capacity { .. } => "session.capacity",
            Self::Session { field, .. } => session_code(field),
            Self::Disagreement { .. } => "result.disagreement",
            Self::Cancelled => "stopped.cancelled",
            Self::Closed => "stopped.closed",
            Self::System { .. } => "internal.system",
            Self::Scheme(_) => "internal.scheme",
            Self::Linear(_) => "internal.layout",
        }
    }
}

impl MessageFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Mark { .. } => "message.mark",
            Self::Kind { .. } => "message.kind",
            Self::Version { .. } => "message.version",
            Self::Limit { .. } => "message.limit",
            Self::Checksum { .. } => "message.checksum",
            Self::Digest { .. } => "message.digest",
            Self::Header { .. } => "message.header",
            Self::Field { .. } => "message.field",
            Self::Truncated => "message.truncated",
            Self::Trailing => "message.trailing",
            Self::Io(_) => "message.io",
        }
    }
}

/// The code of a session that differs in a field.
fn session_code(field: &str) -> &'static str {
    match field {
        "preset" | "parameters" => "session.preset",
        "model" => "session.model",
        "calibration" => "session.calibration",
        "plan" => "session.plan",
        "capacity" => "session.capacity",
        "number of tokens" => "session.position",
        "key" => "session.key",
        "conversation" => "session.conversation",
        "history" => "session.history",
        _ => "session.other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_that_of_the_innermost_error() {
        let field = |field| Error::Session {
            what: "response",
            field,
            found: "1".into(),
            expected: "2".into(),
            way_out: "",
        };
        let in_file = field("history").in_file(std::path::Path::new("response.bin"));
        assert_eq!(in_file.code(), "session.history");
        assert_eq!(field("plan").code(), "session.plan");
        let fault = MessageFault::Truncated;
        let what = "request";
        assert_eq!(Error::Message { what, fault }.code(), "message.truncated");
    }
}
