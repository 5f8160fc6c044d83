//! Small checkpoints written by hand: formats, shards, and every way to be wrong.

use std::collections::HashMap;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use super::*;
use crate::model::Llama;

fn config() -> Config {
    Config::parse(
        br#"{"architectures":["LlamaForCausalLM"],"hidden_size":4,"intermediate_size":6,
        "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":5,
        "max_position_embeddings":8,"rms_norm_eps":1e-5,"tie_word_embeddings":true}"#,
        Path::new("config.json"),
    )
    .expect("valid")
}

fn shapes() -> Vec<(String, Vec<usize>)> {
    let layer = |part: &str| format!("model.layers.0.{part}.weight");
    vec![
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
    ]
}

/// Multiples of 1/8 below 4: exact in F32, F16 and BF16.
fn file(dtype: Dtype, shapes: &[(String, Vec<usize>)]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, shape)| {
            let values = (0..shape.iter().product::<usize>()).map(|i| (i % 31) as f32 / 8.0);
            match dtype {
                Dtype::F16 => values
                    .flat_map(|v| f16::from_f32(v).to_le_bytes())
                    .collect(),
                Dtype::BF16 => values
                    .flat_map(|v| bf16::from_f32(v).to_le_bytes())
                    .collect(),
                _ => values.flat_map(f32::to_le_bytes).collect(),
            }
        })
        .collect();
    let views: HashMap<&str, TensorView<'_>> = shapes
        .iter()
        .zip(&data)
        .map(|((name, shape), bytes)| {
            (
                name.as_str(),
                TensorView::new(dtype, shape.clone(), bytes).expect("sizes agree"),
            )
        })
        .collect();
    safetensors::serialize(views, None).expect("serializable")
}

fn parse(bytes: &[u8]) -> Result<Weights> {
    Weights::parse(bytes.to_vec(), Path::new("model.safetensors"), &config())
}

#[test]
fn three_formats_give_the_same_numbers() {
    let [a, b, c] = [Dtype::F32, Dtype::F16, Dtype::BF16]
        .map(|d| parse(&file(d, &shapes())).expect("complete").embedding);
    assert_eq!(a, b);
    assert_eq!(a, c);
    assert_eq!(a.get(1, 1), 5.0 / 8.0);
}

#[test]
fn a_wrong_shape_names_tensor_expected_and_found() {
    let mut wrong = shapes();
    wrong[8].1 = vec![6, 5];
    match parse(&file(Dtype::F32, &wrong)) {
        Err(Error::Shape {
            name,
            expected,
            found,
        }) => {
            assert!(name.contains("gate_proj"));
            assert_eq!((expected, found), (vec![6, 4], vec![6, 5]));
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn truncation_at_any_place_is_an_error() {
    let bytes = file(Dtype::F32, &shapes());
    for cut in [0, 3, 8, 40, bytes.len() / 2, bytes.len() - 1] {
        assert!(
            matches!(parse(&bytes[..cut]), Err(Error::Weights { .. })),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let names = shapes();
    let found = parse(&file(Dtype::F32, &names[..10]));
    assert!(matches!(found, Err(Error::MissingTensor { name, .. }) if name.contains("down_proj")));
}

#[test]
fn shards_equal_one_file_and_the_fingerprint_follows_the_weights() {
    let directory = std::env::temp_dir().join(format!("he-llama-shards-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("writable");
    let all = shapes();
    let mut map = serde_json::Map::new();
    for (i, part) in all.chunks(4).enumerate() {
        let name = format!("model-{i}.safetensors");
        std::fs::write(directory.join(&name), file(Dtype::F32, part)).expect("writable");
        map.extend(
            part.iter()
                .map(|(tensor, _)| (tensor.clone(), name.clone().into())),
        );
    }
    let index = serde_json::json!({ "weight_map": map }).to_string();
    std::fs::write(directory.join(INDEX), index).expect("writable");
    let sharded = Weights::read(&directory, &config()).expect("complete");
    let single = parse(&file(Dtype::F32, &all)).expect("complete");
    assert_eq!(sharded.layers[0].down, single.layers[0].down);
    let fingerprint = |weights| Llama::new(config(), weights).fingerprint();
    assert_eq!(
        fingerprint(sharded).expect("finite"),
        fingerprint(single).expect("finite")
    );

    std::fs::remove_file(directory.join("model-1.safetensors")).expect("was written");
    let missing = Weights::read(&directory, &config());
    assert!(
        matches!(missing, Err(Error::Read { path, .. }) if path.ends_with("model-1.safetensors"))
    );
    std::fs::remove_dir_all(&directory).expect("was created");
}

/// Every number of every tensor counts: the lowest bit of the last one of each is flipped in turn.
#[test]
fn one_bit_of_any_tensor_changes_the_fingerprint() {
    let bytes = file(Dtype::F32, &shapes());
    let fingerprint = |bytes: &[u8]| {
        let weights = parse(bytes).expect("complete");
        Llama::new(config(), weights).fingerprint().expect("finite")
    };
    let original = fingerprint(&bytes);
    let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("own file");
    for (name, info) in metadata.tensors() {
        let mut changed = bytes.clone();
        changed[8 + header + info.data_offsets.1 - 4] ^= 1;
        assert_ne!(fingerprint(&changed), original, "{name}");
    }
}

/// Damage inside a matrix shows when its numbers are wanted, by the name of the tensor.
#[test]
fn a_number_that_is_not_finite_is_named_with_its_tensor() {
    let mut bytes = file(Dtype::F32, &shapes());
    let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("own file");
    let name = "model.layers.0.mlp.up_proj.weight";
    let start = 8 + header + metadata.info(name).expect("is in it").data_offsets.0;
    bytes[start + 12..start + 16].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let found = Llama::new(config(), parse(&bytes).expect("shapes are right")).fingerprint();
    assert!(
        matches!(&found, Err(Error::NotFinite { name: n, index: 3, .. }) if n == name),
        "{found:?}"
    );
}

/// A directory of its own, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("he-llama-checkpoint-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("writable");
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), bytes).expect("writable");
    }

    fn read(&self) -> Result<Weights> {
        Weights::read(&self.0, &config())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a directory without weights holds instead, and the way out of each.
#[test]
fn what_is_there_instead_of_weights_is_named() {
    let cases = [
        ("pytorch_model.bin", "convert it to safetensors"),
        ("adapter_config.json", "merge the adapter"),
        ("adapter_model.safetensors", "merge the adapter"),
        ("llama-q4.gguf", "safetensors that it was made from"),
        ("consolidated.00.pth", "convert it to safetensors"),
        (
            "weights.safetensors",
            "name a single file model.safetensors",
        ),
        ("README.md", "download"),
    ];
    for (name, way_out) in cases {
        let place = Place::new("instead");
        place.write(name, b"PK");
        let message = place.read().expect_err(name).to_string();
        assert!(message.contains("no model.safetensors"), "{message}");
        assert!(message.contains(way_out), "{message}");
        assert_eq!(message.contains(name), name != "README.md", "{message}");
    }
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let place = Place::new("lfs");
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{:064}\n",
        7
    );
    place.write(SINGLE, &pointer);
    let message = place.read().expect_err("a pointer").to_string();
    assert!(
        message.contains(SINGLE) && message.contains("git lfs pull"),
        "{message}"
    );
    std::fs::remove_file(place.0.join(SINGLE)).expect("was written");
    place.write(INDEX, &pointer);
    let message = place.read().expect_err("a pointer").to_string();
    assert!(
        message.contains(INDEX) && message.contains("git lfs pull"),
        "{message}"
    );
}

#[test]
fn an_index_that_names_a_file_elsewhere_is_refused() {
    for name in [
        "../model.safetensors",
        "weights/a.safetensors",
        "/etc/passwd",
        "..",
        "",
    ] {
        let place = Place::new("elsewhere");
        let index = serde_json::json!({ "weight_map": { "model.norm.weight": name } });
        place.write(INDEX, index.to_string());
        let found = place.read();
        let message = found.as_ref().expect_err(name).to_string();
        assert!(matches!(found, Err(Error::Index { .. })), "{message}");
        assert!(message.contains("no file of the directory"), "{message}");
    }
}

/// Two shards hold a tensor, the index says which is meant: the other is a stale copy.
#[test]
fn a_stale_copy_in_another_shard_is_not_read() {
    let place = Place::new("stale");
    let (first, second) = shapes()
        .into_iter()
        .partition::<Vec<_>, _>(|(n, _)| n.contains("embed"));
    let stale = [&second[..], &[(first[0].0.clone(), vec![1, 1])]].concat();
    place.write("model-1.safetensors", file(Dtype::F32, &first));
    place.write("model-2.safetensors", file(Dtype::F32, &stale));
    let entry = |name: &str, shard: &str| (name.to_owned(), Value::from(shard));
    let map: serde_json::Map<String, Value> = first
        .iter()
        .map(|(name, _)| entry(name, "model-1.safetensors"))
        .chain(
            second
                .iter()
                .map(|(name, _)| entry(name, "model-2.safetensors")),
        )
        .collect();
    place.write(INDEX, serde_json::json!({ "weight_map": map }).to_string());
    let weights = place.read().expect("complete");
    assert_eq!(weights.embedding.get(1, 1), 5.0 / 8.0);
}

/// What changes the function is refused; what does not is left out.
#[test]
fn tensors_that_nobody_reads_are_not_dropped_in_silence() {
    let refused = [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.mlp.down_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.0.self_attn.q_proj.weight_scale",
        "model.layers.0.post_feedforward_layernorm.weight",
        "model.norm.bias",
        "model.embed_tokens.weight_scale",
        "lm_head.bias",
    ];
    let harmless = [
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.layers.1.self_attn.q_proj.weight",
        "lm_head.weight",
        "score.weight",
        "empty.bias",
    ];
    let with = |name: &str| {
        let mut more = shapes();
        more.push((name.to_owned(), vec![2, 2]));
        parse(&file(Dtype::F32, &more))
    };
    for name in refused {
        let found = with(name);
        assert!(
            matches!(&found, Err(Error::ExtraTensor { name: n, .. }) if n == name),
            "{name}: {:?}",
            found.err()
        );
    }
    for name in harmless {
        with(name).expect(name);
    }
}

/// Sizes are compared with the files before anything of their size is made.
#[test]
fn a_configuration_larger_than_its_files_is_refused_at_once() {
    let bytes = file(Dtype::F32, &shapes());
    for (field, value) in [("num_hidden_layers", 4096), ("vocab_size", 1 << 24)] {
        let mut config = config();
        match field {
            "vocab_size" => config.vocabulary = value,
            _ => config.layers = value,
        }
        let found = Weights::parse(bytes.clone(), Path::new("model.safetensors"), &config);
        assert!(
            matches!(
                found,
                Err(Error::MissingTensor { .. } | Error::Shape { .. })
            ),
            "{field}"
        );
    }
}
