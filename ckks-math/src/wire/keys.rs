//! Public and switching keys.
//!
//! | payload of a public key | |
//! |---|---|
//! | 16 | owner's tag |
//! | 32 | seed of the uniform half |
//! | | one row over the moduli of the top level |
//!
//! | payload of a switching key | |
//! |---|---|
//! | 16 | its request |
//! | 4 | moduli in a digit |
//! | 4 | number of moduli `q` |
//! | 4 | number of special moduli |
//! | 4 | number of digits |
//! | 16 | owner's tag |
//! | 32 | seed of the uniform half |
//! | | one row for each digit over those moduli |
//!
//! | request | |
//! |---|---|
//! | 4 | purpose: 0 relinearisation, 1 Galois, 2 to and 3 from the ephemeral secret |
//! | 8 | Galois element, 0 for other purposes |
//! | 4 | level |
//!
//! Basis and digits follow from request and parameters; they are sent so that a disagreement is
//! found and named.

use super::frame::{FrameReader, FrameWriter, object_len};
use super::residues::{row_len, take_rows};
use super::{Kind, Wire, WireFault, same_parameters};
use crate::backend::Basis;
use crate::error::{Error, Result};
use crate::keys::{GaloisElement, KeyPurpose, KeyRequest, OwnerTag, PublicKey, SwitchingKey};
use crate::params::Params;
use std::io::{Read, Write};

/// Bytes of a request.
pub(super) const REQUEST: u64 = 16;
/// Bytes of a switching key's payload before its rows.
const SWITCHING_FIELDS: u64 = REQUEST + 16 + OWNED;
/// Bytes of the owner's tag and of a seed.
const OWNED: u64 = 16 + 32;

impl Wire for PublicKey {
    type Scope = Params;
    const KIND: Kind = Kind::PublicKey;

    fn wire_len(&self, params: &Params) -> Result<u64> {
        same_parameters(Self::KIND, self.hash, params.hash())?;
        Ok(object_len(OWNED + row_len(params, top(params))))
    }

    fn write(&self, params: &Params, out: &mut impl Write) -> Result<()> {
        same_parameters(Self::KIND, self.hash, params.hash())?;
        let basis = top(params);
        let payload = OWNED + row_len(params, basis);
        let mut frame = FrameWriter::begin(Self::KIND, self.hash, payload, out)?;
        frame.put(self.owner.as_bytes())?;
        frame.put(&self.seed)?;
        frame.put(&self.b)?;
        frame.finish()
    }

    fn read(params: &Params, limit: u64, input: &mut impl Read) -> Result<Self> {
        let hash = params.hash();
        let mut frame = FrameReader::open(Self::KIND, Some(hash), limit, input)?;
        let basis = top(params);
        frame.expect_left(u128::from(OWNED + row_len(params, basis)))?;
        let owner = take_owner(&mut frame)?;
        let seed = frame.take_array()?;
        let b = take_rows(&mut frame, params, basis, 1)?;
        frame.finish()?;
        Ok(Self {
            hash,
            owner,
            seed,
            b,
        })
    }
}

impl Wire for SwitchingKey {
    type Scope = Params;
    const KIND: Kind = Kind::SwitchingKey;

    fn wire_len(&self, params: &Params) -> Result<u64> {
        same_parameters(Self::KIND, self.hash, params.hash())?;
        Ok(switching_key_len(params, self.request))
    }

    fn write(&self, params: &Params, out: &mut impl Write) -> Result<()> {
        same_parameters(Self::KIND, self.hash, params.hash())?;
        let digits = digits(params, self.basis);
        let payload = SWITCHING_FIELDS + digits as u64 * row_len(params, self.basis);
        let mut frame = FrameWriter::begin(Self::KIND, self.hash, payload, out)?;
        put_request(&mut frame, self.request)?;
        frame.put_count("digit size", self.digit_size)?;
        frame.put_count("number of moduli", self.basis.q_len())?;
        frame.put_u32(u32::from(self.basis.special))?;
        frame.put_count("number of digits", digits)?;
        frame.put(self.owner.as_bytes())?;
        frame.put(&self.seed)?;
        frame.put(&self.b)?;
        frame.finish()
    }

    fn read(params: &Params, limit: u64, input: &mut impl Read) -> Result<Self> {
        let hash = params.hash();
        let mut frame = FrameReader::open(Self::KIND, Some(hash), limit, input)?;
        let request = take_request(&mut frame, params)?;
        let basis = key_basis(params, request);
        let (digit_size, digits) = (params.digit_size(), digits(params, basis));
        let mut agree = |field, expected: usize| -> Result<()> {
            let found = frame.take_u32()?;
            if found as usize == expected {
                return Ok(());
            }
            let admitted = format!(
                "{expected} for the {} of level {}",
                request.purpose, request.level
            );
            Err(frame.fault(WireFault::field(field, &found, admitted)))
        };
        agree("digit size", digit_size)?;
        agree("number of moduli", basis.q_len())?;
        agree("number of special moduli", usize::from(basis.special))?;
        agree("number of digits", digits)?;
        frame
            .expect_left(u128::from(OWNED) + digits as u128 * u128::from(row_len(params, basis)))?;
        let owner = take_owner(&mut frame)?;
        let seed = frame.take_array()?;
        let b = take_rows(&mut frame, params, basis, digits)?;
        frame.finish()?;
        Ok(Self {
            request,
            basis,
            digit_size,
            hash,
            owner,
            seed,
            b,
        })
    }
}

/// Length of the wire form of the key of a request.
pub(super) fn switching_key_len(params: &Params, request: KeyRequest) -> u64 {
    let basis = key_basis(params, request);
    let rows = digits(params, basis) as u64;
    object_len(SWITCHING_FIELDS + rows * row_len(params, basis))
}

/// Writes a request.
pub(super) fn put_request<W: Write>(
    frame: &mut FrameWriter<'_, W>,
    request: KeyRequest,
) -> Result<()> {
    let (purpose, galois) = match request.purpose {
        KeyPurpose::Relinearization => (0, 0),
        KeyPurpose::Galois(g) => (1, g.get()),
        KeyPurpose::ToEphemeral => (2, 0),
        KeyPurpose::FromEphemeral => (3, 0),
    };
    frame.put_u32(purpose)?;
    frame.put(&galois.to_le_bytes())?;
    frame.put_count("level", request.level)
}

/// Reads a request that the parameters admit.
pub(super) fn take_request<R: Read>(
    frame: &mut FrameReader<'_, R>,
    params: &Params,
) -> Result<KeyRequest> {
    let purpose = frame.take_in("purpose", 0..=3)?;
    let galois = frame.take_u64()?;
    let level = frame.take_u32()? as usize;
    if purpose != 1 && galois != 0 {
        let admitted = "0 for keys of other purposes than rotation";
        return Err(frame.fault(WireFault::field("Galois element", &galois, admitted)));
    }
    let purpose = match purpose {
        0 => KeyPurpose::Relinearization,
        1 => KeyPurpose::Galois(GaloisElement::new(params.ring(), galois).map_err(|_| {
            let admitted = format!("odd and below {}", params.ring().root_order());
            frame.fault(WireFault::field("Galois element", &galois, admitted))
        })?),
        2 => KeyPurpose::ToEphemeral,
        _ => KeyPurpose::FromEphemeral,
    };
    let request = KeyRequest { purpose, level };
    check_request(frame.kind(), params, request)?;
    Ok(request)
}

/// Reads the tag of a key, which always has an owner.
fn take_owner<R: Read>(frame: &mut FrameReader<'_, R>) -> Result<OwnerTag> {
    let owner = OwnerTag::from_wire(frame.take_array()?);
    owner.ok_or_else(|| frame.fault(WireFault::field("owner's tag", &0, "not zero for a key")))
}

/// Fails unless the parameters admit a key of this request.
pub(super) fn check_request(kind: Kind, params: &Params, request: KeyRequest) -> Result<()> {
    request.check(params).map_err(|error| match error {
        Error::LevelMismatch {
            found, expected, ..
        } => kind.fault(WireFault::field(
            "level",
            &found,
            format!("0 to {expected}"),
        )),
        Error::GaloisElement { found, order } => {
            let admitted = format!("odd and below {order}");
            kind.fault(WireFault::field("Galois element", &found, admitted))
        }
        Error::NoBootstrapping { .. } => {
            let admitted = "relinearisation and Galois keys: these parameters do not bootstrap";
            kind.fault(WireFault::field("purpose", &request.purpose, admitted))
        }
        other => other,
    })
}

/// The basis of the key of a request: keys to the ephemeral secret stay at the base, whatever
/// level they are asked for.
fn key_basis(params: &Params, request: KeyRequest) -> Basis {
    let level = match request.purpose {
        KeyPurpose::ToEphemeral => 0,
        _ => request.level,
    };
    KeyRequest { level, ..request }.basis(params)
}

fn digits(params: &Params, basis: Basis) -> usize {
    basis.q_len().div_ceil(params.digit_size())
}

fn top(params: &Params) -> Basis {
    params.basis_at(params.max_level())
}
