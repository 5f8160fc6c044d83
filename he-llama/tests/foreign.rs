//! Files that anybody may have written, changed at random: no parser panics, whatever it accepts
//! can be used, and memory and time stay in proportion to the file.
//!
//! `PROPTEST_CASES` sets the number of cases; what once failed is in `foreign.regressions`.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use he_llama::calibrate::Calibration;
use he_llama::checkpoint::Weights;
use he_llama::config::Config;
use he_llama::embedded;
use he_llama::model::{Llama, NoiseModel, Simulated, Twin};
use he_llama::tokenizer::Tokenizer;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

const CONFIG: &str = include_str!("../assets/shakespeare/config.json");
const TOKENIZER: &str = include_str!("../assets/shakespeare/tokenizer.json");

/// `cases` unless the environment asks for another number.
fn cases(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/foreign.regressions");
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(persistence)),
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config
}

/// A change of bytes: where, as a share of the length, and what happens there.
#[derive(Clone, Debug)]
enum Change {
    Flip(f64, u8),
    Cut(f64, usize),
    Insert(f64, Vec<u8>),
    Repeat(f64, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0.0..1.0, 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (0.0..1.0, 1..200_usize).prop_map(|(at, n)| Change::Cut(at, n)),
        (0.0..1.0, prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, new)| Change::Insert(at, new)),
        (0.0..1.0, 1..200_usize).prop_map(|(at, n)| Change::Repeat(at, n)),
    ]
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let at = |share: &f64| (share * bytes.len() as f64) as usize;
        match change {
            Change::Flip(share, bit) => {
                let at = at(share);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Change::Cut(share, n) => {
                let (at, end) = (at(share), bytes.len());
                bytes.drain(at..(at + n).min(end));
            }
            Change::Insert(share, new) => {
                let at = at(share);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Repeat(share, n) => {
                let at = at(share);
                let again = bytes[at..(at + n).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

/// A value that parsers do not expect.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(1 << 24)),
        Just(json!(1e308)),
        Just(json!(-1e-308)),
        Just(json!(0.5)),
        Just(json!("")),
        Just(json!("\u{1b}[31m")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[[null]]]])),
        (0..1000_i64).prop_map(|n| json!(n)),
        (-10.0..10.0).prop_map(|x: f64| json!(x)),
    ]
}

/// A walk into a JSON value, by shares of the number of children, and what is put at its end.
type Edit = (Vec<f64>, Option<Value>);

fn edit() -> impl Strategy<Value = Edit> {
    (
        prop::collection::vec(0.0..1.0, 1..7),
        prop::option::weighted(0.8, odd()),
    )
}

/// Puts the value at the end of the walk, or takes away what is there.
fn edited(value: &mut Value, (walk, new): &Edit) {
    let Some((share, rest)) = walk.split_first() else {
        if let Some(new) = new {
            *value = new.clone();
        }
        return;
    };
    let at = |n: usize| (share * n as f64) as usize;
    match value {
        Value::Array(list) if !list.is_empty() => {
            let at = at(list.len());
            match (rest.is_empty(), new) {
                (true, None) => drop(list.remove(at)),
                _ => edited(&mut list[at], &(rest.to_vec(), new.clone())),
            }
        }
        Value::Object(map) if !map.is_empty() => {
            let at = at(map.len());
            let Some(key) = map.keys().nth(at).cloned() else {
                return;
            };
            match (rest.is_empty(), new) {
                (true, None) => drop(map.remove(&key)),
                _ => edited(&mut map[&key], &(rest.to_vec(), new.clone())),
            }
        }
        leaf => {
            if let Some(new) = new {
                *leaf = new.clone();
            }
        }
    }
}

fn edited_text(text: &str, edits: &[Edit]) -> String {
    let mut value = serde_json::from_str(text).expect("own file");
    edits.iter().for_each(|edit| edited(&mut value, edit));
    value.to_string()
}

fn check_config(bytes: &[u8]) {
    let Ok(c) = Config::parse(bytes, Path::new("config.json")) else {
        return;
    };
    assert!(c.heads.is_multiple_of(c.kv_heads) && c.head_dim.is_multiple_of(2));
    assert!(c.parameters() < 1 << 44 && c.layers <= 1 << 12);
    assert!(c.rope_frequencies().iter().all(|f| f.is_finite()));
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn config_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        check_config(&bytes);
    }

    #[test]
    fn config_changed(changes in prop::collection::vec(change(), 1..5)) {
        check_config(&changed(CONFIG.as_bytes(), &changes));
    }

    /// With a rotary scaling, so that it is changed as well.
    #[test]
    fn config_edited(
        edits in prop::collection::vec(edit(), 1..5),
        kind in prop::sample::select(vec!["llama3", "linear", "dynamic", "default", "yarn"]),
    ) {
        let mut value: Value = serde_json::from_str(CONFIG).expect("own file");
        let scaling = json!({"rope_type": kind, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 1e4});
        value["rope_scaling"] = scaling;
        check_config(edited_text(&value.to_string(), &edits).as_bytes());
    }

    #[test]
    fn generation_settings_edited(edits in prop::collection::vec(edit(), 1..4)) {
        let text = json!({"eos_token_id": [1, 2], "bos_token_id": 1}).to_string();
        let mut config = Config::parse(CONFIG.as_bytes(), Path::new("c")).expect("own file");
        let bytes = edited_text(&text, &edits);
        if config.parse_generation(bytes.as_bytes(), Path::new("g")).is_err() {
            prop_assert!(!config.eos.contains(&u32::MAX));
        }
    }
}

fn tiny() -> Config {
    let config = json!({"architectures": ["LlamaForCausalLM"], "hidden_size": 4,
        "intermediate_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": 5, "max_position_embeddings": 8,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": true});
    Config::parse(config.to_string().as_bytes(), Path::new("config.json")).expect("valid")
}

/// Header and numbers of a checkpoint of [`tiny`].
fn checkpoint() -> (Value, Vec<u8>) {
    let layer = |part: &str| format!("model.layers.0.{part}.weight");
    let tensors = [
        ("model.embed_tokens.weight".into(), vec![5, 4]),
        ("model.norm.weight".into(), vec![4]),
        (layer("input_layernorm"), vec![4]),
        (layer("post_attention_layernorm"), vec![4]),
        (layer("self_attn.q_proj"), vec![4, 4]),
        (layer("self_attn.k_proj"), vec![2, 4]),
        (layer("self_attn.v_proj"), vec![2, 4]),
        (layer("self_attn.o_proj"), vec![4, 4]),
        (layer("mlp.gate_proj"), vec![6, 4]),
        (layer("mlp.up_proj"), vec![6, 4]),
        (layer("mlp.down_proj"), vec![4, 6]),
    ];
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape) in tensors {
        let start = data.len();
        let count: usize = shape.iter().product();
        data.extend((0..count).flat_map(|i| (i as f32 / 8.0).to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name, entry);
    }
    (header.into(), data)
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), data].concat()
}

fn check_weights(bytes: Vec<u8>) {
    let config = tiny();
    let Ok(weights) = Weights::parse(bytes, Path::new("model.safetensors"), &config) else {
        return;
    };
    let llama = Llama::new(config, weights);
    if llama.fingerprint().is_ok() {
        let logits = he_llama::model::twin::exact_logits(&llama, &[1, 2, 3]);
        assert_eq!(logits.expect("finite weights, three tokens").len(), 5);
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn safetensors_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        check_weights(bytes);
    }

    #[test]
    fn safetensors_changed(changes in prop::collection::vec(change(), 1..4)) {
        let (header, data) = checkpoint();
        check_weights(changed(&file(&header.to_string(), &data), &changes));
    }

    /// The header alone is changed, and its length is right.
    #[test]
    fn safetensors_headers_edited(edits in prop::collection::vec(edit(), 1..4)) {
        let (header, data) = checkpoint();
        check_weights(file(&edited_text(&header.to_string(), &edits), &data));
    }

    /// An index over one shard.
    #[test]
    fn index_edited(edits in prop::collection::vec(edit(), 0..4)) {
        let (header, data) = checkpoint();
        let names = header.as_object().expect("an object").keys();
        let map: serde_json::Map<String, Value> =
            names.map(|name| (name.clone(), json!("a.safetensors"))).collect();
        let index = edited_text(&json!({"weight_map": map}).to_string(), &edits);
        let name = format!("he-llama-index-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("writable");
        let shard = file(&header.to_string(), &data);
        std::fs::write(directory.join("a.safetensors"), shard).expect("writable");
        std::fs::write(directory.join("model.safetensors.index.json"), index).expect("writable");
        let read = Weights::read(&directory, &tiny());
        if edits.is_empty() {
            prop_assert!(read.is_ok());
        }
        std::fs::remove_dir_all(&directory).expect("was created");
    }
}

fn check_tokenizer(bytes: &[u8]) {
    let Ok(mut tokenizer) = Tokenizer::parse(bytes, Path::new("tokenizer.json")) else {
        return;
    };
    let settings = br#"{"tokenizer_class":"LlamaTokenizer","add_bos_token":true,"bos_token":"a"}"#;
    let applied = tokenizer.apply_settings(settings, Path::new("tokenizer_config.json"));
    if let (Ok(()), Ok(ids)) = (applied, tokenizer.encode("ROMEO: é \u{fffd}")) {
        // What it decodes to is its own affair.
        let _ = tokenizer.decode(&ids);
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn tokenizer_changed(changes in prop::collection::vec(change(), 1..4)) {
        check_tokenizer(&changed(TOKENIZER.as_bytes(), &changes));
    }

    #[test]
    fn tokenizer_edited(edits in prop::collection::vec(edit(), 1..4)) {
        check_tokenizer(edited_text(TOKENIZER, &edits).as_bytes());
    }

    #[test]
    fn tokenizer_settings_edited(edits in prop::collection::vec(edit(), 1..4)) {
        let settings = json!({"tokenizer_class": "LlamaTokenizer", "add_bos_token": true,
            "bos_token": {"content": "<s>", "special": true}});
        let mut tokenizer =
            Tokenizer::parse(TOKENIZER.as_bytes(), Path::new("t")).expect("own file");
        let text = edited_text(&settings.to_string(), &edits);
        if tokenizer.apply_settings(text.as_bytes(), Path::new("s")).is_ok() {
            prop_assert!(tokenizer.encode("ROMEO").is_ok());
        }
    }
}

static EMBEDDED: LazyLock<(Arc<Llama>, Calibration)> = LazyLock::new(|| {
    let source = embedded::source().expect("the embedded files are complete");
    let calibration = embedded::calibration(&source.llama).expect("made for these weights");
    (source.llama, calibration)
});

/// What is accepted runs: to logits, or to a typed error.
fn check_calibration(bytes: &[u8]) {
    let (llama, _) = &*EMBEDDED;
    let Ok(calibration) = Calibration::parse(bytes, Path::new("calibration.json"), llama) else {
        return;
    };
    let policy = Simulated::new(&calibration.bounds, NoiseModel::default());
    let mut twin = Twin::new(llama, &calibration.circuit, policy);
    twin.advance(&[1, 2, 3, 4]).expect("valid");
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn calibration_changed(changes in prop::collection::vec(change(), 1..4)) {
        check_calibration(&changed(EMBEDDED.1.to_text().as_bytes(), &changes));
    }

    /// Contents are edited, and the digest is made right again.
    #[test]
    fn calibration_edited(edits in prop::collection::vec(edit(), 1..4)) {
        let text = serde_json::to_string(&EMBEDDED.1).expect("serializable");
        let contents = edited_text(&text, &edits);
        if let Ok(calibration) = serde_json::from_str::<Calibration>(&contents) {
            check_calibration(calibration.to_text().as_bytes());
        }
    }
}
