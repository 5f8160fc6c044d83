//! The embedded model's tokenizer, changed as real files are.

use super::*;

const TOKENIZER: &[u8] = include_bytes!("../assets/shakespeare/tokenizer.json");
const TEXT: &str = "ROMEO: Come, let us go";

fn json(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut tokenizer = serde_json::from_slice(TOKENIZER).expect("json");
    change(&mut tokenizer);
    serde_json::to_vec(&tokenizer).expect("json")
}

fn parse(bytes: &[u8]) -> Result<Tokenizer> {
    Tokenizer::parse(bytes, Path::new("tokenizer.json"))
}

fn plain() -> Vec<u32> {
    parse(TOKENIZER).expect("valid").encode(TEXT).expect("text")
}

#[test]
fn saved_truncation_and_padding_are_not_used() {
    let truncation = serde_json::json!({"direction": "Right", "max_length": 4,
        "strategy": "LongestFirst", "stride": 0});
    let padding = serde_json::json!({"strategy": {"Fixed": 512}, "direction": "Right",
        "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"});
    assert!(plain().len() > 4);
    for (field, value) in [("truncation", truncation), ("padding", padding)] {
        let changed = parse(&json(|t| t[field] = value)).expect("valid");
        assert_eq!(changed.encode(TEXT).expect("text"), plain(), "{field}");
    }
}

/// A stand-in for a post-processor that adds nothing, and one that adds the token 1.
fn opening(adds: bool) -> Tokenizer {
    let bytes = json(|t| {
        let token = serde_json::json!({"id": 1, "content": "<s>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true});
        t["added_tokens"] = serde_json::json!([token]);
        t["model"]["vocab"] = serde_json::json!({"a": 0, "<s>": 1});
        t["model"]["merges"] = serde_json::json!([]);
        let sequence = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
        let special = serde_json::json!({"SpecialToken": {"id": "<s>", "type_id": 0}});
        t["post_processor"] = match adds {
            false => Value::Null,
            true => serde_json::json!({"type": "TemplateProcessing", "single": [special, sequence],
                "pair": [sequence, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}),
        };
    });
    parse(&bytes).expect("valid")
}

#[test]
fn the_opening_token_follows_the_settings_of_a_llama_tokenizer() {
    let path = Path::new("tokenizer_config.json");
    let content = serde_json::json!({"content": "<s>", "special": true});
    for (class, bos, wanted, stored, opens) in [
        (
            "LlamaTokenizer",
            serde_json::json!("<s>"),
            Some(true),
            false,
            true,
        ),
        (
            "LlamaTokenizerFast",
            content.clone(),
            Some(true),
            false,
            true,
        ),
        (
            "LlamaTokenizerFast",
            content.clone(),
            Some(false),
            true,
            false,
        ),
        ("LlamaTokenizer", content.clone(), None, true, true),
        ("LlamaTokenizer", content.clone(), None, false, false),
        ("LlamaTokenizer", Value::Null, Some(true), false, false),
        (
            "LlamaTokenizer",
            serde_json::json!("<absent>"),
            Some(true),
            false,
            false,
        ),
        (
            "PreTrainedTokenizerFast",
            content.clone(),
            Some(true),
            false,
            false,
        ),
        (
            "PreTrainedTokenizerFast",
            content.clone(),
            Some(false),
            true,
            true,
        ),
    ] {
        let mut tokenizer = opening(stored);
        assert_eq!(
            tokenizer.opening().expect("empty"),
            vec![1; usize::from(stored)]
        );
        let settings = serde_json::json!({"tokenizer_class": class, "bos_token": bos,
            "add_bos_token": wanted});
        tokenizer
            .apply_settings(settings.to_string().as_bytes(), path)
            .expect("valid");
        let ids = tokenizer.opening().expect("empty");
        assert_eq!(
            ids,
            vec![1; usize::from(opens)],
            "{class} {bos} {wanted:?} {stored}"
        );
    }
    let damaged = opening(true).apply_settings(b"{", path);
    assert!(matches!(damaged, Err(Error::Json { .. })));
}

/// Bits flipped all over the file: an error each, or a tokenizer that works or fails with one.
#[test]
fn a_damaged_tokenizer_never_panics() {
    let mut failed = 0;
    for i in 0..400 {
        let at = TOKENIZER.len() * i / 400;
        let mut bytes = TOKENIZER.to_vec();
        bytes[at] ^= 1 << (i % 8);
        let result = parse(&bytes).and_then(|t| {
            let ids = t.encode(TEXT)?;
            t.decode(&ids)
        });
        failed += usize::from(matches!(result, Err(Error::Tokenizer { .. })));
    }
    assert!(failed > 0);
}

/// Whatever panics behind the border to the library is the tokenizer's error.
#[test]
fn a_panic_of_the_library_is_an_error() {
    let tokenizer = parse(TOKENIZER).expect("valid");
    let found = tokenizer.call(|_| -> Result<(), String> { panic!("inside of the library") });
    assert!(
        matches!(&found, Err(Error::Tokenizer { reason, .. }) if reason.contains("inside")),
        "{found:?}"
    );
}

/// Prompts that end in U+FFFD, or in the middle of a character, add nothing of their own.
#[test]
fn a_stream_returns_what_is_new_and_nothing_twice() {
    let tokenizer = parse(TOKENIZER).expect("valid");
    let all = |text: &str| tokenizer.encode(text).expect("text");
    for prompt in ["Go \u{fffd}", "Go \u{fffd}\u{fffd}", "Go", ""] {
        let ids = all(prompt);
        let shown = tokenizer.decode(&ids).expect("ids");
        let mut stream = tokenizer.stream(&ids).expect("ids");
        let mut new = String::new();
        let mut whole = ids.clone();
        for id in all("é, friend") {
            whole.push(id);
            new += &stream.push(id).expect("id");
        }
        new += &stream.finish().expect("ids");
        assert_eq!(
            shown + &new,
            tokenizer.decode(&whole).expect("ids"),
            "{prompt:?}"
        );
    }
}
