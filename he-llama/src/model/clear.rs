//! The machine on plain numbers: the exact and the simulated twin, by its policy.

use ndarray::{Array3, Axis, Slice, aview1};

use crate::error::{Error, Result};
use crate::model::attention::{Anchor, Softmax};
use crate::model::function::Function;
use crate::model::machine::{Machine, Positions};
use crate::model::policy::Policy;
use crate::model::projection::Projection;
use crate::model::site::Site;

/// Runs the model in `f64` on tensors `[group, token, channel]`.
#[derive(Debug)]
pub struct Clear<P> {
    /// Evaluates functions and adds noise.
    pub policy: P,
    /// Those of the pass's tokens.
    pub positions: Positions,
}

/// Rotated keys and values `[kv head, position, channel]` of one layer; `None` while empty.
#[derive(Clone, Debug, Default)]
pub struct ClearCache(pub Option<[Array3<f64>; 2]>);

impl<P: Policy> Clear<P> {
    /// A machine that follows `policy`, for a pass over the tokens at `positions`.
    pub fn new(policy: P, positions: Positions) -> Self {
        Self { policy, positions }
    }

    fn done(&mut self, mut x: Array3<f64>, site: Site) -> Result<Array3<f64>> {
        self.policy.result(&mut x, site)?;
        Ok(x)
    }
}

impl<P: Policy> Machine for Clear<P> {
    type Tensor = Array3<f64>;
    type Cache = ClearCache;
    type Error = Error;

    fn project<const N: usize>(
        &mut self,
        x: &Array3<f64>,
        projections: [&Projection; N],
    ) -> Result<[Array3<f64>; N]> {
        let (_, tokens, _) = x.dim();
        // The pass's tokens, or the last of them alone.
        let positions = Positions {
            start: self.positions.end() - tokens,
            len: tokens,
        };
        // [group, token, channel] to row-major [token, group channel].
        let rows: Vec<f64> = x.view().permuted_axes([1, 0, 2]).iter().copied().collect();
        let mut results = projections.map(|_| Array3::zeros((0, 0, 0)));
        for (result, p) in results.iter_mut().zip(projections) {
            let y = p.times(&rows, positions);
            let shape = (tokens, p.heads, p.outputs() / p.heads);
            let y = Array3::from_shape_vec(shape, y).expect("times returns tokens x outputs");
            let y = y.permuted_axes([1, 0, 2]).as_standard_layout().into_owned();
            *result = self.done(y, p.site)?;
        }
        Ok(results)
    }

    fn mean_square(&mut self, x: &Array3<f64>, site: Site) -> Result<Array3<f64>> {
        let channels = (x.dim().0 * x.dim().2) as f64;
        let sum = x.mapv(|v| v * v).sum_axis(Axis(2)).sum_axis(Axis(0)) / channels;
        self.done(sum.insert_axis(Axis(0)).insert_axis(Axis(2)), site)
    }

    fn apply_times<const N: usize>(
        &mut self,
        x: &Array3<f64>,
        f: &Function,
        factors: [&Array3<f64>; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Array3<f64>; N]> {
        let mut values = x.clone();
        for v in &mut values {
            *v = self.policy.evaluate(f, *v, argument)?;
        }
        let mut products = factors.map(|factor| factor * &values);
        for (product, site) in products.iter_mut().zip(sites) {
            self.policy.result(product, site)?;
        }
        Ok(products)
    }

    fn add(&mut self, x: &Array3<f64>, y: &Array3<f64>, site: Site) -> Result<Array3<f64>> {
        self.done(x + y, site)
    }

    fn square(&mut self, x: &Array3<f64>, site: Site) -> Result<Array3<f64>> {
        self.done(x.mapv(|v| v * v), site)
    }

    fn append(
        &mut self,
        cache: &mut ClearCache,
        keys: &Array3<f64>,
        values: &Array3<f64>,
        _: [Site; 2],
    ) -> Result<[Array3<f64>; 2]> {
        let before = Slice::from(..self.positions.start);
        let behind = |old: &Array3<f64>, new: &Array3<f64>| {
            let old = old.slice_axis(Axis(1), before);
            ndarray::concatenate(Axis(1), &[old, new.view()])
                .expect("heads and channels of a layer never change")
        };
        let all = match &cache.0 {
            None => [keys.clone(), values.clone()],
            Some([k, v]) => [behind(k, keys), behind(v, values)],
        };
        cache.0 = Some(all.clone());
        Ok(all)
    }

    fn scores(
        &mut self,
        queries: &Array3<f64>,
        keys: &Array3<f64>,
        anchor: Option<&Anchor<'_>>,
        site: Site,
    ) -> Result<Array3<f64>> {
        let (heads, tokens, _) = queries.dim();
        let (kv_heads, len, _) = keys.dim();
        let mut scores = Array3::zeros((heads, tokens, len));
        for (h, mut of_head) in scores.outer_iter_mut().enumerate() {
            let kv = h * kv_heads / heads;
            of_head.assign(
                &queries
                    .index_axis(Axis(0), h)
                    .dot(&keys.index_axis(Axis(0), kv).t()),
            );
        }
        for t in 0..tokens {
            let at = self.positions.start + t;
            let shift = anchor.map(|anchor| anchor.at(at));
            for (h, mut of_head) in scores.outer_iter_mut().enumerate() {
                let queries = queries.index_axis(Axis(0), h);
                let shift = shift.as_ref().map(|keys| aview1(&keys[h]));
                let shift = shift.map_or(0.0, |key| queries.row(t).dot(&key));
                for (key, score) in of_head.row_mut(t).iter_mut().enumerate() {
                    *score = if key <= at { *score - shift } else { 0.0 };
                }
            }
        }
        self.done(scores, site)
    }

    fn exponential(
        &mut self,
        scores: &Array3<f64>,
        softmax: &Softmax,
        argument: Site,
        site: Site,
    ) -> Result<Array3<f64>> {
        let mut y = Array3::zeros(scores.dim());
        for ((h, of_head), mut out) in scores.outer_iter().enumerate().zip(y.outer_iter_mut()) {
            for (t, row) in of_head.outer_iter().enumerate() {
                let visible = self.positions.start + t + 1;
                let shift = if P::ROW_MAXIMUM {
                    row.iter()
                        .take(visible)
                        .copied()
                        .fold(f64::NEG_INFINITY, f64::max)
                } else {
                    softmax.shift[h]
                };
                for (j, score) in row.iter().take(visible).enumerate() {
                    out[[t, j]] =
                        self.policy
                            .evaluate(&softmax.exponential, score - shift, argument)?;
                }
            }
        }
        self.done(y, site)
    }

    fn sum_keys(&mut self, x: &Array3<f64>, site: Site) -> Result<Array3<f64>> {
        self.done(x.sum_axis(Axis(2)).insert_axis(Axis(2)), site)
    }

    fn mix(
        &mut self,
        weights: &Array3<f64>,
        values: &Array3<f64>,
        site: Site,
    ) -> Result<Array3<f64>> {
        let (heads, tokens, _) = weights.dim();
        let (kv_heads, _, channels) = values.dim();
        let mut mixed = Array3::zeros((heads, tokens, channels));
        for (h, mut of_head) in mixed.outer_iter_mut().enumerate() {
            let kv = h * kv_heads / heads;
            of_head.assign(
                &weights
                    .index_axis(Axis(0), h)
                    .dot(&values.index_axis(Axis(0), kv)),
            );
        }
        self.done(mixed, site)
    }

    fn last(&mut self, x: &Array3<f64>) -> Result<Array3<f64>> {
        Ok(x.slice_axis(Axis(1), Slice::from(self.positions.len - 1..))
            .to_owned())
    }

    fn refresh<const N: usize>(
        &mut self,
        mut tensors: [Array3<f64>; N],
        sites: [Site; N],
    ) -> Result<[Array3<f64>; N]> {
        for (x, site) in tensors.iter_mut().zip(sites) {
            self.policy.refresh(x, site)?;
        }
        Ok(tensors)
    }
}
