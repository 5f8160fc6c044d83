//! The gated feed-forward block behind its projections.

use crate::model::function::Function;
use crate::model::machine::Machine;
use crate::model::site::{Role, Site};

/// `silu(gate) * up`, the product merged into the polynomial of SiLU.
///
/// # Errors
///
/// Those of the operations of the machine.
pub fn gated<M: Machine>(
    m: &mut M,
    gate: M::Tensor,
    up: M::Tensor,
    silu: &Function,
    layer: usize,
) -> Result<M::Tensor, M::Error> {
    let at = |role| Site::new(layer, role);
    let [gate, up] = m.refresh([gate, up], [at(Role::Gate), at(Role::Up)])?;
    let [product] = m.apply_times(&gate, silu, [&up], at(Role::Gate), [at(Role::Product)])?;
    let [product] = m.refresh([product], [at(Role::Product)])?;
    Ok(product)
}
