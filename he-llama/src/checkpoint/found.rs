//! What a directory or a weights file holds besides what is asked for.

use std::path::Path;

use crate::config::Config;
use crate::error::{Error, Result};

/// Most tensors that a warning lists.
const LISTED: usize = 8;

/// Whether a name is of some kind.
type Fits = fn(&str) -> bool;

/// Why `directory` has no weights that can be read, by what is there.
pub(super) fn instead_of_weights(directory: &Path) -> Error {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let known: [(Fits, &str); 4] = [
        (
            |name| name.starts_with("adapter_"),
            "merge the adapter into its base model, and give the merged model",
        ),
        (
            |name| name.ends_with(".safetensors"),
            "give the whole checkpoint of a Llama, or name a single file model.safetensors",
        ),
        (
            |name| name.ends_with(".gguf"),
            "give the checkpoint in safetensors that it was made from",
        ),
        (
            |name| {
                [".bin", ".pth", ".pt"]
                    .iter()
                    .any(|end| name.ends_with(end))
            },
            "convert it to safetensors: load it with transformers and save it again",
        ),
    ];
    let found = known.iter().find_map(|(fits, way_out)| {
        let name = names.iter().find(|name| fits(name))?;
        Some((format!(", but {name}"), *way_out))
    });
    let (found, way_out) =
        found.unwrap_or_else(|| (String::new(), "download the model's safetensors files"));
    Error::Incomplete {
        directory: directory.to_path_buf(),
        expected: "model.safetensors and no model.safetensors.index.json",
        found,
        way_out,
    }
}

/// Refuses those of `names`, the tensors that no layer uses, that would change what the model
/// computes, and names the others in a warning.
///
/// # Errors
///
/// [`Error::ExtraTensor`].
pub(super) fn check_unused(names: impl Iterator<Item = String>, config: &Config) -> Result<()> {
    let mut names: Vec<String> = names.filter(|name| !is_rotary_table(name)).collect();
    names.sort();
    if let Some(name) = names.iter().find(|name| changes_the_function(name, config)) {
        let reason = if name.ends_with("bias") {
            "config.json declares no such bias"
        } else {
            "a Llama has no such tensor"
        };
        let name = name.clone();
        return Err(Error::ExtraTensor { name, reason });
    }
    if !names.is_empty() {
        let more = match names.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let listed = names[..names.len().min(LISTED)].join(", ");
        tracing::warn!("tensors of the weights files that are not used: {listed}{more}");
    }
    Ok(())
}

/// Tables of rotary angles, which follow from the configuration.
fn is_rotary_table(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq") || name == "rope.freqs"
}

/// A tensor inside of a layer that is computed, or one that belongs to a matrix or norm around.
fn changes_the_function(name: &str, config: &Config) -> bool {
    if let Some(rest) = name.strip_prefix("model.layers.") {
        let number = rest.split('.').next().and_then(|n| n.parse::<usize>().ok());
        return number.is_none_or(|layer| layer < config.layers);
    }
    let parts = ["model.embed_tokens.", "model.norm.", "lm_head."];
    let around = parts.iter().any(|part| name.starts_with(part));
    around && !(config.tied && name == "lm_head.weight")
}
