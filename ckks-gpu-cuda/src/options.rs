//! How a card is used, as programs are told in words.

use crate::gemm::MatrixUnits;
use crate::key::KeyForm;
use ckks_math::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How work is done: results have the same bits. Read from words with commas between them, see
/// [`CudaOptions::WORDS`]; none are the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CudaOptions {
    /// What is kept of keys that come as one half and a seed.
    pub key_form: KeyForm,
    /// Whether fixed sequences are captured. Not by default: it takes device memory for operands
    /// and results of each.
    pub graphs: bool,
    /// Whether the host waits for each kernel, so that a failure of the device names the kernel
    /// that caused it, with grid and arguments. Slow: to find a fault.
    pub check: bool,
    /// Whether keys and matrices lie in pinned memory of the host.
    pub on_host: bool,
    /// What multiplies matrices; `None`: what a trial on the card finds faster.
    pub matrix_units: Option<MatrixUnits>,
}

/// One choice: its word, and what it sets.
type Choice = (&'static str, fn(&mut CudaOptions));

/// All choices.
const CHOICES: [Choice; 12] = [
    ("graphs", |o| o.graphs = true),
    ("check", |o| o.check = true),
    ("keys=whole", |o| o.key_form = KeyForm::Whole),
    ("keys=expanded", |o| o.key_form = KeyForm::Expanded),
    ("keys=fused", |o| o.key_form = KeyForm::Fused),
    ("storage=device", |o| o.on_host = false),
    ("storage=host", |o| o.on_host = true),
    ("matrices=trial", |o| o.matrix_units = None),
    ("matrices=integer", |o| {
        o.matrix_units = Some(MatrixUnits::Integer);
    }),
    ("matrices=tensor", |o| {
        o.matrix_units = Some(MatrixUnits::Tensor);
    }),
    ("matrices=library", |o| {
        o.matrix_units = Some(MatrixUnits::Library);
    }),
    ("matrices=fp64", |o| {
        o.matrix_units = Some(MatrixUnits::Double);
    }),
];

impl CudaOptions {
    /// The words that there are, the default of each kind first.
    pub const WORDS: &'static str = "graphs, keys=whole|expanded|fused, storage=device|host, \
                             matrices=trial|integer|tensor|library|fp64, check";
}

fn refuse(what: String, way_out: String) -> Error {
    Error::Unsupported {
        backend: "cuda".into(),
        what,
        way_out,
    }
}

impl FromStr for CudaOptions {
    type Err = Error;

    fn from_str(words: &str) -> Result<Self> {
        let mut options = Self::default();
        for word in words.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let known = CHOICES.iter().find(|(name, _)| *name == word);
            let (_, set) = known.ok_or_else(|| {
                let way_out = format!("choose among {}", Self::WORDS);
                refuse(format!("the option {word:?}"), way_out)
            })?;
            set(&mut options);
        }
        if options.graphs && options.on_host {
            return Err(refuse(
                "graphs with storage=host".into(),
                "leave one out: captured work reads keys where they lie on the card".into(),
            ));
        }
        Ok(options)
    }
}

impl fmt::Display for CudaOptions {
    /// The words that differ from the default, with commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Self::default();
        let mut words = Vec::new();
        for (word, set) in CHOICES {
            // A word is printed where it changes the default, and changes nothing here.
            let (mut alone, mut again) = (plain, *self);
            set(&mut alone);
            set(&mut again);
            if alone != plain && again == *self {
                words.push(word);
            }
        }
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written() {
        let options: CudaOptions = "graphs, keys=fused,matrices=fp64".parse().unwrap();
        assert!(options.graphs && options.key_form == KeyForm::Fused && !options.on_host);
        assert_eq!(options.matrix_units, Some(MatrixUnits::Double));
        assert_eq!(options.to_string(), "graphs,keys=fused,matrices=fp64");
        assert_eq!(options.to_string().parse::<CudaOptions>().unwrap(), options);
        let library: CudaOptions = "matrices=library".parse().unwrap();
        assert_eq!(library.matrix_units, Some(MatrixUnits::Library));
        assert_eq!(library.to_string(), "matrices=library");
        let plain: CudaOptions = "keys=whole,storage=device".parse().unwrap();
        assert_eq!(plain, CudaOptions::default());
        assert_eq!(plain.to_string(), "");
    }

    #[test]
    fn what_is_unknown_or_contradicts_is_named() {
        let refusal = |words: &str| words.parse::<CudaOptions>().unwrap_err().to_string();
        let unknown = refusal("graphs,keys=half");
        assert!(unknown.contains("\"keys=half\"") && unknown.contains("keys=whole|expanded|fused"));
        for (word, _) in CHOICES {
            let (kind, value) = word.split_once('=').unwrap_or((word, word));
            assert!(unknown.contains(kind) && unknown.contains(value), "{word}");
        }
        assert!(refusal("graphs,storage=host").contains("leave one out"));
    }
}
