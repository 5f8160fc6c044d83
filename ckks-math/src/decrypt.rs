//! Decryption, for the owner of the key and for others.

use crate::backend::{Backend, Pointwise};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::error::Result;
use crate::keys::{OwnerTag, SecretKey};
use crate::poly::Poly;
use crate::sampling::{Seed, rounded_gaussian};
use std::sync::Arc;

/// Decrypts with the secret key.
pub struct Decryptor<B: Backend> {
    context: Context<B>,
    s: B::Block,
    owner: OwnerTag,
}

impl<B: Backend> Decryptor<B> {
    /// A decryptor for a secret of the same parameters.
    ///
    /// # Errors
    /// [`Error::WrongParameters`](crate::Error::WrongParameters) for a key of another set, and what
    /// the device reports.
    pub fn new(context: &Context<B>, key: &SecretKey) -> Result<Self> {
        context.check_hash("decryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let s = crate::keys::embed_small(context, &key.coefficients, basis)?;
        Ok(Self {
            context: context.clone(),
            s,
            owner: key.owner(),
        })
    }

    /// The plaintexts of a batch, one for each ciphertext, at its level and scale: message plus
    /// noise.
    ///
    /// Keep the result to the key's owner: for results that leave them see
    /// [`Decryptor::for_others`].
    ///
    /// # Errors
    /// [`Error::WrongParameters`](crate::Error::WrongParameters) and
    /// [`Error::WrongOwner`](crate::Error::WrongOwner) for a ciphertext of another set or under
    /// another secret, and what the device reports.
    pub fn decrypt(&self, x: &Ciphertext<B>) -> Result<Vec<Plaintext<B>>> {
        self.context.check_hash("decrypt", x.hash)?;
        OwnerTag::common("decrypt", x.owner, Some(self.owner))?;
        let (backend, t) = (self.context.backend(), self.context.tables());
        let basis = x.poly.shape(backend).basis;
        (0..x.count)
            .map(|i| {
                // Horner in s, from the highest component down.
                let row = |c: usize| {
                    let r = c * x.count + i;
                    backend.restrict(t, &x.poly.block, r..r + 1, basis)
                };
                let mut sum = row(x.components - 1)?;
                for component in (0..x.components - 1).rev() {
                    backend.pointwise_assign(t, Pointwise::Mul, &mut sum, &self.s)?;
                    backend.pointwise_assign(t, Pointwise::Add, &mut sum, &row(component)?)?;
                }
                Ok(Plaintext {
                    poly: Arc::new(Poly::new(sum)),
                    level: x.level,
                    scale: x.scale,
                    slots: x.slots,
                    hash: x.hash,
                })
            })
            .collect()
    }

    /// Decryptions that may be shown to others. `seed` must be fresh and secret: it is used up.
    pub fn for_others(&self, seed: &Seed) -> SharedDecryptor<'_, B> {
        SharedDecryptor {
            decryptor: self,
            seed: self.context.params().hash().bind(seed),
            counter: 0,
        }
    }
}

/// Decrypts with flooding noise; every result has noise of its own.
///
/// CKKS decryptions carry the ciphertext's noise, and a few of them given to whoever made the
/// ciphertexts reveal the key [Li-Micciancio 2021]. Two results with the same flooding noise would
/// give it away by their difference, so that it is drawn from a seed and a counter that the caller
/// does not hold.
pub struct SharedDecryptor<'d, B: Backend> {
    decryptor: &'d Decryptor<B>,
    seed: Seed,
    counter: u64,
}

impl<B: Backend> SharedDecryptor<'_, B> {
    /// As [`Decryptor::decrypt`], at the level and scale of `x`, with Gaussian noise of deviation
    /// `2^flooding_bits * noise_bound` added to the coefficients.
    ///
    /// `noise_bound` is a bound on the noise's coefficients; `flooding_bits` of
    /// `30 + log2(queries)/2` statistical bits is the usual choice
    /// [Li-Micciancio-Schultz-Sorrell 2022]. The message keeps
    /// `log2(scale) - log2(noise_bound) - flooding_bits` bits.
    ///
    /// # Errors
    /// As [`Decryptor::decrypt`], and [`Error::Sampling`](crate::Error::Sampling) for a deviation
    /// that is no finite positive number or too wide to draw.
    pub fn decrypt(
        &mut self,
        x: &Ciphertext<B>,
        noise_bound: f64,
        flooding_bits: u32,
    ) -> Result<Vec<Plaintext<B>>> {
        let context = &self.decryptor.context;
        let (backend, t) = (context.backend(), context.tables());
        let basis = x.poly.shape(backend).basis;
        let n = context.params().degree();
        let sigma = noise_bound * f64::from(flooding_bits).exp2();
        let mut plaintexts = self.decryptor.decrypt(x)?;
        for p in &mut plaintexts {
            self.counter += 1;
            let noise = rounded_gaussian(&self.seed.derive("flooding", self.counter), sigma, n)?;
            let noise = backend.embed(t, basis, &noise, n)?;
            let sum = backend.pointwise(t, Pointwise::Add, &p.poly.block, &noise)?;
            p.poly = Arc::new(Poly::new(sum));
        }
        Ok(plaintexts)
    }
}
