//! Switching keys in canonical, seed-compressed form.

use crate::backend::{Backend, Basis, SwitchKeyData};
use crate::context::Context;
use crate::error::Result;
use crate::params::{Params, special_primes_for};
use crate::sampling::{Seed, uniform_mod};
use std::fmt;

/// What a switching key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPurpose {
    /// From `s^2` to `s`.
    Relinearization,
    /// From `s(X^g)` to `s`.
    Galois(u64),
    /// From `s` to the ephemeral sparse secret, before ModRaise.
    ToEphemeral,
    /// From the ephemeral sparse secret to `s`, after ModRaise.
    FromEphemeral,
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relinearization => write!(f, "relinearisation key"),
            Self::Galois(g) => write!(f, "Galois key for X -> X^{g}"),
            Self::ToEphemeral => write!(f, "key to the ephemeral secret"),
            Self::FromEphemeral => write!(f, "key from the ephemeral secret"),
        }
    }
}

/// A key to make: its purpose and the highest level it must serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRequest {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Highest level of ciphertexts it is used on.
    pub level: usize,
}

impl KeyRequest {
    /// The basis of such a key: the moduli of its level, and as many special primes as its widest
    /// digit needs for the switching noise to vanish in the rounding by `P`.
    ///
    /// Keys of low levels are much smaller than those of the top: fewer limbs, fewer digits.
    pub fn basis(&self, params: &Params) -> Basis {
        let primes = params.primes_at(self.level);
        let special = special_primes_for(params.ring(), params.digit_size(), primes);
        Basis::qp(primes, special)
    }
}

/// A switching key on the host: the seed of its uniform half and the other half.
///
/// Digit `d` holds `b_d` with `b_d + a_d s = P g_d s' + e`, see [`SwitchKeyData`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchingKey {
    pub(crate) request: KeyRequest,
    pub(crate) basis: Basis,
    pub(crate) digit_size: usize,
    pub(crate) hash: u64,
    /// Seed of the `a_d`; public.
    pub(crate) seed: [u8; 32],
    /// `b_d`, digit-major, limbs, coefficients; evaluations.
    pub(crate) b: Vec<u64>,
}

impl SwitchingKey {
    /// What the key is for and up to which level.
    pub fn request(&self) -> KeyRequest {
        self.request
    }

    /// Bytes of the stored half.
    pub fn bytes(&self) -> usize {
        self.b.len() * 8 + 32
    }

    /// Expands the uniform half and brings the key to a device.
    pub fn load<B: Backend>(&self, context: &Context<B>) -> Result<B::SwitchKey> {
        context.check_hash("load switching key", self.hash)?;
        let params = context.params();
        let digits = self.basis.q_len().div_ceil(self.digit_size);
        let mut a = Vec::with_capacity(self.b.len());
        for digit in 0..digits {
            a.extend(uniform_polynomial(
                params,
                &Seed::from_bytes(self.seed),
                digit,
                self.basis,
            )?);
        }
        let data = SwitchKeyData {
            basis: self.basis,
            digit_size: self.digit_size,
            b: &self.b,
            a: &a,
        };
        context.backend().load_switch_key(context.tables(), &data)
    }
}

/// Residues of uniform polynomial number `index` of a seed over a basis, limb-major. The stream of
/// a limb is named by the prime's index in `q` followed by `p`, so that smaller bases give prefixes.
pub(crate) fn uniform_polynomial(
    params: &Params,
    seed: &Seed,
    index: usize,
    basis: Basis,
) -> Result<Vec<u64>> {
    let (ring, n) = (params.ring(), params.degree());
    let mut out = vec![0; basis.limbs() * n];
    for (prime, limb) in basis
        .prime_indices(ring.q().len())
        .zip(out.chunks_exact_mut(n))
    {
        uniform_mod(
            seed,
            index as u64,
            prime as u64,
            ring.prime(prime).value(),
            limb,
        )?;
    }
    Ok(out)
}
