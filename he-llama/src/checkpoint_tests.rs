//! Small checkpoints written by hand: formats, shards, and every way to be wrong.

use std::collections::HashMap;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

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
