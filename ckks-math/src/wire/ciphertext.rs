//! Ciphertexts and plaintexts.
//!
//! | payload | |
//! |---|---|
//! | 4 | number of ciphertexts in the batch (of a plaintext: 1) |
//! | 4 | polynomials of each: 2, or 3 before relinearisation (of a plaintext: 1) |
//! | 4 | level |
//! | 4 | number of slots |
//! | 8 | scale, IEEE 754 binary64 |
//! | 16 | owner's tag, 0 for none (of a plaintext: 0) |
//! | 4 | 1 if the linear terms follow from seeds, else 0 (of a plaintext: 0) |
//! | 32 each | those seeds, one for each ciphertext |
//! | | rows over the moduli of the level, component-major; without the linear terms where seeds are |
//!
//! Ciphertexts fresh from an encryption under the secret key, and batches of such, have seeds: they
//! take half the bytes.

use super::frame::{FrameReader, FrameWriter, object_len};
use super::residues::{row_len, take_rows};
use super::{Kind, Wire, WireFault};
use crate::backend::{Backend, Shape};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::OwnerTag;
use crate::params::Params;
use crate::poly::{Eval, Poly};
use crate::sampling::Seed;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bytes of the payload before the rows.
const FIELDS: u64 = 44;
/// Bytes of a seed.
const SEED: u64 = 32;

/// All that is sent besides the rows.
#[derive(Clone, Copy)]
struct Fields {
    count: usize,
    components: usize,
    level: usize,
    slots: usize,
    scale: f64,
    owner: Option<OwnerTag>,
    /// Whether the linear terms are sent as seeds.
    seeded: bool,
}

impl Fields {
    /// Rows that are sent.
    fn rows(&self) -> u128 {
        let components = self.components - usize::from(self.seeded);
        self.count as u128 * components as u128
    }

    /// Bytes of seeds that are sent.
    fn seeds(&self) -> u128 {
        u128::from(self.seeded) * self.count as u128 * u128::from(SEED)
    }
}

impl<B: Backend> Ciphertext<B> {
    fn fields(&self) -> Fields {
        Fields {
            count: self.count,
            components: self.components,
            level: self.level,
            slots: self.slots,
            scale: self.scale,
            owner: self.owner,
            seeded: self.components == 2 && self.poly.uniform().len() == self.count,
        }
    }
}

impl<B: Backend> Plaintext<B> {
    fn fields(&self) -> Fields {
        Fields {
            count: 1,
            components: 1,
            level: self.level,
            slots: self.slots,
            scale: self.scale,
            owner: None,
            seeded: false,
        }
    }
}

impl<B: Backend> Wire for Ciphertext<B> {
    type Scope = Context<B>;
    const KIND: Kind = Kind::Ciphertext;

    fn wire_len(&self, context: &Context<B>) -> Result<u64> {
        context.check_hash(Self::KIND.name(), self.hash)?;
        Ok(object_len(payload_len(self.fields(), context.params())))
    }

    fn write(&self, context: &Context<B>, out: &mut impl Write) -> Result<()> {
        context.check_hash(Self::KIND.name(), self.hash)?;
        write(Self::KIND, self.fields(), &self.poly, context, out)
    }

    fn read(context: &Context<B>, limit: u64, input: &mut impl Read) -> Result<Self> {
        let (fields, poly) = read(Self::KIND, (1..=u32::MAX, 2..=3), context, limit, input)?;
        Ok(Self {
            poly: Arc::new(poly),
            count: fields.count,
            components: fields.components,
            level: fields.level,
            scale: fields.scale,
            slots: fields.slots,
            hash: context.params().hash(),
            owner: fields.owner,
        })
    }
}

impl<B: Backend> Wire for Plaintext<B> {
    type Scope = Context<B>;
    const KIND: Kind = Kind::Plaintext;

    fn wire_len(&self, context: &Context<B>) -> Result<u64> {
        context.check_hash(Self::KIND.name(), self.hash)?;
        Ok(object_len(payload_len(self.fields(), context.params())))
    }

    fn write(&self, context: &Context<B>, out: &mut impl Write) -> Result<()> {
        context.check_hash(Self::KIND.name(), self.hash)?;
        write(Self::KIND, self.fields(), &self.poly, context, out)
    }

    fn read(context: &Context<B>, limit: u64, input: &mut impl Read) -> Result<Self> {
        let (fields, poly) = read(Self::KIND, (1..=1, 1..=1), context, limit, input)?;
        Ok(Self {
            poly: Arc::new(poly),
            level: fields.level,
            scale: fields.scale,
            slots: fields.slots,
            hash: context.params().hash(),
        })
    }
}

fn payload_len(fields: Fields, params: &Params) -> u64 {
    let row = row_len(params, params.basis_at(fields.level));
    FIELDS + (fields.seeds() + fields.rows() * u128::from(row)) as u64
}

/// Writes fields and rows, bringing one row at a time from the device.
fn write<B: Backend>(
    kind: Kind,
    fields: Fields,
    poly: &Poly<Eval, B>,
    context: &Context<B>,
    out: &mut impl Write,
) -> Result<()> {
    let (params, backend, t) = (context.params(), context.backend(), context.tables());
    let basis = params.basis_at(fields.level);
    let rows = fields.count * fields.components;
    let (left, right) = (
        poly.shape(backend),
        Shape {
            rows,
            basis,
            degree: params.degree(),
        },
    );
    if left != right {
        let op = kind.name();
        return Err(Error::ShapeMismatch { op, left, right });
    }
    check_fields(kind, fields, params)?;
    let payload = payload_len(fields, params);
    let mut frame = FrameWriter::begin(kind, params.hash(), payload, out)?;
    frame.put_count("number of ciphertexts", fields.count)?;
    frame.put_count("number of components", fields.components)?;
    frame.put_count("level", fields.level)?;
    frame.put_count("number of slots", fields.slots)?;
    frame.put(&fields.scale.to_le_bytes())?;
    frame.put(&OwnerTag::to_wire(fields.owner))?;
    frame.put_u32(u32::from(fields.seeded))?;
    if fields.seeded {
        for seed in poly.uniform() {
            frame.put(seed.as_bytes())?;
        }
    }
    for row in 0..fields.rows() as usize {
        let row = backend.restrict(t, &poly.block, row..row + 1, basis)?;
        frame.put(&backend.download_packed(t, &row)?)?;
    }
    frame.finish()
}

/// Reads fields and rows; `admitted` are the ranges of count and components.
fn read<B: Backend>(
    kind: Kind,
    admitted: (RangeInclusive<u32>, RangeInclusive<u32>),
    context: &Context<B>,
    limit: u64,
    input: &mut impl Read,
) -> Result<(Fields, Poly<Eval, B>)> {
    let params = context.params();
    let mut frame = FrameReader::open(kind, Some(params.hash()), limit, input)?;
    let count = frame.take_in("number of ciphertexts", admitted.0)?;
    let components = frame.take_in("number of components", admitted.1)?;
    let level = frame.take_in("level", 0..=params.max_level() as u32)?;
    let slots = frame.take_u32()?;
    let scale = f64::from_bits(frame.take_u64()?);
    let owner = OwnerTag::from_wire(frame.take_array()?);
    // Only pairs have a linear term that is one uniform polynomial.
    let seeded = frame.take_in("seeds of linear terms", 0..=u32::from(components == 2))?;
    let fields = Fields {
        count: count as usize,
        components: components as usize,
        level: level as usize,
        slots: slots as usize,
        scale,
        owner,
        seeded: seeded == 1,
    };
    check_fields(kind, fields, params)?;
    let basis = params.basis_at(fields.level);
    let row = row_len(params, basis);
    frame.expect_left(fields.seeds() + fields.rows() * u128::from(row))?;
    let seeds = (0..if fields.seeded { count } else { 0 })
        .map(|_| Ok(Seed::from_bytes(frame.take_array()?)))
        .collect::<Result<Vec<_>>>()?;
    let rows = fields.rows() as usize;
    let packed = take_rows(&mut frame, params, basis, rows)?;
    frame.finish()?;
    let (backend, t) = (context.backend(), context.tables());
    let block = backend.upload_packed(t, rows, basis, &packed)?;
    if seeds.is_empty() {
        return Ok((fields, Poly::new(block)));
    }
    let uniform = seeds
        .iter()
        .map(|seed| backend.uniform(t, seed, 0, 1, basis))
        .collect::<Result<Vec<_>>>()?;
    let parts: Vec<_> = std::iter::once(&block).chain(&uniform).collect();
    Ok((fields, Poly::with_uniform(backend.stack(t, &parts)?, seeds)))
}

/// Checks what both sides ask of a ciphertext besides its shape, so that nothing is written that
/// no reader takes.
fn check_fields(kind: Kind, fields: Fields, params: &Params) -> Result<()> {
    let refuse = |field, found: String, admitted: String| {
        Err(kind.fault(WireFault::field(field, &found, admitted)))
    };
    if fields.count == 0 {
        return refuse("number of ciphertexts", "0".into(), "1 or more".into());
    }
    let most = params.max_slots();
    if !fields.slots.is_power_of_two() || fields.slots > most {
        let admitted = format!("powers of two up to {most}");
        return refuse("number of slots", fields.slots.to_string(), admitted);
    }
    if kind == Kind::Plaintext && fields.owner.is_some() {
        let admitted = "none: a plaintext belongs to nobody's key".into();
        return refuse("owner's tag", "set".into(), admitted);
    }
    if !fields.scale.is_finite() || fields.scale <= 0.0 {
        let admitted = "finite positive numbers".into();
        return refuse("scale", fields.scale.to_string(), admitted);
    }
    Ok(())
}
