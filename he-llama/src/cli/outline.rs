//! What a model would take that is not followed weight by weight: one too large for that, or one
//! of which only the configuration is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ckks_math::bootstrap::refresh_requests;
use ckks_math::keys::{KeyDemand, merge_demand};

use crate::calibrate::{Accuracy, Calibration, fingerprint};
use crate::checkpoint::{LayerWeights, Weights};
use crate::cli::inspect::show_plan;
use crate::cli::screen::size;
use crate::config::Config;
use crate::encrypted::{PassKind, Refresh, Shape};
use crate::error::Result;
use crate::matrix::Matrix;
use crate::model::attention::{Round, Softmax};
use crate::model::{Circuit, Fit, Function, Kind, LayerFunctions, Llama, Role, Site};
use crate::protocol::demand::device_bytes;
use crate::protocol::{Engine, Setup};
use crate::times::TimesInUse;

/// Models of more parameters are not read to be inspected.
pub const FOLLOWED: usize = 20_000_000;

/// Degrees taken for those of a calibration, about what small models need: norms and SiLU, the
/// softmax's exponential, its normalisations, and the last one.
const SMOOTH: usize = 30;
const EXPONENTIAL: usize = 31;
const NORMALISATIONS: [usize; 2] = [30, 30];
const LAST: usize = 123;

/// Prints plan, keys and memory of a model of the sizes of `config`; `directory` has its weights
/// or has none.
///
/// # Errors
///
/// Fails where planning does, and when standard output cannot be written.
pub fn outline(
    config: &Config,
    directory: &Path,
    engine: &dyn Engine,
    preset: &str,
    capacity: usize,
) -> Result<()> {
    let weights = weight_bytes(directory);
    say!()?;
    if weights == 0 {
        say!(
            "no weights in {}: their ranges are unknown",
            directory.display()
        )?;
    } else {
        say!(
            "weights of {}, not read: models of more than {FOLLOWED} parameters are outlined only",
            size(weights)
        )?;
    }
    say!(
        "what follows takes norms and SiLU of degree {SMOOTH}, an exponential of degree \
         {EXPONENTIAL}, {} normalisations and a last one of degree {LAST}; a calibration decides",
        NORMALISATIONS.len()
    )?;
    let llama = Arc::new(shape_of(config));
    let calibration = Arc::new(assumed(&llama)?);
    let (limits, times) = (
        engine.limits(),
        TimesInUse::of_device(&engine.name())?.times,
    );
    let setup = Setup::new(&llama, &calibration, preset, capacity, limits, &times)?;
    show_plan(&setup)?;

    costs(config, &setup)
}

/// Prints keys and memory of a model of the sizes of `config`.
fn costs(config: &Config, setup: &Setup) -> Result<()> {
    let params = &setup.params;
    let mut demand = KeyDemand::new();
    for (_, placed) in setup.plan.kinds() {
        let Refresh { slots, .. } = placed.refresh;
        demand.extend(refresh_requests(
            params,
            slots,
            placed.refresh.options(&setup.times),
            false,
        )?);
    }
    let keys = merge_demand(params, &demand);
    let bytes = keys.iter().map(|k| device_bytes(params, k)).sum::<u64>();
    say!(
        "\nkeys of bootstraps: {}, {} in memory",
        keys.len(),
        size(bytes)
    )?;
    say!(
        "  the rotations of {} projections need more",
        7 * config.layers + 1
    )?;
    let capacity = setup.session.capacity;
    let last = Shape::of_kind(PassKind::Step, capacity);
    let packing = setup.packing(last.unwrap_or(Shape::window(0, 1, capacity)));
    let each = packing.cache()?.ciphertexts();
    let level = setup.budget.top / 2;
    let limb = 8 * params.degree() as u64;
    let limbs = params.basis_at(level).limbs() as u64;
    let cache = 2 * (config.layers * each) as u64 * 2 * limb * limbs;
    say!(
        "encrypted keys and values: {} ciphertexts, {} at level {level}",
        2 * config.layers * each,
        size(cache)
    )?;
    say!(
        "weights: {} in single precision",
        size(4 * config.parameters() as u64)
    )?;
    if config.parameters() > FOLLOWED {
        say!("a run of this size is beyond this program: it encodes all weights for each token")?;
    }
    Ok(())
}

/// Bytes of the weight files, from their lengths.
fn weight_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    entries
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "safetensors"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// A model of these numbers of outputs, without inputs: enough to follow levels.
fn shape_of(c: &Config) -> Llama {
    let rows = |outputs: usize| Matrix::from_fn(outputs, 0, |_, _| 0.0);
    let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
    let layer = || LayerWeights {
        attention_norm: Vec::new(),
        query: rows(q),
        key: rows(kv),
        value: rows(kv),
        output: rows(c.hidden),
        mlp_norm: Vec::new(),
        gate: rows(c.intermediate),
        up: rows(c.intermediate),
        down: rows(c.hidden),
    };
    let weights = Weights {
        embedding: Matrix::from_fn(1, 1, |_, _| 1.0),
        layers: (0..c.layers).map(|_| layer()).collect(),
        norm: Vec::new(),
        head: Some(rows(c.vocabulary)),
    };
    Llama::new(c.clone(), weights)
}

/// A calibration of the assumed degrees, all ranges `[-1, 1]`.
fn assumed(llama: &Llama) -> Result<Calibration> {
    let config = &llama.config;
    let of = |kind, degree: usize| Function {
        kind,
        fit: Some(Fit {
            lo: -1.0,
            hi: 1.0,
            coefficients: (0..=degree).map(|n| 1.0 / (n + 1) as f64).collect(),
            error: 0.0,
        }),
    };
    let norm = || {
        let epsilon = config.norm_epsilon;
        of(Kind::InverseRoot { epsilon }, SMOOTH)
    };
    let functions = LayerFunctions {
        attention_norm: norm(),
        softmax: Softmax {
            anchors: Vec::new(),
            shift: vec![0.0; config.heads],
            exponential: of(Kind::Exponential { divisor: 8.0 }, EXPONENTIAL),
            rounds: NORMALISATIONS
                .map(|degree| Round::Normalise(of(Kind::Reciprocal, degree)))
                .to_vec(),
            last: of(Kind::Reciprocal, LAST),
        },
        mlp_norm: norm(),
        silu: of(Kind::Silu, SMOOTH),
    };
    let sites = (0..=config.layers).flat_map(|layer| {
        Role::all(NORMALISATIONS.len() as u8).map(move |role| (Site::new(layer, role), 1.0))
    });
    Ok(Calibration {
        fingerprint: fingerprint(llama)?,
        positions: config.positions,
        texts: 0,
        accuracy: Accuracy::default(),
        bounds: sites.collect::<BTreeMap<_, _>>(),
        circuit: Circuit {
            layers: vec![functions; config.layers],
        },
    })
}
