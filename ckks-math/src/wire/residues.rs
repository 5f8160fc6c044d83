//! Rows of residues in a payload.

use super::WireFault;
use super::frame::{FrameReader, FrameWriter};
use super::pack::{buffer_len, pack, packed_len, unpack};
use crate::arith::Modulus;
use crate::backend::Basis;
use crate::error::Result;
use crate::params::Params;
use std::io::{Read, Write};

/// Residues for which memory is taken at once, before any of them has arrived.
const FIRST: usize = 1 << 16;

/// Bytes of one row over a basis.
pub(super) fn row_len(params: &Params, basis: Basis) -> u64 {
    let moduli = params.ring().moduli(basis);
    moduli
        .map(|m| packed_len(params.degree(), m.bits()) as u64)
        .sum()
}

/// Writes rows over a basis.
pub(super) fn put_rows<W: Write>(
    frame: &mut FrameWriter<'_, W>,
    params: &Params,
    basis: Basis,
    residues: &[u64],
) -> Result<()> {
    let n = params.degree();
    let mut buffer = buffer_for(params, basis);
    for row in residues.chunks_exact(basis.limbs() * n) {
        for (m, limb) in params.ring().moduli(basis).zip(row.chunks_exact(n)) {
            pack(limb, m.bits(), &mut buffer);
            frame.put(&buffer[..packed_len(n, m.bits())])?;
        }
    }
    Ok(())
}

/// Reads `rows` rows over a basis, whose length the caller has compared with the payload's.
pub(super) fn take_rows<R: Read>(
    frame: &mut FrameReader<'_, R>,
    params: &Params,
    basis: Basis,
    rows: usize,
) -> Result<Vec<u64>> {
    let n = params.degree();
    let words = rows * basis.limbs() * n;
    let mut buffer = buffer_for(params, basis);
    let mut out: Vec<u64> = Vec::new();
    for _ in 0..rows {
        for m in params.ring().moduli(basis) {
            let start = out.len();
            if out.capacity() - start < n {
                // As much again as has arrived, and never more than is to come.
                out.reserve_exact((words - start).min(start.max(FIRST).max(n)));
            }
            frame.take(&mut buffer[..packed_len(n, m.bits())])?;
            out.resize(start + n, 0);
            take_limb(frame, m, &buffer, &mut out[start..])?;
        }
    }
    Ok(out)
}

fn take_limb<R: Read>(
    frame: &FrameReader<'_, R>,
    m: Modulus,
    bytes: &[u8],
    limb: &mut [u64],
) -> Result<()> {
    unpack(bytes, m.bits(), m.value(), limb).map_err(|position| {
        frame.fault(WireFault::Residue {
            value: limb[position],
            modulus: m.value(),
            position,
        })
    })
}

/// A buffer for any limb of a basis.
fn buffer_for(params: &Params, basis: Basis) -> Vec<u8> {
    let longest = params.ring().moduli(basis).map(Modulus::bits).max();
    vec![0; buffer_len(params.degree(), longest.unwrap_or(0))]
}
