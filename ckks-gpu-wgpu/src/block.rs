//! Residues in buffers that the adapter can bind.
//!
//! A block may be longer than the largest buffer: then it lies in several, each of whole rows. A
//! launch sees one buffer of each operand, so it is cut into runs of rows.

use crate::driver::Bound;
use crate::pool::{Buffer, Pool};
use ckks_math::backend::{Basis, Shape};
use ckks_math::{Error, Result};

/// Residues `[rows, limbs, N]` in device memory, each below its modulus and in Montgomery form.
pub struct Block {
    pub(crate) shape: Shape,
    pub(crate) rows: Rows,
}

/// A basis as kernels read it: first modulus, moduli, special moduli, moduli of the ring.
pub(crate) type Limbs = [u32; 4];

/// A basis of a ring with `q_total` moduli `q`.
pub(crate) const fn limbs(basis: Basis, q_total: usize) -> Limbs {
    [
        basis.lo as u32,
        basis.q_len() as u32,
        basis.special as u32,
        q_total as u32,
    ]
}

/// Lines that stand for no primes: line `i` of a row counts as prime `first + i`.
pub(crate) const fn lines(first: usize, count: usize) -> Limbs {
    [first as u32, count as u32, 0, u32::MAX]
}

/// Number of limbs.
pub(crate) const fn count(limbs: Limbs) -> usize {
    limbs[1] as usize + limbs[2] as usize
}

/// Rows of words, cut into buffers.
pub(crate) struct Rows {
    pub limbs: Limbs,
    /// Number of rows.
    pub count: usize,
    /// Words of a row.
    pub words: usize,
    /// Rows of each buffer but the last.
    pub each: usize,
    pub buffers: Vec<Buffer>,
}

impl Rows {
    /// Rows with unspecified content.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a row that is larger than any buffer of the adapter;
    /// [`Error::OutOfMemory`], and failures of the device.
    pub fn new(pool: &Pool, count: usize, limbs: Limbs, degree: usize) -> Result<Self> {
        let words = self::count(limbs) * degree;
        let card = pool.queue().card();
        let bytes = 4 * words as u64;
        if bytes > card.largest {
            return Err(Error::Unsupported {
                backend: format!("wgpu ({})", card.name),
                what: format!(
                    "a polynomial of {bytes} bytes in buffers of at most {}",
                    card.largest
                ),
                way_out: "use fewer primes, a smaller ring, or an adapter with larger buffers"
                    .into(),
            });
        }
        let fitting = (pool.piece() / bytes.max(1)).max(1);
        let each = (fitting as usize).min(count).max(1);
        let buffers = (0..count)
            .step_by(each)
            .map(|first| pool.take(words * each.min(count - first)))
            .collect::<Result<_>>()?;
        Ok(Self {
            limbs,
            count,
            words,
            each,
            buffers,
        })
    }

    /// Number of rows in a buffer.
    pub fn held(&self, buffer: usize) -> usize {
        self.each.min(self.count - buffer * self.each)
    }

    /// All rows, again from the first behind the last.
    pub const fn view(&self) -> View<'_> {
        View {
            rows: self,
            first: 0,
            period: self.count,
        }
    }

    /// Rows from `first` on.
    pub const fn from(&self, first: usize) -> View<'_> {
        View {
            rows: self,
            first,
            period: u32::MAX as usize,
        }
    }

    /// One row again and again.
    pub const fn repeated(&self, row: usize) -> View<'_> {
        View {
            rows: self,
            first: row,
            period: 1,
        }
    }

    /// The only buffer, if there is no other.
    pub fn whole(&self) -> Option<&Buffer> {
        match self.buffers.as_slice() {
            [buffer] => Some(buffer),
            _ => None,
        }
    }
}

/// The rows of an operand that meet those of a launch: row `r` meets row `first + r mod period`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub rows: &'a Rows,
    first: usize,
    period: usize,
}

impl<'a> View<'a> {
    /// The buffer of the row that meets row `r` of the launch.
    const fn buffer(&self, r: usize) -> usize {
        (self.first + r % self.period) / self.rows.each
    }

    /// What kernels read of it in a run.
    pub fn words(&self, run: &Run, operand: usize) -> [u32; 8] {
        let [lo, q_len, special, q_total] = self.rows.limbs;
        let base = run.buffers[operand] * self.rows.each;
        [
            lo,
            q_len,
            special,
            q_total,
            self.first as u32,
            self.period as u32,
            base as u32,
            run.start as u32,
        ]
    }

    /// Its buffer in a run.
    pub fn bound(&self, run: &Run, operand: usize, binding: u32) -> Bound<'a> {
        (binding, self.rows.buffers[run.buffers[operand]].raw())
    }
}

/// Neighbouring rows of a launch that see one buffer of each operand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub start: usize,
    pub len: usize,
    pub buffers: Vec<usize>,
}

/// Cuts `count` rows into runs.
pub(crate) fn runs(count: usize, views: &[View<'_>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for r in 0..count {
        let same = |run: &&mut Run| {
            let pairs = run.buffers.iter().zip(views);
            pairs.into_iter().all(|(&b, view)| b == view.buffer(r))
        };
        match runs.last_mut().filter(same) {
            Some(run) => run.len += 1,
            None => runs.push(Run {
                start: r,
                len: 1,
                buffers: views.iter().map(|view| view.buffer(r)).collect(),
            }),
        }
    }
    runs
}
