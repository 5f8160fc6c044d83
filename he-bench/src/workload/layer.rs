//! One decoder layer of the embedded model on ciphertexts.

use super::{Group, Harness, ids_of};
use crate::error::{Error, Result};
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::backend::{Backend, Limits};
use ckks_math::keys::{KeyGenerator, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator, Params};
use he_linalg::Packed;
use he_linalg::matrix::StoreOptions;
use he_llama::embedded;
use he_llama::encrypted::{KeyValues, Shape, Tensor};
use he_llama::length::Length;
use he_llama::model::{Embedded, Role, Site};
use he_llama::protocol::{Constants, Setup, demand, machine};
use std::sync::Arc;

/// The layer that is timed: of those that get what a layer before them leaves, the first. Layer 0
/// differs, its input comes encrypted, refreshed and normalised from the client.
const LAYER: usize = 1;
/// Tokens generated behind the prompt: they size the cache of a step. The program's default.
const TOKENS: usize = 8;

pub(super) fn run<B: Backend>(
    backend: &B,
    params: &Params,
    harness: &mut impl Harness,
) -> Result<()> {
    if !ids_of(Group::Layer).any(|id| harness.wants(id)) {
        return Ok(());
    }
    let (setup, ids) = session(params.name(), backend.limits())?;
    if setup.params.literal() != params.literal() {
        return Err(Error::Argument {
            what: "parameter set of the layer",
            value: format!("{} with other sizes", params.name()),
            way_out: "give the set that a session gets for this name".into(),
        });
    }
    let step = harness.wants("layer/step");
    let demand = demand(&setup, &mut |_, _| Ok(()))?;
    let context = Context::new(params.clone(), backend.clone())?;
    let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32]))?;
    let keys = KeyGenerator::new(&context, &secret)?.evaluation_keys(demand.keys)?;
    let model = Model {
        setup: &setup,
        ev: Evaluator::new(context.clone(), Arc::new(keys)),
        bootstrappers: Constants::new(&context, &setup, StoreOptions::default())?,
    };
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, Seed::from_bytes([2; 32]))?;

    let capacity = setup.session.capacity;
    let prompt = Shape::window(0, ids.len(), capacity);
    let mut caches = setup.llama.caches();
    let x = model.before(&mut encryptor, prompt, &ids, &mut caches)?;
    if harness.wants("layer") {
        harness.time("layer", params, &mut || {
            model.layer(prompt, LAYER, x.clone(), None, &mut KeyValues::default())?;
            Ok(backend.synchronize()?)
        })?;
    }
    if step {
        model.layer(prompt, LAYER, x, None, &mut caches[LAYER])?;
        // Which token it is does not matter to the time.
        let text: Vec<u32> = ids.iter().chain(ids.last()).copied().collect();
        let behind = Shape::step(ids.len(), capacity);
        let x = model.before(&mut encryptor, behind, &text, &mut caches)?;
        harness.time("layer/step", params, &mut || {
            model.layer(behind, LAYER, x.clone(), None, &mut caches[LAYER].clone())?;
            Ok(backend.synchronize()?)
        })?;
    }
    Ok(())
}

/// Whether a set bootstraps and leaves the levels that the embedded model needs.
///
/// # Errors
///
/// For names that are no preset.
pub fn runs_layer(preset: &str, limits: Limits) -> Result<bool> {
    match session(preset, limits) {
        Ok(_) => Ok(true),
        Err(Error::Model(he_llama::Error::Preset { .. } | he_llama::Error::Unplannable { .. })) => {
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// The session of the program without arguments, and the tokens of its prompt.
fn session(preset: &str, limits: Limits) -> Result<(Arc<Setup>, Vec<u32>)> {
    let source = embedded::source()?;
    let ids = source.prompt(embedded::PROMPT, TOKENS)?;
    let calibration = Arc::new(embedded::calibration(&source.llama)?);
    let capacity = Length::new(ids.len(), TOKENS)?.positions();
    let setup = Setup::new(
        &source.llama,
        &calibration,
        preset,
        capacity,
        limits,
        &KernelTimes::default(),
    )?;
    Ok((setup, ids))
}

/// The layers of a session and what they run with.
struct Model<'a, B: Backend> {
    setup: &'a Setup,
    ev: Evaluator<B>,
    bootstrappers: Constants<B>,
}

impl<B: Backend> Model<'_, B> {
    /// Encrypts the tokens of `pass` in a text and runs them through the layers before the timed
    /// one.
    fn before(
        &self,
        encryptor: &mut Encryptor<B>,
        pass: Shape,
        text: &[u32],
        caches: &mut [KeyValues<B>],
    ) -> Result<Tensor<B>> {
        let Embedded { hidden, normed } = self.encrypt(encryptor, pass, text)?;
        let mut normed = Some(normed);
        let mut x = hidden;
        for (layer, cache) in caches[..LAYER].iter_mut().enumerate() {
            x = self.layer(pass, layer, x, normed.as_ref(), cache)?;
            normed = None;
        }
        Ok(x)
    }

    fn encrypt(
        &self,
        encryptor: &mut Encryptor<B>,
        pass: Shape,
        text: &[u32],
    ) -> Result<Embedded<Tensor<B>>> {
        let setup = self.setup;
        let clear = setup.llama.embed(&pass.padded(text))?;
        let layout = setup.packing(pass).channels(setup.llama.config.hidden)?;
        let mut tensor = |values: Vec<f64>, role| -> Result<Tensor<B>> {
            let unit = setup.units.of(Site::new(0, role))?;
            let stored: Vec<f64> = values.iter().map(|x| x / unit).collect();
            let (layout, level) = (layout.clone(), setup.budget.top);
            let packed = Packed::encrypt(&self.ev, encryptor, layout, &stored, level)?;
            Ok(Tensor::new(packed, unit))
        };
        // From `[1, token, channel]` to channels first.
        Ok(Embedded {
            hidden: tensor(clear.hidden.t().iter().copied().collect(), Role::Hidden)?,
            normed: tensor(clear.normed.t().iter().copied().collect(), Role::Normed)?,
        })
    }

    /// Runs one layer of pass `pass`, as the server does.
    fn layer(
        &self,
        pass: Shape,
        layer: usize,
        x: Tensor<B>,
        normed: Option<&Tensor<B>>,
        cache: &mut KeyValues<B>,
    ) -> Result<Tensor<B>> {
        let setup = self.setup;
        let (runs, mut report) = ((&self.ev, &self.bootstrappers), |_| Ok(()));
        let mut machine = machine(setup, runs, pass, &mut report);
        let functions = &setup.calibration.circuit.layers[layer];
        let layer = &setup.llama.layers[layer];
        Ok(layer.forward(&mut machine, functions, x, normed, cache)?)
    }
}
