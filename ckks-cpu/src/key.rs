//! Switching keys in memory.
//!
//! A key is read once for each use and is far larger than any cache: its residues are kept packed,
//! as many bits for each as its prime has, and unpacked piece by piece next to the multipliers.

use crate::device::CpuBackend;
use crate::failure::Failure;
use crate::kernels::{KeyLimb, LANES};
use crate::pool::Buffer;
use crate::tables::Tables;
use crate::transfer::{Groups, Packer};
use ckks_math::Result;
use ckks_math::backend::checked::KeyShape;
use ckks_math::backend::packed::packed_len;
use std::ops::Range;

/// Coefficients unpacked together: both halves of all digits stay in the first-level cache.
const PIECE: usize = 256;
/// Coefficients made together.
const MADE: usize = 1024;

/// A switching key in the order in which the kernels read it, limb after limb.
///
/// A limb holds, for each run of 8 coefficients (of `N` on smaller rings), for each digit,
/// the run of `b`, then that of `a`, each run [packed](ckks_math::backend::packed).
pub struct SwitchKey {
    pub(crate) shape: KeyShape,
    /// Bits of a residue, limb by limb.
    bits: Vec<u32>,
    /// Where each limb begins, in bytes.
    offsets: Vec<usize>,
    words: Buffer,
}

impl SwitchKey {
    fn width(&self) -> usize {
        self.shape.degree.min(LANES)
    }

    /// Bytes of a run of all digits.
    fn run_bytes(&self, limb: usize) -> usize {
        2 * self.shape.digits() * packed_len(self.width(), self.bits[limb])
    }

    /// The runs of a limb in pieces for [`SwitchKey::unpack`].
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (runs, step) = (self.shape.degree / self.width(), PIECE / self.width());
        (0..runs)
            .step_by(step)
            .map(move |start| start..(start + step).min(runs))
    }

    /// The coefficients of some runs.
    pub(crate) fn words_of(&self, runs: &Range<usize>) -> Range<usize> {
        runs.start * self.width()..runs.end * self.width()
    }

    /// Words that [`SwitchKey::unpack`] needs for one of [`SwitchKey::pieces`], `digits` digits.
    pub(crate) fn piece_words(&self, digits: usize) -> usize {
        2 * digits * PIECE.min(self.shape.degree)
    }

    /// The first `digits` digits of some runs of the limb at a position of the key's basis.
    pub(crate) fn unpack<'a>(
        &self,
        packer: Packer,
        limb: usize,
        runs: Range<usize>,
        digits: usize,
        memory: &'a mut [u64],
    ) -> KeyLimb<'a> {
        let (width, run) = (self.width(), self.run_bytes(limb));
        let from = self.offsets[limb] + runs.start * run;
        let packed = &self.words.bytes()[from..from + runs.len() * run];
        let words = &mut memory[..2 * digits * width * runs.len()];
        let groups = Groups {
            width,
            used: 2 * digits,
            stored: 2 * self.shape.digits(),
        };
        packer.unpack_groups(packed, self.bits[limb], groups, words);
        KeyLimb { words, digits }
    }
}

impl CpuBackend {
    /// A key of a shape. `halves` fills in `b` and `a` of a limb, a digit
    /// and some coefficients.
    pub(crate) fn make_key(
        &self,
        t: &Tables,
        shape: KeyShape,
        halves: impl Fn(usize, usize, Range<usize>, &mut [u64], &mut [u64]) -> Result<()> + Sync,
    ) -> Result<SwitchKey> {
        let (degree, digits) = (shape.degree, shape.digits());
        let bits: Vec<_> = t.ring.moduli(shape.basis).map(|m| m.bits()).collect();
        let (width, made) = (degree.min(LANES), degree.min(MADE));
        let lengths = (bits.iter()).map(|&b| degree / width * 2 * digits * packed_len(width, b));
        let mut offsets = vec![0];
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        let mut words = self.pool.take_lasting(offsets[bits.len()].div_ceil(8))?;
        let mut pieces = Vec::new();
        let mut rest = words.bytes_mut();
        for (limb, &bits) in bits.iter().enumerate() {
            let length = made / width * 2 * digits * packed_len(width, bits);
            for start in (0..degree).step_by(made) {
                let (piece, behind) = rest.split_at_mut(length);
                pieces.push((limb, start, piece));
                rest = behind;
            }
        }
        let (packer, failure) = (self.packer(), Failure::default());
        let work = 2 * digits * bits.len() * degree;
        self.for_each(work, pieces, |(limb, start, out): (_, usize, &mut [u8])| {
            failure.watch(|| {
                let mut memory = self.pool.take((2 * digits + 2) * made)?;
                let (ordered, pair) = memory.split_at_mut(2 * digits * made);
                let (b, a) = pair.split_at_mut(made);
                for digit in 0..digits {
                    halves(limb, digit, start..start + made, b, a)?;
                    let runs = b.chunks_exact(width).zip(a.chunks_exact(width));
                    for ((b, a), run) in runs.zip(ordered.chunks_exact_mut(2 * digits * width)) {
                        let run = &mut run[2 * digit * width..][..2 * width];
                        run[..width].copy_from_slice(b);
                        run[width..].copy_from_slice(a);
                    }
                }
                packer.pack_groups(ordered, bits[limb], width, out);
                Ok(())
            });
        });
        failure.into_result()?;
        Ok(SwitchKey {
            shape,
            bits,
            offsets,
            words,
        })
    }
}
