//! NVIDIA's run-time compiler, where its library is found.

use super::{HEADERS, Source};
use cudarc::nvrtc::{result, sys};
use std::ffi::{CString, c_char};

/// What the compiler made of a program.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// A cubin for `sm_..`, PTX for `compute_..`.
    pub image: Vec<u8>,
    /// The compiler's words, with registers and spills of each kernel.
    pub log: String,
}

/// A program that is destroyed when it is done with.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created once, destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn check<T>(doing: &str, outcome: Result<T, result::NvrtcError>) -> Result<T, String> {
    outcome.map_err(|e| format!("NVRTC, {doing}: {e:?}"))
}

fn present() -> Result<(), String> {
    // SAFETY: looks for the library and loads it, nothing more. cudarc panics where it is missing.
    if unsafe { sys::is_culib_present() } {
        Ok(())
    } else {
        Err("NVRTC (libnvrtc.so.13 or libnvrtc.so.12) is not found".into())
    }
}

/// Version of the library; fails where there is none.
///
/// # Errors
/// Why NVRTC cannot be asked.
pub fn version() -> Result<(i32, i32), String> {
    present()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both are valid for writes.
    let outcome = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    check("asking its version", outcome.result())?;
    Ok((major, minor))
}

/// Compiles a program for `sm_..` to a cubin or for `compute_..` to PTX; fails in words.
///
/// # Errors
/// Why there is no image: no library, or the messages of the compiler.
pub fn compile(program: &Source, target: &str) -> Result<Compiled, String> {
    present()?;
    let text = |s: &str| CString::new(s).map_err(|e| e.to_string());
    let (source, name) = (text(program.text)?, text(program.name)?);
    let owned: Vec<(CString, CString)> = HEADERS
        .iter()
        .map(|h| Ok((text(h.text)?, text(h.name)?)))
        .collect::<Result<_, String>>()?;
    let (texts, names): (Vec<_>, Vec<_>) =
        owned.iter().map(|(t, n)| (t.as_ptr(), n.as_ptr())).unzip();
    let mut raw = std::ptr::null_mut();
    // SAFETY: all strings live until the end of this function, and the program is destroyed before.
    let outcome = unsafe {
        sys::nvrtcCreateProgram(
            &raw mut raw,
            source.as_ptr(),
            name.as_ptr(),
            texts.len() as i32,
            texts.as_ptr(),
            names.as_ptr(),
        )
    };
    check("making a program", outcome.result())?;
    let handle = Program(raw);
    let options = [
        format!("--gpu-architecture={target}"),
        "--std=c++17".into(),
        "--ptxas-options=-v".into(),
    ];
    // SAFETY: the program is alive, and the options hold no zero byte.
    let outcome = unsafe { result::compile_program(handle.0, &options) };
    // SAFETY: the program is alive.
    let log = check("its log", unsafe { result::get_program_log(handle.0) })?;
    let log = words(&log);
    if outcome.is_err() {
        return Err(format!("NVRTC, {} for {target}: {log}", program.name));
    }
    let image = if target.starts_with("sm_") {
        cubin(&handle)?
    } else {
        // SAFETY: the program is compiled.
        let ptx = check("its PTX", unsafe { result::get_ptx(handle.0) })?;
        words(&ptx).into_bytes()
    };
    Ok(Compiled { image, log })
}

fn cubin(program: &Program) -> Result<Vec<u8>, String> {
    let mut size = 0;
    // SAFETY: the program is compiled, and `size` is valid for writes.
    let outcome = unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut size) };
    check("its size", outcome.result())?;
    let mut image = vec![0_u8; size];
    // SAFETY: the image has the size that was asked for.
    let outcome = unsafe { sys::nvrtcGetCUBIN(program.0, image.as_mut_ptr().cast()) };
    check("its image", outcome.result())?;
    Ok(image)
}

/// Text up to its zero byte.
fn words(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text
        .iter()
        .map(|&c| c as u8)
        .take_while(|&b| b != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
