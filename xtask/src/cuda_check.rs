//! Compiles every CUDA kernel for every architecture, without a card and without an installed CUDA.
//!
//! NVRTC comes from the package index as one pinned wheel into `target/`. The check fails on a
//! spill or a stack frame, on more registers than `ckks-gpu-cuda/cuda/registers` admits, and when
//! the embedded PTX differs from what the sources give.

use crate::Outcome;
use crate::workspace::{cargo, root, run as execute, target_directory};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel that the embedded PTX is made with: newer ones write PTX that fewer drivers take.
const WHEEL: &str = "nvidia-cuda-nvrtc==13.0.88";
/// Architectures of the cards that are supported.
const TARGETS: [&str; 5] = ["sm_80", "sm_89", "sm_90", "sm_100", "sm_120"];
/// What the embedded PTX is made for.
const EMBEDDED: &str = "compute_80";

/// What one kernel takes on one architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    registers: u32,
    stack: u32,
    spilled: u32,
}

/// Compiles and checks; with `write`, replaces the embedded PTX.
///
/// # Errors
///
/// When a kernel does not compile, spills, takes too many registers or differs from the embedded
/// PTX.
pub fn run(write: bool) -> Outcome {
    let out = target_directory()?.join("cuda-check");
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    compile(&out, &library()?)?;
    let crate_folder = root().join("ckks-gpu-cuda");
    let mut faults = embedded(&out, &crate_folder.join("ptx"), write)?;
    let budget = read(&crate_folder.join("cuda/registers"))?;
    let mut table: BTreeMap<String, Vec<Usage>> = BTreeMap::new();
    for target in TARGETS {
        for stem in programs(&out, target)? {
            let log = read(&out.join(format!("{stem}.{target}.log")))?;
            for (kernel, usage) in usages(&log) {
                table.entry(kernel).or_default().push(usage);
            }
        }
    }
    print(&table);
    faults.extend(judge(&table, &budget));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}

/// The folder of NVRTC's library, installed if it is not there.
fn library() -> Result<PathBuf, String> {
    Ok(crate::tools::wheel(WHEEL)?.join("nvidia/cu13/lib"))
}

/// Runs the crate's own compiler for all targets, one process each.
fn compile(out: &Path, library: &Path) -> Outcome {
    let example = [
        "--quiet",
        "--package",
        "ckks-gpu-cuda",
        "--example",
        "compile_kernels",
    ];
    execute(cargo(&["build", "--release"]).args(example))?;
    let program = target_directory()?.join("release/examples/compile_kernels");
    let start = |target: &&str| {
        let mut command = Command::new(&program);
        command.arg(out).arg(target).env("LD_LIBRARY_PATH", library);
        let child = command.spawn();
        child.map_err(|e| format!("cannot run {}: {e}", program.display()))
    };
    let running = TARGETS.iter().chain([&EMBEDDED]).map(start);
    for child in running.collect::<Vec<_>>() {
        let status = child?.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("compile_kernels: {status}"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The programs that were compiled for a target, by name.
fn programs(out: &Path, target: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let suffix = format!(".{target}.image");
    let mut stems: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(&suffix).map(str::to_owned))
        .collect();
    stems.sort();
    Ok(stems)
}

/// Compares the embedded PTX with what was compiled, or replaces it.
fn embedded(out: &Path, ptx: &Path, write: bool) -> Result<Vec<String>, String> {
    let mut pairs = vec![(out.join("fingerprint"), ptx.join("fingerprint"))];
    for stem in programs(out, EMBEDDED)? {
        let image = out.join(format!("{stem}.{EMBEDDED}.image"));
        pairs.push((image, ptx.join(format!("{stem}.ptx"))));
    }
    let mut faults = Vec::new();
    for (made, kept) in pairs {
        let made = read(&made)?;
        if write {
            std::fs::write(&kept, &made).map_err(|e| format!("{}: {e}", kept.display()))?;
        } else if read(&kept).ok().as_deref() != Some(&made) {
            faults.push(format!(
                "{} is stale: run `cargo xtask cuda-check --write`",
                kept.display()
            ));
        }
    }
    Ok(faults)
}

/// What each kernel of a log takes, as `ptxas -v` prints it.
fn usages(log: &str) -> Vec<(String, Usage)> {
    let number_before = |line: &str, word: &str| {
        let before = line.split(word).next()?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    let mut found: Vec<(String, Usage)> = Vec::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let name = rest.split('\'').next().unwrap_or_default();
            found.push((name.into(), Usage::default()));
        }
        let Some((_, usage)) = found.last_mut() else {
            continue;
        };
        if line.contains("bytes stack frame") {
            usage.stack = number_before(line, " bytes stack frame").unwrap_or(u32::MAX);
            usage.spilled = number_before(line, " bytes spill stores").unwrap_or(u32::MAX);
        }
        if let Some((_, rest)) = line.split_once("Used ") {
            usage.registers = number_before(rest, " registers").unwrap_or(u32::MAX);
        }
    }
    found
}

fn print(table: &BTreeMap<String, Vec<Usage>>) {
    println!(
        "{:<28}{}",
        "registers",
        TARGETS.map(|t| format!("{t:>8}")).concat()
    );
    for (kernel, usages) in table {
        let columns: String = usages
            .iter()
            .map(|u| format!("{:>8}", u.registers))
            .collect();
        println!("{kernel:<28}{columns}");
    }
}

/// Spills, stack frames, and kernels beyond their budget, which has a line `kernel registers` for
/// each: a multiple of 8, as registers are handed out.
fn judge(table: &BTreeMap<String, Vec<Usage>>, budget: &str) -> Vec<String> {
    let budget: BTreeMap<&str, u32> = budget
        .lines()
        .filter_map(|line| {
            let (kernel, most) = line.split_once(' ')?;
            Some((kernel, most.trim().parse().ok()?))
        })
        .collect();
    let mut faults = Vec::new();
    for (kernel, usages) in table {
        let most = usages.iter().map(|u| u.registers).max().unwrap_or(0);
        match budget.get(kernel.as_str()) {
            None => faults.push(format!("{kernel}: no line in the budget, it takes {most}")),
            Some(&admitted) if most > admitted => {
                faults.push(format!("{kernel}: {most} registers, {admitted} admitted"));
            }
            Some(_) => {}
        }
        for (usage, target) in usages.iter().zip(TARGETS) {
            if usage.spilled > 0 || usage.stack > 0 {
                faults.push(format!(
                    "{kernel} on {target}: {} bytes spilled, {} on the stack",
                    usage.spilled, usage.stack
                ));
            }
        }
        if usages.len() != TARGETS.len() {
            faults.push(format!("{kernel}: compiled for {} targets", usages.len()));
        }
    }
    for kernel in budget.keys().filter(|k| !table.contains_key(**k)) {
        faults.push(format!(
            "{kernel}: in the budget, but there is no such kernel"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'add_u32' for 'sm_90'
ptxas info    : Function properties for add_u32
ptxas         .     8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 19 registers, used 0 barriers, 8 bytes cumulative stack size
";

    #[test]
    fn logs_are_read_and_judged() {
        let found = usages(LOG);
        let usage = Usage {
            registers: 19,
            stack: 8,
            spilled: 4,
        };
        assert_eq!(found, vec![("add_u32".to_owned(), usage)]);
        let clean = Usage {
            registers: 19,
            ..Usage::default()
        };
        let table = |usage| BTreeMap::from([("add_u32".to_owned(), vec![usage; TARGETS.len()])]);
        assert!(judge(&table(clean), "add_u32 19\n").is_empty());
        assert!(judge(&table(clean), "add_u32 18\n")[0].contains("18 admitted"));
        assert!(judge(&table(clean), "")[0].contains("no line"));
        assert!(judge(&table(clean), "add_u32 19\nsub 3\n")[0].contains("no such kernel"));
        assert_eq!(judge(&table(usage), "add_u32 19\n").len(), TARGETS.len());
    }
}
