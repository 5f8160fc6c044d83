//! cuBLAS, which multiplies matrices of bytes.
//!
//! It hands products of bytes to cuBLASLt by itself, so that this needs no descriptors and no
//! heuristics of ours. Sums of integers are exact, whatever algorithm it takes. A handle has some
//! memory of its own, which the pool does not count, beside the workspace that it is lent.

use crate::driver::ByteProduct;
use ckks_math::{Error, Result};
use cudarc::cublas::{result, sys};
use cudarc::driver::sys::CUstream;
use std::ffi::{c_int, c_longlong, c_void};
use std::sync::{Mutex, PoisonError};

/// Oldest version with all that is called, as the library counts: cudarc panics where a symbol is
/// missing.
const OLDEST: c_int = 11_000;

/// A handle of one context. A call belongs to the stream and the workspace that were set before, so
/// that calls of all queues take turns to be submitted.
pub struct Library(Mutex<Handle>);

struct Handle(sys::cublasHandle_t);

// SAFETY: the handle may be used from any thread whose context is that of `open`, by one at a time.
unsafe impl Send for Handle {}

fn refuse(what: String, way_out: &str) -> Error {
    Error::Unsupported {
        backend: "cuda".into(),
        what,
        way_out: way_out.into(),
    }
}

/// The library's verdict in our words.
fn check(doing: &str, outcome: std::result::Result<(), result::CublasError>) -> Result<()> {
    use sys::cublasStatus_t::{CUBLAS_STATUS_ARCH_MISMATCH, CUBLAS_STATUS_NOT_SUPPORTED};
    outcome.map_err(|error| match error.0 {
        CUBLAS_STATUS_NOT_SUPPORTED | CUBLAS_STATUS_ARCH_MISMATCH => refuse(
            format!("products of bytes by cuBLAS on this card ({error})"),
            "multiply with matrices=tensor",
        ),
        _ => Error::Device {
            backend: "cuda".into(),
            message: format!("cuBLAS, {doing}: {error}"),
        },
    })
}

impl Library {
    /// A handle of the current context.
    ///
    /// # Errors
    /// [`Error::Unsupported`] that names the library and the way out where it is missing, too old,
    /// or does not start.
    pub fn open() -> Result<Self> {
        // SAFETY: looks for the library and loads it, nothing more. cudarc panics where it is
        // missing.
        if !unsafe { sys::is_culib_present() } {
            return Err(refuse(
                "this machine: cuBLAS (libcublas.so.13 or libcublas.so.12) is not found".into(),
                "install it or add its folder to LD_LIBRARY_PATH, or multiply with matrices=tensor",
            ));
        }
        let handle = result::create_handle().map_err(|error| {
            refuse(
                format!("this machine: cuBLAS does not start ({error})"),
                "install one that fits the driver, or multiply with matrices=tensor",
            )
        })?;
        let library = Self(Mutex::new(Handle(handle)));
        let mut version = 0;
        // SAFETY: the handle is alive, and the version valid for writes.
        let outcome = unsafe { sys::cublasGetVersion_v2(handle, &raw mut version) };
        check("asking its version", outcome.result())?;
        if version < OLDEST {
            return Err(refuse(
                format!(
                    "this machine: cuBLAS is of version {version}, {OLDEST} or newer is needed"
                ),
                "install one of CUDA 13, or multiply with matrices=tensor",
            ));
        }
        Ok(library)
    }

    /// Submits a product to a stream of the context, which is current. A capture of the stream
    /// takes it in: no memory is the library's own.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for extents beyond the library, or products that it does not make on
    /// this card; [`Error::Device`] where it fails.
    ///
    /// # Safety
    /// The stream is alive, and the ranges of the product lie in allocations of its device.
    pub unsafe fn multiply(&self, product: &ByteProduct, stream: CUstream) -> Result<()> {
        let &ByteProduct {
            rows,
            columns,
            depth,
            batch,
            scratch: (scratch, bytes),
            ..
        } = product;
        let [m, n, k, count] = int32([rows, columns, depth, batch])?;
        let stride = |a: usize, b: usize| (a * b) as c_longlong;
        let (one, zero) = (1_i32, 0_i32);
        // Held until the product is submitted.
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = held.0;
        let bytes_of = sys::cudaDataType::CUDA_R_8I;
        // SAFETY: the handle is alive; the caller sees to the stream and the ranges.
        unsafe {
            check(
                "setting the stream",
                result::set_stream(handle, stream.cast()),
            )?;
            // After the stream, which takes the workspace away.
            let outcome = sys::cublasSetWorkspace_v2(handle, scratch.0 as *mut c_void, bytes);
            check("setting the workspace", outcome.result())?;
            let outcome = result::gemm_strided_batched_ex(
                handle,
                sys::cublasOperation_t::CUBLAS_OP_T,
                sys::cublasOperation_t::CUBLAS_OP_N,
                m,
                n,
                k,
                (&raw const one).cast(),
                product.a.0 as *const c_void,
                bytes_of,
                k,
                stride(rows, depth),
                product.b.0 as *const c_void,
                bytes_of,
                k,
                stride(columns, depth),
                (&raw const zero).cast(),
                product.c.0 as *mut c_void,
                sys::cudaDataType::CUDA_R_32I,
                m,
                stride(rows, columns),
                count,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32I,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            );
            check("multiplying", outcome)
        }
    }
}

/// Extents as the library counts them.
fn int32(extents: [usize; 4]) -> Result<[c_int; 4]> {
    let refusal = |_| {
        refuse(
            format!("a product by cuBLAS of {extents:?} rows, columns, terms, moduli"),
            "multiply with matrices=tensor",
        )
    };
    let mut found = [0; 4];
    for (to, from) in found.iter_mut().zip(extents) {
        *to = c_int::try_from(from).map_err(refusal)?;
    }
    Ok(found)
}

impl Drop for Library {
    /// The context is current.
    fn drop(&mut self) {
        let handle = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).0;
        // SAFETY: created once, destroyed once; waits for the device.
        let _ = unsafe { result::destroy_handle(handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the library, or without a driver for it, the error names it and the way out; nothing
    /// panics.
    #[test]
    fn a_missing_library_is_named() {
        if let Err(refusal) = Library::open() {
            assert!(matches!(refusal, Error::Unsupported { .. }), "{refusal}");
            let words = refusal.to_string();
            assert!(
                words.contains("cuBLAS") && words.contains("matrices=tensor"),
                "{words}"
            );
        }
    }

    #[test]
    fn extents_beyond_the_library_are_named() {
        assert_eq!(int32([8, 16, 32, 3]).unwrap(), [8, 16, 32, 3]);
        let words = int32([8, 1 << 31, 32, 3]).unwrap_err().to_string();
        assert!(
            words.contains("2147483648") && words.contains("matrices=tensor"),
            "{words}"
        );
    }
}
