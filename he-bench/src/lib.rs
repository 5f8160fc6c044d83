//! Every timing of the workspace, generic over the backend.
//!
//! | module | holds |
//! |---|---|
//! | [`workload`] | what is timed, by id and parameter set |
//! | [`sets`] | the parameter sets that timings are quoted for |
//! | [`measure`] | repeated runs within a time budget |
//! | [`record`] | the records that `cargo xtask bench --json` writes |
//! | [`compare`] | two files of records side by side |
//! | [`precision`] | error of bootstrapping over many secrets |
//! | [`prediction`] | predicted beside measured times |
//! | [`machine`] | what a measurement was made on |
//! | [`select`] | the backends by name |
//!
//! The same workloads run under Criterion (`cargo bench -p he-bench`) for close looks at one
//! kernel and in the `bench` program (`cargo xtask bench`) for records of all.
#![forbid(unsafe_code)]

pub mod compare;
pub mod error;
pub mod machine;
pub mod measure;
pub mod precision;
pub mod prediction;
pub mod record;
pub mod select;
pub mod sets;
pub mod workload;

pub use error::{Error, Result, exit_status};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
