//! The encrypted machine and the clear one side by side: what each operation writes is decrypted and compared
//! with the same operation on plain numbers, so that lost bits show where they are lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::backend::{Backend, Device};
use ckks_math::keys::{KeyGenerator, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Decryptor, Encryptor, Evaluator};
use he_linalg::{Axis, Packed};
use he_llama::Result;
use he_llama::embedded;
use he_llama::encrypted::{Encrypted, Tensor};
use he_llama::model::attention::{Anchor, Softmax};
use he_llama::model::clear::Clear;
use he_llama::model::policy::{NoiseModel, Simulated};
use he_llama::model::{Cache, Embedded, Function, Machine, Positions, Projection, Role, Site};
use he_llama::protocol::{Bootstrappers, Setup, demand, machine};
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

/// Entry `(group, token, channel)` of the plain tensor that an index of a packing stands for; none for
/// padding, copies of other tokens and other parts.
fn meaning(
    axes: &BTreeMap<Axis, usize>,
    (groups, tokens, channels): (usize, usize, usize),
    part: Option<usize>,
    heads: usize,
    positions: Positions,
    role: Role,
) -> Option<[usize; 3]> {
    let at = |axis| axes.get(&axis).copied();
    if let Some(place) = at(Axis::PART)
        && part != Some(place)
    {
        return None;
    }
    let mut token = at(Axis::TOKEN).unwrap_or(0);
    // The last token alone is left.
    if tokens == 1 && positions.len > 1 {
        token = token.checked_sub(positions.len - 1)?;
    }
    let group = match at(Axis::HEAD) {
        Some(head) if head >= heads => return None,
        Some(head) => head * groups / heads,
        None => 0,
    };
    let key = at(Axis::KEY);
    let channel = match (at(Axis::DIM), at(Axis::CHANNEL), at(Axis::OFFSET), key) {
        (Some(dim), ..) => {
            let of_key = matches!(
                role,
                Role::KeyRaw | Role::Key | Role::ValueRaw | Role::Value
            );
            match key {
                Some(key) if tokens > 1 => token = key,
                Some(key) if of_key && key != positions.start => return None,
                _ => {}
            }
            dim
        }
        (None, Some(channel), ..) => channel,
        (None, None, Some(offset), _) => token.checked_sub(offset)?,
        (None, None, None, key) => key.unwrap_or(0),
    };
    (token < tokens && channel < channels).then_some([group, token, channel])
}

impl<B: Backend> Lockstep<'_, B> {
    /// Both results, compared.
    fn met(&mut self, encrypted: Tensor<B>, clear: Array3<f64>, site: Site) -> Result<Both<B>> {
        let shape = self.encrypted.packing.shape();
        let positions = Positions {
            start: shape.start,
            len: shape.used,
        };
        let context = self.encrypted.ev.context();
        let slots = encrypted.packed().decrypt_slots(context, self.decryptor)?;
        let layout = encrypted.packed().layout();
        let (names, heads) = (layout.axes(), self.encrypted.config.heads);
        let (mut worst, mut count) = (0.0_f64, 0);
        layout.for_each_index(|index| {
            let axes = names.iter().copied().zip(index.iter().copied()).collect();
            let part = encrypted.part();
            let of = meaning(&axes, clear.dim(), part, heads, positions, site.role);
            if let Some(of) = of {
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
            .map(|((encrypted, clear), site)| self.met(encrypted, clear, site))
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
    type Error = he_llama::Error;

    fn project<const N: usize>(
        &mut self,
        x: &Both<B>,
        projections: [&Projection; N],
        positions: Positions,
    ) -> Result<[Both<B>; N]> {
        let encrypted = self
            .encrypted
            .project(&x.encrypted, projections, positions)?;
        let clear = self.clear.project(&x.clear, projections, positions)?;
        self.all(encrypted, clear, projections.map(|p| p.site))
    }

    fn mean_square(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.mean_square(&x.encrypted, site)?;
        let clear = self.clear.mean_square(&x.clear, site)?;
        self.met(encrypted, clear, site)
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
        self.met(encrypted, clear, site)
    }

    fn square(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.square(&x.encrypted, site)?;
        let clear = self.clear.square(&x.clear, site)?;
        self.met(encrypted, clear, site)
    }

    fn append(
        &mut self,
        cache: &mut Cache<Both<B>>,
        keys: &Both<B>,
        values: &Both<B>,
        sites: [Site; 2],
        positions: Positions,
    ) -> Result<()> {
        let len = cache.len;
        let (of_encrypted, of_clear) = match cache.entries.take() {
            Some((k, v)) => (Some((k.encrypted, v.encrypted)), Some((k.clear, v.clear))),
            None => (None, None),
        };
        let mut encrypted = Cache {
            entries: of_encrypted,
            len,
        };
        let mut clear = Cache {
            entries: of_clear,
            len,
        };
        let (k, v) = (&keys.encrypted, &values.encrypted);
        self.encrypted
            .append(&mut encrypted, k, v, sites, positions)?;
        let (k, v) = (&keys.clear, &values.clear);
        self.clear.append(&mut clear, k, v, sites, positions)?;
        let ((k, v), (clear_k, clear_v)) = (encrypted.entries.unwrap(), clear.entries.unwrap());
        let [key, value] = sites;
        cache.entries = Some((self.met(k, clear_k, key)?, self.met(v, clear_v, value)?));
        cache.len = positions.end();
        Ok(())
    }

    fn scores(
        &mut self,
        queries: &Both<B>,
        keys: &Both<B>,
        anchor: Option<&Anchor<'_>>,
        positions: Positions,
        site: Site,
    ) -> Result<Both<B>> {
        let ([q, k], [clear_q, clear_k]) = sides([queries, keys]);
        let encrypted = self.encrypted.scores(q, k, anchor, positions, site)?;
        let clear = self
            .clear
            .scores(clear_q, clear_k, anchor, positions, site)?;
        self.met(encrypted, clear, site)
    }

    fn exponential(
        &mut self,
        scores: &Both<B>,
        softmax: &Softmax,
        positions: Positions,
        argument: Site,
        site: Site,
    ) -> Result<Both<B>> {
        let x = &scores.encrypted;
        let encrypted = (self.encrypted).exponential(x, softmax, positions, argument, site)?;
        let x = &scores.clear;
        let clear = (self.clear).exponential(x, softmax, positions, argument, site)?;
        self.met(encrypted, clear, site)
    }

    fn sum_keys(&mut self, x: &Both<B>, site: Site) -> Result<Both<B>> {
        let encrypted = self.encrypted.sum_keys(&x.encrypted, site)?;
        let clear = self.clear.sum_keys(&x.clear, site)?;
        self.met(encrypted, clear, site)
    }

    fn mix(
        &mut self,
        weights: &Both<B>,
        values: &Both<B>,
        positions: Positions,
        site: Site,
    ) -> Result<Both<B>> {
        let ([w, v], [clear_w, clear_v]) = sides([weights, values]);
        let encrypted = self.encrypted.mix(w, v, positions, site)?;
        let clear = self.clear.mix(clear_w, clear_v, positions, site)?;
        self.met(encrypted, clear, site)
    }

    fn last(&mut self, x: &Both<B>, positions: Positions) -> Result<Both<B>> {
        Ok(Both {
            encrypted: self.encrypted.last(&x.encrypted, positions)?,
            clear: self.clear.last(&x.clear, positions)?,
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

/// Both machines on the same tokens, a prompt and steps: the errors of all sites.
fn errors(preset: &str, passes: usize) -> BTreeMap<Site, (f64, usize)> {
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let source = embedded::source().unwrap();
    let prompt = source.prompt("ROMEO:", passes).unwrap();
    let calibration = Arc::new(embedded::calibration(&source.llama).unwrap());
    let length = (prompt.len(), passes);
    let limits = backend.limits();
    let times = KernelTimes::default();
    let setup = Setup::new(&source.llama, &calibration, preset, length, limits, &times).unwrap();
    let context = Context::new(setup.params.clone(), backend).unwrap();
    let secret = SecretKey::from_seed(&setup.params, Seed::from_bytes([1; 32])).unwrap();
    let keys = demand(&setup, passes, &mut |_| Ok(())).unwrap().keys;
    let generator = KeyGenerator::new(&context, &secret).unwrap();
    let keys = Arc::new(generator.evaluation_keys(keys).unwrap());
    let (ev, bootstrappers) = (
        Evaluator::new(context.clone(), keys),
        Bootstrappers::new(&context, &setup).unwrap(),
    );
    let decryptor = Decryptor::new(&context, &secret).unwrap();
    let seed = Seed::from_bytes([2; 32]);
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, seed).unwrap();
    let mut caches = setup.llama.caches();
    let mut errors = BTreeMap::new();
    for pass in 0..passes {
        let shape = setup.session.shape(pass);
        // Which tokens they are does not matter: what is compared is the arithmetic.
        let ids = shape.padded(&prompt);
        let Embedded { hidden, normed } = setup.llama.embed(&ids).unwrap();
        let layout = setup
            .packing(pass)
            .channels(setup.llama.config.hidden)
            .unwrap();
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
        let (encrypted, positions) = machine(&setup, (&ev, &bootstrappers), pass, &mut report);
        let policy = Simulated::new(&calibration.bounds, NoiseModel::none());
        let mut both = Lockstep {
            encrypted,
            clear: Clear::new(policy),
            decryptor: &decryptor,
            errors,
        };
        let circuit = &calibration.circuit;
        let output = (setup.llama).forward(&mut both, circuit, input, &mut caches, positions);
        output.unwrap();
        errors = both.errors;
    }
    errors
}

/// In units of each site. A bootstrap of these sets leaves at most 2^-19 in a slot, and so do the mixed values
/// and the product of a layer, which follow one. The residual stream of two layers gathers four of them,
/// 2^-17, and a mean square has twice the relative error of what is squared: 2^-16. A level lost in scale, a
/// slot that is read in the place of another, or a part that leaks into its neighbour is off by 2^-10 and more.
#[test]
fn every_site_of_a_prompt_and_of_steps_holds_what_it_stands_for() {
    for preset in ["insecure-n10-boot", "insecure-n10-boot-w31"] {
        let errors = errors(preset, 3);
        assert!(errors.len() > 40, "{preset}: {} sites", errors.len());
        for (site, (error, count)) in errors {
            println!("{preset} {site}: 2^{:.1} of {count}", error.log2());
            assert!(error < 2_f64.powi(-16), "{preset} {site}: {error:e}");
        }
    }
}
