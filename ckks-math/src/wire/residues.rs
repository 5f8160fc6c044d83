//! Rows of residues in a payload.

use super::WireFault;
use super::frame::FrameReader;
use crate::backend::Basis;
use crate::backend::packed::{first_not_below, packed_len, packed_row_len};
use crate::error::Result;
use crate::params::Params;
use std::io::Read;

/// Bytes for which memory is taken at once, before any of them has arrived.
const FIRST: usize = 1 << 19;

/// Bytes of one row over a basis.
pub(super) fn row_len(params: &Params, basis: Basis) -> u64 {
    packed_row_len(params.ring(), basis) as u64
}

/// Reads `rows` packed rows over a basis, whose length the caller has compared with the payload's,
/// and checks that each residue is below its modulus.
pub(super) fn take_rows<R: Read>(
    frame: &mut FrameReader<'_, R>,
    params: &Params,
    basis: Basis,
    rows: usize,
) -> Result<Vec<u8>> {
    let (n, total) = (params.degree(), rows * packed_row_len(params.ring(), basis));
    let mut out: Vec<u8> = Vec::new();
    for _ in 0..rows {
        for m in params.ring().moduli(basis) {
            let (start, len) = (out.len(), packed_len(n, m.bits()));
            if out.capacity() - start < len {
                // As much again as has arrived, and never more than is to come.
                out.reserve_exact((total - start).min(start.max(FIRST).max(len)));
            }
            out.resize(start + len, 0);
            frame.take(&mut out[start..])?;
            if let Some((position, value)) = first_not_below(&out[start..], m.bits(), n, m.value())
            {
                return Err(frame.fault(WireFault::Residue {
                    value,
                    modulus: m.value(),
                    position,
                }));
            }
        }
    }
    Ok(out)
}
