//! Encryption and decryption.

use crate::backend::{Backend, Masks, Pointwise};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::error::Result;
use crate::keys::{PublicKey, SecretKey, widened};
use crate::poly::Poly;
use crate::sampling::{DiscreteGaussian, Seed, rounded_gaussian, ternary};
use std::sync::Arc;

/// Encrypts plaintexts; every encryption draws fresh randomness from the seed it was made with.
pub struct Encryptor<B: Backend> {
    context: Context<B>,
    key: Key<B>,
    gaussian: DiscreteGaussian,
    seed: Seed,
    counter: u64,
}

enum Key<B: Backend> {
    /// `(b, a)` of the public key.
    Public(B::Block, B::Block),
    /// The secret over all moduli, in evaluation order.
    Secret(B::Block),
}

impl<B: Backend> Encryptor<B> {
    /// Encrypts under a public key. `seed` must be fresh and secret.
    pub fn with_public_key(context: &Context<B>, key: &PublicKey, seed: Seed) -> Result<Self> {
        context.check_hash("encryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let (backend, t) = (context.backend(), context.tables());
        let a = backend.uniform(t, &Seed::from_bytes(key.seed), 0, 1, basis)?;
        let b = backend.upload_packed(t, 1, basis, &key.b)?;
        Self::new(context, Key::Public(b, a), seed)
    }

    /// Encrypts under the secret key: less noise, and the uniform half can be sent as a seed.
    pub fn with_secret_key(context: &Context<B>, key: &SecretKey, seed: Seed) -> Result<Self> {
        context.check_hash("encryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let s = crate::keys::embed_small(context, &key.coefficients, basis)?;
        Self::new(context, Key::Secret(s), seed)
    }

    fn new(context: &Context<B>, key: Key<B>, seed: Seed) -> Result<Self> {
        let gaussian = DiscreteGaussian::new(context.params().sigma())?;
        Ok(Self {
            context: context.clone(),
            key,
            gaussian,
            seed,
            counter: 0,
        })
    }

    /// Encrypts a plaintext at its level.
    pub fn encrypt(&mut self, p: &Plaintext<B>) -> Result<Ciphertext<B>> {
        self.context.check_hash("encrypt", p.hash)?;
        self.counter += 1;
        let own = self.seed.derive("encryption", self.counter);
        let (backend, t) = (self.context.backend(), self.context.tables());
        let basis = self.context.params().basis_at(p.level);
        let n = self.context.params().degree();
        let noise = |label| widened(&self.gaussian.sample(&own.derive(label, 0), n));
        let (c0, c1) = match &self.key {
            Key::Public(b, a) => {
                let v = ternary(&own.derive("v", 0), n);
                let v = crate::keys::embed_small(&self.context, &v, basis)?;
                let mut c0 = backend.embed(t, basis, &noise("e0"), n)?;
                let mut c1 = backend.embed(t, basis, &noise("e1"), n)?;
                backend.multiply_accumulate(t, &mut c0, &v, b)?;
                backend.multiply_accumulate(t, &mut c1, &v, a)?;
                backend.pointwise_assign(t, Pointwise::Add, &mut c0, &p.poly.block)?;
                (c0, c1)
            }
            Key::Secret(s) => {
                let public = own.derive("uniform half", 0);
                let masks = Masks {
                    seed: &public,
                    secret: s,
                    errors: &noise("e0"),
                    messages: &[&p.poly.block],
                };
                let c0 = backend.masked(t, basis, &masks)?;
                (c0, backend.uniform(t, &public, 0, 1, basis)?)
            }
        };
        let block = backend.stack(t, &[&c0, &c1])?;
        Ok(Ciphertext {
            poly: Arc::new(Poly::new(block)),
            count: 1,
            components: 2,
            level: p.level,
            scale: p.scale,
            slots: p.slots,
            hash: p.hash,
        })
    }
}

/// Decrypts with the secret key.
pub struct Decryptor<B: Backend> {
    context: Context<B>,
    s: B::Block,
}

impl<B: Backend> Decryptor<B> {
    /// A decryptor for a secret of the same parameters.
    pub fn new(context: &Context<B>, key: &SecretKey) -> Result<Self> {
        context.check_hash("decryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let s = crate::keys::embed_small(context, &key.coefficients, basis)?;
        Ok(Self {
            context: context.clone(),
            s,
        })
    }

    /// The plaintexts of a batch: message plus noise.
    ///
    /// Keep the result to the key's owner: for results that leave them see
    /// [`Decryptor::decrypt_shared`].
    pub fn decrypt(&self, x: &Ciphertext<B>) -> Result<Vec<Plaintext<B>>> {
        self.context.check_hash("decrypt", x.hash)?;
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

    /// As [`Decryptor::decrypt`], with Gaussian noise of deviation `2^flooding_bits * noise_bound`
    /// added to the coefficients, for results shown to others.
    ///
    /// CKKS decryptions carry the ciphertext's noise, and a few of them given to whoever made the
    /// ciphertexts reveal the key [Li-Micciancio 2021]. `noise_bound` is a bound on the noise's
    /// coefficients; `flooding_bits` of `30 + log2(queries)/2` statistical bits is the usual choice
    /// [Li-Micciancio-Schultz-Sorrell 2022]. The message keeps
    /// `log2(scale) - log2(noise_bound) - flooding_bits` bits.
    pub fn decrypt_shared(
        &self,
        x: &Ciphertext<B>,
        noise_bound: f64,
        flooding_bits: u32,
        seed: &Seed,
    ) -> Result<Vec<Plaintext<B>>> {
        let (backend, t) = (self.context.backend(), self.context.tables());
        let basis = x.poly.shape(backend).basis;
        let n = self.context.params().degree();
        let sigma = noise_bound * f64::from(flooding_bits).exp2();
        let mut plaintexts = self.decrypt(x)?;
        for (i, p) in plaintexts.iter_mut().enumerate() {
            let noise = rounded_gaussian(&seed.derive("flooding", i as u64), sigma, n)?;
            let noise = backend.embed(t, basis, &noise, n)?;
            let sum = backend.pointwise(t, Pointwise::Add, &p.poly.block, &noise)?;
            p.poly = Arc::new(Poly::new(sum));
        }
        Ok(plaintexts)
    }
}
