//! One description of the model and the machines that run it.
//!
//! `norm`, `attention`, `mlp`, `layer` and `llama` say what a Llama computes, in terms of
//! [`Machine`] alone; [`clear`] runs it on plain numbers (exactly, or with the polynomials and the
//! noise of the encrypted run).

pub mod attention;
pub mod clear;
pub mod fit;
pub mod function;
pub mod layer;
pub mod llama;
pub mod machine;
pub mod mlp;
pub mod norm;
pub mod policy;
pub mod projection;
pub mod site;
pub mod twin;

pub use clear::Clear;
pub use function::{Fit, Function, Kind};
pub use layer::{Layer, LayerFunctions};
pub use llama::{Circuit, Embedded, Llama, Output};
pub use machine::{Machine, Positions};
pub use policy::{Exact, NoiseModel, Policy, Simulated};
pub use projection::{Projection, Rope};
pub use site::{Role, Site};
pub use twin::Twin;
