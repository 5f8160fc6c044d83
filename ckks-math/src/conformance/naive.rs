//! A slow backend without tricks, with faults that can be planted to see the suite catch them.

pub(super) use super::fault::Fault;
use crate::arith::Modulus;
use crate::backend::{
    Basis, Device, GemmKernels, Limits, MemoryUse, Pointwise, RingKernels, RingKind, RingSpec,
    Shape, SwitchKernels, SwitchKeyData, derived,
};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The naive backend.
#[derive(Clone, Debug)]
pub(super) struct Naive {
    pub fault: Option<Fault>,
    pub poisoned: bool,
    pub max_modulus_bits: u32,
    live: Arc<AtomicU64>,
    peak: Arc<AtomicU64>,
}

/// Bytes that count as live until dropped.
struct Held {
    bytes: u64,
    leaks: bool,
    live: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.leaks {
            self.live.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

pub(super) struct Block {
    shape: Shape,
    data: Vec<u64>,
    _held: Held,
}

pub(super) struct Key {
    basis: Basis,
    digit_size: usize,
    b: Vec<u64>,
    a: Vec<u64>,
    _held: Held,
}

pub(super) struct Matrix {
    outputs: usize,
    inputs: usize,
    entries: Vec<i64>,
    _held: Held,
}

impl Naive {
    pub fn new(fault: Option<Fault>, poisoned: bool) -> Self {
        Self {
            fault,
            poisoned,
            max_modulus_bits: 61,
            live: Arc::default(),
            peak: Arc::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn hold(&self, words: usize) -> Held {
        let bytes = 8 * words as u64;
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        Held {
            bytes,
            leaks: self.has(Fault::MemoryLeaks),
            live: self.live.clone(),
        }
    }

    /// A block whose memory was not cleared.
    fn fresh(&self, ring: &RingSpec, rows: usize, basis: Basis) -> Block {
        let degree = ring.degree();
        let shape = Shape {
            rows,
            basis,
            degree,
        };
        Block {
            shape,
            data: vec![if self.poisoned { 3 } else { 0 }; shape.words()],
            _held: self.hold(shape.words()),
        }
    }

    /// A block by a function of row, limb, modulus and position.
    fn fill(
        &self,
        ring: &RingSpec,
        rows: usize,
        basis: Basis,
        f: impl Fn(usize, usize, Modulus, usize) -> u64,
    ) -> Block {
        let mut out = self.fresh(ring, rows, basis);
        let n = ring.degree();
        let moduli: Vec<Modulus> = ring.moduli(basis).collect();
        for row in 0..rows {
            for (limb, &m) in moduli.iter().enumerate() {
                for j in 0..n {
                    out.data[(row * moduli.len() + limb) * n + j] = f(row, limb, m, j);
                }
            }
        }
        out
    }

    /// Where the limbs of `of` stand in blocks over `from`.
    fn positions(ring: &RingSpec, of: Basis, from: Basis) -> Vec<usize> {
        let held: Vec<usize> = from.prime_indices(ring.q().len()).collect();
        of.prime_indices(ring.q().len())
            .map(|prime| held.iter().position(|&h| h == prime).expect("contained"))
            .collect()
    }

    /// Transforms each limb by `f(limb, prime)`.
    fn each_limb(ring: &RingSpec, x: &mut Block, f: impl Fn(&mut Vec<u64>, usize)) {
        let primes: Vec<usize> = x.shape.basis.prime_indices(ring.q().len()).collect();
        for (i, limb) in x.data.chunks_mut(ring.degree()).enumerate() {
            let mut values = limb.to_vec();
            f(&mut values, primes[i % primes.len()]);
            limb.copy_from_slice(&values);
        }
    }
}

impl Block {
    fn at(&self, row: usize, limb: usize, j: usize) -> u64 {
        self.data[(row * self.shape.basis.limbs() + limb) * self.shape.degree + j]
    }
}

/// `f mod (X^n - psi^e)` for both square roots of the constant, down to evaluations.
fn split(m: Modulus, psi: u64, e: u64, f: &mut [u64]) {
    let half = f.len() / 2;
    if half == 0 {
        return;
    }
    let s = m.pow(psi, e / 2);
    let (low, high) = f.split_at_mut(half);
    for (a, b) in low.iter_mut().zip(high.iter_mut()) {
        let t = m.mul(*b, s);
        (*a, *b) = (m.add(*a, t), m.sub(*a, t));
    }
    split(m, psi, e / 2, low);
    // The other root is -psi^(e/2), and psi^(order/2) = -1; the order is read off psi.
    let mut order = 1;
    let mut power = psi;
    while power != 1 {
        power = m.mul(power, power);
        order *= 2;
    }
    split(m, psi, e / 2 + order / 2, high);
}

/// The inverse of [`split`], times the length.
fn merge(m: Modulus, psi: u64, e: u64, order: u64, f: &mut [u64]) {
    let half = f.len() / 2;
    if half == 0 {
        return;
    }
    let (low, high) = f.split_at_mut(half);
    merge(m, psi, e / 2, order, low);
    merge(m, psi, e / 2 + order / 2, order, high);
    let s = m.inv(m.pow(psi, e / 2));
    for (a, b) in low.iter_mut().zip(high.iter_mut()) {
        (*a, *b) = (m.add(*a, *b), m.mul(m.sub(*a, *b), s));
    }
}

/// Conjugate-invariant coefficients as those of a polynomial of degree below `2N`.
fn unfold(m: Modulus, x: &[u64]) -> Vec<u64> {
    let n = x.len();
    let mut f = vec![0; 2 * n];
    f[..n].copy_from_slice(x);
    for k in 1..n {
        f[2 * n - k] = m.neg(x[k]);
    }
    f
}

impl Device for Naive {
    type Block = Block;
    type Tables = RingSpec;

    fn name(&self) -> String {
        format!("naive ({:?}, poisoned: {})", self.fault, self.poisoned)
    }

    fn limits(&self) -> Limits {
        Limits {
            max_modulus_bits: self.max_modulus_bits,
            max_degree: 1 << 12,
        }
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse {
            live: self.live.load(Ordering::Relaxed),
            pooled: 0,
            peak: self.peak.load(Ordering::Relaxed),
        }
    }

    fn tables(&self, ring: &RingSpec) -> Result<RingSpec> {
        let limits = self.limits();
        let long = |m: &Modulus| m.bits() > limits.max_modulus_bits;
        let outside =
            ring.degree() > limits.max_degree || ring.q().iter().chain(ring.p()).any(long);
        if outside && !self.has(Fault::LimitsIgnored) {
            return Err(Error::Unsupported {
                backend: self.name(),
                what: format!("a ring outside {limits:?}"),
                way_out: "choose a smaller one".into(),
            });
        }
        Ok(ring.clone())
    }

    fn ring<'t>(&self, t: &'t RingSpec) -> &'t RingSpec {
        t
    }

    fn shape(&self, x: &Block) -> Shape {
        x.shape
    }

    fn alloc(&self, t: &RingSpec, rows: usize, basis: Basis) -> Result<Block> {
        Ok(self.fill(t, rows, basis, |_, _, _, _| 0))
    }

    fn upload(&self, t: &RingSpec, rows: usize, basis: Basis, residues: &[u64]) -> Result<Block> {
        let per_row = basis.limbs() * t.degree();
        Ok(self.fill(t, rows, basis, |row, limb, _, j| {
            let row = if self.has(Fault::UploadRepeatsFirstRow) {
                0
            } else {
                row
            };
            residues[row * per_row + limb * t.degree() + j]
        }))
    }

    fn download(&self, _: &RingSpec, x: &Block) -> Result<Vec<u64>> {
        Ok(x.data.clone())
    }

    fn duplicate(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        let lost = self.has(Fault::DuplicateLost);
        Ok(
            self.fill(t, x.shape.rows, x.shape.basis, |row, limb, _, j| {
                if lost { 0 } else { x.at(row, limb, j) }
            }),
        )
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn fork(&self) -> Result<Self> {
        Ok(self.clone())
    }

    fn join(&self, _: &Self) -> Result<()> {
        Ok(())
    }
}

impl RingKernels for Naive {
    fn ntt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        let n = t.degree();
        Self::each_limb(t, x, |limb, prime| {
            let (m, psi) = (t.prime(prime), t.root(prime));
            match t.kind() {
                RingKind::Standard => split(m, psi, n as u64, limb),
                RingKind::ConjugateInvariant => {
                    let mut f = unfold(m, limb);
                    split(m, psi, 2 * n as u64, &mut f);
                    limb.copy_from_slice(&f[..n]);
                }
            }
            if self.has(Fault::NttNaturalOrder) {
                let bits = t.log_degree();
                let copy = limb.clone();
                for (j, &v) in copy.iter().enumerate() {
                    limb[j.reverse_bits() >> (usize::BITS - bits)] = v;
                }
            }
        });
        Ok(())
    }

    fn intt(&self, t: &RingSpec, x: &mut Block) -> Result<()> {
        let n = t.degree();
        let order = t.root_order();
        Self::each_limb(t, x, |limb, prime| {
            let (m, psi) = (t.prime(prime), t.root(prime));
            if self.has(Fault::NttNaturalOrder) {
                let copy = limb.clone();
                for (j, v) in limb.iter_mut().enumerate() {
                    *v = copy[j.reverse_bits() >> (usize::BITS - t.log_degree())];
                }
            }
            let length = match t.kind() {
                RingKind::Standard => {
                    merge(m, psi, n as u64, order, limb);
                    n
                }
                RingKind::ConjugateInvariant => {
                    // x(1/z) = x(z): the other half, at exponents 4 br(j) + 3, mirrors the first.
                    let mut f = limb.clone();
                    f.extend(limb.iter().rev());
                    merge(m, psi, 2 * n as u64, order, &mut f);
                    limb.copy_from_slice(&f[..n]);
                    2 * n
                }
            };
            let scale = if self.has(Fault::InverseNotScaled) {
                1
            } else {
                m.inv(length as u64)
            };
            for v in limb.iter_mut() {
                *v = m.mul(*v, scale);
            }
        });
        Ok(())
    }

    fn pointwise(&self, t: &RingSpec, op: Pointwise, x: &Block, y: &Block) -> Result<Block> {
        let mut out = self.duplicate(t, x)?;
        self.pointwise_assign(t, op, &mut out, y)?;
        Ok(out)
    }

    fn pointwise_assign(
        &self,
        t: &RingSpec,
        op: Pointwise,
        x: &mut Block,
        y: &Block,
    ) -> Result<()> {
        let mut at = Self::positions(t, x.shape.basis, y.shape.basis);
        if self.has(Fault::LimbsByPosition) {
            at = (0..at.len()).collect();
        }
        let y_rows = if self.has(Fault::NoBroadcastInTurn) {
            1
        } else {
            y.shape.rows
        };
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            let (a, b) = (x.at(row, limb, j), y.at(row % y_rows, at[limb], j));
            match op {
                Pointwise::Add => m.add(a, b),
                Pointwise::Sub if self.has(Fault::SubReversed) => m.sub(b, a),
                Pointwise::Sub => m.sub(a, b),
                Pointwise::Mul => m.mul(a, b),
            }
        });
        Ok(())
    }

    fn multiply_accumulate(
        &self,
        t: &RingSpec,
        acc: &mut Block,
        x: &Block,
        y: &Block,
    ) -> Result<()> {
        let rows = 0..x.shape.rows;
        let product = self.restrict(t, x, rows, acc.shape.basis)?;
        let product = self.pointwise(t, Pointwise::Mul, &product, y)?;
        if self.has(Fault::AccumulateForgets) {
            *acc = product;
            return Ok(());
        }
        self.pointwise_assign(t, Pointwise::Add, acc, &product)
    }

    fn scale_limbs(&self, t: &RingSpec, x: &mut Block, constants: &[u64]) -> Result<()> {
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            m.mul(x.at(row, limb, j), constants[limb])
        });
        Ok(())
    }

    fn offset_limbs(
        &self,
        t: &RingSpec,
        x: &mut Block,
        rows: Range<usize>,
        constants: &[u64],
    ) -> Result<()> {
        let all = self.has(Fault::OffsetAllRows);
        *x = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            let offset = if all || rows.contains(&row) {
                constants[limb]
            } else {
                0
            };
            m.add(x.at(row, limb, j), offset)
        });
        Ok(())
    }

    fn combine(
        &self,
        t: &RingSpec,
        basis: Basis,
        xs: &[&Block],
        constants: &[Vec<u64>],
    ) -> Result<Block> {
        let at: Vec<Vec<usize>> = xs
            .iter()
            .map(|x| Self::positions(t, basis, x.shape.basis))
            .collect();
        let skipped = usize::from(self.has(Fault::CombineSkipsLast) && xs.len() > 1);
        Ok(self.fill(t, xs[0].shape.rows, basis, |row, limb, m, j| {
            (0..xs.len() - skipped).fold(0, |sum, k| {
                let x = xs[k].at(row, at[k][limb], j);
                m.add(sum, m.mul(x, constants[k][limb]))
            })
        }))
    }

    fn automorphism(&self, t: &RingSpec, x: &Block, galois: u64) -> Result<Block> {
        let order = t.root_order();
        let galois = if self.has(Fault::InverseGalois) {
            (1..order)
                .step_by(2)
                .find(|g| g * galois % order == 1)
                .expect("odd")
        } else {
            galois
        };
        let gather = t.automorphism_gather(galois);
        Ok(
            self.fill(t, x.shape.rows, x.shape.basis, |row, limb, _, j| {
                x.at(row, limb, gather[j] as usize)
            }),
        )
    }

    fn restrict(&self, t: &RingSpec, x: &Block, rows: Range<usize>, basis: Basis) -> Result<Block> {
        let at = Self::positions(t, basis, x.shape.basis);
        let start = if self.has(Fault::RestrictFromFirstRow) {
            0
        } else {
            rows.start
        };
        Ok(self.fill(t, rows.len(), basis, |row, limb, _, j| {
            x.at(start + row, at[limb], j)
        }))
    }

    fn stack(&self, t: &RingSpec, xs: &[&Block]) -> Result<Block> {
        let data: Vec<u64> = xs.iter().flat_map(|x| x.data.iter().copied()).collect();
        let rows = xs.iter().map(|x| x.shape.rows).sum();
        let mut out = self.fresh(t, rows, xs[0].shape.basis);
        out.data = data;
        Ok(out)
    }

    fn base_convert(&self, t: &RingSpec, x: &Block, to: Basis) -> Result<Block> {
        let source: Vec<Modulus> = t.moduli(x.shape.basis).collect();
        let cofactor = |i: usize, m: Modulus| {
            let others = source.iter().enumerate().filter(|(k, _)| *k != i);
            others.fold(1, |c, (_, d)| m.mul(c, m.reduce(d.value())))
        };
        let inverses: Vec<u64> = (0..source.len())
            .map(|i| source[i].inv(cofactor(i, source[i])))
            .collect();
        let digits = self.fill(t, x.shape.rows, x.shape.basis, |row, limb, m, j| {
            m.mul(x.at(row, limb, j), inverses[limb])
        });
        let quotient = |row: usize, j: usize| -> u64 {
            if self.has(Fault::QuotientInFloat) {
                let terms = source.iter().enumerate();
                let sum: f64 = terms
                    .map(|(i, d)| digits.at(row, i, j) as f64 / d.value() as f64)
                    .sum();
                return sum.round() as u64;
            }
            let sum: u64 = source
                .iter()
                .enumerate()
                .map(|(i, d)| {
                    let (y, bits) = (digits.at(row, i, j), d.bits());
                    let z = if bits > 30 {
                        y >> (bits - 30)
                    } else {
                        y << (30 - bits)
                    };
                    (z * ((1_u128 << (30 + bits)) / u128::from(d.value())) as u64) >> 32
                })
                .sum();
            let half = if self.has(Fault::QuotientFloors) {
                0
            } else {
                1 << 27
            };
            (sum + half) >> 28
        };
        let held: Vec<usize> = x.shape.basis.prime_indices(t.q().len()).collect();
        let targets: Vec<usize> = to.prime_indices(t.q().len()).collect();
        Ok(self.fill(t, x.shape.rows, to, |row, limb, m, j| {
            if let Some(own) = held.iter().position(|&p| p == targets[limb]) {
                let zero = self.has(Fault::CommonLimbsZeroed);
                return if zero { 0 } else { x.at(row, own, j) };
            }
            let sum = (0..source.len()).fold(0, |sum, i| {
                let y = m.reduce(digits.at(row, i, j));
                m.add(sum, m.mul(y, cofactor(i, m)))
            });
            let product = source.iter().fold(1, |c, d| m.mul(c, m.reduce(d.value())));
            m.sub(sum, m.mul(m.reduce(quotient(row, j)), product))
        }))
    }

    fn add_rows(&self, t: &RingSpec, x: &mut Block, first: usize, y: &Block) -> Result<()> {
        let wrong = self.has(Fault::AddRowsOverride);
        derived::add_rows(self, t, x, if wrong { 0 } else { first }, y)
    }

    fn tensor(&self, t: &RingSpec, x: &Block, y: &Block) -> Result<Block> {
        if self.has(Fault::TensorOverride) {
            let product = self.pointwise(t, Pointwise::Mul, x, y)?;
            let count = x.shape.rows / 2;
            let low = self.restrict(t, &product, 0..count, x.shape.basis)?;
            return self.stack(t, &[&low, &product]);
        }
        derived::tensor(self, t, x, y)
    }

    fn embed(&self, t: &RingSpec, basis: Basis, coefficients: &[i64], m: usize) -> Result<Block> {
        if self.has(Fault::EmbedOverride) {
            let mut padded = Vec::new();
            for row in coefficients.chunks(m) {
                padded.extend(row);
                padded.resize(padded.len() + t.degree() - m, 0);
            }
            return derived::embed(self, t, basis, &padded, t.degree());
        }
        derived::embed(self, t, basis, coefficients, m)
    }
}

impl SwitchKernels for Naive {
    type SwitchKey = Key;

    fn load_switch_key(&self, _: &RingSpec, key: &SwitchKeyData<'_>) -> Result<Key> {
        Ok(Key {
            basis: key.basis,
            digit_size: key.digit_size,
            b: key.b.to_vec(),
            a: key.a.to_vec(),
            _held: self.hold(2 * key.b.len()),
        })
    }

    fn switch_key_layout(&self, key: &Key) -> (Basis, usize) {
        (key.basis, key.digit_size)
    }

    fn dot_key(&self, t: &RingSpec, digits: &Block, key: &Key) -> Result<Block> {
        let basis = digits.shape.basis;
        let count = basis.q_len().div_ceil(key.digit_size);
        let rows = digits.shape.rows / count;
        let n = t.degree();
        let mut at = Self::positions(t, basis, key.basis);
        if self.has(Fault::KeyLimbsByPosition) {
            at = (0..at.len()).collect();
        }
        let used = count - usize::from(self.has(Fault::SkipsLastDigit) && count > 1);
        let fresh = self.fresh(t, 2 * rows, basis);
        let swapped = self.has(Fault::KeyHalvesSwapped);
        Ok(self.fill(t, 2 * rows, basis, |row, limb, m, j| {
            let half = if (row < rows) != swapped {
                &key.b
            } else {
                &key.a
            };
            let uncleared = fresh.at(row, limb, j);
            let start = if self.has(Fault::AccumulatesIntoFresh) {
                uncleared
            } else {
                0
            };
            (0..used).fold(start, |sum, d| {
                let k = half[(d * key.basis.limbs() + at[limb]) * n + j];
                m.add(sum, m.mul(digits.at(d * rows + row % rows, limb, j), k))
            })
        }))
    }

    fn decompose(
        &self,
        t: &RingSpec,
        x: &Block,
        digit_size: usize,
        special: usize,
    ) -> Result<Block> {
        if self.has(Fault::DecomposeOverride) {
            let floors = Self::new(Some(Fault::QuotientFloors), self.poisoned);
            return derived::decompose(&floors, t, x, digit_size, special);
        }
        derived::decompose(self, t, x, digit_size, special)
    }

    fn mod_down(&self, t: &RingSpec, x: &Block) -> Result<Block> {
        if self.has(Fault::ModDownOverride) {
            let floors = Self::new(Some(Fault::QuotientFloors), self.poisoned);
            return derived::mod_down(&floors, t, x);
        }
        derived::mod_down(self, t, x)
    }

    fn rescale(&self, t: &RingSpec, x: &Block, primes: usize) -> Result<Block> {
        if self.has(Fault::RescaleOverride) {
            let kept = Basis::q(x.shape.basis.q_len() - primes);
            return self.restrict(t, x, 0..x.shape.rows, kept);
        }
        derived::rescale(self, t, x, primes)
    }

    fn key_switch(&self, t: &RingSpec, x: &Block, key: &Key) -> Result<Block> {
        let out = derived::key_switch(self, t, x, key)?;
        if self.has(Fault::KeySwitchOverride) {
            let (rows, basis) = (x.shape.rows, x.shape.basis);
            let a = self.restrict(t, &out, rows..2 * rows, basis)?;
            let b = self.restrict(t, &out, 0..rows, basis)?;
            return self.stack(t, &[&a, &b]);
        }
        Ok(out)
    }

    fn dot_key_turned(
        &self,
        t: &RingSpec,
        digits: &Block,
        galois: u64,
        key: &Key,
    ) -> Result<Block> {
        if self.has(Fault::TurnedOverride) {
            return self.dot_key(t, digits, key);
        }
        derived::dot_key_turned(self, t, digits, galois, key)
    }
}

impl GemmKernels for Naive {
    type PlainMatrix = Matrix;

    fn load_matrix(
        &self,
        _: &RingSpec,
        outputs: usize,
        inputs: usize,
        entries: &[i64],
    ) -> Result<Matrix> {
        Ok(Matrix {
            outputs,
            inputs,
            entries: entries.to_vec(),
            _held: self.hold(entries.len()),
        })
    }

    fn gemm(&self, t: &RingSpec, w: &Matrix, x: &Block) -> Result<Block> {
        Ok(self.fill(t, w.outputs, x.shape.basis, |row, limb, m, j| {
            (0..w.inputs).fold(0, |sum, i| {
                let entry = if self.has(Fault::GemmTransposed) {
                    w.entries[i * w.outputs + row]
                } else {
                    w.entries[row * w.inputs + i]
                };
                let entry = if self.has(Fault::GemmUnsigned) {
                    m.reduce(entry.unsigned_abs())
                } else {
                    m.reduce_i64(entry)
                };
                m.add(sum, m.mul(entry, x.at(i, limb, j)))
            })
        }))
    }
}
