//! The encrypted machine and the clear one side by side: what each operation writes is decrypted
//! and compared with the same operation on plain numbers, so that lost bits show where they are
//! lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::backend::{Backend, Device};
use ckks_math::keys::{KeyGenerator, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Decryptor, Encryptor, Evaluator};
use he_linalg::matrix::StoreOptions;
use he_linalg::{Axis, Packed};
use he_llama::Result;
use he_llama::embedded;
use he_llama::encrypted::{Encrypted, KeyValues, Packing, Shape, Tensor};
use he_llama::model::attention::{Anchor, Softmax};
use he_llama::model::clear::{Clear, ClearCache};
use he_llama::model::policy::{NoiseModel, Simulated};
use he_llama::model::{Embedded, Function, Machine, Positions, Projection, Role, Site};
use he_llama::protocol::{Constants, Setup, demand, machine};
use ndarray::Array3;

/// A tensor of both machines.
struct Both<B: Backend> {
    encrypted: Tensor<B>,
    clear: Array3<f64>,
}

impl<B: Backend> Clone for Both<B> {
    fn clone(&self) -> Self {
        Self {
            encrypted: self.encrypted.clone(),
            clear: self.clear.clone(),
        }
    }
}

/// Runs every operation on both machines.
struct Lockstep<'a, B: Backend> {
    encrypted: Encrypted<'a, B>,
    clear: Clear<Simulated<'a>>,
    decryptor: &'a Decryptor<B>,
    /// The largest error at each site in its unit, and how many numbers were compared.
    errors: BTreeMap<Site, (f64, usize)>,
}

/// Entry `(group, token, channel)` of the plain tensor that an index of a packing stands for; none
/// for padding, copies of other tokens and other parts.
struct Meaning<'a> {
    axes: BTreeMap<Axis, usize>,
    /// Groups, tokens and channels of the plain tensor.
    plain: (usize, usize, usize),
    part: Option<usize>,
    heads: usize,
    packing: &'a Packing,
    role: Role,
}

impl Meaning<'_> {
    fn entry(&self) -> Option<[usize; 3]> {
        let at = |axis| self.axes.get(&axis).copied();
        let (shape, (groups, tokens, channels)) = (self.packing.shape(), self.plain);
        if let Some(part) = at(Axis::PART)
            && self.part != Some(part)
        {
            return None;
        }
        let mut token = at(Axis::TOKEN).unwrap_or(0);
        if token >= shape.used {
            return None;
        }
        // The last token alone is left.
        if tokens == 1 && shape.used > 1 {
            token = token.checked_sub(shape.used - 1)?;
        }
        let group = match at(Axis::HEAD) {
            Some(head) if head >= self.heads => return None,
            Some(head) => head * groups / self.heads,
            None => 0,
        };
        let window = at(Axis::new("window")).unwrap_or(0);
        let channel = match (
            at(Axis::DIM),
            at(Axis::CHANNEL),
            at(Axis::OFFSET),
            at(Axis::KEY),
        ) {
            (Some(dim), .., key) => {
                token = self.key_token(token, at(Axis::new("window")), key)?;
                dim
            }
            (None, Some(channel), ..) => channel,
            (None, None, Some(offset), _) => {
                let key = window * shape.tokens + (token + shape.tokens - offset) % shape.tokens;
                (key <= shape.start + token).then_some(key)?
            }
            (None, None, None, key) => key.unwrap_or(0),
        };
        (token < tokens && channel < channels).then_some([group, token, channel])
    }

    /// The token that keys, values, or queries by head stand for: counted from the first position
    /// where the plain tensor has all of them.
    fn key_token(&self, token: usize, window: Option<usize>, key: Option<usize>) -> Option<usize> {
        let (shape, tokens) = (self.packing.shape(), self.plain.1);
        let all = tokens > shape.used || (tokens == shape.end() && shape.start > 0);
        let of_key = matches!(
            self.role,
            Role::KeyRaw | Role::Key | Role::ValueRaw | Role::Value
        );
        if !of_key {
            return Some(token);
        }
        if shape.is_step() {
            let key = key?;
            return match all {
                true => Some(key),
                false => (key == shape.start).then_some(0),
            };
        }
        let position = window.map_or(shape.start, |window| window * shape.tokens) + token;
        match all {
            true => Some(position),
            false => position.checked_sub(shape.start),
        }
    }
}

impl<B: Backend> Lockstep<'_, B> {
    /// Both results, compared.
    fn paired(&mut self, encrypted: Tensor<B>, clear: Array3<f64>, site: Site) -> Result<Both<B>> {
        let context = self.encrypted.ev.context();
        let slots = encrypted.packed().decrypt_slots(context, self.decryptor)?;
        let layout = encrypted.packed().layout();
        let (names, heads) = (layout.axes(), self.encrypted.config.heads);
        let (mut worst, mut count) = (0.0_f64, 0);
        layout.for_each_index(|index| {
            let meaning = Meaning {
                axes: names.iter().copied().zip(index.iter().copied()).collect(),
                plain: clear.dim(),
                part: encrypted.part(),
                heads,
                packing: &self.encrypted.packing,
                role: site.role,
            };
            if let Some(of) = meaning.entry() {
                let (ciphertext, slot) = layout.position(index).unwrap();
                let found = slots[ciphertext][slot];
                worst = worst.max((found - clear[of] / encrypted.unit()).abs());
                count += 1;
            }
        });
        assert!(count > 0, "{site}: nothing is compared");
        let error = self.errors.entry(site).or_default();
        *error = (error.0.max(worst), error.1 + count);
        Ok(Both { encrypted, clear })
    }

    fn all<const N: usize>(
        &mut self,
        encrypted: [Tensor<B>; N],
        clear: [Array3<f64>; N],
        sites: [Site; N],
    ) -> Result<[Both<B>; N]> {
        let pairs = encrypted.into_iter().zip(clear).zip(sites);
        let all: Result<Vec<_>> = pairs
            .map(|((encrypted, clear), site)| self.paired(encrypted, clear, site))
            .collect();
        Ok(all?.try_into().unwrap_or_else(|_| unreachable!("N pairs")))
    }
}

/// The tensors of one machine.
fn sides<B: Backend, const N: usize>(all: [&Both<B>; N]) -> ([&Tensor<B>; N], [&Array3<f64>; N]) {
    (all.map(|x| &x.encrypted), all.map(|x| &x.clear))
}

impl<B: Backend> Machine for Lockstep<'_, B> {
    type Tensor = Both<B>;
    type Cache = BothCaches<B>;
    type Error = he_llama::Error;

    fn project<const N: usize>(
        &mut self,
        x: &Both<B>,
        projections: [&Projection; N],
    ) -> Result<[Both<B>; N]> {
        let encrypted = self.encrypted.project(&x.encrypted, projections)?;
        let clear = self.clear.project(&x.clear, projections)?;
        self.all(encrypted, clear, projections.map(|p| p.site))
    }

    fn mean_square(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.mean_square(&x.encrypted, site)?;
        let clear = self.clear.mean_square(&x.clear, site)?;
        self.paired(encrypted, clear, site)
    }

    fn apply_times<const N: usize>(
        &mut self,
        x: &Both<B>,
        f: &Function,
        factors: [&Both<B>; N],
        argument: Site,
        sites: [Site; N],
    ) -> Result<[Both<B>; N]> {
        let (of_encrypted, of_clear) = sides(factors);
        let found = (self.encrypted).apply_times(&x.encrypted, f, of_encrypted, argument, sites)?;
        let clear = (self.clear).apply_times(&x.clear, f, of_clear, argument, sites)?;
        self.all(found, clear, sites)
    }

    fn add(&mut self, x: &Both<B>, y: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.add(&x.encrypted, &y.encrypted, site)?;
        let clear = self.clear.add(&x.clear, &y.clear, site)?;
        self.paired(encrypted, clear, site)
    }

    fn square(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.square(&x.encrypted, site)?;
        let clear = self.clear.square(&x.clear, site)?;
        self.paired(encrypted, clear, site)
    }

    fn append(
        &mut self,
        cache: &mut BothCaches<B>,
        keys: &Both<B>,
        values: &Both<B>,
        sites: [Site; 2],
    ) -> Result<[Both<B>; 2]> {
        let (k, v) = (&keys.encrypted, &values.encrypted);
        let encrypted = self.encrypted.append(&mut cache.encrypted, k, v, sites)?;
        let (k, v) = (&keys.clear, &values.clear);
        let clear = self.clear.append(&mut cache.clear, k, v, sites)?;
        self.all(encrypted, clear, sites)
    }

    fn scores(
        &mut self,
        queries: &Both<B>,
        keys: &Both<B>,
        anchor: Option<&Anchor<'_>>,
        site: Site,
    ) -> Result<Both<B>> {
        let ([q, k], [clear_q, clear_k]) = sides([queries, keys]);
        let encrypted = self.encrypted.scores(q, k, anchor, site)?;
        let clear = self.clear.scores(clear_q, clear_k, anchor, site)?;
        self.paired(encrypted, clear, site)
    }

    fn exponential(
        &mut self,
        scores: &Both<B>,
        softmax: &Softmax,
        argument: Site,
        site: Site,
    ) -> Result<Both<B>> {
        let x = &scores.encrypted;
        let encrypted = (self.encrypted).exponential(x, softmax, argument, site)?;
        let x = &scores.clear;
        let clear = (self.clear).exponential(x, softmax, argument, site)?;
        self.paired(encrypted, clear, site)
    }

    fn sum_keys(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.sum_keys(&x.encrypted, site)?;
        let clear = self.clear.sum_keys(&x.clear, site)?;
        self.paired(encrypted, clear, site)
    }

    fn mix(&mut self, weights: &Both<B>, values: &Both<B>, site: Site) -> Result<Both<B>> {
        let ([w, v], [clear_w, clear_v]) = sides([weights, values]);
        let encrypted = self.encrypted.mix(w, v, site)?;
        let clear = self.clear.mix(clear_w, clear_v, site)?;
        self.paired(encrypted, clear, site)
    }

    fn last(&mut self, x: &Both<B>) -> Result<Both<B>> {
        Ok(Both {
            encrypted: self.encrypted.last(&x.encrypted)?,
            clear: self.clear.last(&x.clear)?,
        })
    }

    fn refresh<const N: usize>(
        &mut self,
        tensors: [Both<B>; N],
        sites: [Site; N],
    ) -> Result<[Both<B>; N]> {
        let encrypted = tensors.each_ref().map(|x| x.encrypted.clone());
        let encrypted = self.encrypted.refresh(encrypted, sites)?;
        let clear = self.clear.refresh(tensors.map(|x| x.clear), sites)?;
        self.all(encrypted, clear, sites)
    }
}

/// The caches of both machines.
struct BothCaches<B: Backend> {
    encrypted: KeyValues<B>,
    clear: ClearCache,
}

impl<B: Backend> Default for BothCaches<B> {
    fn default() -> Self {
        Self {
            encrypted: KeyValues::default(),
            clear: ClearCache::default(),
        }
    }
}

/// Passes of every kind: a part of a window and steps behind it; then the whole window, the next
/// one, a step, and a part of a third window.
fn passes(capacity: usize) -> Vec<Shape> {
    let tokens = Shape::window_tokens(capacity);
    assert!(capacity >= 3 * tokens);
    let window = |index: usize, used| Shape::window(index * tokens, used, capacity);
    let step = |position| Shape::step(position, capacity);
    vec![
        window(0, tokens - 3),
        step(tokens - 3),
        step(tokens - 2),
        window(0, tokens),
        window(1, tokens),
        step(2 * tokens),
        window(2, 2),
    ]
}

/// Both machines on the same tokens: the errors of all sites.
fn errors(preset: &str, capacity: usize) -> BTreeMap<Site, (f64, usize)> {
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let source = embedded::source().unwrap();
    let calibration = Arc::new(embedded::calibration(&source.llama).unwrap());
    let (limits, times) = (backend.limits(), KernelTimes::default());
    let model = &source.llama;
    let setup = Setup::new(model, &calibration, preset, capacity, limits, &times).unwrap();
    let context = Context::new(setup.params.clone(), backend).unwrap();
    let secret = SecretKey::from_seed(&setup.params, Seed::from_bytes([1; 32])).unwrap();
    let keys = demand(&setup, &mut |_, _| Ok(())).unwrap().keys;
    let generator = KeyGenerator::new(&context, &secret).unwrap();
    let keys = Arc::new(generator.evaluation_keys(keys).unwrap());
    let (ev, bootstrappers) = (
        Evaluator::new(context.clone(), keys),
        Constants::new(&context, &setup, StoreOptions::default()).unwrap(),
    );
    let decryptor = Decryptor::new(&context, &secret).unwrap();
    let seed = Seed::from_bytes([2; 32]);
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, seed).unwrap();
    let mut caches = setup.llama.caches();
    let mut errors = BTreeMap::new();
    // Which tokens they are does not matter: what is compared is the arithmetic.
    let text = source
        .prompt("ROMEO:\nWhat is it that you would have me say to her?", 1)
        .unwrap();
    for shape in passes(capacity) {
        let ids = text.iter().copied().cycle().skip(shape.start);
        let ids: Vec<u32> = ids.take(shape.tokens).collect();
        let Embedded { hidden, normed } = setup.llama.embed(&ids).unwrap();
        let layout = setup.packing(shape).channels(setup.llama.config.hidden);
        let layout = layout.unwrap();
        let mut input = |x: &Array3<f64>, role| {
            let unit = setup.units.of(Site::new(0, role)).unwrap();
            let values: Vec<f64> = x.t().iter().map(|v| v / unit).collect();
            let level = setup.budget.top;
            let packed = Packed::encrypt(&ev, &mut encryptor, layout.clone(), &values, level);
            let real = ndarray::s![.., ..shape.used, ..];
            Both {
                encrypted: Tensor::new(packed.unwrap(), unit),
                clear: x.slice(real).to_owned(),
            }
        };
        let input = Embedded {
            hidden: input(&hidden, Role::Hidden),
            normed: input(&normed, Role::Normed),
        };
        let mut report = |_| Ok(());
        let encrypted = machine(&setup, (&ev, &bootstrappers), shape, &mut report);
        let policy = Simulated::new(&calibration.bounds, NoiseModel::none());
        let positions = Positions {
            start: shape.start,
            len: shape.used,
        };
        let mut both = Lockstep {
            encrypted,
            clear: Clear::new(policy, positions),
            decryptor: &decryptor,
            errors,
        };
        let circuit = &calibration.circuit;
        (setup.llama)
            .forward(&mut both, circuit, input, &mut caches)
            .unwrap();
        errors = both.errors;
    }
    errors
}

/// Positions of the session that is compared: three windows, in a cache padded to 64.
const CAPACITY: usize = 48;

/// The largest error admitted at a site, in its unit. A bootstrap of these sets leaves at most
/// 2^-19 in a slot. Attention sums over the keys, whose errors are independent: those of `n` keys
/// add up to `sqrt(n)` times as much: `2^-18 sqrt(n)` for sums over keys in the unit of one term,
/// 2^-15 for 64 keys. Squares have twice the relative error of what is squared, and so have their
/// mean and their sum. A mixed value has four such errors: of the values, of the weights, and twice
/// that of the weights in the sum of squares that divides it; so has what follows it in the pass.
/// Over four secrets these were at most 2^-14. A level lost in scale, a slot that is read in place
/// of another, or a part that leaks into its neighbour is off by 2^-10 and more.
fn admitted(site: Site) -> f64 {
    let keys = CAPACITY.next_power_of_two() as f64;
    let sums = 2_f64.powi(-18) * keys.sqrt();
    let mixed = Site::new(0, Role::Mixed);
    match site.role {
        _ if site >= mixed => 4.0 * sums,
        Role::AttentionMeanSquare | Role::MlpMeanSquare | Role::FinalMeanSquare => 2.0 * sums,
        Role::SquareSum(_) => 2.0 * sums,
        _ => sums,
    }
}

#[test]
fn every_site_of_windows_and_of_steps_holds_what_it_stands_for() {
    for preset in ["insecure-n10-boot", "insecure-n10-boot-w31"] {
        let errors = errors(preset, CAPACITY);
        assert!(errors.len() > 40, "{preset}: {} sites", errors.len());
        for (site, (error, count)) in errors {
            println!("{preset} {site}: 2^{:.1} of {count}", error.log2());
            assert!(error < admitted(site), "{preset} {site}: {error:e}");
        }
    }
}
