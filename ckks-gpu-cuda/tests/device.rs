//! The conformance suite on the card of this machine; skipped where there is none, unless
//! `CKKS_REQUIRE_DEVICE` names `cuda`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod circuit;
mod library;

use circuit::{Primes, same_as_cpu};
use ckks_gpu_cuda::{CudaBackend, KeyForm, MatrixUnits};
use ckks_math::Error;
use ckks_math::backend::RingKind;
use ckks_math::conformance::{DefaultsOnly, Skip, suite, table};

fn open() -> Result<CudaBackend, Skip> {
    CudaBackend::open(0).map_err(|e| Skip::new("cuda", e.to_string()))
}

suite! { mod plain, backend = open() }
suite! { mod poisoned, backend = open().map(CudaBackend::poisoned) }
suite! { mod defaults, backend = open().map(DefaultsOnly) }
suite! { mod captured, backend = open().map(captured) }
suite! { mod streamed, backend = open().map(streamed) }

/// Keys in halves and matrices in limbs of doubles, in memory of the host.
fn streamed(backend: CudaBackend) -> CudaBackend {
    let double = backend.with_matrix_units(MatrixUnits::Double);
    double.with_key_form(KeyForm::Expanded).with_host_storage()
}

/// Matrices on tensor cores, keys made as they are multiplied, fixed sequences submitted as one.
fn captured(backend: CudaBackend) -> CudaBackend {
    let tensor = backend.with_matrix_units(MatrixUnits::Tensor);
    tensor.with_key_form(KeyForm::Fused).with_graphs()
}

/// The laws of products hold through the library; where it is missing, what asks for it says so and
/// how to do without.
#[test]
fn gemm_through_the_library() {
    let backend = match open() {
        Ok(backend) => backend,
        Err(skip) => return skip.announce("products through the library"),
    };
    if let Err(refusal) = backend
        .clone()
        .with_options("matrices=library".parse().unwrap())
    {
        assert!(matches!(refusal, Error::Unsupported { .. }), "{refusal}");
        let words = refusal.to_string();
        assert!(
            words.contains("cuBLAS") && words.contains("matrices=tensor"),
            "{words}"
        );
        println!("not through the library: {words}");
        return;
    }
    library::agrees(&backend, (130, 1000, 12));
    let forced = backend.with_matrix_units(MatrixUnits::Library);
    for backend in [forced.clone(), forced.poisoned().with_host_storage()] {
        for (name, law) in table::<CudaBackend>() {
            if name.contains("gemm") {
                law(&backend).unwrap_or_else(|v| panic!("{name}: {v}"));
            }
        }
    }
}

/// Without a driver the error names the library, and nothing panics.
#[test]
fn a_missing_driver_is_named() {
    if let Err(refusal) = CudaBackend::open(0) {
        assert!(matches!(refusal, Error::Unsupported { .. }));
        let words = refusal.to_string();
        assert!(
            words.contains("driver") && words.contains("cpu backend"),
            "{words}"
        );
    }
}

/// Transforms of two passes, conversions of digits of twelve primes and divisions by as many, on
/// both rings: what the laws, on shorter rings, do not reach.
#[test]
fn large_rings_give_the_residues_of_the_cpu() {
    let backend = match open() {
        Ok(backend) => backend.poisoned(),
        Err(skip) => return skip.announce("comparison with the CPU at large degrees"),
    };
    for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
        for log_n in [13, 16] {
            for bits in [28, 30, 60] {
                same_as_cpu(&backend, kind, log_n, Primes::few(bits));
            }
            same_as_cpu(&backend, kind, log_n, Primes::MANY);
        }
    }
}
