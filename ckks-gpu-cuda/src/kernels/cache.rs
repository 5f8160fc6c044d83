//! Images that NVRTC made, kept on disk: compiling takes seconds, reading none.
//!
//! The folder is `$CKKS_CUDA_CACHE`, or `ckks-gpu-cuda` in the user's cache folder. A file's name
//! holds a hash of all sources and the version of NVRTC. Without a folder nothing is kept.

use super::{Source, fingerprint, nvrtc};
use std::path::PathBuf;

/// Folder of the cache, if the user has one.
fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    if let Some(own) = variable("CKKS_CUDA_CACHE") {
        return Some(own.into());
    }
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = variable("HOME")?;
        Some(PathBuf::from(home).join(".cache"))
    })?;
    Some(base.join("ckks-gpu-cuda"))
}

fn path(program: &Source, target: &str) -> Result<PathBuf, String> {
    let (major, minor) = nvrtc::version()?;
    let folder = folder().ok_or("no cache folder")?;
    let name = format!(
        "{}-{target}-nvrtc{major}.{minor}-{:016x}.cubin",
        program.name,
        fingerprint()
    );
    Ok(folder.join(name))
}

/// The image that was kept, or why there is none.
///
/// # Errors
/// Why there is no image: no folder, no file, or one that cannot be read.
pub fn load(program: &Source, target: &str) -> Result<Vec<u8>, String> {
    let path = path(program, target)?;
    std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Keeps an image. Other processes see all of it or nothing; failures only cost time later.
pub fn store(program: &Source, target: &str, image: &[u8]) {
    let write = || -> std::io::Result<()> {
        let path = path(program, target).map_err(std::io::Error::other)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        std::fs::write(&partial, image)?;
        std::fs::rename(&partial, &path)
    };
    let _ = write();
}
