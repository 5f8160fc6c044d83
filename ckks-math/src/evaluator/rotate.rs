//! Rotations and what is made of them.

use super::{Evaluator, pair};
use crate::backend::{Backend, Permuted, RingKind};
use crate::ciphertext::Ciphertext;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::keys::GaloisElement;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A ciphertext whose linear part is decomposed once for many rotations (hoisting
/// [Halevi-Shoup 2018]).
///
/// Digits are lifted to the special primes of the key they meet, so they are kept for each number
/// of special primes that occurs (one, unless keys of very different levels are mixed).
pub struct Hoisted<'x, B: Backend> {
    source: &'x Ciphertext<B>,
    linear: B::Block,
    digits: RefCell<BTreeMap<u16, Rc<B::Block>>>,
}

impl<B: Backend> Evaluator<B> {
    /// Rotates the slots left by `steps` (right when negative), each ciphertext of the batch; level
    /// and scale stay.
    ///
    /// # Errors
    /// [`Error::MissingKey`] without the Galois key for the level, [`Error::Components`] before
    /// relinearisation, [`Error::WrongParameters`] and [`Error::WrongOwner`].
    pub fn rotate(&self, x: &Ciphertext<B>, steps: i64) -> Result<Ciphertext<B>> {
        if steps.rem_euclid(x.slots as i64) == 0 {
            return Ok(x.clone());
        }
        self.apply_galois("rotate", x, self.galois_of(x, steps))
    }

    /// Complex conjugate of every slot, level and scale stay; the identity on the
    /// conjugate-invariant ring.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn conjugate(&self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        match self.context.params().ring().kind() {
            RingKind::ConjugateInvariant => Ok(x.clone()),
            RingKind::Standard => {
                let g = GaloisElement::conjugation(self.context.params().ring());
                self.apply_galois("conjugate", x, g)
            }
        }
    }

    /// The Galois element that rotates a vector of `x.slots` slots: steps are taken modulo the
    /// period, so that a periodic vector needs one key for equal rotations.
    pub(crate) fn galois_of(&self, x: &Ciphertext<B>, steps: i64) -> GaloisElement {
        let reduced = steps.rem_euclid(x.slots as i64);
        GaloisElement::rotation(self.context.params().ring(), reduced)
    }

    /// `x(X^g)` under the same secret.
    pub(crate) fn apply_galois(
        &self,
        op: &'static str,
        x: &Ciphertext<B>,
        galois: GaloisElement,
    ) -> Result<Ciphertext<B>> {
        self.check(op, x)?;
        pair(op, x)?;
        let (backend, t) = (self.backend(), self.tables());
        let key = self.keys.galois(&self.context, op, galois, x.level)?;
        let basis = x.poly.shape(backend).basis;
        let linear = backend.restrict(t, &x.poly.block, x.count..2 * x.count, basis)?;
        let linear = backend.automorphism(t, &linear, galois.get())?;
        let mut block = backend.key_switch(t, &linear, &key)?;
        let constant = Permuted::rows(&x.poly.block, 0..x.count).by(galois.get());
        self.add_permuted(&mut block, &constant)?;
        Ok(self.wrap(block, x))
    }

    /// Decomposes once for several rotations of the same ciphertext, at its level and scale.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`], no key needed.
    pub fn hoist<'x>(&self, x: &'x Ciphertext<B>) -> Result<Hoisted<'x, B>> {
        self.check("hoist", x)?;
        pair("hoist", x)?;
        let (backend, t) = (self.backend(), self.tables());
        let basis = x.poly.shape(backend).basis;
        let linear = backend.restrict(t, &x.poly.block, x.count..2 * x.count, basis)?;
        Ok(Hoisted {
            source: x,
            linear,
            digits: RefCell::default(),
        })
    }

    /// One rotation of a hoisted ciphertext, at its level and scale.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn rotate_hoisted(&self, x: &Hoisted<'_, B>, steps: i64) -> Result<Ciphertext<B>> {
        let source = x.source;
        if steps.rem_euclid(source.slots as i64) == 0 {
            return Ok(source.clone());
        }
        let (backend, t) = (self.backend(), self.tables());
        let galois = self.galois_of(source, steps);
        let key = self
            .keys
            .galois(&self.context, "rotate_hoisted", galois, source.level)?;
        let product = self.permute_hoisted(x, galois, &key)?;
        let mut block = backend.mod_down(t, &product)?;
        let constant = Permuted::rows(&source.poly.block, 0..source.count).by(galois.get());
        self.add_permuted(&mut block, &constant)?;
        Ok(self.wrap(block, source))
    }

    /// The linear part of a hoisted rotation, switched and left over `QP`.
    pub(crate) fn permute_hoisted(
        &self,
        x: &Hoisted<'_, B>,
        galois: GaloisElement,
        key: &B::SwitchKey,
    ) -> Result<B::Block> {
        let (backend, t) = (self.backend(), self.tables());
        let (basis, digit_size) = backend.switch_key_layout(key);
        let known = x.digits.borrow().get(&basis.special).cloned();
        let digits = match known {
            Some(digits) => digits,
            None => {
                let special = usize::from(basis.special);
                let made = Rc::new(backend.decompose(t, &x.linear, digit_size, special)?);
                x.digits
                    .borrow_mut()
                    .insert(basis.special, Rc::clone(&made));
                made
            }
        };
        backend.dot_key_permuted(t, &digits, galois.get(), key)
    }

    /// Several rotations of one ciphertext at the price of one decomposition, at its level and
    /// scale.
    ///
    /// # Errors
    /// As [`Evaluator::rotate`].
    pub fn rotate_many(&self, x: &Ciphertext<B>, steps: &[i64]) -> Result<Vec<Ciphertext<B>>> {
        let hoisted = self.hoist(x)?;
        steps
            .iter()
            .map(|&s| self.rotate_hoisted(&hoisted, s))
            .collect()
    }
}
