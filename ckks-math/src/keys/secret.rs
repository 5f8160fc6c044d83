//! The secret key.

use crate::error::Result;
use crate::params::{Params, SecretDistribution};
use crate::sampling::{Seed, ternary, ternary_fixed_weight};
use zeroize::Zeroizing;

/// A secret key: everything in it follows from one seed. Wiped on drop; never printed.
///
/// It holds the long-term secret `s` and, for sets that bootstrap, the ephemeral sparse secret
/// through which ModRaise goes [Bossuat-Troncoso-Hubaux 2022].
pub struct SecretKey {
    seed: Seed,
    pub(crate) coefficients: Zeroizing<Vec<i8>>,
    pub(crate) ephemeral: Option<Zeroizing<Vec<i8>>>,
    pub(crate) hash: u64,
}

impl SecretKey {
    /// Expands a seed into the secrets of a parameter set.
    pub fn from_seed(params: &Params, seed: Seed) -> Result<Self> {
        let n = params.degree();
        let own = seed.derive("secret key", 0);
        let coefficients = match params.secret() {
            SecretDistribution::Ternary => ternary(&own, n),
            SecretDistribution::SparseTernary { weight } => ternary_fixed_weight(&own, n, weight)?,
        };
        let ephemeral = params
            .literal()
            .bootstrap
            .as_ref()
            .map(|b| {
                ternary_fixed_weight(&seed.derive("ephemeral secret", 0), n, b.ephemeral_weight)
            })
            .transpose()?;
        Ok(Self {
            seed,
            coefficients,
            ephemeral,
            hash: params.hash(),
        })
    }

    /// The seed, for the owner's key file.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Number of non-zero coefficients of the long-term secret.
    pub fn weight(&self) -> usize {
        self.coefficients.iter().filter(|&&c| c != 0).count()
    }
}
