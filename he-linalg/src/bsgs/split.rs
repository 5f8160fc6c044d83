//! The choice of baby and giant steps for a set of rotation amounts.

/// What the parts of a plan cost, in any one unit (time on the machine at hand).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostModel {
    /// Decomposing an input ciphertext before its baby rotations; 0 babies need none.
    pub hoist: f64,
    /// One baby rotation of a decomposed ciphertext.
    pub baby: f64,
    /// One giant rotation, or one fold.
    pub giant: f64,
    /// One plaintext product with its addition.
    pub product: f64,
    /// Most baby rotations held at once over all inputs, rotation 0 counted; at least one for each
    /// input is always allowed.
    pub max_babies: usize,
}

impl Default for CostModel {
    /// Rough costs in units of one key switch at N = 2^16 with five digits: the decomposition
    /// (inverse NTT, basis extension, NTTs) is most of a rotation. Replace by measured ones.
    fn default() -> CostModel {
        CostModel {
            hoist: 0.6,
            baby: 0.4,
            giant: 1.0,
            product: 0.03,
            max_babies: 64,
        }
    }
}

/// A diagonal of a set of maps, as far as the split is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Number of the input ciphertext.
    pub(crate) input: usize,
    /// Number of the output ciphertext.
    pub(crate) output: usize,
    /// The rotation amount, below the input period.
    pub(crate) amount: usize,
}

/// Which part of an amount is the baby step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Baby {
    Remainder,
    Multiple,
}

/// A rule that writes amounts as baby plus giant step modulo the period.
///
/// With `a = amount - start`, the parts of `a` are `a mod modulus` and the rest. They are shifted
/// against each other by a constant so that 0, which is free, occurs as a giant step, and as a
/// baby step as well if 0 is one of the amounts.
#[derive(Debug, Clone)]
pub(super) struct Split {
    period: usize,
    start: usize,
    modulus: usize,
    baby: Baby,
    shift: usize,
    cost: f64,
}

impl Split {
    /// The cheapest rule among the moduli tried, for amounts below `period`.
    pub(super) fn cheapest(amounts: &[Amount], period: usize, model: &CostModel) -> Split {
        let mut all: Vec<usize> = amounts.iter().map(|a| a.amount).collect();
        all.sort_unstable();
        all.dedup();
        let start = after_largest_gap(&all, period);
        let pivot = if all.first() == Some(&0) { 0 } else { start };
        let reach = |&k: &usize| (k + period - start) % period;
        let span = all.iter().map(reach).max().unwrap_or(0);
        let stride = all.iter().map(reach).fold(0, gcd).max(1);

        let mut best: Option<(bool, Split)> = None;
        for (weight, modulus) in moduli(stride, span, all.len()) {
            for baby in [Baby::Remainder, Baby::Multiple] {
                let mut split = Split {
                    period,
                    start,
                    modulus,
                    baby,
                    shift: 0,
                    cost: 0.0,
                };
                split.shift = split.of(pivot).1;
                let (cost, babies) = split.price(amounts, model);
                let inputs = amounts.iter().map(|a| a.input + 1).max().unwrap_or(0);
                let too_many = babies > model.max_babies.max(inputs);
                let cost = cost * weight;
                split.cost = cost;
                // A plan within the limit beats any plan beyond it.
                let better = match &best {
                    None => true,
                    Some((b, s)) => (too_many, cost) < (*b, s.cost),
                };
                if better {
                    best = Some((too_many, split));
                }
            }
        }
        best.expect("at least one modulus is tried").1
    }

    /// Baby and giant step of an amount, both below the period.
    pub(super) fn of(&self, amount: usize) -> (usize, usize) {
        let a = (amount + self.period - self.start) % self.period;
        let remainder = a % self.modulus;
        let giant = match self.baby {
            Baby::Remainder => a - remainder,
            Baby::Multiple => remainder,
        };
        let giant = (giant + self.period - self.shift) % self.period;
        ((amount + self.period - giant) % self.period, giant)
    }

    /// Cost of the rotations.
    pub(super) fn cost(&self) -> f64 {
        self.cost
    }

    /// Cost of the rotations and number of baby steps, 0 included.
    fn price(&self, amounts: &[Amount], model: &CostModel) -> (f64, usize) {
        let parts = || amounts.iter().map(|a| (a, self.of(a.amount)));
        let babies = distinct(parts().map(|(a, (b, _))| (a.input, b)).collect());
        let giants = distinct(parts().map(|(a, (_, g))| (a.output, g)).collect());
        let rotated: Vec<usize> = babies.iter().filter(|b| b.1 != 0).map(|b| b.0).collect();
        let turned = giants.iter().filter(|g| g.1 != 0).count();
        let baby = model.baby * rotated.len() as f64;
        let hoist = model.hoist * distinct(rotated).len() as f64;
        (hoist + baby + model.giant * turned as f64, babies.len())
    }
}

fn distinct<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// The first amount after the largest cyclic gap in sorted amounts, where counting starts.
fn after_largest_gap(sorted: &[usize], period: usize) -> usize {
    let Some(&last) = sorted.last() else { return 0 };
    let before = std::iter::once(last).chain(sorted.iter().copied());
    let gaps = sorted
        .iter()
        .zip(before)
        .map(|(&k, b)| ((k + period - b - 1) % period, k));
    // The smallest start among the largest gaps, so that a full circle starts at its least amount.
    gaps.max_by_key(|&(gap, k)| (gap, std::cmp::Reverse(k)))
        .map_or(0, |(_, k)| k)
}

/// Moduli worth trying: the stride times powers of two, then small multiples of it and powers of
/// two times 3, 5 and 7.
///
/// With powers of two the maps of a model share most of their keys; a plan with another modulus
/// brings rotations of its own, and has to be [`WORTH`] times cheaper.
fn moduli(stride: usize, span: usize, count: usize) -> Vec<(f64, usize)> {
    let octaves = || {
        (0..usize::BITS)
            .map(|i| stride << i)
            .take_while(|&m| m <= 2 * span)
    };
    // The last one leaves a single giant step, or a single baby step.
    let shared: Vec<usize> = distinct(octaves().chain([span + 1]).collect());
    let small = (1..=count.min(48)).map(|j| j * stride);
    let large = octaves().flat_map(|m| [3, 5, 7].map(|odd| odd * m));
    let own = distinct(small.chain(large).filter(|m| !shared.contains(m)).collect());
    let weighed = |weight: f64| move |m: usize| (weight, m);
    shared
        .into_iter()
        .map(weighed(1.0))
        .chain(own.into_iter().map(weighed(WORTH)))
        .collect()
}

/// How much cheaper a plan with rotations of its own must be to be taken.
const WORTH: f64 = 1.25;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
