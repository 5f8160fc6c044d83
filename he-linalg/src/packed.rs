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
use ckks_math::polyval::Chebyshev;
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
    /// A batch read by a layout; the caller vouches for what the slots hold.
    ///
    /// Fails when the batch has not as many ciphertexts as the layout, or more slots.
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
    pub fn zeros(ev: &Evaluator<B>, layout: Layout, level: usize) -> Result<Packed<B>> {
        let batch = ev.zeros(layout.period(), level, layout.ciphertexts())?;
        Packed::new(layout, batch)
    }

    /// Encrypts a C array whose shape lists the logical axes slowest first, at the canonical scale
    /// of `level`; padding is zero.
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
    pub fn decrypt(&self, context: &Context<B>, decryptor: &Decryptor<B>) -> Result<Vec<f64>> {
        self.layout.unpack(&self.decrypt_slots(context, decryptor)?)
    }

    /// Decrypts to the slot vectors, one for each ciphertext, padding and copies included.
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

    /// The ciphertexts, as one batch.
    pub fn batch(&self) -> &Ciphertext<B> {
        &self.batch
    }

    /// The ciphertexts, as one batch.
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
    /// Nothing is moved, the caller vouches for the reading. Fails when the number of ciphertexts
    /// differs.
    pub fn read_as(&self, layout: Layout) -> Result<Packed<B>> {
        Packed::new(layout, self.batch.clone())
    }

    /// The tensor after an operation on the whole batch that keeps entries in their places;
    /// `padding` is what the operation makes of the padding slots.
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
    pub fn add(&self, ev: &Evaluator<B>, other: &Packed<B>) -> Result<Packed<B>> {
        let (overlay, x, y) = self.meet("add", ev, other)?;
        Packed::new(overlay.sum(), ev.add(&x, &y)?)
    }

    /// `self - other`, as [`Packed::add`].
    pub fn sub(&self, ev: &Evaluator<B>, other: &Packed<B>) -> Result<Packed<B>> {
        let (overlay, x, y) = self.meet("sub", ev, other)?;
        Packed::new(overlay.sum(), ev.sub(&x, &y)?)
    }

    /// `self * other`, entry by entry: one level below the lower of both, at canonical scale.
    /// Copies of one meet axes of the other.
    ///
    /// The higher operand is brought to the other's level at canonical scale first, so that the
    /// result is at exactly the canonical scale whatever the distance.
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
    pub fn square(&self, ev: &Evaluator<B>) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.square(x))
    }

    /// The negative of every entry.
    pub fn negate(&self, ev: &Evaluator<B>) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.negate(x))
    }

    /// Every slot plus `c`.
    pub fn add_constant(&self, ev: &Evaluator<B>, c: f64) -> Result<Packed<B>> {
        let padding = match c == 0.0 {
            true => self.layout.padding(),
            false => self.disturbed(),
        };
        self.map_batch(padding, |x| ev.add_constant(x, c))
    }

    /// Every slot times `c`: one level, at canonical scale.
    pub fn mul_constant(&self, ev: &Evaluator<B>, c: f64) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.mul_constant(x, c))
    }

    /// Every entry times the value for its index: one level, at canonical scale; padding becomes
    /// zero.
    pub fn mul_each(
        &self,
        ev: &Evaluator<B>,
        value: impl FnMut(&[usize]) -> f64,
    ) -> Result<Packed<B>> {
        let product = self.mul_vectors(ev, &self.layout.pack(value))?;
        product.read_as(self.layout.clone().with_padding(Padding::Zero))
    }

    /// Every entry plus the value for its index; padding stays.
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
    pub fn mul_vectors(&self, ev: &Evaluator<B>, vectors: &[Vec<f64>]) -> Result<Packed<B>> {
        self.with_vectors("mul", ev, vectors, self.layout.padding(), |x, v| {
            ev.mul_values(x, v)
        })
    }

    /// Slot-wise sum with one periodic vector for each ciphertext.
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
    pub fn polynomial(&self, ev: &Evaluator<B>, series: &Chebyshev) -> Result<Packed<B>> {
        self.map_batch(self.disturbed(), |x| ev.polynomial(x, series))
    }

    /// The same tensor at a lower level and its present scale, which linear maps and polynomials
    /// take as it is; for sums and products see [`Packed::align_to`].
    pub fn drop_to(&self, ev: &Evaluator<B>, level: usize) -> Result<Packed<B>> {
        self.map_batch(self.layout.padding(), |x| ev.drop_to(x, level))
    }

    /// The same tensor at the canonical scale of a lower level, ready to be added to a tensor
    /// there.
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
mod tests {
    use super::*;
    use crate::field::{Axis, Field};
    use crate::testing::cipher::{Fixture, TOLERANCE};

    /// One ciphertext with padding, and several.
    fn layouts() -> [Layout; 2] {
        let fields = [
            Field::new(Axis::TOKEN, 3),
            Field::replica(1),
            Field::new(Axis::DIM, 5),
        ];
        [6, 4].map(|log_slots| Layout::new(log_slots, &fields).expect("valid"))
    }

    #[test]
    fn entries_are_added_multiplied_and_mapped() {
        let mut f = Fixture::new(4, 1);
        for layout in layouts() {
            let (a, x) = f.random(&layout, 70);
            let (b, y) = f.random(&layout, 71);
            let zip = |op: fn(f64, f64) -> f64| -> Vec<f64> {
                a.iter().zip(&b).map(|(a, b)| op(*a, *b)).collect()
            };
            let top = f.level;
            f.check(&x, top, &a, TOLERANCE);
            let ev = &f.ev;
            let check = |got: Result<Packed<_>>, level: usize, want: &[f64]| {
                f.check(&got.expect("same layouts"), level, want, TOLERANCE);
            };
            check(x.add(ev, &y), top, &zip(|a, b| a + b));
            check(x.sub(ev, &y), top, &zip(|a, b| a - b));
            check(x.mul(ev, &y), top - 1, &zip(|a, b| a * b));
            check(x.square(ev), top - 1, &zip(|a, _| a * a));
            check(x.negate(ev), top, &zip(|a, _| -a));
            check(x.mul_constant(ev, 0.3), top - 1, &zip(|a, _| 0.3 * a));
            check(x.add_constant(ev, 0.3), top, &zip(|a, _| 0.3 + a));
            check(x.align_to(ev, 1), 1, &a);
            // Dropping keeps the scale; a product brings operands of different levels together.
            let low = x.drop_to(ev, 1).expect("below the top");
            assert_eq!((low.level(), low.scale()), (1, x.scale()));
            f.check_slots(&low, &layout.pack_array(&a).expect("length"), TOLERANCE);
            let lower = x.align_to(ev, 2).expect("below the top");
            check(lower.mul(ev, &y), 1, &zip(|a, b| a * b));
            let mixed = x.mul(ev, &y).and_then(|product| product.add(ev, &x));
            check(mixed, top - 1, &zip(|a, b| a * b + a));
            let index = |i: &[usize]| (i[0] as f64 - i[1] as f64) / 5.0;
            let mut at = Vec::new();
            layout.for_each_index(|i| at.push(index(i)));
            let with = |op: fn(f64, f64) -> f64| -> Vec<f64> {
                a.iter().zip(&at).map(|(a, c)| op(*a, *c)).collect()
            };
            check(x.mul_each(ev, index), top - 1, &with(|a, c| a * c));
            check(x.add_each(ev, index), top, &with(|a, c| a + c));
            let cube = Chebyshev::interpolate(|x| x * x * x, (-1.0, 1.0), 3).expect("finite");
            check(x.polynomial(ev, &cube), top - 2, &zip(|a, _| a * a * a));
        }
    }

    #[test]
    fn padding_is_what_the_layout_says() {
        let mut f = Fixture::new(2, 1);
        for layout in layouts() {
            let (a, x) = f.random(&layout, 72);
            let ev = &f.ev;
            let filled = x.fill_padding(ev, 0.5).expect("no level needed");
            assert_eq!(filled.layout().padding(), Padding::Any);
            let mut want = layout.pack_array(&a).expect("length");
            let mut index = [0; 2];
            for (c, vector) in want.iter_mut().enumerate() {
                for (s, v) in vector.iter_mut().enumerate() {
                    if !layout.index_at(c, s, &mut index) {
                        *v = 0.5;
                    }
                }
            }
            f.check_slots(&filled, &want, TOLERANCE);
            let cleared = filled.mul_each(ev, |_| 1.0).expect("one level");
            assert_eq!(cleared.layout().padding(), Padding::Zero);
            f.check_slots(&cleared, &layout.pack_array(&a).expect("length"), TOLERANCE);
        }
    }

    #[test]
    fn copies_meet_axes_across_slots_and_ciphertexts() {
        let mut f = Fixture::new(2, 1);
        let (key, head) = (Field::new(Axis::KEY, 3), Field::new(Axis::HEAD, 2));
        let dim = Field::new(Axis::DIM, 4);
        let layout = |fields: &[Field]| Layout::new(3, fields).expect("valid");
        let keys = layout(&[key, head, dim]);
        let (k, x) = f.random(&keys, 73);
        assert_eq!(x.batch().count(), 4);
        let queries = layout(&[Field::replica(2), head, dim]);
        let (q, y) = f.random(&queries, 74);
        let weights = layout(&[key, head]);
        let (p, z) = f.random(&weights, 75);
        let ev = &f.ev;
        let at = |d: usize, h: usize, j: usize| (d * 2 + h) * 3 + j;
        let mut scores = vec![0.0; 24];
        let mut mixed = vec![0.0; 24];
        for (d, h, j) in (0..24).map(|i| (i / 6, i / 3 % 2, i % 3)) {
            scores[at(d, h, j)] = k[at(d, h, j)] * q[d * 2 + h];
            mixed[at(d, h, j)] = k[at(d, h, j)] * p[h * 3 + j];
        }
        for (left, right, want) in [(&x, &y, &scores), (&x, &z, &mixed), (&z, &x, &mixed)] {
            let product = left.mul(ev, right).expect("lies over");
            assert_eq!(product.layout().padding(), Padding::Zero);
            f.check(&product, 1, want, TOLERANCE);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let mut f = Fixture::new(1, 1);
        let [one, several] = layouts();
        let (_, x) = f.random(&one, 76);
        let (_, y) = f.random(&several, 77);
        let result = x.add(&f.ev, &y).map(|_| ());
        let mismatch = Error::SlotMismatch {
            input: 6,
            output: 4,
        };
        assert_eq!(result, Err(mismatch));
        assert!(matches!(x.read_as(several), Err(Error::Count { .. })));
        assert!(matches!(
            x.mul_vectors(&f.ev, &[]),
            Err(Error::Count { .. })
        ));
        let spent = x.square(&f.ev).and_then(|y| y.square(&f.ev));
        let Err(Error::Scheme(error)) = spent else {
            panic!("two squares on one level")
        };
        assert!(matches!(
            error.inner(),
            ckks_math::Error::LevelExhausted { .. }
        ));
    }
}
