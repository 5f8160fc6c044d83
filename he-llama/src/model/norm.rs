//! RMSNorm, merged with the projections behind it.

use crate::model::function::Function;
use crate::model::machine::Machine;
use crate::model::projection::Projection;
use crate::model::site::Site;

/// `projection(x / sqrt(mean(x^2) + epsilon))` for each of `projections`, each with
/// the site of its result; the mean square is at `mean_square`.
///
/// The norm's factor is one number per token, so it commutes with the projection: `W x` is formed
/// while the polynomial of the mean square is, and joins it at the end. That takes
/// `1 + depth_times(degree, 0)` levels for norm and projection together.
///
/// # Errors
///
/// Those of [`Machine::project`], and those of [`apply_norm`].
pub fn norm_project<M: Machine, const N: usize>(
    m: &mut M,
    x: &M::Tensor,
    inverse_root: &Function,
    projections: [(&Projection, Site); N],
    mean_square: Site,
) -> Result<[M::Tensor; N], M::Error> {
    let raw = m.project(x, projections.map(|(p, _)| p))?;
    let sites = projections.map(|(_, site)| site);
    apply_norm(m, x, inverse_root, raw.each_ref(), sites, mean_square)
}

/// The norm's factor of `x` applied to its projections `raw`. The same work at every position.
///
/// # Errors
///
/// Those of [`Machine::mean_square`] and of [`Machine::apply_times`].
pub fn apply_norm<M: Machine, const N: usize>(
    m: &mut M,
    x: &M::Tensor,
    inverse_root: &Function,
    raw: [&M::Tensor; N],
    sites: [Site; N],
    mean_square: Site,
) -> Result<[M::Tensor; N], M::Error> {
    let square = m.mean_square(x, mean_square)?;
    m.apply_times(&square, inverse_root, raw, mean_square, sites)
}
