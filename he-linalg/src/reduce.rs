//! Sums over axes of a packing, given back to every slot along the axes.
//!
//! Adding a ciphertext to itself rotated by `2^a, 2^(a+1), ..., 2^(a+w-1)` adds up the bits
//! `a..a+w` of the slot, as far as nothing wraps into other fields:
//!
//! ```text
//! axis in the ciphertext bits   add the ciphertexts                              no level
//! axis in the top slot bits     w rotate-and-adds; the rotation is cyclic, so    no level
//!                               every slot along the axis gets the sum
//! any other slot bits           w rotate-and-adds make the sum right at index 0  one level
//!                               of the axis; a mask clears the other slots; w
//!                               rotate-and-adds to the right spread it again
//! ```
//!
//! Several axes share one mask.

use ckks_math::evaluator::doubling_rotations;

use crate::error::{Error, Result};
use crate::field::{Axis, Field, Padding, ceil_log2};
use crate::layout::{Layout, Placed};
use crate::linear_map::add_rotated;
use crate::rotations::{Rotation, merge};

mod apply;

/// One step of a sum, done on every ciphertext.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ciphertext `i` of the result is the sum of the listed ciphertexts.
    AddCiphertexts(Vec<Vec<usize>>),
    /// Adds the ciphertext rotated left by the amount: gathers a sum.
    RotateAdd(i64),
    /// Multiplies by a periodic plaintext, one for each ciphertext; takes a level.
    Mask(Vec<Vec<f64>>),
    /// Adds the ciphertext rotated by the (negative) amount, to the right: spreads the sum.
    SpreadAdd(i64),
}

/// Where the sum is wanted along the axes summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// In every place of the field.
    Everywhere,
    /// At index 0; other places hold anything. Needs no level, and suits a sum that a linear map
    /// reads next.
    First,
}

/// How a sum is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SumOptions {
    /// Where the sum is wanted.
    pub spread: Spread,
    /// A factor on the result. Free where a mask is needed, else it makes one necessary.
    pub scale: f64,
    /// Whether padding along the other axes must be zero afterwards. Free where a mask is needed;
    /// makes one necessary if the padding is not zero before.
    pub clear_padding: bool,
}

impl Default for SumOptions {
    /// The plain sum in every place, no promise about padding.
    fn default() -> SumOptions {
        SumOptions {
            spread: Spread::Everywhere,
            scale: 1.0,
            clear_padding: false,
        }
    }
}

/// The steps of a sum over some axes.
#[derive(Debug, Clone, PartialEq)]
pub struct ReducePlan {
    input: Layout,
    output: Layout,
    period: usize,
    steps: Vec<Step>,
}

impl ReducePlan {
    /// The steps that sum a tensor over `axes`.
    ///
    /// In the output layout the field of a summed axis is a field of replicas
    /// ([`Spread::Everywhere`]) or has length 1 ([`Spread::First`]), and its ciphertext bits are
    /// gone.
    ///
    /// # Errors
    ///
    /// For an axis that the layout lacks, for a scale that is not finite, and when the sum would
    /// run over padding that is not zero.
    pub fn sum(layout: &Layout, axes: &[Axis], options: SumOptions) -> Result<ReducePlan> {
        if !options.scale.is_finite() {
            return Err(Error::NotFinite {
                value: options.scale,
                slot: 0,
            });
        }
        for &axis in axes {
            let Some(field) = layout
                .fields()
                .find(|f| f.axis == axis && axis != Axis::REPLICA)
            else {
                return Err(Error::UnknownAxis {
                    axis,
                    layout: layout.to_string(),
                });
            };
            let Field { len, .. } = field;
            if layout.padding() == Padding::Any && len < field.capacity() {
                return Err(Error::DirtyPadding {
                    axis,
                    len,
                    capacity: field.capacity(),
                });
            }
        }
        let mut plan = Planner::new(layout, axes, options)?;
        plan.add_ciphertexts();
        plan.add_slots()?;
        Ok(plan.finish())
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The layout of the sum.
    pub fn output(&self) -> &Layout {
        &self.output
    }

    /// Levels that the steps take: 0 or 1.
    pub fn levels(&self) -> usize {
        self.steps
            .iter()
            .filter(|s| matches!(s, Step::Mask(_)))
            .count()
    }

    /// The different rotations that need a key, with how often each is used.
    pub fn rotations(&self) -> Vec<Rotation> {
        let mut uses = self.input.ciphertexts();
        let mut rotations = Vec::new();
        for run in self.runs() {
            match run {
                Run::AddCiphertexts(groups) => uses = groups.len(),
                Run::Doublings(amounts) => {
                    let amounts = doubling_rotations(&amounts).concat();
                    rotations.extend(amounts.into_iter().map(|amount| Rotation {
                        uses,
                        ..Rotation::signed(amount, self.period)
                    }));
                }
                Run::Mask(_) => {}
            }
        }
        merge(rotations)
    }

    /// The steps, rotations that follow each other together.
    fn runs(&self) -> Vec<Run<'_>> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for step in &self.steps {
            match (step, runs.last_mut()) {
                (Step::AddCiphertexts(groups), _) => runs.push(Run::AddCiphertexts(groups)),
                (Step::Mask(masks), _) => runs.push(Run::Mask(masks)),
                (
                    Step::RotateAdd(amount) | Step::SpreadAdd(amount),
                    Some(Run::Doublings(amounts)),
                ) => amounts.push(*amount),
                (Step::RotateAdd(amount) | Step::SpreadAdd(amount), _) => {
                    runs.push(Run::Doublings(vec![*amount]));
                }
            }
        }
        runs
    }

    /// The steps on slot vectors in the clear.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of vectors than the layout has ciphertexts,
    /// [`Error::VectorLength`] for one that is no whole number of periods.
    pub fn apply_clear(&self, inputs: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        self.input.check_vectors("sum", inputs)?;
        let mut x: Vec<Vec<f64>> = inputs.to_vec();
        for step in &self.steps {
            x = match step {
                Step::AddCiphertexts(groups) => groups.iter().map(|g| add_vectors(&x, g)).collect(),
                Step::RotateAdd(amount) | Step::SpreadAdd(amount) => x
                    .iter()
                    .map(|v| add_rotated(v, amount.rem_euclid(v.len() as i64) as usize))
                    .collect(),
                Step::Mask(masks) => x.iter().zip(masks).map(|(v, m)| multiply(v, m)).collect(),
            };
        }
        Ok(x)
    }
}

fn multiply(v: &[f64], mask: &[f64]) -> Vec<f64> {
    v.iter()
        .zip(mask.iter().cycle())
        .map(|(a, b)| a * b)
        .collect()
}

/// The sum of some vectors, each periodic if it is shorter than the longest.
fn add_vectors(x: &[Vec<f64>], group: &[usize]) -> Vec<f64> {
    let longest = group.iter().map(|&i| x[i].len()).max().unwrap_or(0);
    (0..longest)
        .map(|s| group.iter().map(|&i| x[i][s % x[i].len()]).sum())
        .collect()
}

/// Steps done together.
enum Run<'a> {
    AddCiphertexts(&'a [Vec<usize>]),
    /// Rotate-and-adds, which share key switches ([`ckks_math::Evaluator::doublings`]).
    Doublings(Vec<i64>),
    Mask(&'a [Vec<f64>]),
}

/// A plan in the making.
struct Planner<'a> {
    input: &'a Layout,
    axes: &'a [Axis],
    options: SumOptions,
    output: Layout,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(input: &'a Layout, axes: &'a [Axis], options: SumOptions) -> Result<Planner<'a>> {
        let log_slots = input.log_slots();
        let reduced = |p: &Placed| {
            if !axes.contains(&p.field.axis) {
                return p.field;
            }
            let log_size = p.field.log_size.min(log_slots.saturating_sub(p.shift));
            match options.spread {
                Spread::Everywhere => Field::replica(log_size),
                Spread::First => Field::padded(p.field.axis, 1, log_size),
            }
        };
        let fields: Vec<Field> = input.placed().iter().map(reduced).collect();
        let output = Layout::new(log_slots, &fields)?.with_padding(input.padding());
        Ok(Planner {
            input,
            axes,
            options,
            output,
            steps: Vec::new(),
        })
    }

    fn sums(&self, p: &Placed) -> bool {
        self.axes.contains(&p.field.axis)
    }

    /// Sums over the ciphertext bits of the axes.
    fn add_ciphertexts(&mut self) {
        let log_slots = self.input.log_slots();
        let mut groups = vec![Vec::new(); self.output.ciphertexts()];
        for ciphertext in 0..self.input.ciphertexts() {
            // Squeezes the bits of summed axes out of the number of the ciphertext.
            let (mut target, mut width) = (0, 0);
            for p in self.input.placed() {
                let low = p.shift.max(log_slots);
                let high = p.shift + p.field.log_size;
                if high > low && !self.sums(p) {
                    let bits = (ciphertext >> (low - log_slots)) & ((1 << (high - low)) - 1);
                    target |= bits << width;
                    width += high - low;
                }
            }
            // A ciphertext between others may hold nothing but padding.
            if let Some(group) = groups.get_mut(target) {
                group.push(ciphertext);
            }
        }
        let unchanged = self.input.ciphertexts() == groups.len()
            && groups.iter().enumerate().all(|(i, group)| group == &[i]);
        if !unchanged {
            self.steps.push(Step::AddCiphertexts(groups));
        }
    }

    /// Sums over the slot bits of the axes.
    fn add_slots(&mut self) -> Result<()> {
        let log_period = self.input.log_period();
        // Fields in the slots, from the top: while they are summed or uniform, sums wrap around
        // without harm.
        let mut cyclic = true;
        let mut gathered = Vec::new();
        let mut spreads = Vec::new();
        for p in self
            .input
            .placed()
            .iter()
            .rev()
            .filter(|p| p.shift < log_period)
        {
            if !self.sums(p) {
                cyclic &= p.field.log_size == 0 || p.field.is_uniform();
                continue;
            }
            let top = (p.shift + p.field.log_size).min(log_period);
            // Places beyond the last value are zero: only a cyclic sum has to pass them.
            let values = (p.shift + ceil_log2(p.field.len)).min(top);
            for bit in p.shift..if cyclic { top } else { values } {
                self.steps.push(Step::RotateAdd(1 << bit));
            }
            if !cyclic {
                gathered.push(p.field.axis);
                spreads.extend((p.shift..top).map(|bit| Step::SpreadAdd(-(1 << bit))));
            }
        }
        let wanted = self.options.spread == Spread::Everywhere;
        let spread = wanted && !spreads.is_empty();
        let dirty = self.options.clear_padding && self.input.padding() == Padding::Any;
        if spread || dirty || self.options.scale != 1.0 {
            let mask = self.mask(&gathered)?;
            self.steps.push(Step::Mask(mask));
            self.output = self.output.clone().with_padding(Padding::Zero);
        } else if !wanted {
            self.output = self.output.clone().with_padding(Padding::Any);
        }
        if spread {
            self.steps.append(&mut spreads);
        }
        Ok(())
    }

    /// The scale in the places of the output that are right before the spread: at index 0 of the
    /// axes gathered there, everywhere along the others.
    fn mask(&self, gathered: &[Axis]) -> Result<Vec<Vec<f64>>> {
        let pairs = self.input.placed().iter().zip(self.output.fields());
        let fields: Vec<Field> = pairs
            .map(|(p, field)| match gathered.contains(&p.field.axis) {
                true => Field::padded(p.field.axis, 1, field.log_size),
                false => field,
            })
            .collect();
        let kept = Layout::new(self.input.log_slots(), &fields)?;
        Ok(kept.pack(|_| self.options.scale))
    }

    fn finish(self) -> ReducePlan {
        let period = self.input.period();
        ReducePlan {
            input: self.input.clone(),
            output: self.output,
            period,
            steps: self.steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{distance, noise};

    /// Sums of up to 1024 values below 1 in double precision.
    const TOLERANCE: f64 = 1e-12;

    /// A tensor with an axis of each kind: padded, full, alone in its field, and replicas.
    fn tensor(log_slots: u32) -> Layout {
        Layout::new(
            log_slots,
            &[
                Field::new(Axis::TOKEN, 4),
                Field::padded(Axis::HEAD, 3, 3),
                Field::replica(1),
                Field::new(Axis::DIM, 5),
                Field::new(Axis::KEY, 1),
                Field::new(Axis::PART, 2),
            ],
        )
        .expect("valid")
    }

    /// The sum over `axes` of `values` laid out by `layout`, at an index of the other axes.
    fn sum_at(layout: &Layout, values: &[f64], axes: &[Axis], at: &[(Axis, usize)]) -> f64 {
        let names = layout.axes();
        let mut flat = values.iter();
        let mut sum = 0.0;
        layout.for_each_index(|index| {
            let value = flat.next().expect("one value for each index");
            let mut kept = names
                .iter()
                .zip(index)
                .filter(|(axis, _)| !axes.contains(axis));
            if kept.all(|(axis, i)| at.contains(&(*axis, *i))) {
                sum += value;
            }
        });
        sum
    }

    /// Runs a plan and compares every entry, copy and (if it is to be zero) padding slot.
    fn check(layout: &Layout, axes: &[Axis], options: SumOptions) -> ReducePlan {
        let values = noise(50, layout.len());
        let plan = ReducePlan::sum(layout, axes, options).expect("valid");
        let mut x = layout.pack_array(&values).expect("length");
        if layout.padding() == Padding::Any {
            let mut index = vec![0; layout.axes().len()];
            for (c, v) in x.iter_mut().enumerate() {
                for (s, value) in v.iter_mut().enumerate() {
                    *value = if layout.index_at(c, s, &mut index) {
                        *value
                    } else {
                        0.7
                    };
                }
            }
        }
        let got = plan.apply_clear(&x).expect("shape");
        let output = plan.output();
        let names = output.axes();
        let expected = |index: &[usize]| {
            let at: Vec<(Axis, usize)> = names.iter().copied().zip(index.iter().copied()).collect();
            options.scale * sum_at(layout, &values, axes, &at)
        };
        if output.padding() == Padding::Zero {
            let want = output.pack(expected);
            let period = output.period();
            let repeat = |v: &Vec<f64>| v.iter().cycle().take(got[0].len()).copied().collect();
            assert_eq!(got[0].len() % period, 0);
            let want: Vec<Vec<f64>> = want.iter().map(repeat).collect();
            assert!(distance(&got, &want) < TOLERANCE, "{layout} over {axes:?}");
        } else {
            let mut want = Vec::new();
            output.for_each_index(|index| want.push(expected(index)));
            let got = output.unpack(&got).expect("shape");
            assert!(
                distance(&[got], &[want]) < TOLERANCE,
                "{layout} over {axes:?}"
            );
        }
        plan
    }

    #[test]
    fn every_set_of_axes_in_slots_and_ciphertexts() {
        let all = [Axis::TOKEN, Axis::HEAD, Axis::DIM, Axis::PART, Axis::KEY];
        for log_slots in [0, 2, 3, 4, 5, 7, 8, 11] {
            let layout = tensor(log_slots);
            for subset in 1..32 {
                let axes: Vec<Axis> = (0..5)
                    .filter(|i| subset >> i & 1 == 1)
                    .map(|i| all[i])
                    .collect();
                for spread in [Spread::Everywhere, Spread::First] {
                    for scale in [1.0, 0.25] {
                        let options = SumOptions {
                            spread,
                            scale,
                            clear_padding: true,
                        };
                        let plan = check(&layout, &axes, options);
                        assert!(plan.levels() <= 1);
                    }
                }
            }
        }
    }

    #[test]
    fn top_axes_take_no_level_and_others_take_one() {
        let layout = Layout::new(
            15,
            &[
                Field::new(Axis::TOKEN, 16),
                Field::new(Axis::HEAD, 8),
                Field::new(Axis::DIM, 8),
                Field::new(Axis::OFFSET, 16),
            ],
        )
        .expect("valid");
        let plan = |axes: &[Axis], spread| {
            check(
                &layout,
                axes,
                SumOptions {
                    spread,
                    ..SumOptions::default()
                },
            )
        };
        let top = plan(&[Axis::OFFSET], Spread::Everywhere);
        assert_eq!(top.steps(), [1024, 2048, 4096, 8192].map(Step::RotateAdd));
        assert_eq!(top.output().period(), 1024);
        let both = plan(&[Axis::OFFSET, Axis::DIM], Spread::Everywhere);
        // Seven doublings, in three pairs and one.
        assert_eq!((both.levels(), both.rotations().len()), (0, 10));
        // Replicas and fields without bits between summed axes do no harm.
        let between = [Axis::HEAD, Axis::DIM, Axis::PART];
        assert_eq!(
            check(&tensor(15), &between, SumOptions::default()).levels(),
            0
        );
        let middle = plan(&[Axis::DIM], Spread::Everywhere);
        assert_eq!((middle.levels(), middle.steps().len()), (1, 7));
        let first = plan(&[Axis::DIM], Spread::First);
        assert_eq!(first.steps(), [128, 256, 512].map(Step::RotateAdd));
        assert_eq!(first.output().padding(), Padding::Any);
    }

    #[test]
    fn masks_carry_the_scale_and_clear_padding() {
        let layout = Layout::new(6, &[Field::new(Axis::TOKEN, 3), Field::new(Axis::DIM, 4)])
            .expect("valid")
            .with_padding(Padding::Any);
        let options = SumOptions {
            clear_padding: true,
            ..SumOptions::default()
        };
        let cleared = check(&layout, &[Axis::DIM], options);
        assert_eq!(
            (cleared.levels(), cleared.output().padding()),
            (1, Padding::Zero)
        );
        let kept = check(&layout, &[Axis::DIM], SumOptions::default());
        assert_eq!((kept.levels(), kept.output().padding()), (0, Padding::Any));
        let scaled = SumOptions {
            scale: 0.5,
            ..SumOptions::default()
        };
        assert_eq!(check(&layout, &[Axis::DIM], scaled).levels(), 1);
    }

    #[test]
    fn rotations_count_every_ciphertext() {
        let layout = Layout::new(
            4,
            &[
                Field::new(Axis::TOKEN, 4),
                Field::new(Axis::DIM, 4),
                Field::new(Axis::HEAD, 3),
            ],
        )
        .expect("valid");
        let plan = check(&layout, &[Axis::TOKEN], SumOptions::default());
        let list = plan.rotations();
        assert_eq!(
            list.iter().map(|r| (r.amount, r.uses)).collect::<Vec<_>>(),
            [(1, 3), (2, 3), (3, 3), (13, 3), (14, 3), (15, 3)]
        );
        // Adding the ciphertexts first leaves one to rotate.
        let plan = check(&layout, &[Axis::DIM, Axis::HEAD], SumOptions::default());
        assert_eq!(plan.steps()[0], Step::AddCiphertexts(vec![vec![0, 1, 2]]));
        // Two doublings in one key switch, with three keys.
        assert_eq!(plan.rotations().iter().map(|r| r.uses).sum::<usize>(), 3);
    }

    #[test]
    fn sums_that_cannot_be_right_are_refused() {
        let layout = tensor(5);
        let sum = |l: &Layout, axis, scale| {
            let options = SumOptions {
                scale,
                ..SumOptions::default()
            };
            ReducePlan::sum(l, &[axis], options).map(|_| ())
        };
        assert!(matches!(
            sum(&layout, Axis::CHANNEL, 1.0),
            Err(Error::UnknownAxis { .. })
        ));
        assert!(matches!(
            sum(&layout, Axis::REPLICA, 1.0),
            Err(Error::UnknownAxis { .. })
        ));
        assert!(matches!(
            sum(&layout, Axis::DIM, f64::NAN),
            Err(Error::NotFinite { .. })
        ));
        let dirty = layout.with_padding(Padding::Any);
        assert_eq!(
            sum(&dirty, Axis::HEAD, 1.0),
            Err(Error::DirtyPadding {
                axis: Axis::HEAD,
                len: 3,
                capacity: 8
            })
        );
        assert_eq!(sum(&dirty, Axis::TOKEN, 1.0), Ok(()));
    }
}
