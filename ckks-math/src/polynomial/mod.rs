//! Polynomial approximation and evaluation.
//!
//! | file | holds |
//! |---|---|
//! | `chebyshev` | series in the Chebyshev basis, interpolation |
//! | `remez` | minimax fits, absolute and relative |
//! | `modular` | the scaled cosine of EvalMod |
//! | `overflow` | tail bound of the overflow count of ModRaise |
//! | `plan` | Paterson-Stockmeyer at minimal depth, as data |
//! | `evaluate` | walking a plan on ciphertexts |

pub mod chebyshev;
mod domain;
mod error;
mod evaluate;
mod exchange;
pub mod modular;
pub mod overflow;
pub mod overflow_real;
pub mod plan;
pub mod remez;

pub use chebyshev::{Chebyshev, Parity};
pub use error::ApproximationError;
pub use plan::Plan;
