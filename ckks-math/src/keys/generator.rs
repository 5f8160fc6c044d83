//! Key generation.

use super::{EvaluationKeys, KeyPurpose, KeyRequest, PublicKey, SecretKey, SwitchingKey};
use crate::backend::{Backend, Basis, Masks, Pointwise, RingSpec};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::sampling::{DiscreteGaussian, Seed};
use zeroize::Zeroizing;

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
        let moduli = Basis::q(basis.q_len());
        let mut scaled = backend.restrict(t, &from, 0..1, moduli)?;
        backend.scale_limbs(t, &mut scaled, &special_product(params.ring(), basis))?;
        let messages = (0..basis.q_len())
            .step_by(digit_size)
            .map(|lo| {
                let digit = Basis::digit(lo, (lo + digit_size).min(basis.q_len()));
                backend.restrict(t, &scaled, 0..1, digit)
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = self.masked(
            basis,
            (&public, &errors),
            &under,
            &messages.iter().collect::<Vec<_>>(),
        )?;
        Ok(SwitchingKey {
            request,
            basis,
            digit_size,
            hash: params.hash(),
            seed: *public.as_bytes(),
            b: backend.download_packed(t, &rows)?,
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
        let b = self.masked(basis, (&seed, &errors), &s, &[])?;
        Ok(PublicKey {
            hash: params.hash(),
            seed: *seed.as_bytes(),
            b: backend.download_packed(t, &b)?,
        })
    }

    /// Generates the keys of all requests; each is expanded on its first use.
    pub fn evaluation_keys(
        &self,
        requests: impl IntoIterator<Item = KeyRequest>,
    ) -> Result<EvaluationKeys<B>> {
        let mut keys = EvaluationKeys::new();
        for request in requests {
            keys.insert(&self.context, self.switching_key(request)?)?;
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

    /// `e_r - a_r s + m_r` for each message `m_r`, or the one row `e_0 - a_0 s` without any;
    /// `seeds` are those of uniform polynomials and errors.
    fn masked(
        &self,
        basis: Basis,
        (public, errors): (&Seed, &Seed),
        under: &B::Block,
        messages: &[&B::Block],
    ) -> Result<B::Block> {
        let (context, n) = (&self.context, self.context.params().degree());
        let rows = messages.len().max(1);
        let mut noise = Zeroizing::new(Vec::with_capacity(rows * n));
        for row in 0..rows {
            let seed = errors.derive("polynomial", row as u64);
            noise.extend(self.gaussian.sample(&seed, n).iter().map(|&e| i64::from(e)));
        }
        let masks = Masks {
            seed: public,
            secret: under,
            errors: &noise,
            messages,
        };
        context.backend().masked(context.tables(), basis, &masks)
    }
}

/// `P` modulo each modulus of a key's basis, special primes excepted.
fn special_product(ring: &RingSpec, basis: Basis) -> Vec<u64> {
    let special = &ring.p()[..usize::from(basis.special)];
    ring.moduli(Basis::q(basis.q_len()))
        .map(|m| {
            special
                .iter()
                .fold(1, |product, p| m.mul(product, m.reduce(p.value())))
        })
        .collect()
}

/// Small signed coefficients in evaluation order.
pub(crate) fn embed_small<B: Backend>(
    context: &Context<B>,
    coefficients: &[i8],
    basis: Basis,
) -> Result<B::Block> {
    let (n, wide) = (context.params().degree(), widened(coefficients));
    context.backend().embed(context.tables(), basis, &wide, n)
}

/// Small coefficients in the words that [`crate::backend::RingKernels::embed`] takes; wiped on
/// drop.
pub(crate) fn widened<T: Copy + Into<i64>>(coefficients: &[T]) -> Zeroizing<Vec<i64>> {
    let wide: Vec<i64> = coefficients.iter().map(|&c| c.into()).collect();
    wide.into()
}
