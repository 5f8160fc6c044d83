//! Configurations as they are found, and what is refused.

use super::*;

fn json(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut v = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "hidden_size": 64,
        "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8,
        "num_key_value_heads": 4, "vocab_size": 512, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5, "eos_token_id": 2
    });
    change(v.as_object_mut().expect("an object was written above"));
    v.to_string().into_bytes()
}

fn parse(bytes: &[u8]) -> Result<Config> {
    Config::parse(bytes, Path::new("config.json"))
}

#[test]
fn optional_fields_take_their_usual_values() {
    let c = parse(&json(|_| ())).expect("valid");
    assert_eq!((c.head_dim, c.kv_heads, c.tied), (8, 4, false));
    assert_eq!((c.rope_theta, c.eos), (10_000.0, vec![2]));
    let list = parse(&json(|m| {
        m.insert("eos_token_id".into(), serde_json::json!([7, 9]));
        m.remove("num_key_value_heads");
    }))
    .expect("valid");
    assert_eq!((list.eos, list.kv_heads), (vec![7, 9], 8));
}

#[test]
fn what_is_not_a_plain_llama_is_refused_by_name() {
    let cases: [(&str, Value); 10] = [
        ("architectures", serde_json::json!(["MistralForCausalLM"])),
        ("hidden_act", serde_json::json!("gelu")),
        ("attention_bias", serde_json::json!(true)),
        ("num_key_value_heads", serde_json::json!(3)),
        ("rope_scaling", serde_json::json!({"rope_type": "yarn"})),
        ("partial_rotary_factor", serde_json::json!(0.5)),
        (
            "quantization_config",
            serde_json::json!({"quant_method": "gptq", "bits": 4}),
        ),
        ("compression_config", serde_json::json!({"format": "int"})),
        ("num_hidden_layers", serde_json::json!(1 << 24)),
        ("eos_token_id", serde_json::json!("end")),
    ];
    for (field, value) in cases {
        let bytes = json(|m| {
            m.insert(field.into(), value);
        });
        let message = parse(&bytes).expect_err(field).to_string();
        assert!(message.contains(field), "{message}");
    }
}

/// Values of Llama 3.1: the fastest pair is kept, the slowest divided by 8 exactly.
#[test]
fn llama3_scaling_keeps_high_and_divides_low_frequencies() {
    let scaled = json(|m| {
        m.insert("head_dim".into(), 128.into());
        m.insert("rope_theta".into(), 500_000.0.into());
        let s = serde_json::json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        m.insert("rope_scaling".into(), s);
    });
    let mut c = parse(&scaled).expect("valid");
    let with = c.rope_frequencies();
    c.rope_scaling = None;
    let without = c.rope_frequencies();
    assert_eq!(with[0], without[0]);
    assert_eq!(with[63], without[63] / 8.0);
    let between = (0..64)
        .filter(|&i| with[i] < without[i] && with[i] > without[i] / 8.0)
        .count();
    assert!(between > 0);
}

fn with(fields: &Value) -> Result<Config> {
    parse(&json(|m| {
        m.extend(fields.as_object().expect("an object").clone());
    }))
}

#[test]
fn null_is_absent() {
    let fields = [
        "tie_word_embeddings",
        "attention_bias",
        "mlp_bias",
        "hidden_act",
        "num_key_value_heads",
        "head_dim",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "partial_rotary_factor",
        "quantization_config",
        "eos_token_id",
    ];
    for field in fields {
        let null = with(&serde_json::json!({ field: null })).expect(field);
        let absent = parse(&json(|m| {
            m.remove(field);
        }));
        assert_eq!(null, absent.expect(field), "{field}");
    }
}

#[test]
fn a_quantised_checkpoint_is_refused_by_the_name_of_its_method() {
    let quantised = with(&serde_json::json!({"quantization_config": {"quant_method": "awq"}}));
    let message = quantised.expect_err("quantised").to_string();
    assert!(
        message.contains("awq") && message.contains("unquantised"),
        "{message}"
    );
}

/// `rope_parameters` of newer configurations holds before the older fields.
#[test]
fn rotary_parameters_win_over_the_older_fields() {
    let new = serde_json::json!({"rope_type": "default", "rope_theta": 500_000.0});
    for old in [serde_json::json!(null), serde_json::json!(10_000.0)] {
        let c = with(&serde_json::json!({"rope_theta": old, "rope_parameters": new}));
        assert_eq!(c.expect("valid").rope_theta, 500_000.0);
    }
    let linear = serde_json::json!({"type": "linear", "factor": 4.0});
    let both = with(&serde_json::json!({"rope_scaling": linear, "rope_parameters": new}));
    let message = both.expect_err("they scale differently").to_string();
    assert!(
        message.contains("rope_parameters") && message.contains("rope_scaling"),
        "{message}"
    );
}

#[test]
fn linear_scaling_divides_every_frequency() {
    let plain = parse(&json(|_| ())).expect("valid").rope_frequencies();
    for kind in [
        serde_json::json!({"type": "linear"}),
        serde_json::json!({"rope_type": "linear"}),
        serde_json::json!({"rope_type": null, "type": "linear"}),
        serde_json::json!({"rope_type": "linear", "type": "linear"}),
    ] {
        for field in ["rope_scaling", "rope_parameters"] {
            let mut scaling = kind.clone();
            scaling["factor"] = 4.into();
            let c = with(&serde_json::json!({ field: scaling })).expect("supported");
            let quarter: Vec<f64> = plain.iter().map(|f| f / 4.0).collect();
            assert_eq!(c.rope_frequencies(), quarter, "{field} {kind}");
        }
    }
}

/// The base of `dynamic` scaling grows from the trained length on: up to there it is constant.
#[test]
fn dynamic_scaling_is_none_up_to_the_trained_length() {
    let plain = parse(&json(|_| ())).expect("valid");
    let c = with(&serde_json::json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}}));
    assert_eq!(c.expect("supported"), plain);
    let original = serde_json::json!({"rope_type": "dynamic", "factor": 2.0,
        "original_max_position_embeddings": 128});
    let c = with(&serde_json::json!({"rope_parameters": original})).expect("supported");
    assert_eq!((c.positions, c.rope_scaling), (128, None));
}

#[test]
fn scalings_that_are_not_understood_are_refused() {
    for scaling in [
        serde_json::json!({"rope_type": "default", "type": "linear", "factor": 4.0}),
        serde_json::json!({"factor": 4.0}),
        serde_json::json!({"type": "linear"}),
        serde_json::json!({"type": "linear", "factor": 0}),
        serde_json::json!({"type": "linear", "factor": "4"}),
        serde_json::json!({"type": 3}),
        serde_json::json!({"rope_type": "longrope"}),
        serde_json::json!({"rope_type": "llama3", "factor": 8.0}),
        serde_json::json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
            "high_freq_factor": 1.0, "original_max_position_embeddings": 64}),
        serde_json::json!("linear"),
        serde_json::json!([4.0]),
    ] {
        let message = with(&serde_json::json!({"rope_scaling": scaling})).expect_err("unknown");
        assert!(message.to_string().contains("rope"), "{scaling}: {message}");
    }
    let theta = with(&serde_json::json!({"rope_parameters": {"rope_theta": "large"}}));
    assert!(
        theta
            .expect_err("no number")
            .to_string()
            .contains("rope_theta")
    );
}

#[test]
fn end_tokens_of_both_files_end_a_text() {
    let path = Path::new("generation_config.json");
    for (own, more, want) in [
        ("2", "[2, 383]", vec![2, 383]),
        ("null", "383", vec![383]),
        ("[2, 7]", "null", vec![2, 7]),
    ] {
        let own: Value = serde_json::from_str(own).expect("json");
        let mut c = with(&serde_json::json!({"eos_token_id": own})).expect("valid");
        let text = format!("{{\"eos_token_id\": {more}}}");
        c.parse_generation(text.as_bytes(), path).expect("valid");
        assert_eq!(c.eos, want);
    }
    let mut c = with(&serde_json::json!({})).expect("valid");
    for bad in ["{\"eos_token_id\": -1}", "[", ""] {
        let message = c
            .parse_generation(bad.as_bytes(), path)
            .expect_err(bad)
            .to_string();
        assert!(message.contains("generation_config.json"), "{message}");
    }
}

/// Sizes whose products overflow, or ask for more memory than there is, are refused at once.
#[test]
fn sizes_that_no_model_has_are_refused() {
    let most = 1 << 24;
    for fields in [
        serde_json::json!({"hidden_size": most, "intermediate_size": most}),
        serde_json::json!({"num_attention_heads": most, "num_key_value_heads": most,
            "head_dim": most, "hidden_size": most}),
        serde_json::json!({"vocab_size": most, "hidden_size": most}),
        serde_json::json!({"num_hidden_layers": 4097}),
        serde_json::json!({"hidden_size": u64::MAX}),
        serde_json::json!({"max_position_embeddings": 0}),
        serde_json::json!({"rope_theta": 1e-320, "head_dim": 64}),
    ] {
        let found = with(&fields);
        assert!(
            matches!(found, Err(Error::Config { .. })),
            "{fields}: {found:?}"
        );
    }
}
