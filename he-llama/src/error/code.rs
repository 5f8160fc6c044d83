//! Stable codes of errors, for programs.

use super::{Error, MessageFault};

/// One code for every variant, in kebab case. A code never changes its meaning.
macro_rules! codes {
    ($of:ident: $($variant:ident => $code:literal,)*) => {
        impl $of {
            /// Codes of all variants.
            #[cfg(test)]
            const CODES: &'static [&'static str] = &[$($code,)*];

            fn own_code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)*
                }
            }
        }
    };
}

codes! { Error:
    Read => "read",
    Write => "write",
    Json => "json",
    Unsupported => "config-unsupported",
    Config => "config",
    LfsPointer => "lfs-pointer",
    TooLong => "file-too-long",
    Incomplete => "model-incomplete",
    Index => "weights-index",
    ExtraTensor => "tensor-extra",
    Weights => "weights",
    MissingTensor => "tensor-missing",
    Shape => "tensor-shape",
    NumberFormat => "tensor-format",
    NotFinite => "tensor-not-finite",
    Changed => "weights-changed",
    Tokenizer => "tokenizer",
    TokenId => "token-id",
    EmptyPrompt => "prompt-empty",
    ContextExceeded => "context-exceeded",
    Argument => "argument",
    Logits => "logits",
    Fit => "fit",
    Interval => "interval",
    Uncalibrated => "uncalibrated",
    StaleCalibration => "calibration-stale",
    DamagedCalibration => "calibration-damaged",
    CalibrationDigest => "calibration-digest",
    InvalidCalibration => "calibration-invalid",
    Unfit => "calibration-unfit",
    Escapes => "calibration-escapes",
    File => "file",
    Exists => "exists",
    Backend => "backend",
    Preset => "preset",
    Message => "message",
    Session => "session",
    Cancelled => "cancelled",
    System => "system",
    Scheme => "scheme",
    Linear => "linear",
    Unplannable => "unplannable",
    CalibrationText => "calibration-text",
    Softmax => "softmax",
    NotPlain => "not-a-plain-file",
    SameFile => "same-file",
    Locked => "locked",
    Package => "client-package",
    TooLarge => "model-too-large",
    MessageLength => "message-length",
    MissingKeys => "keys-missing",
    Position => "position",
    Capacity => "capacity",
    Disagreement => "disagreement",
    Closed => "output-closed",
    StaleTimes => "times-stale",
}

codes! { MessageFault:
    Mark => "message-mark",
    Kind => "message-kind",
    Version => "message-version",
    Limit => "message-limit",
    Checksum => "message-checksum",
    Digest => "message-digest",
    Header => "message-header",
    Field => "message-field",
    Truncated => "message-truncated",
    Trailing => "message-trailing",
    Io => "message-io",
}

impl Error {
    /// A stable name of what went wrong, in kebab case: that of the inner error where this one
    /// says in which file or message it was.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { source, .. } => source.code(),
            Self::Message { fault, .. } => fault.own_code(),
            Self::Session { field, .. } => of_session(field),
            other => other.own_code(),
        }
    }
}

/// The code of two sides that differ in a field.
fn of_session(field: &str) -> &'static str {
    match field {
        "preset" | "parameters" => "session-preset",
        "model" => "session-model",
        "calibration" => "session-calibration",
        "plan" => "session-plan",
        "capacity" => "session-capacity",
        "number of tokens" => "session-position",
        "key" => "session-key",
        "conversation" => "session-conversation",
        "history" => "session-history",
        _ => "session",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The match of the macro covers every variant: the compiler sees to that.
    #[test]
    fn codes_are_unique_and_in_kebab_case() {
        let all: Vec<&str> = [Error::CODES, MessageFault::CODES].concat();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
        for code in all {
            let words = code.split('-');
            let plain = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase());
            assert!(words.clone().all(plain), "{code}");
        }
    }

    #[test]
    fn the_code_of_what_is_inside_is_passed_on() {
        let inner = Error::EmptyPrompt;
        assert_eq!(inner.code(), "prompt-empty");
        assert_eq!(
            inner.in_file(std::path::Path::new("f")).code(),
            "prompt-empty"
        );
        let cut = Error::Message {
            what: "request",
            fault: MessageFault::Truncated,
        };
        assert_eq!(cut.code(), "message-truncated");
        let differs = |field| Error::Session {
            what: "response",
            field,
            found: "1".into(),
            expected: "2".into(),
            way_out: "",
        };
        let in_file = differs("history").in_file(std::path::Path::new("f"));
        assert_eq!(in_file.code(), "session-history");
        assert_eq!(differs("plan").code(), "session-plan");
    }
}
