//! What documentation promises, checked by reading the sources.
//!
//! | check | every .. |
//! |---|---|
//! | `kernels` | kernel states a contract and names a law that the conformance suite runs |
//! | `errors` | public fallible function has a section `# Errors` |
//! | `attributes` | public function on ciphertexts names level and scale, one on blocks their shape |
//! | `citations` | citation is a key of docs/papers.md, and every key is cited |
//! | `width` | comment is at most 100 columns wide |
//!
//! Faults of all checks but the first are admitted in the numbers that `xtask/debts` holds.

mod citations;
mod debts;
mod kernels;
mod signatures;
mod width;

use crate::Outcome;
use crate::workspace::{CRATES, rust_files};
use debts::Debts;
use std::path::Path;

/// A fault of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Name of the check.
    check: &'static str,
    /// The crate that it lies in, or `documents`.
    room: String,
    /// File, line and what is wrong.
    text: String,
}

impl Fault {
    fn new(check: &'static str, path: &Path, line: usize, what: &str) -> Self {
        let first = path.components().next();
        let first = first.and_then(|c| c.as_os_str().to_str()).unwrap_or("");
        let room = if CRATES.contains(&first) {
            first
        } else {
            "documents"
        };
        Self {
            check,
            room: room.to_owned(),
            text: format!("{}:{line}: {what}", path.display()),
        }
    }
}

/// Runs all checks. With `list`, prints every fault; with `lower`, writes the numbers that are
/// left.
///
/// # Errors
///
/// When a kernel lacks a contract, when a crate has more faults of a check than are admitted, or
/// when a file cannot be read.
pub fn run(list: bool, lower: bool) -> Outcome {
    kernels::run()?;
    let mut files = Vec::new();
    for name in CRATES {
        files.extend(rust_files(name)?);
    }
    let mut faults = citations::faults(&files)?;
    for file in &files {
        faults.extend(width::faults(file));
        if file.is_library() {
            faults.extend(signatures::faults(file));
        }
    }
    if list {
        for fault in &faults {
            println!("{} ({})", fault.text, fault.check);
        }
    }
    let admitted = Debts::read()?;
    let found = Debts::of(&faults);
    if lower {
        return admitted.lowered_to(&found)?.write();
    }
    for (check, room, left) in found.entries() {
        println!("contracts: {left} of `{check}` left in {room}");
    }
    let exceeded = admitted.exceeded_by(&found);
    for (check, room) in &exceeded {
        let of_it = faults
            .iter()
            .filter(|f| f.check == *check && f.room == *room);
        of_it.for_each(|fault| println!("{}", fault.text));
    }
    match exceeded.as_slice() {
        [] => Ok(()),
        [(check, room), ..] => Err(format!(
            "{room} has {} faults of `{check}`, {} are admitted: mend the new ones among those above",
            found.count(check, room),
            admitted.count(check, room)
        )),
    }
}
