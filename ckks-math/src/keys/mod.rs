//! Secret, public and switching keys.

mod evaluation;
mod galois;
mod generator;
mod owner;
mod public;
mod secret;
mod store;
mod switching;

pub use evaluation::{EvaluationKeys, KeyDemand, merge_demand};
pub use galois::GaloisElement;
pub use generator::KeyGenerator;
pub use owner::OwnerTag;
pub use public::PublicKey;
pub use secret::SecretKey;
pub use store::KeyMemory;
pub use switching::{KeyPurpose, KeyRequest, SwitchingKey};

pub(crate) use generator::{embed_small, widened};
