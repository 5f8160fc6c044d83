//! Calibration: the ranges of all tensors on text, and the polynomials chosen for them.

pub mod anchor;
pub mod corpus;
pub mod fitting;
pub mod record;
mod refine;
pub mod run;
pub mod scores;
pub mod softmax;
pub mod store;
pub mod validate;

pub use corpus::{Corpus, builtin_text};
pub use fitting::Accuracy;
pub use run::{Options, Summary, calibrate};
pub use store::{Calibration, fingerprint};
