//! The model on ciphertexts.
//!
//! | file | holds |
//! |---|---|
//! | `packing` | where tensors lie in the slots |
//! | `units` | what a stored 1 stands for |
//! | `matrices` | plaintext matrices, each planned once |
//! | `maps`, `weights` | their coefficients: of attention, of projections |
//! | `tensor` | ciphertexts and their unit |
//! | `cache` | keys and values of one layer |
//! | `machine` | the operations of the model on ciphertexts |
//! | `fixed` | parts of a pass that do the same at every position |
//! | `polynomial` | its polynomials: arguments, products |
//! | `project` | products with weights |
//! | `follow` | the machine on shapes, with what it found remembered |
//! | `search` | one layer with some bootstraps |
//! | `joint`, `plan` | where bootstraps go in all kinds of passes, and how they are made |

pub mod cache;
pub mod fixed;
mod follow;
mod joint;
pub mod machine;
mod maps;
pub mod matrices;
pub mod packing;
pub mod plan;
mod polynomial;
mod project;
mod search;
mod tensor;
pub mod units;
mod weights;

pub use cache::KeyValues;
pub use fixed::FixedParts;
pub use machine::{Encrypted, Event, PassPlan};
pub use matrices::Matrices;
pub use packing::{Packing, PassKind, Shape};
pub use plan::{Budget, Placed, Plan, Refresh};
pub use tensor::Tensor;
pub use units::Units;
