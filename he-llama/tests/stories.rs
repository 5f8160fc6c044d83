//! The twins on a real trained model, against logits computed independently in f64.

use std::path::PathBuf;

use he_llama::Error;
use he_llama::calibrate::{Calibration, Options, builtin_text, calibrate};
use he_llama::matrix::Matrix;
use he_llama::metrics::Agreement;
use he_llama::model::{Circuit, Exact, NoiseModel, Policy, Simulated, Twin};
use he_llama::sampling::argmax;
use he_llama::source::Source;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

fn data() -> Option<(Source, Vec<Value>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/stories260K");
    if !directory.exists() {
        println!("SKIPPED (no ../shared/data/stories260K)");
        return None;
    }
    let source = Source::open(&directory).expect("a complete model");
    let text = std::fs::read(directory.join("reference.json")).expect("readable");
    let mut reference: Value = serde_json::from_slice(&text).expect("json");
    let prompts = reference["prompts"]
        .take()
        .as_array()
        .expect("a list")
        .clone();
    Some((source, prompts))
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_u64().expect("id") as u32)
        .collect()
}

fn logits(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("number"))
        .collect()
}

/// Greedy tokens behind the prompt, and the logits of the first.
fn greedy<P: Policy>(
    twin: &mut Twin<'_, P>,
    prompt: &[u32],
    tokens: usize,
) -> (Vec<u32>, Vec<f64>) {
    let mut z = twin.advance(prompt).expect("fits");
    let first = z.clone();
    let mut out = vec![argmax(&z).expect("finite") as u32];
    while out.len() < tokens {
        z = twin.advance(&out[out.len() - 1..]).expect("fits");
        out.push(argmax(&z).expect("finite") as u32);
    }
    (out, first)
}

/// Both are f64 in another order of sums: 1e-9 would do, the file keeps all digits.
#[test]
fn the_exact_twin_gives_the_reference_ids_logits_and_tokens() {
    let Some((source, prompts)) = data() else {
        return;
    };
    let circuit = Circuit::exact(&source.llama.config);
    for p in &prompts {
        let name = p["name"].as_str().expect("a name");
        let prompt = source
            .tokenizer
            .encode(p["text"].as_str().expect("text"))
            .expect("text");
        assert_eq!(prompt, ids(&p["ids"]), "{name}");
        let mut twin = Twin::new(&source.llama, &circuit, Exact);
        let want = ids(&p["greedy_ids"]);
        let (tokens, first) = greedy(&mut twin, &prompt, want.len());
        let agreement = Agreement::of(&logits(&p["last_logits"]), &first).expect("finite");
        assert!(agreement.max_logit_error < 1e-9, "{name}: {agreement:?}");
        assert_eq!(tokens, want, "{name}");

        let mut stream = source.tokenizer.stream(&prompt).expect("ids");
        let mut text: String = tokens
            .iter()
            .map(|t| stream.push(*t).expect("id"))
            .collect();
        text.push_str(&stream.finish().expect("ids"));
        let all = source
            .tokenizer
            .decode(&[prompt, tokens].concat())
            .expect("ids");
        assert!(all.ends_with(&text), "{name}: {text:?} {all:?}");
        assert_eq!(all, p["full_text"].as_str().expect("text"), "{name}");
    }
}

/// Polynomials, and noise of 2^-20 and 2^-18 of each range at every place where a bootstrap may be:
/// greedy tokens equal, logits within 0.02 (they lie in [-22, 25]). Noise alone of 2^-18 at every
/// tensor was measured to move them by up to 0.012.
#[test]
fn the_simulated_twin_keeps_tokens_and_logits() {
    let Some((source, prompts)) = data() else {
        return;
    };
    let (calibration, summary) =
        calibrate(&source, builtin_text(), &Options::default(), &mut |_| ()).expect("calibrates");
    assert!(summary.max_logit_error < 0.01, "{summary:?}");
    println!("{summary:?}");
    for bits in [20.0, 18.0] {
        for name in ["once", "sad_boy", "newline"] {
            let p = prompts
                .iter()
                .find(|p| p["name"] == name)
                .expect("a prompt");
            let noise = NoiseModel {
                refresh_bits: bits,
                operation_bits: bits + 8.0,
                seed: 1,
            };
            let policy = Simulated::new(&calibration.bounds, noise);
            let mut twin = Twin::new(&source.llama, &calibration.circuit, policy);
            let (tokens, first) = greedy(&mut twin, &ids(&p["ids"]), 8);
            let agreement = Agreement::of(&logits(&p["last_logits"]), &first).expect("finite");
            println!("{name}, {bits} bits: {agreement:?}");
            assert_eq!(tokens, ids(&p["greedy_ids"])[..8], "{name}, {bits} bits");
            assert!(
                agreement.max_logit_error < 0.02,
                "{name}, {bits} bits: {agreement:?}"
            );
            assert!(
                twin.policy().escapes().values().all(|e| e.count < 4),
                "{name}"
            );
        }
    }
    assert_calibration_is_bound_to_its_weights(source, &calibration);
}

/// A directory with the trained model's files, its weights changed: layers other than `keep` left
/// out, numbers rounded to bfloat16 where `rounded`.
fn copy(name: &str, keep: &[usize], rounded: bool) -> Option<PathBuf> {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/stories260K");
    let bytes = std::fs::read(from.join("model.safetensors")).ok()?;
    let file = SafeTensors::deserialize(&bytes).expect("complete");
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (tensor, view) in file.tensors() {
        let parts: Vec<&str> = tensor.splitn(4, '.').collect();
        let renamed = match parts.as_slice() {
            ["model", "layers", number, rest] => {
                let number: usize = number.parse().expect("a number");
                let Some(new) = keep.iter().position(|kept| *kept == number) else {
                    continue;
                };
                format!("model.layers.{new}.{rest}")
            }
            _ => tensor.clone(),
        };
        let words = view.data().as_chunks::<4>().0.iter();
        let words = words.map(|word| u32::from_le_bytes(*word));
        let data = words.flat_map(|bits| match rounded {
            true => ((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000).to_le_bytes(),
            false => bits.to_le_bytes(),
        });
        tensors.push((renamed, view.shape().to_vec(), data.collect()));
    }
    let views = tensors.iter().map(|(name, shape, data)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).expect("sizes agree");
        (name.as_str(), view)
    });
    let to = std::env::temp_dir().join(format!("he-llama-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&to).expect("writable");
    let weights = safetensors::serialize(views, None).expect("serializable");
    std::fs::write(to.join("model.safetensors"), weights).expect("writable");
    std::fs::copy(from.join("tokenizer.json"), to.join("tokenizer.json")).expect("complete");
    let text = std::fs::read(from.join("config.json")).expect("complete");
    let mut config: Value = serde_json::from_slice(&text).expect("json");
    config["num_hidden_layers"] = keep.len().into();
    std::fs::write(to.join("config.json"), config.to_string()).expect("writable");
    Some(to)
}

/// Copies of a trained model as they are found: rounded, and with a layer left out. Single values
/// leave intervals at first, and must not spoil the ranges behind them.
#[test]
fn plain_copies_of_a_model_are_calibrated() {
    let rounded = copy("rounded", &[0, 1, 2, 3, 4], true);
    let shorter = copy("shorter", &[0, 2, 3, 4], false);
    let (Some(rounded), Some(shorter)) = (rounded, shorter) else {
        println!("SKIPPED (no ../shared/data/stories260K)");
        return;
    };
    for directory in [rounded, shorter] {
        let source = Source::open(&directory).expect("complete");
        let (calibration, summary) =
            calibrate(&source, builtin_text(), &Options::default(), &mut |_| ())
                .expect("calibrates");
        println!("{directory:?}: {summary:?}");
        assert!(summary.max_logit_error < 0.05, "{directory:?}: {summary:?}");
        let largest = calibration.bounds.values().copied().fold(0.0, f64::max);
        assert!(largest < 1e5, "{directory:?}: a bound of {largest}");
        std::fs::remove_dir_all(&directory).expect("was created");
    }
}

fn assert_calibration_is_bound_to_its_weights(mut source: Source, calibration: &Calibration) {
    let text = calibration.to_text().into_bytes();
    let path = PathBuf::from("calibration.json");
    let read = Calibration::parse(&text, &path, &source.llama).expect("its own file");
    assert!(
        &read == calibration,
        "a calibration changes when written and read"
    );
    let gate = &mut std::sync::Arc::make_mut(&mut source.llama).layers[2]
        .gate
        .weight;
    *gate = Matrix::from_fn(gate.nrows(), gate.ncols(), |o, i| {
        let changed = (o, i) == (171, 63);
        f32::from_bits(gate.get(o, i).to_bits() ^ u32::from(changed))
    });
    let stale = Calibration::parse(&text, &path, &source.llama);
    assert!(
        matches!(stale, Err(Error::StaleCalibration { .. })),
        "{stale:?}"
    );
    let cut = Calibration::parse(&text[..text.len() / 2], &path, &source.llama);
    assert!(matches!(cut, Err(Error::Json { .. })), "{cut:?}");
}
