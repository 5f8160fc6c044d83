//! The softmax of a layer with the fewest levels that its recorded rows allow.
//!
//! Normalising after every squaring is not needed: it serves to bring rows of very different
//! maxima to a common size before their small entries drown in the noise. The search tries all
//! sequences of plain squarings and normalisations of several degrees on the recorded rows, with
//! the actual polynomials, and keeps the one with the fewest levels whose noise amplification is
//! bounded.

use crate::calibrate::fitting::{Accuracy, degrees_times};
use crate::calibrate::record::Range;
use crate::calibrate::scores::{Scores, Stretch};
use crate::error::{Error, Result};
use crate::model::attention::{Round, Softmax};
use crate::model::fit::{fit, fit_within};
use crate::model::function::{depth, depth_times};
use crate::model::{Fit, Function, Kind};

/// Most squarings.
pub(crate) const SQUARINGS: u32 = 9;
/// Degrees of the exponential that are tried: 3, 4 and 5 levels.
const EXPONENTIAL_DEGREES: [usize; 3] = [7, 15, 31];
/// Most levels of a normalisation before the last.
const EARLY_DEGREES: [usize; 3] = [6, 14, 30];
/// Factor by which sums of squares may leave the recorded window.
const SUM_MARGIN: f64 = 1.3;
/// The same upwards before the first normalisation, where a single new score near its head's
/// maximum counts fully.
const RAW_MARGIN: f64 = 2.0;
/// Rows that the search runs on; the windows of its result are then taken on all rows.
const SEARCH_ROWS: usize = 120;
/// How often rows that were missed are added to the sample.
const REPAIRS: usize = 12;
/// Levels by which the mixed values come behind the sum that they are divided by.
const MIX_LEVELS: usize = 2;
/// Amplifications of noise that are tried in turn.
const AMPLIFICATIONS: [f64; 4] = [256.0, 1024.0, 4096.0, 65_536.0];

/// Finds the softmax of `layer` for its `scores`.
///
/// # Errors
///
/// [`Error::Softmax`] when none of at most `SQUARINGS` squarings spans them.
pub fn schedule(scores: &Scores<'_>, layer: usize, accuracy: Accuracy) -> Result<Softmax> {
    let problem = Problem::new(scores, accuracy);
    let mut sample = problem.sample();
    for limit in AMPLIFICATIONS {
        for _ in 0..REPAIRS {
            let mut best: Option<(usize, Plan)> = None;
            let chosen: Vec<&[f64]> = sample.iter().map(|i| problem.rows[*i].as_slice()).collect();
            for k in 1..=SQUARINGS {
                problem.search(&chosen, k, limit, &mut best);
            }
            let Some((levels, plan)) = best else { break };
            let (mut softmax, critical) = problem.build(&plan)?;
            softmax.anchors = scores.anchors.to_vec();
            let error = softmax.last.fit.as_ref().map_or(f64::INFINITY, |f| f.error);
            if error <= accuracy.error {
                tracing::debug!(layer, limit, levels, ?plan, "softmax");
                return Ok(softmax);
            }
            // The sample missed rows that set the windows: with them, search again.
            sample.extend(critical);
        }
    }
    Err(Error::Softmax {
        layer,
        span: problem.hi - problem.lo,
        rounds: SQUARINGS as usize,
    })
}

/// Degrees of a softmax: of each squaring's normalisation, of the last.
#[derive(Clone, Debug)]
struct Plan {
    rounds: Vec<Option<usize>>,
    last: usize,
}

struct Problem {
    /// Scores less their head's shift.
    rows: Vec<Vec<f64>>,
    shift: Vec<f64>,
    /// Interval of the exponential's argument, margin included.
    lo: f64,
    hi: f64,
    /// Smallest row maximum, and the margin by which it may fall.
    lowest: f64,
    slack: f64,
    /// Most keys of a row.
    keys: f64,
    sums: Stretch,
    accuracy: Accuracy,
}

/// The rows of the search on their way through the squarings.
struct State {
    y: Vec<Vec<f64>>,
    /// `y = exp(exponent * x)` up to a common factor of all rows; 0 once rows are normalised.
    exponent: f64,
    /// Bounds of the sum of a row, straight after a normalisation.
    sums: Option<Range>,
}

impl Problem {
    fn new(scores: &Scores<'_>, accuracy: Accuracy) -> Self {
        let Scores {
            rows, heads, sums, ..
        } = *scores;
        let mut shift = vec![f64::NEG_INFINITY; heads.len()];
        for row in rows {
            shift[row.head] =
                shift[row.head].max(maximum(row.scores.iter().map(|s| f64::from(*s))));
        }
        let (mut lo, mut hi) = (0.0_f64, 0.0_f64);
        for (shift, range) in shift.iter_mut().zip(heads) {
            *shift = if shift.is_finite() { *shift } else { range.1 };
            lo = lo.min(range.0 - *shift);
            hi = hi.max(range.1 - *shift);
        }
        let extra = accuracy.margin * (hi - lo);
        let rows: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                row.scores
                    .iter()
                    .map(|s| f64::from(*s) - shift[row.head])
                    .collect()
            })
            .collect();
        let lowest = rows
            .iter()
            .map(|r| maximum(r.iter().copied()))
            .fold(0.0, f64::min);
        let slack = accuracy.margin * lowest.abs();
        let keys = rows.iter().map(Vec::len).max().unwrap_or(1) as f64;
        let (lo, hi) = (lo - extra, hi + 0.5 * extra);
        Self {
            rows,
            shift,
            lo,
            hi,
            lowest,
            slack,
            keys,
            sums,
            accuracy,
        }
    }

    /// The rows with the smallest and largest maxima and sums, and some between.
    fn sample(&self) -> Vec<usize> {
        let mut order: Vec<(f64, usize)> = self
            .rows
            .iter()
            .enumerate()
            .map(|(i, row)| {
                let top = maximum(row.iter().copied());
                (
                    top + row.iter().map(|x| (x - top).exp()).sum::<f64>().ln(),
                    i,
                )
            })
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let extremes = SEARCH_ROWS / 4;
        let n = order.len();
        let step = (n / (2 * extremes)).max(1);
        let wanted = |i: usize| i < extremes || i + extremes >= n || i.is_multiple_of(step);
        order
            .iter()
            .enumerate()
            .filter(|(i, _)| wanted(*i))
            .map(|(_, (_, row))| *row)
            .collect()
    }

    /// The exponential for `k` squarings, of least degree.
    fn exponential(&self, k: u32) -> Result<Function> {
        let power = f64::from(1u32 << k);
        let kind = Kind::Exponential { divisor: power };
        // The relative error of a row's largest entries grows by the power.
        let smallest = ((self.lowest - self.slack) / power).exp();
        let tolerance = self.accuracy.error * smallest / power;
        let fit = fit_within(kind, self.lo, self.hi, tolerance, &EXPONENTIAL_DEGREES)?;
        Ok(Function {
            kind,
            fit: Some(fit),
        })
    }

    fn search(&self, rows: &[&[f64]], k: u32, limit: f64, best: &mut Option<(usize, Plan)>) {
        let Ok(exponential) = self.exponential(k) else {
            return;
        };
        let levels = depth(exponential.degree().unwrap_or(0));
        let plan = Plan {
            rounds: Vec::new(),
            last: 0,
        };
        let state = State {
            y: start(rows, &exponential),
            exponent: 1.0 / f64::from(1u32 << k),
            sums: None,
        };
        self.descend(&state, plan, levels, k - 1, limit, best);
    }

    /// Tries all continuations of `plan`, which has used `levels` and has `left` squarings to go
    /// before the last.
    fn descend(
        &self,
        state: &State,
        plan: Plan,
        levels: usize,
        left: u32,
        limit: f64,
        best: &mut Option<(usize, Plan)>,
    ) {
        let at_least = levels + left as usize + 1 + depth_times(3, MIX_LEVELS);
        if best.as_ref().is_some_and(|(b, _)| at_least >= *b)
            || amplification(&state.y, left) > limit
        {
            return;
        }
        let (squares, sums) = square(&state.y);
        let window = self.window(&sums, state);
        if left == 0 {
            let (error, degrees) = (self.accuracy.error, degrees_times(MIX_LEVELS));
            let Ok(last) = fit_within(Kind::Reciprocal, window.0, window.1, error, &degrees) else {
                return;
            };
            let total = levels + 1 + depth_times(last.degree(), MIX_LEVELS);
            if best.as_ref().is_none_or(|(b, _)| total < *b) {
                *best = Some((
                    total,
                    Plan {
                        last: last.degree(),
                        ..plan
                    },
                ));
            }
            return;
        }
        for degree in EARLY_DEGREES {
            let Ok(fit) = fit(Kind::Reciprocal, window.0, window.1, degree) else {
                continue;
            };
            let mut plan = plan.clone();
            plan.rounds.push(Some(degree));
            let next = normalised(squares.clone(), &sums, &fit);
            self.descend(
                &next,
                plan,
                levels + 1 + depth_times(degree, 0),
                left - 1,
                limit,
                best,
            );
            // A higher degree only helps while the lower one leaves the rows apart.
            if fit.error < 0.25 {
                break;
            }
        }
        let mut plan = plan;
        plan.rounds.push(None);
        let next = State {
            y: squares,
            exponent: 2.0 * state.exponent,
            sums: None,
        };
        self.descend(&next, plan, levels + 1, left - 1, limit, best);
    }

    /// Window of `sums`, those of the squares of the state `before`, with margin.
    fn window(&self, sums: &[f64], before: &State) -> Range {
        let (lo, hi) = sums.iter().fold((f64::INFINITY, 0.0), |(l, h): Range, s| {
            (l.min(*s), h.max(*s))
        });
        // Rows that nothing has normalised may sink by the margin of the scores, and rise.
        let lo = lo / self.sums.down / SUM_MARGIN / (2.0 * before.exponent * self.slack).exp();
        let hi = hi
            * self.sums.up
            * if before.exponent > 0.0 {
                RAW_MARGIN
            } else {
                SUM_MARGIN
            };
        match before.sums {
            // sum y^2 is at most (sum y)^2, and at least (sum y)^2 / keys.
            Some((least, most)) => (lo.max(least * least / self.keys), hi.min(most * most)),
            None => (lo, hi),
        }
    }

    /// The softmax of `plan`, with windows taken on all rows, and the rows that set them.
    fn build(&self, plan: &Plan) -> Result<(Softmax, Vec<usize>)> {
        let k = plan.rounds.len() as u32 + 1;
        let exponential = self.exponential(k)?;
        let exponent = 1.0 / f64::from(1u32 << k);
        let all: Vec<&[f64]> = self.rows.iter().map(Vec::as_slice).collect();
        let mut state = State {
            y: start(&all, &exponential),
            exponent,
            sums: None,
        };
        let mut critical = Vec::new();
        let mut rounds = Vec::new();
        let degrees = plan.rounds.iter().copied().chain([Some(plan.last)]);
        for degree in degrees {
            let (squares, sums) = square(&state.y);
            let Some(degree) = degree else {
                state = State {
                    y: squares,
                    exponent: 2.0 * state.exponent,
                    sums: None,
                };
                rounds.push(Round::Square);
                continue;
            };
            critical.extend(extremes(&sums));
            let window = self.window(&sums, &state);
            let (lo, hi) = window;
            let fit = match rounds.len() == plan.rounds.len() {
                true => fit_within(Kind::Reciprocal, lo, hi, self.accuracy.error, &[degree])
                    .or_else(|_| fit(Kind::Reciprocal, lo, hi, degree))?,
                false => fit(Kind::Reciprocal, lo, hi, degree)?,
            };
            state = normalised(squares, &sums, &fit);
            rounds.push(Round::Normalise(Function {
                kind: Kind::Reciprocal,
                fit: Some(fit),
            }));
        }
        let Some(Round::Normalise(last)) = rounds.pop() else {
            unreachable!("the chain above ends with a degree")
        };
        Ok((
            Softmax {
                anchors: Vec::new(),
                shift: self.shift.clone(),
                exponential,
                rounds,
                last,
            },
            critical,
        ))
    }
}

/// Squares of all entries, and their sums by row.
fn square(y: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let squares: Vec<Vec<f64>> = y
        .iter()
        .map(|row| row.iter().map(|v| v * v).collect())
        .collect();
    let sums = squares.iter().map(|row| row.iter().sum()).collect();
    (squares, sums)
}

/// Indices of the smallest and of the largest of `sums`.
fn extremes(sums: &[f64]) -> impl Iterator<Item = usize> {
    let by = |a: &usize, b: &usize| sums[*a].total_cmp(&sums[*b]);
    let all = || 0..sums.len();
    all().min_by(by).into_iter().chain(all().max_by(by))
}

/// The rows `squares` times the polynomial `fit` of their sums.
fn normalised(mut squares: Vec<Vec<f64>>, sums: &[f64], fit: &Fit) -> State {
    for (row, sum) in squares.iter_mut().zip(sums) {
        let factor = fit.value(*sum);
        row.iter_mut().for_each(|v| *v *= factor);
    }
    State {
        y: squares,
        exponent: 0.0,
        sums: Some((1.0 - fit.error, 1.0 + fit.error)),
    }
}

fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}

fn start(rows: &[&[f64]], exponential: &Function) -> Vec<Vec<f64>> {
    let value = |x: f64| exponential.fit.as_ref().map_or(f64::NAN, |f| f.value(x));
    rows.iter()
        .map(|row| row.iter().map(|x| value(*x)).collect())
        .collect()
}

/// By how much noise relative to the bound of `y` is amplified in the attention weights that come
/// out of `left + 1` more squarings: to first order a row's weights `p = y^m / sum y^m`,
/// `m = 2^(left + 1)`, change by `m bound sqrt(sum (p / y)^2)`, at most.
fn amplification(y: &[Vec<f64>], left: u32) -> f64 {
    let power = (1u32 << (left + 1)) as f64;
    let bound = maximum(y.iter().flatten().map(|v| v.abs()));
    y.iter()
        .map(|row| {
            let top = maximum(row.iter().copied());
            if top <= 0.0 {
                return f64::INFINITY;
            }
            let powers: Vec<f64> = row.iter().map(|v| (v / top).max(0.0).powf(power)).collect();
            let sum: f64 = powers.iter().sum();
            let terms = row.iter().zip(&powers).filter(|(v, _)| **v > 0.0);
            let spread: f64 = terms.map(|(v, p)| (p / sum / v).powi(2)).sum();
            power * bound * spread.sqrt()
        })
        .fold(0.0, f64::max)
}
