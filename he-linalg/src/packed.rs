//! Encrypted tensors: a layout and one batch of ciphertexts.
//!
//! The ciphertexts of a [`Packed`] tensor form one batch, so that every element-wise operation is
//! one call of the backend whatever the number of ciphertexts. Two tensors meet slot by slot when
//! their layouts lie over each other: the same axis in the same bits, or copies in one where the
//! other has an axis.
//!
//! ```text
//! [dim 8][head 2][replica 4]  over  [dim 8][head 2][key 4]  gives  [dim 8][head 2][key 4]
//! [head 2][key 4]             over  [dim 8][head 2][key 4]  gives  [dim 8][head 2][key 4]
//! ```

use ckks_math::backend::Backend;
use ckks_math::polynomial::Chebyshev;
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Evaluator};

use crate::error::{Error, Result};
use crate::field::Padding;
use crate::layout::Layout;
use crate::overlay::Overlay;

/// An encrypted tensor: ciphertext `i` of the batch is ciphertext `i` of the layout.
pub struct Packed<B: Backend> {
    layout: Layout,
    batch: Ciphertext<B>,
}

impl<B: Backend> Clone for Packed<B> {
    fn clone(&self) -> Self {
        Self {
            layout: self.layout.clone(),
            batch: self.batch.clone(),
        }
    }
}

impl<B: Backend> Packed<B> {
    /// A batch read by a layout, its level and scale as they are; the caller vouches for what the
    /// slots hold.
    ///
    /// # Errors
    ///
    /// When the batch has not as many ciphertexts as the layout, or more slots.
    pub fn new(layout: Layout, batch: Ciphertext<B>) -> Result<Packed<B>> {
        if batch.count() != layout.ciphertexts() {
            return Err(Error::Count {
                op: "packed tensor",
                what: "ciphertexts",
                need: layout.ciphertexts(),
                got: batch.count(),
            });
        }
        if batch.slots() > 1 << layout.log_slots() {
            return Err(Error::SlotMismatch {
                input: batch.slots().ilog2(),
                output: layout.log_slots(),
            });
        }
        let batch = match batch.slots() < layout.period() {
            true => batch.with_slots(layout.period())?,
            false => batch,
        };
        Ok(Packed { layout, batch })
    }

    /// Zeros without noise at the canonical scale of `level`.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for a level above the top one.
    pub fn zeros(ev: &Evaluator<B>, layout: Layout, level: usize) -> Result<Packed<B>> {
        let batch = ev.zeros(layout.period(), level, layout.ciphertexts())?;
        Packed::new(layout, batch)
    }

    /// Encrypts a C array whose shape lists the logical axes slowest first, at the canonical scale
    /// of `level`; padding is zero.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of values than the tensor has entries; [`Error::Scheme`]
    /// for a level above the top one, and for values that cannot be encoded at its scale.
    pub fn encrypt(
        ev: &Evaluator<B>,
        encryptor: &mut Encryptor<B>,
        layout: Layout,
        values: &[f64],
        level: usize,
    ) -> Result<Packed<B>> {
        let context = ev.context();
        let vectors = layout.pack_array(values)?;
        let max = context.params().max_level();
        if level > max {
            return Err(ckks_math::Error::LevelMismatch {
                op: "encrypt",
                found: level,
                expected: max,
            }
            .into());
        }
        let scale = context.params().scale_at(level);
        let parts = vectors
            .iter()
            .map(|v| Ok(encryptor.encrypt(&context.encode(v, level, scale)?)?))
            .collect::<Result<Vec<_>>>()?;
        let layout = layout.with_padding(Padding::Zero);
        Packed::new(layout, join(ev, parts)?)
    }

    /// Decrypts to a C array whose shape lists the logical axes slowest first.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] where the decryptor's parameters are not the tensor's.
    pub fn decrypt(&self, context: &Context<B>, decryptor: &Decryptor<B>) -> Result<Vec<f64>> {
        self.layout.unpack(&self.decrypt_slots(context, decryptor)?)
    }

    /// Decrypts to the slot vectors, one for each ciphertext, padding and copies included.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] where the decryptor's parameters are not the tensor's.
    pub fn decrypt_slots(
        &self,
        context: &Context<B>,
        decryptor: &Decryptor<B>,
    ) -> Result<Vec<Vec<f64>>> {
        let plaintexts = decryptor.decrypt(&self.batch)?;
        let vectors = plaintexts.iter().map(|p| context.decode(p));
        Ok(vectors.collect::<ckks_math::Result<_>>()?)
    }

    /// Where the entries lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The ciphertexts, as one batch: all of one level and scale.
    pub fn batch(&self) -> &Ciphertext<B> {
        &self.batch
    }

    /// The ciphertexts, as one batch: all of one level and scale.
    pub fn into_batch(self) -> Ciphertext<B> {
        self.batch
    }

    /// The level of all ciphertexts.
    pub fn level(&self) -> usize {
        self.batch.level()
    }

    /// The scale of all ciphertexts.
    pub fn scale(&self) -> f64 {
        self.batch.scale()
    }

    /// The same slots read by another layout: renames axes, splits or merges fields.
    ///
    /// Nothing is moved, the caller vouches for the reading.
    ///
    /// # Errors
    ///
    /// When the number of ciphertexts differs.
    pub fn read_as(&self, layout: Layout) -> Result<Packed<B>> {
        Packed::new(layout, self.batch.clone())
    }

    /// The tensor after an operation on the whole batch that keeps entries in their places;
    /// `padding` is what the operation makes of the padding slots.
    ///
    /// Level and scale of the result are those that `op` leaves.
    ///
    /// # Errors
    ///
    /// The error of `op`, and as [`Packed::new`] where it changes the number of ciphertexts.
    pub fn map_batch(
        &self,
        padding: Padding,
        op: impl FnOnce(&Ciphertext<B>) -> ckks_math::Result<Ciphertext<B>>,
    ) -> Result<Packed<B>> {
        let layout = self.layout.clone().with_padding(padding);
        Packed::new(layout, op(&self.batch)?)
    }

    /// What an operation that does not map 0 to 0 leaves in the padding.
    fn disturbed(&self) -> Padding {
        match self.layout.is_full() {
            true => self.layout.padding(),
            false => Padding::Any,
        }
    }

    /// `self + other`; levels and scales are aligned. Copies of one meet axes of the other.
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] or [`Error::SlotMismatch`] where the layouts do not lie over each
    /// other, [`Error::Scheme`] where the scales cannot be aligned.
    pub fn add(&self, ev: &Evaluator<B>, other: &Packed<B>) -> Result<Packed<B>> {
        let (overlay, x, y) = self.meet("add", ev, other)?;
        Packed::new(overlay.sum(), ev.add(&x, &y)?)
    }

    /// `self - other`, as [`Packed::add`].
    ///
    /// # Errors
    ///
    /// As [`Packed::add`].
    pub fn sub(&self, ev: &Evaluator<B>, other: &Packed<B>) -> Result<Packed<B>> {
        let (overlay, x, y) = self.meet("sub", ev, other)?;
        Packed::new(overlay.sum(), ev.sub(&x, &y)?)
    }

    /// `self * other`, entry by entry: one level below the lower of both, at canonical scale.
    /// Copies of one meet axes of the other.
    ///
    /// The higher operand is brought to the other's level at canonical scale first, so that the
    /// result is at exactly the canonical scale whatever the distance.
    ///
    /// # Errors
    ///
    /// [`Error::LayoutMismatch`] or [`Error::SlotMismatch`] where the layouts do not lie over each
    /// other, [`Error::Scheme`] at level 0 and without a key to relinearise with.
    pub fn mul(&self, ev: &Evaluator<B>, other: &Packed<B>) -> Result<Packed<B>> {
        let level = self.level().min(other.level());
        let lowered = |x: &Packed<B>| match x.level() > level {
            true => x.align_to(ev, level),
            false => Ok(x.clone()),
        };
        let (overlay, x, y) = lowered(self)?.meet("mul", ev, &lowered(other)?)?;
        Packed::new(overlay.product(), ev.mul(&x, &y)?)
    }

    /// The square of every entry: one level.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] at level 0 and without a key to relinearise with.
    pub fn square(&self, ev: &Evaluator<B>) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.square(x))
    }

    /// The negative of every entry.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] where the device fails.
    pub fn negate(&self, ev: &Evaluator<B>) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.negate(x))
    }

    /// Every slot plus `c`.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for a constant that cannot be encoded at the tensor's scale.
    pub fn add_constant(&self, ev: &Evaluator<B>, c: f64) -> Result<Packed<B>> {
        let padding = match c == 0.0 {
            true => self.layout.padding(),
            false => self.disturbed(),
        };
        self.map_batch(padding, |x| ev.add_constant(x, c))
    }

    /// Every slot times `c`: one level, at canonical scale.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] at level 0, and for a constant that cannot be encoded.
    pub fn mul_constant(&self, ev: &Evaluator<B>, c: f64) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.mul_constant(x, c))
    }

    /// Every entry times the value for its index: one level, at canonical scale; padding becomes
    /// zero.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] at level 0, and for values that cannot be encoded.
    pub fn mul_each(
        &self,
        ev: &Evaluator<B>,
        value: impl FnMut(&[usize]) -> f64,
    ) -> Result<Packed<B>> {
        let product = self.mul_vectors(ev, &self.layout.pack(value))?;
        product.read_as(self.layout.clone().with_padding(Padding::Zero))
    }

    /// Every entry plus the value for its index; padding stays.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for values that cannot be encoded at the tensor's scale.
    pub fn add_each(
        &self,
        ev: &Evaluator<B>,
        value: impl FnMut(&[usize]) -> f64,
    ) -> Result<Packed<B>> {
        let sum = self.add_vectors(ev, &self.layout.pack(value))?;
        sum.read_as(self.layout.clone())
    }

    /// Adds `value` to the padding slots only: keeps zero padding inside the range of a
    /// polynomial that is evaluated next. Costs no level.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for a value that cannot be encoded at the tensor's scale.
    pub fn fill_padding(&self, ev: &Evaluator<B>, value: f64) -> Result<Packed<B>> {
        if self.layout.is_full() || value == 0.0 {
            return Ok(self.clone());
        }
        let mut vectors = self.layout.pack(|_| 0.0);
        let mut index = vec![0; self.layout.axes().len()];
        for (ciphertext, vector) in vectors.iter_mut().enumerate() {
            for (slot, v) in vector.iter_mut().enumerate() {
                if !self.layout.index_at(ciphertext, slot, &mut index) {
                    *v = value;
                }
            }
        }
        self.add_vectors(ev, &vectors)
    }

    /// Slot-wise product with one periodic vector for each ciphertext: one level, at canonical
    /// scale.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than there are ciphertexts; [`Error::Scheme`]
    /// at level 0, and for values that cannot be encoded.
    pub fn mul_vectors(&self, ev: &Evaluator<B>, vectors: &[Vec<f64>]) -> Result<Packed<B>> {
        self.with_vectors("mul", ev, vectors, self.layout.padding(), |x, v| {
            ev.mul_values(x, v)
        })
    }

    /// Slot-wise sum with one periodic vector for each ciphertext.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than there are ciphertexts; [`Error::Scheme`]
    /// for values that cannot be encoded at the tensor's scale.
    pub fn add_vectors(&self, ev: &Evaluator<B>, vectors: &[Vec<f64>]) -> Result<Packed<B>> {
        self.with_vectors("add", ev, vectors, self.disturbed(), |x, v| {
            ev.add_values(x, v)
        })
    }

    /// Applies `op` to each ciphertext and its vector; to the whole batch if all vectors are one.
    fn with_vectors(
        &self,
        name: &'static str,
        ev: &Evaluator<B>,
        vectors: &[Vec<f64>],
        padding: Padding,
        op: impl Fn(&Ciphertext<B>, &[f64]) -> ckks_math::Result<Ciphertext<B>>,
    ) -> Result<Packed<B>> {
        if vectors.len() != self.batch.count() {
            return Err(Error::Count {
                op: name,
                what: "vectors",
                need: self.batch.count(),
                got: vectors.len(),
            });
        }
        let batch = if vectors.windows(2).all(|pair| pair[0] == pair[1]) {
            op(&self.batch, &vectors[0])?
        } else {
            let parts = ev.split(&self.batch)?;
            let results = parts.iter().zip(vectors).map(|(x, v)| op(x, v));
            join(ev, results.collect::<ckks_math::Result<_>>()?)?
        };
        Packed::new(self.layout.clone().with_padding(padding), batch)
    }

    /// A polynomial of every slot, padding too: all must lie in its interval
    /// ([`Packed::fill_padding`]).
    ///
    /// `ceil(log2(degree + 1))` levels, one more when the interval is not `[-1, 1]`.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] when too few levels are left.
    pub fn polynomial(&self, ev: &Evaluator<B>, series: &Chebyshev) -> Result<Packed<B>> {
        self.map_batch(self.disturbed(), |x| ev.polynomial(x, series))
    }

    /// The same tensor at a lower level and its present scale, which linear maps and polynomials
    /// take as it is; for sums and products see [`Packed::align_to`].
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for a level above the tensor's.
    pub fn drop_to(&self, ev: &Evaluator<B>, level: usize) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.drop_to(x, level))
    }

    /// The same tensor at the canonical scale of a lower level, ready to be added to a tensor
    /// there.
    ///
    /// # Errors
    ///
    /// [`Error::Scheme`] for a level above the tensor's.
    pub fn align_to(&self, ev: &Evaluator<B>, level: usize) -> Result<Packed<B>> {
        let (have, params) = (self.level(), ev.context().params());
        if level > have {
            return Err(ckks_math::Error::LevelMismatch {
                op: "align_to",
                found: have,
                expected: level,
            }
            .into());
        }
        let scale = params.scale_at(level);
        self.map_batch(self.layout.padding(), |x| ev.align_to(x, level, scale))
    }

    /// Both batches with the ciphertexts of the common layout.
    fn meet(
        &self,
        op: &'static str,
        ev: &Evaluator<B>,
        other: &Packed<B>,
    ) -> Result<(Overlay, Ciphertext<B>, Ciphertext<B>)> {
        let overlay = Overlay::of(op, &self.layout, &other.layout)?;
        let (x, y) = (self.spread(ev, &overlay)?, other.spread(ev, &overlay)?);
        Ok((overlay, x, y))
    }

    /// The ciphertexts copied to those of a wider layout.
    fn spread(&self, ev: &Evaluator<B>, overlay: &Overlay) -> Result<Ciphertext<B>> {
        let sources = overlay.sources(&self.layout);
        let same = sources.len() == self.batch.count();
        if same && sources.iter().enumerate().all(|(i, &s)| i == s) {
            return Ok(self.batch.clone());
        }
        let parts = ev.split(&self.batch)?;
        let part = |&s: &usize| match parts.get(s) {
            Some(part) => Ok(part.clone()),
            // A ciphertext of nothing but padding.
            None => Ok(ev
                .zeros(self.batch.slots(), self.level(), 1)?
                .with_scale(self.scale())),
        };
        join(ev, sources.iter().map(part).collect::<Result<_>>()?)
    }
}

/// One batch of several ciphertexts.
pub(crate) fn join<B: Backend>(
    ev: &Evaluator<B>,
    mut parts: Vec<Ciphertext<B>>,
) -> Result<Ciphertext<B>> {
    if parts.len() == 1 {
        return Ok(parts.swap_remove(0));
    }
    Ok(ev.join(&parts)?)
}

#[cfg(test)]
mod tests;
