//! Parameter sets.
//!
//! The literal is sent, which the reader checks and completes as any other; the header's hash
//! tells whether both sides then have the same primes.
//!
//! | payload | 4 bytes each unless said otherwise |
//! |---|---|
//! | | ring: 0 standard, 1 conjugate-invariant |
//! | | log2 of the degree, longest prime in bits, special primes, bits of each, digit size, log2 of the scale |
//! | | weight of the secret, 0 for uniform ternary |
//! | | 1 if the set bootstraps, and then the eight fields of [`BootstrapLiteral`] in their order, else 0 |
//! | | number of levels, then the bits of each from the base |
//! | | length of the name in bytes, then that many bytes of UTF-8 |
//!
//! Security is never taken from the sender: reading checks the set against the tables again.

use super::frame::{FrameReader, FrameWriter, object_len};
use super::{Kind, Wire, WireFault, same_parameters};
use crate::backend::{Limits, RingKind};
use crate::error::Result;
use crate::params::literal;
use crate::params::{BootstrapLiteral, Params, ParamsHash, ParamsLiteral, SecretDistribution};
use std::io::{Read, Write};

/// Most levels of a set, most bytes of its name, and most primes in a digit.
const MAX_LEVELS: u32 = literal::MAX_LEVELS as u32;
const MAX_NAME: u32 = 256;
const MAX_DIGIT: u32 = literal::MAX_DIGIT as u32;
/// Bound on counts that enter allocations only as a sum, a degree or a weight.
const MAX_COUNT: u32 = 1 << 17;

impl Wire for Params {
    type Scope = Limits;
    const KIND: Kind = Kind::Params;

    fn wire_len(&self, _: &Limits) -> Result<u64> {
        Ok(object_len(payload_len(self.literal())))
    }

    fn write(&self, _: &Limits, out: &mut impl Write) -> Result<()> {
        let literal = self.literal();
        let mut frame = FrameWriter::begin(Self::KIND, self.hash(), payload_len(literal), out)?;
        put_literal(&mut frame, literal)?;
        frame.finish()
    }

    /// Fails with [`crate::Error::Insecure`] for a set below 128 bits, whatever its sender says,
    /// and with [`crate::Error::WrongParameters`] when the literal leads to other primes here.
    fn read(limits: &Limits, limit: u64, input: &mut impl Read) -> Result<Self> {
        let (literal, hash) = read_literal(limit, input)?;
        completed(literal.check(*limits)?, hash)
    }
}

/// Reads parameters, those named `insecure-..` without the security bound: **for tests only**.
///
/// # Errors
/// [`Error::Wire`](crate::Error::Wire) for bytes that are no parameters, what
/// [`ParamsLiteral::check`] reports of them, and
/// [`Error::WrongParameters`](crate::Error::WrongParameters) when they lead to other primes here.
pub fn read_params_insecure_for_tests(
    limits: &Limits,
    limit: u64,
    input: &mut impl Read,
) -> Result<Params> {
    let (literal, hash) = read_literal(limit, input)?;
    let params = if literal.name.starts_with("insecure-") {
        literal.check_insecure_for_tests(*limits)?
    } else {
        literal.check(*limits)?
    };
    completed(params, hash)
}

fn completed(params: Params, hash: ParamsHash) -> Result<Params> {
    same_parameters(Kind::Params, hash, params.hash())?;
    Ok(params)
}

fn payload_len(literal: &ParamsLiteral) -> u64 {
    let numbers = 11 + 8 * usize::from(literal.bootstrap.is_some()) + literal.level_bits.len();
    (4 * numbers + literal.name.len()) as u64
}

fn put_literal<W: Write>(frame: &mut FrameWriter<'_, W>, x: &ParamsLiteral) -> Result<()> {
    frame.put_u32(match x.ring {
        RingKind::Standard => 0,
        RingKind::ConjugateInvariant => 1,
    })?;
    frame.put_u32(x.log_n)?;
    frame.put_u32(x.word_bits)?;
    frame.put_count("number of special primes", x.special_primes)?;
    frame.put_u32(x.special_bits)?;
    frame.put_count("digit size", x.digit_size)?;
    frame.put_u32(x.log_scale)?;
    let weight = match x.secret {
        SecretDistribution::Ternary => 0,
        SecretDistribution::SparseTernary { weight } => weight,
    };
    frame.put_count("secret weight", weight)?;
    frame.put_u32(u32::from(x.bootstrap.is_some()))?;
    if let Some(b) = &x.bootstrap {
        frame.put_count("SlotsToCoeffs levels", b.slots_to_coeffs_levels)?;
        frame.put_count("CoeffsToSlots levels", b.coeffs_to_slots_levels)?;
        frame.put_count("EvalMod levels", b.eval_mod_levels)?;
        frame.put_count("ephemeral weight", b.ephemeral_weight)?;
        frame.put_count("overflow bound", b.overflow_bound)?;
        frame.put_count("cosine degree", b.cosine_degree)?;
        frame.put_u32(b.double_angles)?;
        frame.put_u32(b.message_ratio_bits)?;
    }
    frame.put_count("number of levels", x.level_bits.len())?;
    for &bits in &x.level_bits {
        frame.put_u32(bits)?;
    }
    frame.put_count("name length", x.name.len())?;
    frame.put(x.name.as_bytes())
}

/// The literal and the hash that its sender has for it. Fields are bounded here so that the search
/// for primes is short; whether they make a set is for [`ParamsLiteral::check`].
fn read_literal(limit: u64, input: &mut impl Read) -> Result<(ParamsLiteral, ParamsHash)> {
    let mut frame = FrameReader::open(Kind::Params, None, limit, input)?;
    let ring = match frame.take_in("ring", 0..=1)? {
        0 => RingKind::Standard,
        _ => RingKind::ConjugateInvariant,
    };
    let log_n = frame.take_in("log N", 4..=17)?;
    let word_bits = frame.take_in("longest prime in bits", 20..=60)?;
    let special_primes = frame.take_in("number of special primes", 1..=MAX_DIGIT)? as usize;
    let special_bits = frame.take_in("bits of special primes", 20..=60)?;
    let digit_size = frame.take_in("digit size", 1..=MAX_DIGIT)? as usize;
    let log_scale = frame.take_in("log2 of the scale", 20..=110)?;
    let secret = match frame.take_in("secret weight", 0..=1 << log_n)? {
        0 => SecretDistribution::Ternary,
        weight => SecretDistribution::SparseTernary {
            weight: weight as usize,
        },
    };
    let bootstrap = match frame.take_in("bootstrapping", 0..=1)? {
        0 => None,
        _ => Some(take_bootstrap(&mut frame)?),
    };
    let levels = frame.take_in("number of levels", 1..=MAX_LEVELS)?;
    let level_bits = (0..levels)
        .map(|_| frame.take_in("bits of a level", literal::LEVEL_BITS))
        .collect::<Result<_>>()?;
    let length = frame.take_in("name length", 0..=MAX_NAME)?;
    let mut name = vec![0; length as usize];
    frame.take(&mut name)?;
    // A name is shown to users: it must not carry commands to their terminals.
    let name = match String::from_utf8(name) {
        Ok(name) if !name.chars().any(char::is_control) => name,
        other => {
            let fault = WireFault::field("name", &format!("{other:?}"), "UTF-8 without controls");
            return Err(frame.fault(fault));
        }
    };
    let hash = frame.hash();
    frame.finish()?;
    let literal = ParamsLiteral {
        name,
        ring,
        log_n,
        level_bits,
        word_bits,
        special_primes,
        special_bits,
        digit_size,
        log_scale,
        secret,
        bootstrap,
    };
    Ok((literal, hash))
}

fn take_bootstrap<R: Read>(frame: &mut FrameReader<'_, R>) -> Result<BootstrapLiteral> {
    let mut count = |field, most| Ok::<_, crate::Error>(frame.take_in(field, 0..=most)? as usize);
    Ok(BootstrapLiteral {
        slots_to_coeffs_levels: count("SlotsToCoeffs levels", MAX_LEVELS)?,
        coeffs_to_slots_levels: count("CoeffsToSlots levels", MAX_LEVELS)?,
        eval_mod_levels: count("EvalMod levels", MAX_LEVELS)?,
        ephemeral_weight: count("ephemeral weight", MAX_COUNT)?,
        overflow_bound: count("overflow bound", MAX_COUNT)?,
        cosine_degree: count("cosine degree", 4096)?,
        double_angles: count("double angles", MAX_LEVELS)? as u32,
        message_ratio_bits: count("message ratio bits", 64)? as u32,
    })
}
