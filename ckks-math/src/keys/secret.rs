//! The secret key.

use super::OwnerTag;
use crate::error::Result;
use crate::params::{Params, ParamsHash, SecretDistribution};
use crate::sampling::{Seed, ternary, ternary_fixed_weight};
use zeroize::Zeroizing;

/// A secret key: everything in it follows from one seed and the hash of the parameters. Seed and
/// coefficients are wiped on drop; never printed.
///
/// It holds the long-term secret `s` and, for sets that bootstrap, the ephemeral sparse secret
/// through which ModRaise goes [Bossuat-Troncoso-Hubaux 2022].
pub struct SecretKey {
    seed: Seed,
    /// The seed of this set: see [`ParamsHash::bind`].
    bound: Seed,
    owner: OwnerTag,
    pub(crate) coefficients: Zeroizing<Vec<i8>>,
    pub(crate) ephemeral: Option<Zeroizing<Vec<i8>>>,
    pub(crate) hash: ParamsHash,
}

impl SecretKey {
    /// Expands a seed into the secrets of a parameter set; another set's from the same seed are
    /// independent of them.
    ///
    /// # Errors
    /// [`Error::Sampling`](crate::Error::Sampling) where the set has secrets heavier than its
    /// degree.
    pub fn from_seed(params: &Params, seed: Seed) -> Result<Self> {
        let n = params.degree();
        let bound = params.hash().bind(&seed);
        let own = bound.derive("secret key", 0);
        let coefficients = match params.secret() {
            SecretDistribution::Ternary => ternary(&own, n),
            SecretDistribution::SparseTernary { weight } => ternary_fixed_weight(&own, n, weight)?,
        };
        let ephemeral = params
            .literal()
            .bootstrap
            .as_ref()
            .map(|b| {
                ternary_fixed_weight(&bound.derive("ephemeral secret", 0), n, b.ephemeral_weight)
            })
            .transpose()?;
        Ok(Self {
            owner: OwnerTag::of(&bound),
            seed,
            bound,
            coefficients,
            ephemeral,
            hash: params.hash(),
        })
    }

    /// The public mark of all that is made with this key.
    pub fn owner(&self) -> OwnerTag {
        self.owner
    }

    /// A seed for keys under this secret, independent of those of other labels.
    pub(super) fn derive(&self, label: &str, index: u64) -> Seed {
        self.bound.derive(label, index)
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
