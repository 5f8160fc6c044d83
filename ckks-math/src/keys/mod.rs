//! Secret, public and switching keys.

mod evaluation;
mod generator;
mod public;
mod secret;
mod store;
mod switching;

pub use evaluation::{EvaluationKeys, KeyDemand, merge_demand};
pub use generator::KeyGenerator;
pub use public::PublicKey;
pub use secret::SecretKey;
pub use store::KeyMemory;
pub use switching::{KeyPurpose, KeyRequest, SwitchingKey};

pub(crate) use generator::{embed_small, widened};
