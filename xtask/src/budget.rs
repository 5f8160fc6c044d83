//! Lengths of files, `where` clauses above the backends, required methods of the backend traits.

use crate::Outcome;
use crate::rust_source::{count_word, trait_methods};
use crate::workspace::{CRATES, rust_files};

/// Longest file admitted.
const MAX_LINES: usize = 600;
/// A file beyond this is worth a look.
const AIM_LINES: usize = 250;
/// `where` clauses in a thousand lines of code that is generic over the backend.
const MAX_WHERE: f64 = 3.0;
/// Methods that a new backend must write.
const MAX_REQUIRED: usize = 30;

/// Checks the workspace against the limits above.
///
/// # Errors
///
/// When a limit is exceeded or a file cannot be read.
pub fn run() -> Outcome {
    let mut faults = Vec::new();
    let mut long = 0;
    for name in CRATES {
        for file in rust_files(name)? {
            let lines = file.text.lines().count();
            if lines > MAX_LINES {
                faults.push(format!(
                    "{}: {lines} lines, {MAX_LINES} admitted: split it",
                    file.path.display()
                ));
            } else if lines > AIM_LINES {
                println!(
                    "{}: {lines} lines, the aim is {AIM_LINES}",
                    file.path.display()
                );
                long += 1;
            }
        }
    }
    for name in ["he-linalg", "he-llama"] {
        let files = rust_files(&format!("{name}/src"))?;
        let lines: usize = files.iter().map(|f| f.text.lines().count()).sum();
        let clauses: usize = files.iter().map(|f| count_word(&f.text, "where")).sum();
        let density = 1000.0 * clauses as f64 / lines.max(1) as f64;
        println!("{name}: {clauses} where clauses in {lines} lines, {density:.2} per 1000");
        if density > MAX_WHERE {
            faults.push(format!(
                "{name}: {density:.2} where clauses per 1000 lines, {MAX_WHERE} admitted"
            ));
        }
    }
    // What the scheme asks of a device; what GPU backends share among themselves is no part of it.
    let mut required = 0;
    for file in rust_files("ckks-math/src/backend")? {
        required += trait_methods(&file.text)
            .iter()
            .filter(|m| m.required && (m.of == "Device" || m.of.ends_with("Kernels")))
            .count();
    }
    println!("backend traits: {required} required methods; {long} files beyond {AIM_LINES} lines");
    if required > MAX_REQUIRED {
        faults.push(format!(
            "backend traits require {required} methods, {MAX_REQUIRED} admitted"
        ));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}
