//! Compiles every kernel with NVRTC, the program behind `cargo xtask cuda-check`.
//!
//! `compile_kernels FOLDER TARGET..` writes, for each program and target, `NAME.TARGET.image` and
//! `NAME.TARGET.log`, and the fingerprint of the sources. The library must be where the loader
//! finds it.

use ckks_gpu_cuda::kernels::{PROGRAMS, fingerprint, nvrtc};
use std::path::PathBuf;
use std::process::ExitCode;

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("no folder is given")?);
    let write = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))
    };
    let (major, minor) = nvrtc::version()?;
    write("nvrtc".into(), format!("{major}.{minor}\n").as_bytes())?;
    write(
        "fingerprint".into(),
        format!("{:016x}\n", fingerprint()).as_bytes(),
    )?;
    for target in arguments {
        for program in PROGRAMS {
            let compiled = nvrtc::compile(program, &target)?;
            let stem = program.name.trim_end_matches(".cu");
            write(format!("{stem}.{target}.image"), &compiled.image)?;
            write(format!("{stem}.{target}.log"), compiled.log.as_bytes())?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
