//! Bootstrapping: brings a ciphertext from the bottom back to a high level.
//!
//! Order: **SlotsToCoeffs first** (StC), then the half-bootstrap (ModRaise through an ephemeral
//! sparse secret [Bossuat-Troncoso-Hubaux 2022], CoeffsToSlots, EvalMod). A circuit may place its
//! linear layer between the two, on coefficients at the bottom modulus.
//!
//! ```text
//! slots, level stc --StC--> coefficients, level 0 --ModRaise--> top --CtS--> slots --EvalMod-->
//! slots, level out
//! ```
//!
//! With `q0` the base modulus and `D0 = q0 / 2^message_ratio_bits` the scale at the bottom:
//! * after ModRaise each coefficient is `m + q0 I`, `|I| <= K` but for the probability of
//!   [`Bootstrapper::failure_log2`];
//! * CtS puts `u = ((m/q0 + I) - 1/4) / (K + eps + 1/4)` into slots (the `1/4` by an added
//!   constant);
//! * EvalMod returns `sin(2 pi m / q0) / (2 pi)`, off from `m / q0` by at most `(2 pi)^2 / 6` times
//!   its cube; a factor `1 + 3 c / 4` with `c` that cubic coefficient, folded into the scale,
//!   balances the error over `[-1, 1]` and leaves a quarter of it.
//!
//! On the conjugate-invariant ring all of this is real: `N` slots by one EvalMod. Its linear maps,
//! and the basis whose coordinates take the place of coefficients, are in [`dft::RealBasis`].

mod cost;
pub mod dft;
mod eval_mod;
mod linear;
mod mod_raise;
mod options;
mod requests;
mod sequence;
mod steps;

pub use cost::{RefreshCost, refresh_cost};
pub use dft::{DftError, DftPlan, Diagonals, RealBasis, real_order};
pub use options::{BootstrapOptions, RESIDENT_BYTES, RotationKeys};
pub use requests::refresh_requests;

use crate::backend::Backend;
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::cost::Prices;
use crate::encoding::{Complex64, EncodingError};
use crate::error::{Error, Result};
use crate::evaluator::{
    CapturedSequences, EncodedLinearTransform, Evaluator, mismatch, scales_agree,
};
use crate::params::{BootstrapLiteral, Params};
use crate::polynomial::Plan;
use crate::polynomial::modular::{CosineFit, ModularFit, fit_cosine};
use crate::polynomial::overflow::overflow_failure_log2;
use crate::polynomial::overflow_real::real_overflow_failure_log2;
use linear::Coordinates;
use sequence::Sequence;
use steps::{encode, grouping};

/// What a refresh is made of, for one parameter set and one number of slots.
pub struct Bootstrapper<B: Backend> {
    context: Context<B>,
    literal: BootstrapLiteral,
    slots: usize,
    coordinates: Coordinates,
    /// Level that ModRaise raises to.
    top: usize,
    /// Level at which StC starts.
    bottom: usize,
    coeffs_to_slots: Vec<EncodedLinearTransform<B>>,
    slots_to_coeffs: Vec<EncodedLinearTransform<B>>,
    options: BootstrapOptions,
    fit: ModularFit,
    plan: Plan,
    captured: CapturedSequences<B, Sequence>,
}

impl<B: Backend> Bootstrapper<B> {
    /// Prepares the refresh of ciphertexts with `slots` slots (a power of two, at least 4).
    ///
    /// Needs a parameter set with a [`BootstrapLiteral`], on either ring. The keys it needs are
    /// listed by [`refresh_requests`].
    ///
    /// # Errors
    /// [`Error::NoBootstrapping`] for a set without, [`Error::SlotMismatch`] for another number of
    /// slots, and what the device reports.
    pub fn new(context: &Context<B>, slots: usize, options: BootstrapOptions) -> Result<Self> {
        let params = context.params();
        let literal = params
            .literal()
            .bootstrap
            .clone()
            .ok_or_else(|| Error::NoBootstrapping {
                params: params.name().to_owned(),
            })?;
        if literal.coeffs_to_slots_levels == 0 || literal.slots_to_coeffs_levels == 0 {
            return Err(Error::NoBootstrapping {
                params: params.name().to_owned(),
            });
        }
        if !slots.is_power_of_two() || !(4..=params.max_slots()).contains(&slots) {
            return Err(Error::SlotMismatch {
                op: "bootstrapper (a power of two from 4)",
                found: slots,
                expected: params.max_slots(),
            });
        }
        let layers = slots.trailing_zeros() as usize;
        let count = |wanted: Option<usize>, reserved: usize| {
            wanted.unwrap_or(reserved).clamp(1, reserved.min(layers))
        };
        let cts = count(
            options.coeffs_to_slots_levels,
            literal.coeffs_to_slots_levels,
        );
        let stc = count(
            options.slots_to_coeffs_levels,
            literal.slots_to_coeffs_levels,
        );
        let top = params.max_level() - literal.coeffs_to_slots_levels + cts;
        let eps = -f64::from(literal.message_ratio_bits);
        let fit = fit_cosine(
            literal.overflow_bound as u32,
            eps.exp2(),
            literal.double_angles,
            literal.cosine_degree,
            CosineFit::EvenNearIntegers,
        )?;
        let (lo, hi) = fit.chebyshev.interval();
        // CtS: u = 2 x / (hi - lo) with x = (m/q0 + I); the trace multiplies by the ring's slots
        // over n.
        let coordinates = Coordinates::of(params, slots);
        let gap = (params.max_slots() / slots) as f64;
        let constant = 2.0 / (hi - lo) / gap / coordinates.real_parts();
        let base = params.group_modulus(0);
        let prices = Prices::new(params, options.times)?;
        let order = grouping(slots, (top, cts), options.keys, coordinates, &prices)?;
        let matrices = coordinates.coeffs_to_slots(slots, &order, constant)?;
        let after = eval_mod::argument_scale(params, top - cts);
        let coeffs_to_slots = encode(context, &matrices, top, (base, after), options, &prices)?;
        let matrices = coordinates.slots_to_coeffs(slots, stc)?;
        let scales = (params.scale_at(stc), bottom_of(params, &literal));
        let slots_to_coeffs = encode(context, &matrices, stc, scales, options, &prices)?;
        let plan = Plan::new(&fit.chebyshev);
        Ok(Self {
            context: context.clone(),
            literal,
            slots,
            coordinates,
            top,
            bottom: stc,
            coeffs_to_slots,
            slots_to_coeffs,
            options,
            fit,
            plan,
            captured: CapturedSequences::default(),
        })
    }

    /// Number of slots refreshed.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The level a ciphertext must still have to be refreshed: StC's levels.
    pub fn input_level(&self) -> usize {
        self.bottom
    }

    /// The level of a refreshed ciphertext.
    pub fn output_level(&self) -> usize {
        self.top - self.coeffs_to_slots.len() - self.fit.depth() as usize
    }

    /// log2 of the probability that one of the coefficients overflows `K` in one refresh, which
    /// would garble it.
    pub fn failure_log2(&self) -> f64 {
        overflow_log2(
            &self.literal,
            self.coordinates,
            self.context.params(),
            self.slots,
        )
    }

    /// Refreshes real slots in `[-1, 1]`: from level [`Bootstrapper::input_level`] or above to
    /// [`Bootstrapper::output_level`], at its canonical scale. One EvalMod.
    ///
    /// Imaginary parts are lost. Values beyond `[-1, 1]` lose precision with their cube.
    ///
    /// # Errors
    /// As [`Bootstrapper::slots_to_coeffs`] and [`Bootstrapper::half_boot`].
    pub fn refresh(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let coefficients = self.slots_to_coeffs(ev, x)?;
        self.half_boot(ev, &coefficients)
    }

    /// As [`Bootstrapper::refresh`] for a vector that repeats with a period of `x.slots()`, to
    /// `level`, at most [`Bootstrapper::output_level`], at its canonical scale: the copies that
    /// fill the ring are averaged after EvalMod.
    ///
    /// Each copy carries noise of its own, so the average of `c` copies gains `log2(c) / 2` bits,
    /// and the copies agree again. One key switch at `level` for two doublings.
    ///
    /// # Errors
    /// As [`Bootstrapper::refresh`], and [`Error::MissingKey`] without the keys of the doublings.
    pub fn refresh_periodic(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        level: usize,
    ) -> Result<Ciphertext<B>> {
        let period = x.slots;
        let full = self.context.params().max_slots();
        let coefficients = self.slots_to_coeffs(ev, x)?;
        let copies = self.to_real(ev, &coefficients, full / period)?;
        let copies = copies.with_slots(full)?;
        let level = level.min(copies.level);
        let copies = ev.align_to(&copies, level, self.context.params().scale_at(level))?;
        let sum = ev.inner_sum(&copies, period, full / period)?;
        sum.with_period(period)
    }

    /// Refreshes complex slots with real and imaginary parts in `[-1, 1]`: two EvalMods, run as
    /// one batch. Standard ring only: slots of the other are real. Levels and scale are those of
    /// [`Bootstrapper::refresh`].
    ///
    /// # Errors
    /// [`Error::Encoding`] on the conjugate-invariant ring, and as [`Bootstrapper::refresh`].
    pub fn refresh_complex(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        if self.coordinates != Coordinates::Complex {
            return Err(EncodingError::RealSlotsOnly.into());
        }
        let coefficients = self.slots_to_coeffs(ev, x)?;
        self.run_captured(ev, Sequence::Complex, &coefficients, |x| {
            let raised = self.mod_raise(ev, x)?;
            let slots = self.to_slots(ev, &raised)?;
            let conjugate = ev.conjugate(&slots)?;
            let real = ev.add(&slots, &conjugate)?;
            let difference = ev.sub(&slots, &conjugate)?;
            let imaginary = self.times_unit(ev, &difference, -1.0)?;
            let k = x.count;
            let both = self.eval_mod(ev, &ev.join(&[real, imaginary])?, 1)?;
            let imaginary = ev.slice(&both, k..2 * k)?;
            ev.add(
                &ev.slice(&both, 0..k)?,
                &self.times_unit(ev, &imaginary, 1.0)?,
            )
        })
    }

    /// Refreshes with `1 + extra` bootstraps for about `(1 + extra)` times the bits
    /// [Bae-Cheon-Cho-Kim-Kim 2022]: the error of the first, scaled up, is refreshed too.
    ///
    /// `gain_bits` is by how much the error is scaled up: below the precision of one refresh, so
    /// that the scaled error stays in `[-1, 1]`. The input must still have
    /// [`Bootstrapper::input_level`] levels and a scale that carries the wanted bits; so must the
    /// canonical scale. Each further bootstrap costs one level of the result, and two from a gain
    /// of about half a level's modulus on.
    ///
    /// # Errors
    /// As [`Bootstrapper::refresh`], and [`Error::ScaleMismatch`] where the levels left do not
    /// suffice.
    pub fn refresh_iterated(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        gain_bits: u32,
        extra: usize,
    ) -> Result<Ciphertext<B>> {
        let mut refreshed = self.refresh(ev, x)?;
        let mut gain = 0;
        for _ in 0..extra {
            gain += gain_bits;
            // The error below both levels: (x - refreshed) * 2^gain.
            let level = x
                .level
                .min(refreshed.level.saturating_sub(1))
                .max(self.bottom);
            let x = ev.drop_to(x, level)?;
            let error = ev.sub(&x, &ev.align_to(&refreshed, level, x.scale)?)?;
            let factor = f64::from(gain).exp2();
            let correction = self.refresh(ev, &ev.mul_integer(&error, factor)?)?;
            refreshed = self.add_correction(ev, &refreshed, &correction, factor)?;
        }
        Ok(refreshed)
    }

    /// `x + correction / factor`, as a change of scale of the correction on the way down.
    fn add_correction(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        correction: &Ciphertext<B>,
        factor: f64,
    ) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        let wide = correction.with_scale(correction.scale * factor);
        // Far enough down for the change of scale to be a well-rounded whole number.
        let (mut level, mut room) = (wide.level, -factor.log2());
        while level > 0 && room < 21.0 {
            room += params.group_modulus(level).log2();
            level -= 1;
        }
        ev.add(x, &ev.align_to(&wide, level, params.scale_at(level))?)
    }

    /// SlotsToCoeffs: real slots to coefficients at level 0, in bit-reversed order on the standard
    /// ring. From [`Bootstrapper::input_level`] or above, at any scale: one that was dropped to
    /// that level with the scale of a higher one costs an encoding of a matrix more. On the
    /// conjugate-invariant ring to coordinates in the order of [`real_order`]: odd ones, modulo the
    /// base modulus, for all slots, native ones for fewer.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] for a lower level, [`Error::SlotMismatch`] for more slots than the
    /// bootstrapper's, [`Error::ScaleMismatch`] for a scale that is more than 12 bits off at the
    /// input level, [`Error::MissingKey`], [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn slots_to_coeffs(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        if x.level < self.bottom {
            return Err(Error::LevelExhausted {
                op: "slots_to_coeffs",
                need: self.bottom,
                have: x.level,
            });
        }
        if x.slots > self.slots {
            return Err(Error::SlotMismatch {
                op: "slots_to_coeffs",
                found: x.slots,
                expected: self.slots,
            });
        }
        let scale = self.context.params().scale_at(self.bottom);
        if x.level == self.bottom && !scales_agree(x.scale, scale) {
            return self.slots_to_coeffs_from(ev, x);
        }
        let x = ev.align_to(x, self.bottom, scale)?.with_slots(self.slots)?;
        self.run_captured(ev, Sequence::SlotsToCoeffs, &x, |x| {
            let mut y = x.clone();
            for matrix in &self.slots_to_coeffs {
                y = ev.linear_transform_rescaled(&y, matrix)?;
            }
            Ok(y)
        })
    }

    /// As [`Bootstrapper::slots_to_coeffs`] for an operand at [`Bootstrapper::input_level`] that
    /// was dropped there with the scale it had: no level is left to align it by, so that the first
    /// matrix is encoded anew at the scale that makes up for it.
    fn slots_to_coeffs_from(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let params = self.context.params();
        let canonical = params.scale_at(self.bottom);
        let levels = self.slots_to_coeffs.len();
        let mut matrices = self.coordinates.slots_to_coeffs(self.slots, levels)?;
        matrices.truncate(1);
        let below =
            canonical * (bottom_of(params, &self.literal) / canonical).powf(1.0 / levels as f64);
        // Below, diagonals have fewer bits than the result is to have.
        if (x.scale / canonical).log2().abs() > MOST_OFF {
            return Err(mismatch("slots_to_coeffs", x.scale, canonical));
        }
        let scales = (x.scale, below);
        let prices = Prices::new(params, self.options.times)?;
        let first = encode(
            &self.context,
            &matrices,
            self.bottom,
            scales,
            self.options,
            &prices,
        )?;
        let mut y = x.with_slots(self.slots)?;
        for matrix in first.iter().chain(&self.slots_to_coeffs[1..]) {
            y = ev.linear_transform_rescaled(&y, matrix)?;
        }
        Ok(y)
    }

    /// ModRaise, CoeffsToSlots and EvalMod: from coefficients at level 0 to real slots at
    /// [`Bootstrapper::output_level`].
    ///
    /// The input holds, at scale `q0 / 2^message_ratio_bits`, one real value in `[-1, 1]` in each
    /// coefficient `rev(j)` (coordinate [`real_order`]) of the subring of `slots` slots: what
    /// [`Bootstrapper::slots_to_coeffs`] returns, or a product at the bottom modulus in its place.
    /// At another scale the values times the ratio of the scales must stay in `[-1, 1]`, and the
    /// result's scale differs from the canonical one by that ratio.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] at another level than 0, [`Error::MissingKey`],
    /// [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn half_boot(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let y = self.to_real(ev, x, 1)?;
        let bottom = bottom_of(self.context.params(), &self.literal);
        ev.canonical(y.with_scale(y.scale * (x.scale / bottom)))
    }

    /// From coefficients to real slots, divided by `copies`.
    fn to_real(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        copies: usize,
    ) -> Result<Ciphertext<B>> {
        self.run_captured(ev, Sequence::Real { copies }, x, |x| {
            self.eval_mod(ev, &self.real_slots(ev, x)?, copies)
        })
    }

    /// ModRaise and CoeffsToSlots, real parts.
    fn real_slots(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let raised = self.mod_raise(ev, x)?;
        let slots = self.to_slots(ev, &raised)?;
        if self.coordinates != Coordinates::Complex {
            return Ok(slots);
        }
        // I is dense: the upper half of the coefficients holds multiples of q0 even where the
        // message has none, and they sit in the imaginary parts.
        ev.add(&slots, &ev.conjugate(&slots)?)
    }

    fn to_slots(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let mut y = x.clone();
        for matrix in &self.coeffs_to_slots {
            y = ev.linear_transform_rescaled(&y, matrix)?;
        }
        Ok(y)
    }

    /// Multiplies every slot by the imaginary unit times `sign`, exactly: a monomial.
    fn times_unit(&self, ev: &Evaluator<B>, x: &Ciphertext<B>, sign: f64) -> Result<Ciphertext<B>> {
        let unit = vec![Complex64::new(0.0, sign); 4];
        let p = self.context.encode_complex(&unit, x.level, 1.0)?;
        ev.multiply_plain(x, &p)
    }
}

/// log2 of the probability that a refresh of `slots` slots overflows `K`
/// ([`Bootstrapper::failure_log2`]);
/// `None` for a set that does not bootstrap.
pub fn failure_log2(params: &Params, slots: usize) -> Option<f64> {
    let literal = params.literal().bootstrap.as_ref()?;
    let coordinates = Coordinates::of(params, slots);
    Some(overflow_log2(literal, coordinates, params, slots))
}

/// See [`failure_log2`].
fn overflow_log2(
    literal: &BootstrapLiteral,
    coordinates: Coordinates,
    params: &Params,
    slots: usize,
) -> f64 {
    let (h, k) = (literal.ephemeral_weight, literal.overflow_bound);
    let n = params.degree();
    match coordinates {
        Coordinates::Complex => overflow_failure_log2(h, k, 2 * slots as u64),
        Coordinates::Real(basis) => real_overflow_failure_log2(basis, h, k, n, slots as u64),
    }
}

/// log2 of the ratio by which an operand at the level of SlotsToCoeffs may be off the canonical
/// scale.
const MOST_OFF: f64 = 12.0;

/// See [`bottom_scale`].
fn bottom_of(params: &Params, literal: &BootstrapLiteral) -> f64 {
    params.group_modulus(0) / f64::from(literal.message_ratio_bits).exp2()
}

/// The scale at the bottom, `q0 / 2^message_ratio_bits`, that [`Bootstrapper::half_boot`] expects.
pub fn bottom_scale(params: &Params) -> Option<f64> {
    let literal = params.literal().bootstrap.as_ref()?;
    Some(bottom_of(params, literal))
}
