//! From coefficients to encoded diagonals, some giant steps at a time.

use ckks_math::Context;
use ckks_math::backend::Backend;
use ckks_math::encoding::IntegerCoeffs;
use ckks_math::evaluator::{EncodedLinearTransform, LinearTransformEncoder};

use super::Coefficients;
use super::structure::{DiagonalOf, Diagonals, MapSteps, OutputSteps, Target};
use crate::error::{Error, Result};
use crate::terms::{Terms, Window};

/// Bytes of values that are expanded at a time, unless a single diagonal takes more.
const EXPANDED_BYTES: usize = 64 << 20;

/// What diagonals are encoded for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Operand {
    /// The level of the operand; the product is at the level below.
    pub level: usize,
    /// The scale of the operand; the product is at the canonical scale of its level.
    pub scale: f64,
    /// What the coefficients are multiplied by.
    pub factor: f64,
}

/// Diagonals encoded for operands at one level and scale.
pub(super) struct EncodedDiagonals<B: Backend> {
    pub level: usize,
    /// The scale of the results.
    pub target: f64,
    /// For each input ciphertext its transforms, in the order of their targets.
    pub transforms: Vec<Vec<(Target, EncodedLinearTransform<B>)>>,
}

impl<B: Backend> EncodedDiagonals<B> {
    /// Bytes of all diagonals, see [`EncodedLinearTransform::bytes`].
    pub fn bytes(&self) -> u64 {
        let transforms = self.transforms.iter().flatten();
        transforms.map(|(_, transform)| transform.bytes()).sum()
    }
}

/// A transform whose diagonals are being encoded.
struct Pending<B: Backend> {
    target: Target,
    encoder: LinearTransformEncoder<B>,
    polynomials: Vec<IntegerCoeffs>,
}

/// Diagonals in the host's memory, to be finished on the device.
pub(super) struct Encoding<B: Backend> {
    level: usize,
    target: f64,
    inputs: Vec<Vec<Pending<B>>>,
}

impl<B: Backend> Encoding<B> {
    /// Prepares to encode for an operand, without any value yet.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] at level 0, above the top one, and where the diagonals' targets cannot be
    /// encoded.
    pub fn new(
        diagonals: &Diagonals,
        context: &Context<B>,
        operand: Operand,
    ) -> Result<Encoding<B>> {
        let (params, level) = (context.params(), operand.level);
        if level == 0 || level > params.max_level() {
            return Err(ckks_math::Error::LevelExhausted {
                op: "matrix product",
                need: 1,
                have: level.min(params.max_level()),
            }
            .into());
        }
        let target = params.scale_at(level - 1);
        let own = target * params.group_modulus(level) / operand.scale;
        let pending = |(target, steps)| {
            Ok(Pending {
                target,
                encoder: LinearTransformEncoder::new(context, steps, level, own)?,
                polynomials: Vec::new(),
            })
        };
        let of_input = |input| -> Result<Vec<_>> {
            let transforms = diagonals.transforms(input).into_iter();
            transforms.map(pending).collect()
        };
        let inputs = (0..diagonals.input.ciphertexts()).map(of_input);
        Ok(Encoding {
            level,
            target,
            inputs: inputs.collect::<Result<_>>()?,
        })
    }

    /// Bytes of the finished form where coefficients fit 64 bits.
    pub fn bytes(&self, resident: bool) -> u64 {
        let pending = self.inputs.iter().flatten();
        pending.map(|p| p.encoder.bytes(resident)).sum()
    }

    /// Reads and encodes all coefficients times `factor`, on `threads` threads.
    ///
    /// `go_on` gets the bytes encoded so far, after every group of giant steps, and may stop the
    /// work; the answer is whether all was encoded.
    ///
    /// # Errors
    ///
    /// The error of a source, [`Error::Unplanned`] for a coefficient that the structure has no
    /// diagonal for, and [`Error::Scheme`] for values that cannot be encoded.
    pub fn read(
        &mut self,
        diagonals: &Diagonals,
        sources: &[&dyn Coefficients],
        factor: f64,
        threads: usize,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool> {
        let mut bytes = 0;
        for (map, (steps, source)) in diagonals.maps.iter().zip(sources).enumerate() {
            for (output, of_output) in steps.outputs.iter().enumerate() {
                let all = of_output.diagonals(diagonals.input.period());
                for chosen in all.chunks((EXPANDED_BYTES / 8 / steps.period).max(1)) {
                    let window = expand(diagonals, (steps, output), *source, (&all, chosen))?;
                    let jobs: Vec<_> = chosen.iter().zip(window.diagonals()).collect();
                    let encode = |&(of, values): &(&DiagonalOf, &[f64])| {
                        let target = self.target_of(map, output, of);
                        let pending = &self.inputs[of.input][target?];
                        encode_one(of, of_output, values, factor, &pending.encoder)
                    };
                    let encoded = on_threads(&jobs, threads, encode)?;
                    for (of, polynomial) in chosen.iter().zip(encoded) {
                        let target = self.target_of(map, output, of)?;
                        bytes += polynomial.bytes();
                        self.inputs[of.input][target].polynomials.push(polynomial);
                    }
                    if !go_on(bytes) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The transform of its input that a diagonal belongs to.
    fn target_of(&self, map: usize, output: usize, of: &DiagonalOf) -> Result<usize> {
        let giant = match self.inputs.len() {
            1 => 0,
            _ => of.giant,
        };
        let target = Target { map, output, giant };
        let pending = &self.inputs[of.input];
        let found = pending.binary_search_by_key(&target, |p| p.target);
        found.map_err(|_| Error::Unplanned {
            input: of.input,
            amount: of.amount,
            slot: 0,
        })
    }

    /// The encoded form: on the device with `resident`, else on the host.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] where the device fails.
    pub fn finish(self, resident: bool) -> Result<EncodedDiagonals<B>> {
        let finish = |p: Pending<B>| {
            let transform = p.encoder.finish(p.polynomials, resident)?;
            Ok((p.target, transform))
        };
        let inputs = self.inputs.into_iter();
        let transforms = inputs.map(|pending| pending.into_iter().map(finish).collect());
        Ok(EncodedDiagonals {
            level: self.level,
            target: self.target,
            transforms: transforms.collect::<Result<_>>()?,
        })
    }
}

/// The values of chosen diagonals among `all` of an output ciphertext of a map.
pub(super) fn expand(
    diagonals: &Diagonals,
    (steps, output): (&MapSteps, usize),
    source: &dyn Coefficients,
    (all, chosen): (&[DiagonalOf], &[DiagonalOf]),
) -> Result<Window> {
    let input = &diagonals.input;
    let shape = (input.ciphertexts(), input.period(), steps.period);
    let place = |of: &DiagonalOf| (of.input, of.amount);
    let chosen: Vec<_> = chosen.iter().map(place).collect();
    let window = Window::new(shape, all.iter().map(place), &chosen);
    let mut terms = Terms::expanding(input, steps.output.period(), window);
    terms.of_rows(&steps.output, output, |index, terms| {
        source.row(index, terms)
    })?;
    terms.into_window().ok_or(Error::Count {
        op: "matrix",
        what: "windows",
        need: 1,
        got: 0,
    })
}

/// Encodes `factor` times one diagonal, rotated right by its giant step.
fn encode_one<B: Backend>(
    of: &DiagonalOf,
    of_output: &OutputSteps,
    values: &[f64],
    factor: f64,
    encoder: &LinearTransformEncoder<B>,
) -> Result<IntegerCoeffs> {
    let period = of_output.periods[of.input];
    check_period(of, values, period)?;
    let first = period - of.rotation % period;
    // Values are rounded to single precision, of which weights have no more.
    let value = |s: usize| f64::from(values[(first + s) & (period - 1)] as f32) * factor;
    let rotated: Vec<f64> = (0..period).map(value).collect();
    Ok(encoder.encode(&rotated)?)
}

/// Fails unless values repeat with a period.
fn check_period(of: &DiagonalOf, values: &[f64], period: usize) -> Result<()> {
    for (s, (&found, &expected)) in values[period..].iter().zip(values).enumerate() {
        if found as f32 != expected as f32 {
            return Err(Error::NotPeriodic {
                input: of.input,
                amount: of.amount,
                slot: s + period,
                period,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// `work` on every item, in order, on `threads` threads.
fn on_threads<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let share = items.len().div_ceil(threads.max(1)).max(1);
    if share >= items.len() {
        return items.iter().map(&work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let chunks = items.chunks(share);
        let running: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Result<Vec<R>>>()))
            .collect();
        let mut results = Vec::with_capacity(items.len());
        for thread in running {
            match thread.join() {
                Ok(part) => results.extend(part?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(results)
    })
}
