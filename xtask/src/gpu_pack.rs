//! One folder for a bare GPU host, which has no cargo: stripped tests and benches, and scripts.

use crate::Outcome;
use crate::workspace::{cargo, root, run as execute, target_directory};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest folder, in bytes.
const MOST: u64 = 60 << 20;
/// The programs in the folder, which the scripts unpack.
const PROGRAMS: &str = "programs.tar.gz";

/// The scripts of the folder.
const SCRIPTS: [&str; 3] = [
    "ckks-gpu-cuda/gpu-check.sh",
    "ckks-gpu-wgpu/wgpu-check.sh",
    "ckks-gpu-cuda/check-steps.sh",
];

/// Files that a model is read from, and its licence.
const MODEL: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "LICENSE",
];

/// Builds the programs, strips and packs them into `folder` and puts the scripts beside them, and a
/// model if one is given.
///
/// # Errors
///
/// When a program cannot be built or copied, or the folder would be too large.
pub fn run(folder: &Path, model: Option<&Path>) -> Outcome {
    let target = target_directory()?;
    let (release, staged) = (target.join("release"), target.join("gpu-pack"));
    for made in [folder, &staged] {
        std::fs::create_dir_all(made).map_err(|e| format!("{}: {e}", made.display()))?;
    }
    let build = |arguments: &[&str]| execute(cargo(&["build", "--release"]).args(arguments));
    build(&["-p", "ckks-gpu-cuda", "--example", "cuda_kernels"])?;
    let benches = ["--bin", "bench", "--bin", "precision"];
    build(&[&["-p", "he-bench", "--features", "wgpu"], &benches[..]].concat())?;
    build(&["-p", "he-llama", "--features", "wgpu", "--bin", "he-llama"])?;
    let programs = [
        (test_program("ckks-gpu-cuda", "device")?, "conformance"),
        (
            test_program("ckks-gpu-wgpu", "conformance")?,
            "conformance-wgpu",
        ),
        (test_program("ckks-gpu-wgpu", "device")?, "device-wgpu"),
        (release.join("examples/cuda_kernels"), "kernels"),
        (release.join("bench"), "bench"),
        (release.join("precision"), "precision"),
        (release.join("he-llama"), "he-llama"),
    ];
    for (program, name) in &programs {
        let to = staged.join(name);
        execute(Command::new("strip").arg("-o").arg(to).arg(program))?;
    }
    let packed = folder.join(PROGRAMS);
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&packed).arg("-C").arg(&staged);
    execute(tar.args(programs.iter().map(|(_, name)| name)))?;
    let metadata = std::fs::metadata(&packed).map_err(|e| format!("{}: {e}", packed.display()))?;
    let mut total = metadata.len();
    for script in SCRIPTS {
        let from = root().join(script);
        let name = from.file_name().unwrap_or_default();
        // A copy keeps the permission to execute.
        total += copied(&from, &folder.join(name))?;
    }
    if let Some(model) = model {
        let to = folder.join("model");
        std::fs::create_dir_all(&to).map_err(|e| format!("{}: {e}", to.display()))?;
        // A model may come without a licence of its own.
        let there = |name: &&str| *name != "LICENSE" || model.join(name).exists();
        for name in MODEL.into_iter().filter(there) {
            total += copied(&model.join(name), &to.join(name))?;
        }
    }
    println!("{}: {:.1} MB", folder.display(), total as f64 / 1e6);
    if total > MOST {
        return Err(format!("{total} bytes, {MOST} admitted"));
    }
    Ok(())
}

/// Copies a file; returns its size.
fn copied(from: &Path, to: &Path) -> Result<u64, String> {
    std::fs::copy(from, to).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

/// A test program of a package.
fn test_program(package: &str, test: &str) -> Result<PathBuf, String> {
    let mut command = cargo(&["test", "--release", "-p", package, "--test", test]);
    command.args(["--no-run", "--message-format", "json"]);
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|e| format!("cannot run {command:?}: {e}"))?;
    executable(&String::from_utf8_lossy(&output.stdout), test)
        .ok_or_else(|| format!("{command:?} names no program"))
}

/// The program of a target in cargo's messages.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let named = format!("\"name\":\"{target}\"");
    let line = messages.lines().find(|l| {
        l.contains("\"compiler-artifact\"") && l.contains(&named) && l.contains("\"executable\":\"")
    })?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    Some(rest.split('"').next()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"ckks_math"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"device"},"executable":"/t/release/deps/device-1"}
{"reason":"build-finished","success":true}"#;
        let found = executable(messages, "device");
        assert_eq!(found, Some("/t/release/deps/device-1".into()));
        assert_eq!(executable(messages, "ckks_math"), None);
    }
}
