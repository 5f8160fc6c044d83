//! Key generation.

use super::{EvaluationKeys, KeyPurpose, KeyRequest, PublicKey, SecretKey, SwitchingKey};
use crate::backend::{Backend, Basis, Pointwise};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::switching::uniform_polynomial;
use crate::sampling::{DiscreteGaussian, Seed};

/// Makes keys for one secret.
pub struct KeyGenerator<'s, B: Backend> {
    context: Context<B>,
    secret: &'s SecretKey,
    /// `s` over all primes, in evaluation order.
    s: B::Block,
    gaussian: DiscreteGaussian,
}

impl<'s, B: Backend> KeyGenerator<'s, B> {
    /// A generator for a secret of the same parameters.
    pub fn new(context: &Context<B>, secret: &'s SecretKey) -> Result<Self> {
        context.check_hash("key generation", secret.hash)?;
        let params = context.params();
        let basis = Basis::qp(params.ring().q().len(), params.ring().p().len());
        let s = embed_small(context, &secret.coefficients, basis)?;
        let gaussian = DiscreteGaussian::new(params.sigma())?;
        Ok(Self {
            context: context.clone(),
            secret,
            s,
            gaussian,
        })
    }

    /// The switching key of a request, a function of the secret's seed and the request.
    pub fn switching_key(&self, request: KeyRequest) -> Result<SwitchingKey> {
        let (context, params) = (&self.context, self.context.params());
        let (backend, t) = (context.backend(), context.tables());
        if request.level > params.max_level() {
            return Err(Error::LevelMismatch {
                op: "switching_key",
                found: request.level,
                expected: params.max_level(),
            });
        }
        let basis = self.basis_of(request);
        let own = |secret: &B::Block| backend.restrict(t, secret, 0..1, basis);
        let (from, under) = match request.purpose {
            KeyPurpose::Relinearization => {
                let s = own(&self.s)?;
                (backend.pointwise(t, Pointwise::Mul, &s, &s)?, s)
            }
            KeyPurpose::Galois(g) => {
                let s = own(&self.s)?;
                (backend.automorphism(t, &s, g)?, s)
            }
            KeyPurpose::ToEphemeral => (own(&self.s)?, self.ephemeral(basis)?),
            KeyPurpose::FromEphemeral => (self.ephemeral(basis)?, own(&self.s)?),
        };
        let label = match request.purpose {
            KeyPurpose::Relinearization => 0,
            KeyPurpose::ToEphemeral => 2,
            KeyPurpose::FromEphemeral => 4,
            // Galois elements are odd.
            KeyPurpose::Galois(g) => g,
        };
        let index = label << 16 | request.level as u64;
        let public = self
            .secret
            .seed()
            .derive("switching key, uniform half", index);
        let errors = self.secret.seed().derive("switching key, errors", index);
        let digit_size = params.digit_size();
        let digits = basis.q_len().div_ceil(digit_size);
        let mut b = Vec::with_capacity(digits * basis.limbs() * params.degree());
        for digit in 0..digits {
            let mut row = self.masked_error(&under, &public, &errors, digit, basis)?;
            let mut message = backend.duplicate(t, &from)?;
            let range = digit * digit_size..((digit + 1) * digit_size).min(basis.q_len());
            backend.scale_limbs(t, &mut message, &gadget(params.ring(), basis, range))?;
            backend.pointwise_assign(t, Pointwise::Add, &mut row, &message)?;
            b.extend(backend.download(t, &row)?);
        }
        Ok(SwitchingKey {
            request,
            basis,
            digit_size,
            hash: params.hash(),
            seed: *public.as_bytes(),
            b,
        })
    }

    /// The public encryption key `(-a s + e, a)` at the top level.
    pub fn public_key(&self) -> Result<PublicKey> {
        let params = self.context.params();
        let basis = params.basis_at(params.max_level());
        let (backend, t) = (self.context.backend(), self.context.tables());
        let s = backend.restrict(t, &self.s, 0..1, basis)?;
        let seed = self.secret.seed().derive("public key, uniform half", 0);
        let errors = self.secret.seed().derive("public key, errors", 0);
        let b = self.masked_error(&s, &seed, &errors, 0, basis)?;
        Ok(PublicKey {
            hash: params.hash(),
            seed: *seed.as_bytes(),
            b: backend.download(t, &b)?,
        })
    }

    /// Generates and loads the keys of all requests.
    pub fn evaluation_keys(
        &self,
        requests: impl IntoIterator<Item = KeyRequest>,
    ) -> Result<EvaluationKeys<B>> {
        let mut keys = EvaluationKeys::new();
        for request in requests {
            keys.insert(&self.context, &self.switching_key(request)?)?;
        }
        Ok(keys)
    }

    /// The primes of a key: those of its request, but only `q0 p0` towards the ephemeral secret,
    /// whose security bound admits no more.
    fn basis_of(&self, request: KeyRequest) -> Basis {
        let params = self.context.params();
        match request.purpose {
            KeyPurpose::ToEphemeral => KeyRequest {
                level: 0,
                ..request
            }
            .basis(params),
            _ => request.basis(params),
        }
    }

    fn ephemeral(&self, basis: Basis) -> Result<B::Block> {
        let coefficients = self.secret.ephemeral.as_ref().ok_or_else(|| {
            Error::InvalidParameters(format!(
                "{} has no ephemeral secret: choose a preset made for bootstrapping",
                self.context.params().name()
            ))
        })?;
        embed_small(&self.context, coefficients, basis)
    }

    /// `e - a s` for polynomial number `index` of the two seeds.
    fn masked_error(
        &self,
        s: &B::Block,
        public: &Seed,
        errors: &Seed,
        index: usize,
        basis: Basis,
    ) -> Result<B::Block> {
        let (context, n) = (&self.context, self.context.params().degree());
        let (backend, t) = (context.backend(), context.tables());
        let a = uniform_polynomial(context.params(), public, index, basis)?;
        let a = backend.upload(t, 1, basis, &a)?;
        let mask = backend.pointwise(t, Pointwise::Mul, s, &a)?;
        let noise = self
            .gaussian
            .sample(&errors.derive("polynomial", index as u64), n);
        let noise: zeroize::Zeroizing<Vec<i64>> = noise
            .iter()
            .map(|&e| i64::from(e))
            .collect::<Vec<_>>()
            .into();
        let mut row = backend.embed(t, basis, &noise, n)?;
        backend.pointwise_assign(t, Pointwise::Sub, &mut row, &mask)?;
        Ok(row)
    }
}

/// `P g_d` modulo each prime: `P` on the primes of the digit, 0 elsewhere.
fn gadget(
    ring: &crate::backend::RingSpec,
    basis: Basis,
    digit: std::ops::Range<usize>,
) -> Vec<u64> {
    let special = usize::from(basis.special);
    ring.moduli(basis)
        .enumerate()
        .map(|(i, m)| {
            if digit.contains(&i) {
                ring.p()[..special]
                    .iter()
                    .fold(1, |acc, p| m.mul(acc, m.reduce(p.value())))
            } else {
                0
            }
        })
        .collect()
}

/// Small signed coefficients in evaluation order.
pub(crate) fn embed_small<B: Backend>(
    context: &Context<B>,
    coefficients: &[i8],
    basis: Basis,
) -> Result<B::Block> {
    let wide: zeroize::Zeroizing<Vec<i64>> = coefficients
        .iter()
        .map(|&c| i64::from(c))
        .collect::<Vec<_>>()
        .into();
    context
        .backend()
        .embed(context.tables(), basis, &wide, context.params().degree())
}
