//! What a model would take that is not followed weight by weight: one too large for that, or one
//! of which only the configuration is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::bootstrap::refresh_requests;
use ckks_math::keys::{KeyDemand, merge_demand};

use crate::calibrate::{Accuracy, Calibration, fingerprint};
use crate::checkpoint::{LayerWeights, Weights};
use crate::cli::inspect::show_plan;
use crate::cli::output::size;
use crate::config::Config;
use crate::encrypted::Refresh;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::model::attention::{Round, Softmax};
use crate::model::{Circuit, Fit, Function, Kind, LayerFunctions, Llama, Role, Site};
use crate::protocol::demand::device_bytes;
use crate::protocol::{Engine, Setup};

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
pub fn outline(
    config: &Config,
    directory: &Path,
    engine: &dyn Engine,
    preset: &str,
    (prompt, tokens): (usize, usize),
) -> Result<()> {
    let weights = weight_bytes(directory);
    println!();
    if weights == 0 {
        println!(
            "no weights in {}: their ranges are unknown",
            directory.display()
        );
    } else {
        println!(
            "weights of {}, not read: models of more than {FOLLOWED} parameters are outlined only",
            size(weights)
        );
    }
    println!(
        "what follows takes norms and SiLU of degree {SMOOTH}, an exponential of degree \
         {EXPONENTIAL}, {} normalisations and a last one of degree {LAST}; a calibration decides",
        NORMALISATIONS.len()
    );
    let llama = Arc::new(shape_of(config));
    let calibration = Arc::new(assumed(&llama)?);
    let length = (prompt, tokens);
    let (limits, times) = (engine.limits(), KernelTimes::default());
    let setup = Setup::new(&llama, &calibration, preset, length, limits, &times)?;
    show_plan(&setup, tokens);

    let params = &setup.params;
    let mut demand = KeyDemand::new();
    for placed in [&setup.plan.prompt, &setup.plan.step] {
        let Refresh { slots, .. } = placed.refresh;
        demand.extend(refresh_requests(
            params,
            slots,
            placed.refresh.options(),
            false,
        )?);
    }
    let keys = merge_demand(params, &demand);
    let bytes = keys.iter().map(|k| device_bytes(params, k)).sum::<u64>();
    println!(
        "\nkeys of bootstraps: {}, {} in memory",
        keys.len(),
        size(bytes)
    );
    println!(
        "  the rotations of {} projections need more",
        7 * config.layers + 1
    );
    let packing = setup.packing(usize::from(tokens > 1));
    let each = packing.cache()?.ciphertexts();
    let level = setup.budget.top / 2;
    let limb = 8 * params.degree() as u64;
    let limbs = params.basis_at(level).limbs() as u64;
    let cache = 2 * (config.layers * each) as u64 * 2 * limb * limbs;
    println!(
        "encrypted keys and values: {} ciphertexts, {} at level {level}",
        2 * config.layers * each,
        size(cache)
    );
    println!(
        "weights: {} in single precision",
        size(4 * config.parameters() as u64)
    );
    if config.parameters() > FOLLOWED {
        println!(
            "a run of this size is beyond this program: it encodes all weights for each token"
        );
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
            coefficients: vec![0.0; degree + 1],
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
