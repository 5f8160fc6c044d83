//! Linear transforms of slot vectors: generalized diagonals, baby and giant steps, double hoisting
//! [Bossuat-Mouchet-Troncoso-Hubaux 2021, Alg. 6].

use super::Evaluator;
use crate::backend::{Backend, Basis, Pointwise, RingKind};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::{Complex64, IntegerCoeffs};
use crate::error::{Error, Result};
use crate::keys::{KeyPurpose, KeyRequest};
use crate::poly::{Eval, Poly};
use std::collections::BTreeMap;

/// `out = sum_g rot_g( sum_b d_{g,b} * rot_b(in) )`, rotations to the left.
///
/// `d_{g,b}` is the diagonal of amount `g + b` rotated right by `g`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransformPlan {
    /// Length of the diagonals: slots of the operand and the result.
    pub slots: usize,
    /// Giant rotations, each with its baby rotations and their diagonals.
    pub giants: Vec<(usize, BabyTerms<Vec<Complex64>>)>,
}

/// Baby rotations with their diagonals.
pub type BabyTerms<D> = Vec<(usize, D)>;

impl TransformPlan {
    /// Splits diagonals into baby and giant steps: amounts `k = g + b` with `b` below
    /// `babies * stride`, `stride` the largest power of two that divides all amounts.
    pub fn from_diagonals(
        slots: usize,
        diagonals: &BTreeMap<usize, Vec<Complex64>>,
        babies: usize,
    ) -> Self {
        let stride = diagonals
            .keys()
            .filter(|&&k| k > 0)
            .map(|k| 1 << k.trailing_zeros())
            .min()
            .unwrap_or(1);
        let window = (babies * stride).min(slots);
        let mut giants = BTreeMap::<usize, Vec<(usize, Vec<Complex64>)>>::new();
        for (&k, diagonal) in diagonals {
            let (giant, baby) = (k - k % window, k % window);
            let mut turned = diagonal.clone();
            turned.rotate_right(giant % slots);
            giants.entry(giant).or_default().push((baby, turned));
        }
        Self {
            slots,
            giants: giants.into_iter().collect(),
        }
    }

    /// The number of diagonals.
    pub fn len(&self) -> usize {
        self.giants.iter().map(|(_, terms)| terms.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A transform encoded for one level and one scale.
pub struct EncodedTransform<B: Backend> {
    slots: usize,
    level: usize,
    scale: f64,
    giants: Vec<(usize, BabyTerms<Diagonal<B>>)>,
}

/// One encoded diagonal: small integers on the host, or its evaluations on the device.
enum Diagonal<B: Backend> {
    Host(IntegerCoeffs),
    Device(Poly<Eval, B>),
}

impl<B: Backend> EncodedTransform<B> {
    /// Encodes the diagonals at `scale` for operands at `level`.
    ///
    /// With `resident`, evaluations over `QP` stay on the device: `slots`-independent
    /// `8 N limbs` bytes a diagonal, and no transform at each use. Without, they are made at use.
    pub fn new(
        context: &Context<B>,
        plan: &TransformPlan,
        level: usize,
        scale: f64,
        resident: bool,
    ) -> Result<Self> {
        let bits = context.params().log_q_at(level) as u32;
        let basis = KeyRequest {
            purpose: KeyPurpose::Relinearization,
            level,
        }
        .basis(context.params());
        let giants = plan
            .giants
            .iter()
            .map(|(giant, terms)| {
                let terms = terms
                    .iter()
                    .map(|(baby, values)| {
                        let integers = encode_diagonal(context, values, scale, bits)?;
                        let diagonal = if resident {
                            Diagonal::Device(context.lift(&integers, basis, plan.slots)?)
                        } else {
                            Diagonal::Host(integers)
                        };
                        Ok((*baby, diagonal))
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok((*giant, terms))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            slots: plan.slots,
            level,
            scale,
            giants,
        })
    }
}

/// Diagonals are real on the conjugate-invariant ring, whose slots are.
fn encode_diagonal<B: Backend>(
    context: &Context<B>,
    values: &[Complex64],
    scale: f64,
    bits: u32,
) -> Result<IntegerCoeffs> {
    Ok(match context.params().ring().kind() {
        RingKind::Standard => context.encoder().encode_complex(values, scale, bits)?,
        RingKind::ConjugateInvariant => {
            let real: Vec<f64> = values.iter().map(|v| v.re).collect();
            context.encoder().encode_real(&real, scale, bits)?
        }
    })
}

/// A sum under construction: rows over `Q`, and rows over `QP` still to be divided by `P`.
struct Sum<B: Backend> {
    constant: Option<B::Block>,
    linear: Option<B::Block>,
    switched: Option<B::Block>,
}

impl<B: Backend> Default for Sum<B> {
    fn default() -> Self {
        Self {
            constant: None,
            linear: None,
            switched: None,
        }
    }
}

/// For each baby rotation but 0: the turned constant rows over `Q`, and the switched linear rows
/// over `QP`.
type BabySteps<B> = BTreeMap<
    usize,
    (
        <B as crate::backend::Device>::Block,
        <B as crate::backend::Device>::Block,
    ),
>;

impl<B: Backend> Evaluator<B> {
    /// Applies an encoded transform, without rescaling: the scale becomes the product of both.
    ///
    /// The operand must be at the level the transform was encoded for. One decomposition for all
    /// baby steps, one for each giant step, one division by `P` at the end.
    pub fn transform(
        &self,
        x: &Ciphertext<B>,
        transform: &EncodedTransform<B>,
    ) -> Result<Ciphertext<B>> {
        let mut results = self.transform_many(x, &[transform])?;
        results.pop().ok_or(Error::SlotMismatch {
            op: "transform",
            found: 0,
            expected: 1,
        })
    }

    /// Several transforms of one operand, which share their baby steps.
    pub fn transform_many(
        &self,
        x: &Ciphertext<B>,
        transforms: &[&EncodedTransform<B>],
    ) -> Result<Vec<Ciphertext<B>>> {
        self.context().check_hash("transform", x.hash)?;
        for transform in transforms {
            if x.level != transform.level {
                return Err(Error::LevelMismatch {
                    op: "transform",
                    found: x.level,
                    expected: transform.level,
                });
            }
        }
        let (backend, t) = (self.backend(), self.tables());
        let q = x.poly.shape(backend).basis;
        let x0 = backend.restrict(t, &x.poly.block, 0..x.count, q)?;
        let x1 = backend.restrict(t, &x.poly.block, x.count..2 * x.count, q)?;
        let babies = self.baby_steps(x, &x0, transforms)?;
        transforms
            .iter()
            .map(|w| self.inner_and_giant_steps(x, [&x0, &x1], &babies, w))
            .collect()
    }

    fn inner_and_giant_steps(
        &self,
        x: &Ciphertext<B>,
        [x0, x1]: [&B::Block; 2],
        babies: &BabySteps<B>,
        transform: &EncodedTransform<B>,
    ) -> Result<Ciphertext<B>> {
        let (backend, t) = (self.backend(), self.tables());
        let x = x.with_slots(transform.slots.max(x.slots))?;
        let wide = self.switching_basis(x.level);
        let k = x.count;
        let mut total = Sum::<B>::default();
        for (giant, terms) in &transform.giants {
            let mut inner = Sum::<B>::default();
            for (baby, diagonal) in terms {
                let made;
                let diagonal = match diagonal {
                    Diagonal::Device(poly) => poly,
                    Diagonal::Host(integers) => {
                        made = self.context().lift(integers, wide, transform.slots)?;
                        &made
                    }
                };
                let d = &diagonal.block;
                match babies.get(baby) {
                    None => {
                        self.accumulate_product(&mut inner.constant, x0, d)?;
                        self.accumulate_product(&mut inner.linear, x1, d)?;
                    }
                    Some((turned, switched)) => {
                        self.accumulate_product(&mut inner.constant, turned, d)?;
                        self.accumulate_product(&mut inner.switched, switched, d)?;
                    }
                }
            }
            let turned = self.giant_step(&x, inner, *giant)?;
            self.accumulate(&mut total.constant, turned.constant)?;
            self.accumulate(&mut total.linear, turned.linear)?;
            self.accumulate(&mut total.switched, turned.switched)?;
        }
        let mut block = match total.switched {
            Some(switched) => backend.mod_down(t, &switched)?,
            None => backend.alloc(t, 2 * k, x.poly.shape(backend).basis)?,
        };
        if let Some(constant) = &total.constant {
            backend.add_rows(t, &mut block, 0, constant)?;
        }
        if let Some(linear) = &total.linear {
            backend.add_rows(t, &mut block, k, linear)?;
        }
        let scale = x.scale * transform.scale;
        Ok(Ciphertext {
            scale,
            ..self.wrap(block, &x)
        })
    }

    /// For each baby rotation but 0: the turned constant rows over `Q`, and the switched linear
    /// rows over `QP`.
    fn baby_steps(
        &self,
        x: &Ciphertext<B>,
        constant: &B::Block,
        transforms: &[&EncodedTransform<B>],
    ) -> Result<BabySteps<B>> {
        let hoisted = self.hoist(x)?;
        let mut babies = BTreeMap::new();
        let terms = transforms
            .iter()
            .flat_map(|w| &w.giants)
            .flat_map(|(_, terms)| terms);
        for &(baby, _) in terms {
            if baby != 0 && !babies.contains_key(&baby) {
                let galois = self.galois_of(x, baby as i64);
                let turned = self
                    .backend()
                    .automorphism(self.tables(), constant, galois)?;
                let key =
                    self.keys()
                        .galois_of_level(self.context(), "transform", galois, x.level)?;
                babies.insert(baby, (turned, self.turn_hoisted(&hoisted, galois, &key)?));
            }
        }
        Ok(babies)
    }

    /// Rotates an inner sum by a giant step, leaving what was switched over `QP`.
    fn giant_step(&self, x: &Ciphertext<B>, inner: Sum<B>, giant: usize) -> Result<Sum<B>> {
        if giant.is_multiple_of(x.slots) {
            return Ok(inner);
        }
        let (backend, t) = (self.backend(), self.tables());
        let k = x.count;
        let galois = self.galois_of(x, giant as i64);
        let turn = |block: &B::Block| backend.automorphism(t, block, galois);
        let mut linear = inner.linear;
        let mut switched_constant = None;
        if let Some(switched) = &inner.switched {
            let basis = backend.shape(switched).basis;
            let rows = backend.restrict(t, switched, k..2 * k, basis)?;
            let divided = backend.mod_down(t, &rows)?;
            self.accumulate(&mut linear, Some(divided))?;
            let rows = backend.restrict(t, switched, 0..k, basis)?;
            switched_constant = Some(turn(&rows)?);
        }
        let key = self
            .keys()
            .galois(self.context(), "transform", galois, x.level)?;
        let (basis, digit_size) = backend.switch_key_layout(&key);
        let switched = match &linear {
            None => None,
            Some(linear) => {
                let special = usize::from(basis.special);
                let digits = backend.decompose(t, linear, digit_size, special)?;
                let mut switched = backend.dot_key_turned(t, &digits, galois, &key)?;
                if let Some(rows) = &switched_constant {
                    backend.add_rows(t, &mut switched, 0, rows)?;
                }
                Some(switched)
            }
        };
        let constant = inner.constant.as_ref().map(turn).transpose()?;
        Ok(Sum {
            constant,
            linear: None,
            switched,
        })
    }

    /// `sum <- sum + x * d`.
    fn accumulate_product(
        &self,
        sum: &mut Option<B::Block>,
        x: &B::Block,
        d: &B::Block,
    ) -> Result<()> {
        let (backend, t) = (self.backend(), self.tables());
        match sum {
            None => *sum = Some(backend.pointwise(t, Pointwise::Mul, x, d)?),
            Some(sum) => backend.multiply_accumulate(t, sum, x, d)?,
        }
        Ok(())
    }

    /// `sum <- sum + y`.
    fn accumulate(&self, sum: &mut Option<B::Block>, y: Option<B::Block>) -> Result<()> {
        match (sum.as_mut(), y) {
            (_, None) => {}
            (None, some) => *sum = some,
            (Some(sum), Some(y)) => {
                self.backend()
                    .pointwise_assign(self.tables(), Pointwise::Add, sum, &y)?;
            }
        }
        Ok(())
    }

    /// The primes of keys at a level, over which diagonals are encoded.
    pub fn switching_basis(&self, level: usize) -> Basis {
        KeyRequest {
            purpose: KeyPurpose::Relinearization,
            level,
        }
        .basis(self.context().params())
    }
}
