//! Products of integer matrices with rows of residues.

use crate::backend::WgpuBackend;
use crate::block::{Block, Rows, Run, count, lines};
use crate::launch::Arguments;
use crate::tables::{RADIX, Tables};
use ckks_math::Result;
use ckks_math::backend::checked::MatrixShape;
use ckks_math::backend::{GemmKernels, checked};

/// Bits of an entry in one plane, which has a sign beside them.
const PLANE_BITS: u32 = 31;
/// Outputs of one thread; as in `gemm.wgsl`.
const OUTPUTS: usize = 4;

/// An integer matrix: signed words of 31 bits, and more planes of them for longer entries.
///
/// Entries are no residues: one copy serves all primes.
pub struct PlainMatrix {
    shape: MatrixShape,
    /// Plane `i` holds bits from `31 i` on, with the entry's sign: `[outputs, inputs]`.
    planes: Vec<Rows>,
}

/// Bits `31 plane ..` of an entry, with its sign, as kernels read it.
const fn in_plane(entry: i64, plane: u32) -> u32 {
    let bits = (entry.unsigned_abs() >> (PLANE_BITS * plane)) as u32 & (u32::MAX >> 1);
    if entry < 0 { bits.wrapping_neg() } else { bits }
}

impl WgpuBackend {
    /// Adds the product of one plane's rows of `matrix` in buffer `m` with the rows of `x` in
    /// buffer `b` to the rows of `out` in buffer `o` that they make; returns whether there are
    /// such.
    fn multiply_part(
        &self,
        t: &Tables,
        (out, matrix, x): (&Block, &Rows, &Block),
        (o, m, b): (usize, usize, usize),
        factors: &[u32],
        add: bool,
    ) -> Result<()> {
        let begin = (o * out.rows.each).max(m * matrix.each);
        let end = (o * out.rows.each + out.rows.held(o)).min(m * matrix.each + matrix.held(m));
        if begin >= end {
            return Ok(());
        }
        let run = Run {
            start: 0,
            len: end - begin,
            buffers: vec![o, b],
        };
        let each = out.rows.limbs;
        let groups = run.len.div_ceil(OUTPUTS);
        let mut args = Arguments {
            each,
            log_n: t.log_n(),
            total: ((groups * count(each)) << t.log_n()) as u32,
            flags: u32::from(add),
            ..Arguments::default()
        };
        let (to, from) = (out.rows.from(begin), x.rows.view());
        args.operands[0] = to.words(&run, 0);
        args.operands[1] = from.words(&run, 1);
        args.extra[..5].copy_from_slice(&[
            x.rows.held(b) as u32,
            (begin - m * matrix.each) as u32,
            matrix.words as u32,
            (b * x.rows.each) as u32,
            run.len as u32,
        ]);
        let bound = [
            (1, t.primes()),
            to.bound(&run, 0, 2),
            from.bound(&run, 1, 3),
            (4, matrix.buffers[m].raw()),
        ];
        self.dispatch(&args, "gemm", self.threads(), factors, &bound)
    }
}

impl GemmKernels for WgpuBackend {
    type PlainMatrix = PlainMatrix;

    fn load_matrix(
        &self,
        t: &Tables,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<PlainMatrix> {
        checked::matrix(outputs, inputs, entries)?;
        let longest = entries.iter().map(|e| e.unsigned_abs()).max().unwrap_or(0);
        let bits = (u64::BITS - longest.leading_zeros()).max(1);
        let plane = |plane| {
            let rows = self.rows(outputs, lines(0, inputs), 1)?;
            let words: Vec<u32> = entries.iter().map(|&e| in_plane(e, plane)).collect();
            let held = words.chunks(rows.each * inputs);
            for (buffer, words) in rows.buffers.iter().zip(held) {
                self.pool.queue().upload(buffer.raw(), 0, words)?;
            }
            Ok(rows)
        };
        Ok(PlainMatrix {
            shape: MatrixShape::new(t.ring(), outputs, inputs),
            planes: (0..bits.div_ceil(PLANE_BITS))
                .map(plane)
                .collect::<Result<_>>()?,
        })
    }

    fn gemm(&self, t: &Tables, w: &PlainMatrix, x: &Block) -> Result<Block> {
        let shape = checked::gemm(t.ring(), w.shape, x.shape)?;
        let out = self.block(t, shape.rows, shape.basis)?;
        let primes = t.ring().q().len() + t.ring().p().len();
        for (plane, matrix) in w.planes.iter().enumerate() {
            // A sum of products with plain words, once reduced, is plain: twice stored makes it
            // stored.
            let factor = |i: usize| {
                let m = t.ring().prime(i);
                let weight = m.pow(2, u64::from(PLANE_BITS) * plane as u64);
                RADIX.stored(m, RADIX.stored(m, weight)) as u32
            };
            let factors: Vec<u32> = (0..primes).map(factor).collect();
            for o in 0..out.rows.buffers.len() {
                for m in 0..matrix.buffers.len() {
                    for b in 0..x.rows.buffers.len() {
                        let add = plane > 0 || b > 0;
                        let operands = (&out, matrix, x);
                        self.multiply_part(t, operands, (o, m, b), &factors, add)?;
                    }
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_sum_to_the_entry() {
        let entries = [
            0,
            1,
            -1,
            1 << 31,
            -(1 << 40),
            i64::MAX,
            i64::MIN,
            0x7fff_ffff,
        ];
        for entry in entries {
            let sum: i128 = (0..3)
                .map(|plane| i128::from(in_plane(entry, plane) as i32) << (PLANE_BITS * plane))
                .sum();
            assert_eq!(sum, i128::from(entry));
        }
    }
}
