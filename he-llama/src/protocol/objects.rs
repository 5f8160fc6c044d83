//! Ciphertexts in messages: read within limits and checked before they are used.

use std::io::Read;

use ckks_math::backend::Backend;
use ckks_math::evaluator::SCALE_TOLERANCE_BITS;
use ckks_math::params::Params;
use ckks_math::wire::Wire;
use ckks_math::{Ciphertext, Context};
use he_linalg::{Layout, Packed};

use crate::error::{MessageFault, Result};
use crate::protocol::envelope::{self, Kind};

/// Polynomials of a ciphertext on the wire.
const COMPONENTS: usize = 2;
/// Bytes of a ciphertext besides its residues, and more.
const OVERHEAD: u64 = 256;
/// Most that the scale of a response may be off the canonical one of its level, either way.
/// Products that change a tensor's unit in place of its ciphertext move it by the ratio of two
/// units.
const DRIFT: f64 = (1 << 20) as f64;
/// The same of keys and values, which every operation leaves at the canonical scale: what the
/// evaluator takes for equal.
const ROUNDING: f64 = 1.0 + 1.0 / (1_u64 << SCALE_TOLERANCE_BITS) as f64;

/// What is known of a ciphertext before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Encrypted by a client: this level, and its canonical scale.
    Fresh(usize),
    /// Keys and values of a cache: from the least of these levels to the highest, and the canonical
    /// scale up to rounding.
    Cached([usize; 2]),
    /// The response to a request: any level, and a scale near the canonical one.
    Response,
}

/// Reads the ciphertexts of `layout`: no more bytes than these can take.
///
/// # Errors
///
/// Fails for damaged ciphertexts, another number of them, polynomials that were not relinearised,
/// more slots than the layout repeats with, and another level or scale than `expected`.
pub(super) fn read<B: Backend>(
    (context, kind): (&Context<B>, Kind),
    layout: &Layout,
    expected: Expected,
    input: &mut impl Read,
) -> Result<Packed<B>> {
    let batch = Ciphertext::read(context, limit(context, layout), input)?;
    let check = |field, found: String, admitted: String, good: bool| match good {
        true => Ok(()),
        false => Err(kind.fault(MessageFault::Field {
            field,
            found,
            admitted,
        })),
    };
    let (components, slots) = (batch.components(), batch.slots());
    check(
        "number of components",
        components.to_string(),
        COMPONENTS.to_string(),
        components == COMPONENTS,
    )?;
    let period = layout.period();
    check(
        "number of slots",
        slots.to_string(),
        format!("at most {period}"),
        slots <= period,
    )?;
    let ([least, most], off) = match expected {
        Expected::Fresh(level) => ([level; 2], 1.0),
        Expected::Cached(levels) => (levels, ROUNDING),
        Expected::Response => ([0, context.params().max_level()], DRIFT),
    };
    let (level, scale) = (batch.level(), batch.scale());
    check(
        "level",
        level.to_string(),
        format!("{least} to {most}"),
        (least..=most).contains(&level),
    )?;
    let canonical = context.params().scale_at(level);
    let [low, high] = [canonical / off, canonical * off];
    check(
        "scale",
        scale.to_string(),
        format!("{low} to {high}"),
        (low..=high).contains(&scale),
    )?;
    Ok(Packed::new(layout.clone(), batch)?)
}

/// Most bytes that the ciphertexts of a layout take.
fn limit<B: Backend>(context: &Context<B>, layout: &Layout) -> u64 {
    bytes_of(context.params(), layout)
}

/// Most bytes of ciphertexts of a layout on the wire.
fn bytes_of(params: &Params, layout: &Layout) -> u64 {
    let limbs = params.basis_at(params.max_level()).limbs();
    let rows = layout.ciphertexts() * COMPONENTS;
    (rows * limbs * params.degree() * 8) as u64 + OVERHEAD
}

/// Most bytes of a message with one object of each layout.
pub(super) fn message_limit(params: &Params, layouts: [&Layout; 2]) -> u64 {
    let objects = layouts.map(|layout| bytes_of(params, layout));
    objects.iter().sum::<u64>() + envelope::MOST_AROUND
}
