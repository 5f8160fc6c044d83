//! Ciphertexts and plaintexts.
//!
//! | payload | |
//! |---|---|
//! | 4 | number of ciphertexts in the batch (of a plaintext: 1) |
//! | 4 | polynomials of each: 2, or 3 before relinearisation (of a plaintext: 1) |
//! | 4 | level |
//! | 4 | number of slots |
//! | 8 | scale, IEEE 754 binary64 |
//! | | rows over the moduli of the level, component-major |

use super::frame::{FrameReader, FrameWriter, object_len};
use super::residues::{row_len, take_rows};
use super::{Kind, Wire, WireFault};
use crate::backend::{Backend, Shape};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::params::Params;
use crate::poly::{Eval, Poly};
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bytes of the payload before the rows.
const FIELDS: u64 = 24;

/// All that is sent besides the rows.
#[derive(Clone, Copy)]
struct Fields {
    count: usize,
    components: usize,
    level: usize,
    slots: usize,
    scale: f64,
}

impl<B: Backend> Ciphertext<B> {
    fn fields(&self) -> Fields {
        Fields {
            count: self.count,
            components: self.components,
            level: self.level,
            slots: self.slots,
            scale: self.scale,
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
    let rows = (fields.count * fields.components) as u64;
    FIELDS + rows * row_len(params, params.basis_at(fields.level))
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
    for row in 0..rows {
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
    let fields = Fields {
        count: count as usize,
        components: components as usize,
        level: level as usize,
        slots: slots as usize,
        scale,
    };
    check_fields(kind, fields, params)?;
    let basis = params.basis_at(fields.level);
    let row = row_len(params, basis);
    let rows = u128::from(count) * u128::from(components);
    frame.expect_left(rows * u128::from(row))?;
    let rows = rows as usize;
    let packed = take_rows(&mut frame, params, basis, rows)?;
    frame.finish()?;
    let block = context
        .backend()
        .upload_packed(context.tables(), rows, basis, &packed)?;
    Ok((fields, Poly::new(block)))
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
    if !fields.scale.is_finite() || fields.scale <= 0.0 {
        let admitted = "finite positive numbers".into();
        return refuse("scale", fields.scale.to_string(), admitted);
    }
    Ok(())
}
