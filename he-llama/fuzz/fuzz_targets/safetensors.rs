//! Any bytes are the weights of a small model, or an error.

#![no_main]

use he_llama::checkpoint::Weights;
use he_llama::config::Config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = br#"{
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": true, "vocab_size": 4
    }"#;
    Config::parse(text, Path::new("config.json")).expect("the config is complete")
});

fuzz_target!(|bytes: &[u8]| {
    drop(Weights::parse(bytes.to_vec(), Path::new("model.safetensors"), &CONFIG));
});
