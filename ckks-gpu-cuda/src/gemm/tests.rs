//! What decides how matrices are multiplied, and products in pieces, on the executor.

use super::rows::Rows;
use super::{Entries, MatrixUnits, PlainMatrix};
use crate::backend::CudaBackend;
use crate::driver::executor::{Executor, KernelSet};
use crate::driver::{Address, Driver, Function, HostMemory, Queue};
use crate::options::CudaOptions;
use crate::tables::Tables;
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, GemmKernels, RingKernels, RingKind, RingSpec};
use ckks_math::sampling::Seed;
use ckks_math::{Error, Result};
use std::sync::Arc;

/// The executor in the place of a card whose machine may lack the library.
struct Card {
    executor: Executor,
    library: bool,
}

impl Driver for Card {
    fn name(&self) -> String {
        self.executor.name()
    }

    /// Only cards make trials.
    fn integer_rate(&self) -> Option<f64> {
        Some(1.0)
    }

    fn function(&self, symbol: &str) -> Result<Function> {
        self.executor.function(symbol)
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.executor.allocate(bytes)
    }

    fn release(&self, address: Address) {
        self.executor.release(address);
    }

    fn pin(&self, bytes: &[u8]) -> Result<Arc<dyn HostMemory>> {
        self.executor.pin(bytes)
    }

    fn library(&self) -> Result<()> {
        if self.library {
            return Ok(());
        }
        Err(Error::Unsupported {
            backend: "cuda".into(),
            what: "a machine without libnothing.so".into(),
            way_out: "install it".into(),
        })
    }

    fn queue(&self) -> Result<Box<dyn Queue>> {
        self.executor.queue()
    }
}

fn open(library: bool) -> CudaBackend {
    let executor = Executor::new(KernelSet::Plain, 1);
    CudaBackend::on(Arc::new(Card { executor, library })).unwrap()
}

fn tables(backend: &CudaBackend, bits: u32) -> Tables {
    let q = ntt_primes(bits, 4 << 8, 2).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 8, &q, &[]).unwrap();
    backend.tables(&ring).unwrap()
}

fn load(backend: &CudaBackend) -> Result<PlainMatrix> {
    backend.load_matrix(&tables(backend, 28), 16, 32, &[1; 16 * 32])
}

/// Without the library, trials choose among the other ways; what asks for it is refused, with its
/// name.
#[test]
fn a_missing_library_is_no_way() {
    let bare = open(false);
    assert_ne!(load(&bare).unwrap().units(), MatrixUnits::Library);
    let forced = bare.clone().with_matrix_units(MatrixUnits::Library);
    let refusal = |error: Error| {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("libnothing.so"), "{error}");
    };
    refusal(load(&forced).err().unwrap());
    let options: CudaOptions = "matrices=library".parse().unwrap();
    refusal(bare.clone().with_options(options).err().unwrap());
    // The backend serves on, and where the library is there, so does the option.
    let other: CudaOptions = "matrices=tensor".parse().unwrap();
    let tensor = bare.with_options(other).unwrap();
    assert_eq!(load(&tensor).unwrap().units(), MatrixUnits::Tensor);
    let with = open(true).with_options(options).unwrap();
    assert_eq!(load(&with).unwrap().units(), MatrixUnits::Library);
}

/// A trial takes every way that there is, and the same kind of matrix takes none.
#[test]
fn trials_are_kept() {
    let backend = open(true);
    let first = load(&backend).unwrap().units();
    assert_eq!(load(&backend).unwrap().units(), first);
}

/// Columns a few at a time give the residues of all at once.
#[test]
fn pieces_give_the_same_residues() {
    let backend = open(true).poisoned();
    for bits in [28, 60] {
        let t = tables(&backend, bits);
        let (outputs, inputs) = (5, 33);
        let entry = |i: usize| (i as i64 * 0x9e37_79b9) % 40_000 - 20_000;
        let entries: Vec<i64> = (0..outputs * inputs).map(entry).collect();
        let seed = Seed::from_bytes([6; 32]);
        let x = backend.uniform(&t, &seed, 0, inputs, Basis::q(2)).unwrap();
        let staged = Entries {
            words: backend.stage(&entries).unwrap(),
            outputs,
            inputs,
        };
        for method in super::methods(&t, inputs, &entries) {
            let matrix = backend.prepare(&t, &staged, method).unwrap();
            let [whole, pieces] = [super::WORKSPACE, 1].map(|workspace| {
                let mut out = backend.block(&t, outputs, x.shape.basis).unwrap();
                let rows = Rows {
                    backend: &backend,
                    t: &t,
                    x: &x,
                    workspace,
                };
                assert_eq!(rows.pieces(rows.columns_at_once(64, |n| n)).count(), {
                    if workspace == 1 { 2 * 4 } else { 2 }
                });
                matrix.multiply(rows, &mut out).unwrap();
                backend.download(&t, &out).unwrap()
            });
            assert!(whole == pieces, "{method:?} at {bits} bits");
        }
    }
}
