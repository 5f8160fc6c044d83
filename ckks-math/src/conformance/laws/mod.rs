//! The laws, by tier.

pub mod derived;
pub mod device;
pub mod kernels;
pub mod meaning;
pub mod parity;
pub mod scheme;

use super::{Rng, Verdict, Violation};

/// Fails with a message unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err($crate::conformance::Violation::new(format!($($message)+)));
        }
    };
}
use ensure;

/// Odd numbers below the order of the roots: the identity, generators, the conjugation, others.
fn galois_elements(order: u64) -> Vec<u64> {
    let mut elements: Vec<u64> = [1, 3, 5, 25, order - 1, 2 * order - 5, order / 2 + 1, 77]
        .into_iter()
        .map(|g| g % order)
        .collect();
    elements.sort_unstable();
    elements.dedup();
    elements
}
