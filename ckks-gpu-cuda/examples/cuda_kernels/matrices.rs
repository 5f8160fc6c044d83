//! Matrix products by all units.

use crate::bench::{ACCUMULATE, Bench, PRODUCT, Unit};
use ckks_gpu_cuda::MatrixUnits;
use ckks_math::backend::{Basis, Device, GemmKernels, RingKernels, RingSpec};
use ckks_math::sampling::Seed;
use ckks_math::{Error, Result};

/// Limbs that are multiplied.
const LIMBS: usize = 4;

/// A square matrix of `size` with entries of 8, 16 and 30 bits by all units, and which of them are
/// chosen.
pub fn measure(bench: &mut Bench, name: &str, ring: &RingSpec, size: usize) -> Result<()> {
    let plain = bench.backend.clone();
    let t = plain.tables(ring)?;
    let limbs = LIMBS.min(ring.q().len());
    let seed = Seed::from_bytes([5; 32]);
    let x = plain.uniform(&t, &seed, 0, size, Basis::q(limbs))?;
    let (unit, k, l) = (Unit::of(ring), size as f64, limbs as f64);
    for bits in [8, 16, 30] {
        let largest = (1_i64 << (bits - 1)) - 1;
        let entries: Vec<i64> = (0..size * size)
            .map(|i| (i as i64 * 0x9e37_79b9) % largest)
            .collect();
        let chosen = plain.load_matrix(&t, size, size, &entries)?.units();
        for units in [
            MatrixUnits::Integer,
            MatrixUnits::Tensor,
            MatrixUnits::Library,
            MatrixUnits::Double,
        ] {
            let name = format!("{name}: gemm {size} x {size}, {bits} bits, {units:?}");
            let b = plain.clone().with_matrix_units(units);
            let matrix = match b.load_matrix(&t, size, size, &entries) {
                // The library may not be there.
                Err(error @ Error::Unsupported { .. }) => {
                    bench.leave_out(&name, &error);
                    continue;
                }
                other => other?,
            };
            let mut work = unit.work(2.0 * k * l, 0.0);
            work.bytes += matrix.bytes() as f64;
            let products = matrix.products() as f64;
            // Splitting and putting together, for each residue and smaller number.
            let ends = unit.work(0.0, 2.0 * k * l * products * PRODUCT).operations;
            match matrix.units() {
                MatrixUnits::Integer => {
                    work.operations = unit.work(0.0, k * k * l * ACCUMULATE).operations;
                }
                MatrixUnits::Tensor | MatrixUnits::Library => {
                    work.operations = ends;
                    work.tensor = k * k * l * unit.n * products;
                }
                // No rate of doubles is known: their floor is that of bytes and of the ends.
                MatrixUnits::Double => work.operations = ends,
            }
            bench.time(name, work, &mut || b.gemm(&t, &matrix, &x).map(drop))?;
            bench.note("matrix_bytes", matrix.bytes() as f64);
            bench.note("products", products);
            bench.note("chosen", f64::from(u8::from(units == chosen)));
        }
    }
    Ok(())
}
