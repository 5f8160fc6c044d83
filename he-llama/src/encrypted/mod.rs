//! The model on ciphertexts.
//!
//! | file | holds |
//! |---|---|
//! | `packing` | where tensors lie in the slots |
//! | `units` | what a stored 1 stands for |
//! | `maps` | plaintext matrices between packings |
//! | `tensor` | ciphertexts and their unit |
//! | `machine` | the operations of the model on ciphertexts |
//! | `fixed` | parts of a pass that do the same at every position |
//! | `polynomial` | its polynomials: arguments, products |
//! | `levels` | the same operations on levels |
//! | `search`, `plan` | where bootstraps go, and how they are made |

pub mod fixed;
pub mod levels;
pub mod machine;
pub mod maps;
pub mod packing;
pub mod plan;
mod polynomial;
mod search;
mod tensor;
pub mod units;

pub use fixed::FixedParts;
pub use machine::{Encrypted, Event, PassPlan};
pub use packing::{Packing, Shape};
pub use plan::{Budget, Placed, Plan, Refresh};
pub use tensor::Tensor;
pub use units::Units;
