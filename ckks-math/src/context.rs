//! One parameter set on one device: tables, encoder, encoding and decoding of plaintexts.

use crate::backend::{Backend, Basis, Identity, Pointwise, RingKind};
use crate::ciphertext::Plaintext;
use crate::encoding::{Complex64, CrtReconstructor, Encoder, IntegerCoeffs, SlotRing};
use crate::error::{Error, Result};
use crate::params::{Params, ParamsHash};
use crate::poly::{Eval, Poly};
use std::sync::Arc;

/// Bits above the scale that the primes hold which decoding tries first.
const MESSAGE_BITS: f64 = 12.0;

/// A parameter set on a device; clones share everything.
pub struct Context<B: Backend>(Arc<Inner<B>>);

struct Inner<B: Backend> {
    params: Params,
    backend: B,
    tables: B::Tables,
    encoder: Encoder,
}

impl<B: Backend> Clone for Context<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend> Context<B> {
    /// Builds the device's tables for a parameter set.
    ///
    /// # Errors
    /// What the device reports: no memory for the tables, or a ring beyond its limits.
    pub fn new(params: Params, backend: B) -> Result<Self> {
        let tables = backend.tables(params.ring())?;
        let kind = match params.ring().kind() {
            RingKind::Standard => SlotRing::Standard,
            RingKind::ConjugateInvariant => SlotRing::ConjugateInvariant,
        };
        let encoder = Encoder::new(kind, params.degree())?;
        Ok(Self(Arc::new(Inner {
            params,
            backend,
            tables,
            encoder,
        })))
    }

    /// Whether both share everything: parameters, device and constants.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The identity of this context and its tables: that of its clones, and of no other context.
    pub(crate) fn identity(&self) -> Identity {
        Identity::of(&self.0)
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.0.params
    }

    /// The device.
    pub fn backend(&self) -> &B {
        &self.0.backend
    }

    /// The device's constants of the ring.
    pub fn tables(&self) -> &B::Tables {
        &self.0.tables
    }

    /// The host encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.0.encoder
    }

    /// Encodes real slot values at `level` with `scale`; `values.len()` is the number of slots, a
    /// power of two. Each coefficient is off by at most 1/2 from the exact one.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] for a level above the highest, [`Error::Encoding`] where
    /// [`Encoder::encode_real`] refuses values or scale, and what the device reports.
    pub fn encode(&self, values: &[f64], level: usize, scale: f64) -> Result<Plaintext<B>> {
        let coefficients = self
            .0
            .encoder
            .encode_real(values, scale, self.modulus_bits(level)?)?;
        self.plaintext(&coefficients, level, scale, values.len())
    }

    /// Encodes complex slot values (standard ring), as [`Context::encode`].
    ///
    /// # Errors
    /// As [`Context::encode`], and [`Error::Encoding`] on the conjugate-invariant ring.
    pub fn encode_complex(
        &self,
        values: &[Complex64],
        level: usize,
        scale: f64,
    ) -> Result<Plaintext<B>> {
        let coefficients =
            self.0
                .encoder
                .encode_complex(values, scale, self.modulus_bits(level)?)?;
        self.plaintext(&coefficients, level, scale, values.len())
    }

    /// Encodes values straight to the coefficients: a power-of-two number `k` of them goes to the
    /// multiples of `N / k`.
    ///
    /// # Errors
    /// As [`Context::encode`], with at most `N` values.
    pub fn encode_coefficients(
        &self,
        values: &[f64],
        level: usize,
        scale: f64,
    ) -> Result<Plaintext<B>> {
        let bits = self.modulus_bits(level)?;
        let coefficients = self.0.encoder.encode_coefficients(values, scale, bits)?;
        let slots = match self.params().ring().kind() {
            RingKind::Standard => (values.len() / 2).max(1),
            RingKind::ConjugateInvariant => values.len(),
        };
        self.plaintext(&coefficients, level, scale, slots)
    }

    /// Complex slot values of a plaintext.
    ///
    /// # Errors
    /// As [`Context::decode`].
    pub fn decode_complex(&self, x: &Plaintext<B>) -> Result<Vec<Complex64>> {
        let coefficients = self.coefficients(x)?;
        Ok(self
            .0
            .encoder
            .decode_complex(&coefficients, x.slots, x.scale)?)
    }

    /// Real parts of the slot values of a plaintext.
    ///
    /// # Errors
    /// [`Error::WrongParameters`] for a plaintext of another set, [`Error::Encoding`] for
    /// coefficients beyond the range of `f64` or a scale that is not positive and finite, and what
    /// the device reports.
    pub fn decode(&self, x: &Plaintext<B>) -> Result<Vec<f64>> {
        let coefficients = self.coefficients(x)?;
        Ok(self
            .0
            .encoder
            .decode_real(&coefficients, x.slots, x.scale)?)
    }

    /// The coefficients that [`Context::encode_coefficients`] wrote: `count` of them.
    ///
    /// # Errors
    /// As [`Context::decode`], and [`Error::Encoding`] for a count that is no power of two up to
    /// `N`.
    pub fn decode_coefficients(&self, x: &Plaintext<B>, count: usize) -> Result<Vec<f64>> {
        let coefficients = self.coefficients(x)?;
        Ok(self
            .0
            .encoder
            .decode_coefficients(&coefficients, count, x.scale)?)
    }

    /// Integer coefficients as evaluations over any basis; sparse ones cost what they hold.
    pub(crate) fn lift(
        &self,
        coefficients: &IntegerCoeffs,
        basis: Basis,
        slots: usize,
    ) -> Result<Poly<Eval, B>> {
        let (backend, t) = (self.backend(), self.tables());
        let m = match self.params().ring().kind() {
            RingKind::Standard => 2 * slots,
            RingKind::ConjugateInvariant => slots,
        };
        // Of a subring of degree `m`, whose coefficients lie `gap` apart.
        let gap = self.params().degree() / m;
        match coefficients {
            IntegerCoeffs::Small(c) => {
                let dense: Vec<i64> = c.iter().copied().step_by(gap).collect();
                Ok(Poly::new(backend.embed(t, basis, &dense, m)?))
            }
            IntegerCoeffs::Wide(c) => {
                let ring = self.params().ring();
                let moduli: Vec<u64> = ring.moduli(basis).map(|m| m.value()).collect();
                let dense = IntegerCoeffs::Wide(c.iter().copied().step_by(gap).collect());
                let mut residues = vec![0; c.len() * moduli.len()];
                let places = residues.iter_mut().step_by(gap);
                for (place, residue) in places.zip(dense.to_rns(&moduli)?) {
                    *place = residue;
                }
                let mut block = backend.upload(t, 1, basis, &residues)?;
                backend.ntt(t, &mut block)?;
                Ok(Poly::new(block))
            }
        }
    }

    /// Polynomials with a power-of-two number of coefficients of a subring, compact evaluations
    /// over any basis ([`crate::backend::RingKernels::embed_compact`]), and the words of each.
    pub(crate) fn lift_compact(
        &self,
        polynomials: &[&IntegerCoeffs],
        basis: Basis,
    ) -> Result<(B::Block, usize)> {
        let (backend, t, n) = (self.backend(), self.tables(), self.params().degree());
        let words = polynomials.first().map_or(1, |p| p.len());
        let mut small = Vec::with_capacity(words * polynomials.len());
        for polynomial in polynomials {
            match polynomial {
                IntegerCoeffs::Small(c) => small.extend(c),
                IntegerCoeffs::Wide(_) => break,
            }
        }
        if small.len() == words * polynomials.len() {
            return Ok((backend.embed_compact(t, basis, &small, words)?, words));
        }
        let ring = self.params().ring();
        let moduli: Vec<u64> = ring.moduli(basis).map(|m| m.value()).collect();
        let mut residues = vec![0; polynomials.len() * moduli.len() * n];
        let mut limbs = residues.chunks_exact_mut(n);
        for polynomial in polynomials {
            let own = polynomial.to_rns(&moduli)?;
            for (values, limb) in own.chunks_exact(words).zip(&mut limbs) {
                for (&value, word) in values.iter().zip(limb.iter_mut().step_by(n / words)) {
                    *word = value;
                }
            }
        }
        let mut block = backend.upload(t, polynomials.len(), basis, &residues)?;
        backend.ntt(t, &mut block)?;
        Ok((block, n))
    }

    fn plaintext(
        &self,
        coefficients: &IntegerCoeffs,
        level: usize,
        scale: f64,
        slots: usize,
    ) -> Result<Plaintext<B>> {
        let poly = self.lift(coefficients, self.params().basis_at(level), slots)?;
        Ok(Plaintext {
            poly: Arc::new(poly),
            level,
            scale,
            slots,
            hash: self.params().hash(),
        })
    }

    /// Centred coefficients of a one-row plaintext.
    ///
    /// Messages are far below the modulus, so the first few primes are tried alone. Their centred
    /// values are taken only if they agree with the plaintext modulo **every** other prime, which
    /// makes them its centred coefficients; otherwise all primes enter.
    fn coefficients(&self, x: &Plaintext<B>) -> Result<Vec<f64>> {
        self.check_hash("decode", x.hash)?;
        let (backend, t) = (self.backend(), self.tables());
        let mut block = backend.duplicate(t, &x.poly.block)?;
        backend.intt(t, &mut block)?;
        let basis = backend.shape(&block).basis;
        let ring = self.params().ring();
        let moduli: Vec<u64> = ring.moduli(basis).map(|m| m.value()).collect();
        let bits = x.scale.log2() + MESSAGE_BITS;
        if let Some(few) = CrtReconstructor::moduli_needed(&moduli, bits)
            && few < moduli.len()
            && let Some(values) = self.short_coefficients(&block, &moduli[..few])?
        {
            return Ok(values);
        }
        let residues = backend.download(t, &block)?;
        Ok(CrtReconstructor::new(&moduli)?.centered_f64(&residues, self.params().degree())?)
    }

    /// The centred coefficients of `x`, a row over more primes than the first ones, `moduli`;
    /// `None` if these do not determine all of them.
    fn short_coefficients(&self, x: &B::Block, moduli: &[u64]) -> Result<Option<Vec<f64>>> {
        let (backend, t) = (self.backend(), self.tables());
        let (few, all) = (moduli.len(), backend.shape(x).basis.q_len());
        let head = backend.restrict(t, x, 0..1, Basis::q(few))?;
        let mut others = backend.base_convert(t, &head, Basis::digit(few, all))?;
        backend.pointwise_assign(t, Pointwise::Sub, &mut others, x)?;
        if !backend.is_zero(t, &others)? {
            return Ok(None);
        }
        let residues = backend.download(t, &head)?;
        let values =
            CrtReconstructor::new(moduli)?.centered_f64(&residues, self.params().degree())?;
        // Conversion rounds `x / D` with an error of `k 2^-27`: next to a half it may have compared
        // with the other neighbour.
        let half = 0.5 * moduli.iter().map(|&q| q as f64).product::<f64>();
        let limit = half * (1.0 - 2_f64.powi(-20));
        Ok(values.iter().all(|v| v.abs() < limit).then_some(values))
    }

    /// Whole bits of the modulus at a level; fails when the level does not exist.
    fn modulus_bits(&self, level: usize) -> Result<u32> {
        let max = self.params().max_level();
        if level > max {
            return Err(Error::LevelMismatch {
                op: "encode",
                found: level,
                expected: max,
            });
        }
        Ok(self.params().log_q_at(level) as u32)
    }

    /// Fails with [`Error::WrongParameters`] unless an object's fingerprint is ours.
    pub(crate) fn check_hash(&self, op: &'static str, found: ParamsHash) -> Result<()> {
        let expected = self.params().hash();
        if found != expected {
            return Err(Error::WrongParameters {
                op,
                found,
                expected,
            });
        }
        Ok(())
    }
}
