//! Models too large to follow are outlined from their configuration.

use std::fs::{File, create_dir_all, write};

use crate::common::Place;

/// The sizes of Llama 3 8B.
const CONFIG: &str = r#"{
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": false,
    "vocab_size": 128256, "eos_token_id": 128001
}"#;

/// Weights of 16 GB are neither read nor needed: the file has that length and holds no weights, so
/// that reading it would fail.
#[test]
fn a_model_of_eight_billion_weights_is_outlined_without_them() {
    let place = Place::new("outline");
    let directory = place.file("llama");
    create_dir_all(&directory).expect("the directory of the test is writable");
    write(directory.join("config.json"), CONFIG).expect("the directory of the test is writable");
    for weights in [false, true] {
        if weights {
            let sparse = File::create(directory.join("model.safetensors")).expect("writable");
            sparse
                .set_len(16_060_522_496)
                .expect("sparse files take no room");
        }
        let shown = place.succeed(&["inspect", "llama"]);
        for part in [
            "8030261248 parameters",
            "security 128 bits",
            "in windows of 16 tokens",
            "the first window:",
            "each further token:",
            "keys of bootstraps:",
            "encrypted keys and values:",
            "beyond this program",
        ] {
            assert!(shown.contains(part), "{part:?} is not in: {shown}");
        }
        assert_eq!(shown.contains("16.06 GB, not read"), weights, "{shown}");
    }
}

/// What `inspect` calls beyond the program is refused by whatever would run it, before the weights
/// are looked at.
#[test]
fn a_model_beyond_the_program_is_not_started() {
    let place = Place::new("beyond");
    let directory = place.file("llama");
    create_dir_all(&directory).expect("the directory of the test is writable");
    write(directory.join("config.json"), CONFIG).expect("the directory of the test is writable");
    for command in ["generate", "export-client"] {
        let options = [command, "--model", "llama", "--quiet"];
        place.fail(&options, &["8030261248 parameters", "beyond", "--any-size"]);
        let anyway = [&options[..], &["--any-size"]].concat();
        place.fail(&anyway, &["tokenizer.json"]);
    }
}
