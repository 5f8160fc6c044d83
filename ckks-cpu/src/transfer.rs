//! Packed transfers.

use crate::aligned::zeroed_bytes;
use crate::device::{Block, CpuBackend, light};
use crate::kernels::{Kernels, LANES};
use crate::ring::tasks;
use crate::simd;
use crate::tables::Tables;
use ckks_math::Result;
use ckks_math::backend::{Basis, RingSpec, checked, packed};

/// Words looked at together for zeros.
const STRIDE: usize = 1 << 14;

/// Where each limb of packed rows begins, and the end of the last one.
pub(crate) fn limb_offsets(ring: &RingSpec, rows: usize, basis: Basis) -> Vec<usize> {
    let lengths = (0..rows).flat_map(|_| {
        ring.moduli(basis)
            .map(|m| packed::packed_len(ring.degree(), m.bits()))
    });
    let ends = lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Packs and unpacks limbs.
#[derive(Clone, Copy)]
pub(crate) struct Packer(Option<simd::Packer>);

impl Packer {
    pub fn pack(self, values: &[u64], bits: u32, out: &mut [u8]) {
        match self.0 {
            Some(packer) if packer.takes(values.len(), bits) => {
                packer.pack(values, bits, out);
            }
            _ => packed::pack(values, bits, out),
        }
    }

    pub fn unpack(self, bytes: &[u8], bits: u32, out: &mut [u64]) {
        match self.0 {
            Some(packer) if packer.takes(out.len(), bits) => {
                packer.unpack(bytes, bits, out);
            }
            _ => packed::unpack(bytes, bits, out),
        }
    }
}

/// How the groups of a packed key follow each other: `used` of each `stored` ones, of `width`
/// residues.
#[derive(Clone, Copy)]
pub(crate) struct Groups {
    pub width: usize,
    pub used: usize,
    pub stored: usize,
}

impl Packer {
    /// Packs groups of `width` residues, one after the other.
    pub fn pack_groups(self, values: &[u64], bits: u32, width: usize, out: &mut [u8]) {
        if width == LANES {
            return self.pack(values, bits, out);
        }
        let bytes = packed::packed_len(width, bits);
        for (values, out) in values.chunks(width).zip(out.chunks_mut(bytes)) {
            packed::pack(values, bits, out);
        }
    }

    /// Unpacks the used ones of the groups that [`Packer::pack_groups`] packed.
    pub fn unpack_groups(self, bytes: &[u8], bits: u32, groups: Groups, out: &mut [u64]) {
        match self.0 {
            Some(packer) if packer.takes(groups.width, bits) => {
                packer.unpack_groups(bytes, bits, (groups.used, groups.stored), out);
            }
            _ => {
                let length = packed::packed_len(groups.width, bits);
                let runs = bytes.chunks(groups.stored * length);
                for (run, out) in runs.zip(out.chunks_mut(groups.used * groups.width)) {
                    for (group, out) in run.chunks(length).zip(out.chunks_mut(groups.width)) {
                        packed::unpack(group, bits, out);
                    }
                }
            }
        }
    }
}

impl CpuBackend {
    pub(crate) fn packer(&self) -> Packer {
        Packer(match self.kernels {
            Kernels::Reference => None,
            Kernels::Vector(vector) => vector.packer(),
        })
    }

    /// See [`ckks_math::backend::RingKernels::upload_packed`].
    pub(crate) fn unpack_block(
        &self,
        t: &Tables,
        rows: usize,
        basis: Basis,
        bytes: &[u8],
    ) -> Result<Block> {
        checked::upload_packed(&t.ring, rows, basis, bytes)?;
        let offsets = limb_offsets(&t.ring, rows, basis);
        let mut out = self.block(t, rows, basis)?;
        let (limbs, packer) = (basis.limbs(), self.packer());
        self.for_each(out.words.len(), tasks(t, &mut out), |task| {
            let i = task.row * limbs + task.limb;
            let packed = &bytes[offsets[i]..offsets[i + 1]];
            packer.unpack(packed, task.prime.modulus().bits(), task.out);
        });
        Ok(out)
    }

    /// See [`ckks_math::backend::RingKernels::download_packed`].
    pub(crate) fn pack_block(&self, t: &Tables, x: &Block) -> Vec<u8> {
        let basis = x.shape.basis;
        let offsets = limb_offsets(&t.ring, x.shape.rows, basis);
        let mut bytes = zeroed_bytes(offsets.last().copied().unwrap_or(0));
        let mut limbs = Vec::with_capacity(offsets.len());
        let mut rest = &mut bytes[..];
        for (i, pair) in offsets.windows(2).enumerate() {
            let (packed, behind) = rest.split_at_mut(pair[1] - pair[0]);
            limbs.push((i, packed));
            rest = behind;
        }
        let (primes, packer) = (t.primes(basis), self.packer());
        self.for_each(x.words.len(), limbs, |(i, packed): (usize, &mut [u8])| {
            let (row, limb) = (i / primes.len(), i % primes.len());
            packer.pack(x.limb(row, limb), primes[limb].modulus().bits(), packed);
        });
        bytes
    }

    /// See [`ckks_math::backend::RingKernels::is_zero`].
    pub(crate) fn all_zero(&self, x: &Block) -> bool {
        let found = std::sync::atomic::AtomicBool::new(false);
        let pieces = x.words.chunks(STRIDE).collect();
        self.for_each(light(x.words.len()), pieces, |piece: &[u64]| {
            if piece.iter().fold(0, |all, word| all | word) != 0 {
                found.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        });
        !found.into_inner()
    }
}
