//! The keys that scores are taken relative to, fitted to the largest scores of rows.
//!
//! For each head the largest score of a row is approximated by `q a + b`, `q` the query before
//! rotation: by weighted least squares whose weights grow where the error is large [Lawson 1961],
//! since it is the range of what remains that the softmax has to cover.

use std::collections::BTreeMap;

use ndarray::Array3;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::Result;
use crate::model::{Circuit, Exact, Function, Llama, Policy, Role, Rope, Site, Twin};

/// Most rows of a head that are kept, and most numbers of all heads.
const ROWS: usize = 2000;
const NUMBERS: usize = 40_000_000;
/// Rounds of new weights.
const ROUNDS: usize = 20;
/// By how much a weight grows in a round, at most.
const GROWTH: f64 = 20.0;
/// Ridge, relative to the mean square of a channel.
const RIDGE: f64 = 1e-6;

/// Anchors `[layer][head][channel]` for the scores of `texts`.
///
/// # Errors
///
/// Those of [`Twin::advance`].
pub fn anchors(llama: &Llama, texts: &[Vec<u32>]) -> Result<Vec<Vec<Vec<f64>>>> {
    let config = &llama.config;
    let (heads, features) = (config.heads, config.head_dim + 1);
    let fair = NUMBERS / (config.layers * heads * features);
    let capacity = fair.clamp(4 * features, ROWS.max(4 * features));
    let frequencies = config.rope_frequencies();
    let back = Rope {
        frequencies: frequencies.iter().map(|f| -f).collect(),
    };
    let mut maxima = Maxima {
        back,
        queries: None,
        rows: BTreeMap::new(),
        capacity,
        rng: ChaCha20Rng::seed_from_u64(7),
    };
    let exact = Circuit::exact(config);
    for text in texts {
        let mut twin = Twin::new(llama, &exact, maxima).beyond_context();
        twin.advance(text)?;
        maxima = twin.into_policy();
    }
    let of_head = |layer, head| {
        let rows = maxima.rows.get(&(layer, head));
        let mut fitted = rows.map_or_else(Vec::new, |rows| minimax(&rows.kept));
        fitted.truncate(config.head_dim);
        fitted.resize(config.head_dim, 0.0);
        fitted
    };
    let of_layer = |layer| (0..heads).map(|head| of_head(layer, head)).collect();
    Ok((0..config.layers).map(of_layer).collect())
}

/// A row: the query before rotation with a 1 behind it, and the largest score.
type Sample = (Vec<f64>, f64);

#[derive(Default)]
struct Samples {
    kept: Vec<Sample>,
    seen: usize,
}

/// Runs the exact model and keeps rows.
struct Maxima {
    back: Rope,
    queries: Option<Array3<f64>>,
    rows: BTreeMap<(usize, usize), Samples>,
    capacity: usize,
    rng: ChaCha20Rng,
}

impl Policy for Maxima {
    const ROW_MAXIMUM: bool = true;

    fn evaluate(&mut self, f: &Function, x: f64, argument: Site) -> Result<f64> {
        Exact.evaluate(f, x, argument)
    }

    fn result(&mut self, x: &mut Array3<f64>, site: Site) -> Result<()> {
        match (site.role, &self.queries) {
            (Role::Query, _) => self.queries = Some(x.clone()),
            (Role::Scores, Some(queries)) => {
                for (h, of_head) in x.outer_iter().enumerate() {
                    let samples = self.rows.entry((site.layer, h)).or_default();
                    for (t, row) in of_head.outer_iter().enumerate() {
                        // Reservoir sampling [Vitter 1985, algorithm R].
                        samples.seen += 1;
                        let place = match samples.kept.len() {
                            kept if kept < self.capacity => kept,
                            _ => (self.rng.next_u64() % samples.seen as u64) as usize,
                        };
                        if place >= self.capacity {
                            continue;
                        }
                        let visible = row.iter().take(t + 1);
                        let largest = visible.copied().fold(f64::NEG_INFINITY, f64::max);
                        let channels = (0..queries.dim().2).map(|c| queries[[h, t, c]]);
                        let mut query: Vec<f64> = channels.collect();
                        self.back.rotate(&mut query, t);
                        query.push(1.0);
                        samples.kept.truncate(self.capacity);
                        if place == samples.kept.len() {
                            samples.kept.push((query, largest));
                        } else {
                            samples.kept[place] = (query, largest);
                        }
                    }
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn refresh(&mut self, _: &mut Array3<f64>, _: Site) -> Result<()> {
        Ok(())
    }
}

/// Coefficients `a` that keep the range of `y - x a` over the samples small, the constant last.
fn minimax(samples: &[Sample]) -> Vec<f64> {
    let Some((first, _)) = samples.first() else {
        return Vec::new();
    };
    let mut weights = vec![1.0; samples.len()];
    let constant = spread(samples.iter().map(|(_, y)| *y));
    let mut best = (constant, vec![0.0; first.len()]);
    for _ in 0..ROUNDS {
        let Some(a) = least_squares(samples, &weights) else {
            break;
        };
        let errors: Vec<f64> = samples.iter().map(|(x, y)| y - dot(x, &a)).collect();
        let range = spread(errors.iter().copied());
        if range < best.0 {
            best = (range, a);
        }
        let total: f64 = weights.iter().sum();
        let sum: f64 = weights.iter().zip(&errors).map(|(w, e)| w * e.abs()).sum();
        if sum <= 0.0 {
            break;
        }
        for (w, e) in weights.iter_mut().zip(&errors) {
            *w = (*w * (e.abs() * total / sum).min(GROWTH)).max(RIDGE);
        }
        let scale = samples.len() as f64 / weights.iter().sum::<f64>();
        weights.iter_mut().for_each(|w| *w *= scale);
    }
    best.1
}

fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
        (lo.min(v), hi.max(v))
    });
    hi - lo
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The minimum of `sum w (y - x a)^2` with a little ridge, by Cholesky's factorisation of the
/// normal equations; `None` when they are singular.
fn least_squares(samples: &[Sample], weights: &[f64]) -> Option<Vec<f64>> {
    let n = samples.first()?.0.len();
    let mut matrix = vec![vec![0.0; n]; n];
    let mut right = vec![0.0; n];
    for ((x, y), w) in samples.iter().zip(weights) {
        for i in 0..n {
            let wx = w * x[i];
            right[i] += wx * y;
            for j in 0..=i {
                matrix[i][j] += wx * x[j];
            }
        }
    }
    let ridge = RIDGE * (0..n).map(|i| matrix[i][i]).sum::<f64>() / n as f64;
    for i in 0..n {
        for j in 0..=i {
            let inner = dot(&matrix[i][..j], &matrix[j][..j]);
            let rest = matrix[i][j] - inner;
            matrix[i][j] = if i > j {
                rest / matrix[j][j]
            } else {
                Some((rest + ridge).sqrt()).filter(|d| *d > 0.0)?
            };
        }
        right[i] = (right[i] - dot(&matrix[i][..i], &right[..i])) / matrix[i][i];
    }
    for i in (0..n).rev() {
        let above: f64 = (i + 1..n).map(|j| matrix[j][i] * right[j]).sum();
        right[i] = (right[i] - above) / matrix[i][i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y = 2 x0 - x1 + 3` with errors of two sizes: least squares follows the many, the range is
    /// what counts.
    #[test]
    fn the_range_of_the_errors_is_made_small() {
        let samples: Vec<Sample> = (0..400)
            .map(|i| {
                let x = [
                    f64::from(i % 20) / 10.0 - 1.0,
                    f64::from(i / 20) / 10.0 - 1.0,
                    1.0,
                ];
                let error = if i % 40 == 0 { -1.0 } else { 0.1 * x[0] };
                (x.to_vec(), 2.0 * x[0] - x[1] + 3.0 + error)
            })
            .collect();
        let plain = spread(samples.iter().map(|(_, y)| *y));
        let range = |a: &[f64]| spread(samples.iter().map(|(x, y)| y - dot(x, a)));
        let least = least_squares(&samples, &vec![1.0; samples.len()]).expect("regular");
        let found = minimax(&samples);
        assert!(range(&found) <= range(&least), "{found:?}");
        assert!(
            range(&found) < 1.2 && plain > 5.0,
            "{} of {plain}",
            range(&found)
        );
        let exact: Vec<Sample> = samples
            .iter()
            .map(|(x, _)| (x.clone(), 2.0 * x[0] - x[1] + 3.0))
            .collect();
        let a = minimax(&exact);
        for (a, want) in a.iter().zip([2.0, -1.0, 3.0]) {
            assert!((a - want).abs() < 1e-4, "{a} {want}");
        }
    }
}
