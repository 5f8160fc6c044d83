//! Encryption.

use crate::backend::{Backend, Masks, Pointwise};
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::context::Context;
use crate::error::Result;
use crate::keys::{OwnerTag, PublicKey, SecretKey, widened};
use crate::poly::Poly;
use crate::sampling::{DiscreteGaussian, Seed, ternary};
use std::sync::Arc;

/// Encrypts plaintexts; every encryption draws fresh randomness from the seed it was made with.
pub struct Encryptor<B: Backend> {
    context: Context<B>,
    key: Key<B>,
    owner: OwnerTag,
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
    ///
    /// # Errors
    /// [`Error::WrongParameters`](crate::Error::WrongParameters) for a key of another set, and what
    /// the device reports.
    #[expect(clippy::needless_pass_by_value, reason = "a seed is used once")]
    pub fn with_public_key(context: &Context<B>, key: &PublicKey, seed: Seed) -> Result<Self> {
        context.check_hash("encryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let (backend, t) = (context.backend(), context.tables());
        let a = backend.uniform(t, &Seed::from_bytes(key.seed), 0, 1, basis)?;
        let b = backend.upload_packed(t, 1, basis, &key.b)?;
        Self::new(context, Key::Public(b, a), key.owner, &seed)
    }

    /// Encrypts under the secret key: less noise, and the uniform half is sent as its seed, which
    /// halves the wire form ([`crate::wire`]). `seed` must be fresh and secret.
    ///
    /// # Errors
    /// As [`Encryptor::with_public_key`].
    #[expect(clippy::needless_pass_by_value, reason = "a seed is used once")]
    pub fn with_secret_key(context: &Context<B>, key: &SecretKey, seed: Seed) -> Result<Self> {
        context.check_hash("encryptor", key.hash)?;
        let params = context.params();
        let basis = params.basis_at(params.max_level());
        let s = crate::keys::embed_small(context, &key.coefficients, basis)?;
        Self::new(context, Key::Secret(s), key.owner(), &seed)
    }

    fn new(context: &Context<B>, key: Key<B>, owner: OwnerTag, seed: &Seed) -> Result<Self> {
        let gaussian = DiscreteGaussian::new(context.params().sigma())?;
        Ok(Self {
            context: context.clone(),
            key,
            owner,
            gaussian,
            seed: context.params().hash().bind(seed),
            counter: 0,
        })
    }

    /// Encrypts a plaintext: one ciphertext of two components at its level, scale and slots.
    ///
    /// # Errors
    /// [`Error::WrongParameters`](crate::Error::WrongParameters) for a plaintext of another set,
    /// and what the device reports.
    pub fn encrypt(&mut self, p: &Plaintext<B>) -> Result<Ciphertext<B>> {
        self.context.check_hash("encrypt", p.hash)?;
        self.counter += 1;
        let own = self.seed.derive("encryption", self.counter);
        let (backend, t) = (self.context.backend(), self.context.tables());
        let basis = self.context.params().basis_at(p.level);
        let n = self.context.params().degree();
        let noise = |label| widened(&self.gaussian.sample(&own.derive(label, 0), n));
        let (c0, c1, uniform) = match &self.key {
            Key::Public(b, a) => {
                let v = ternary(&own.derive("v", 0), n);
                let v = crate::keys::embed_small(&self.context, &v, basis)?;
                let mut c0 = backend.embed(t, basis, &noise("e0"), n)?;
                let mut c1 = backend.embed(t, basis, &noise("e1"), n)?;
                backend.multiply_accumulate(t, &mut c0, &v, b)?;
                backend.multiply_accumulate(t, &mut c1, &v, a)?;
                backend.pointwise_assign(t, Pointwise::Add, &mut c0, &p.poly.block)?;
                (c0, c1, Vec::new())
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
                let c1 = backend.uniform(t, &public, 0, 1, basis)?;
                (c0, c1, vec![public])
            }
        };
        let block = backend.stack(t, &[&c0, &c1])?;
        Ok(Ciphertext {
            poly: Arc::new(Poly::with_uniform(block, uniform)),
            count: 1,
            components: 2,
            level: p.level,
            scale: p.scale,
            slots: p.slots,
            hash: p.hash,
            owner: Some(self.owner),
        })
    }
}
