//! Token windows to calibrate on: text, and the model's own continuations.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Result};
use crate::model::{Circuit, Exact, Llama, Twin};
use crate::sampling::Sampler;
use crate::tokenizer::Tokenizer;

/// The text used when none is given: plain prose, story openings, dialogue, verse and symbols.
pub fn builtin_text() -> &'static str {
    include_str!("../calibration_text.txt")
}

/// One window in this many is held out.
const HELD_OUT: usize = 5;
/// One window in this many is made of random tokens.
const RANDOM: usize = 16;

/// Windows of tokens, each opening with the model's BOS.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// To find ranges on.
    pub calibration: Vec<Vec<u32>>,
    /// To check them on.
    pub held_out: Vec<Vec<u32>>,
}

impl Corpus {
    /// About `windows` windows of at most `positions` tokens: most of `text`, some
    /// sampled from the model at temperature 1 behind beginnings of it, a few of random tokens.
    ///
    /// # Errors
    ///
    /// [`Error::CalibrationText`] when `text` has fewer than 16 tokens, those of
    /// [`Tokenizer::encode`] and of [`Twin::advance`].
    pub fn new(
        llama: &Llama,
        tokenizer: &Tokenizer,
        text: &str,
        positions: usize,
        windows: usize,
    ) -> Result<Self> {
        let opening = tokenizer.opening()?;
        let ids = tokenizer.encode(text)?;
        let body = ids.strip_prefix(opening.as_slice()).unwrap_or(&ids);
        let needed = 16;
        if body.len() < needed {
            return Err(Error::CalibrationText {
                found: body.len(),
                needed,
            });
        }
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let length = positions.saturating_sub(opening.len()).max(1);
        let with_opening = |tail: &[u32]| [opening.as_slice(), tail].concat();

        let of_text = (windows * 5 / 8).max(1);
        let stride = (body.len() / of_text).max(1);
        let starts = (0..body.len().saturating_sub(needed)).step_by(stride);
        let mut all: Vec<Vec<u32>> = starts
            .map(|s| with_opening(&body[s..(s + length).min(body.len())]))
            .collect();

        let paragraphs: Vec<&str> = text.split("\n\n").map(str::trim).collect();
        let mut sampler = Sampler::new(1.0, 0.98, 13)?;
        let circuit = Circuit::exact(&llama.config);
        for i in 0..windows * 5 / 16 {
            // Every other continuation starts from nothing, the others behind some words.
            let start = paragraphs[(i / 2) % paragraphs.len()];
            let words = if i.is_multiple_of(2) {
                0
            } else {
                1 + (rng.next_u32() % 8) as usize
            };
            let prompt = start.split(' ').take(words).collect::<Vec<_>>().join(" ");
            let mut ids = tokenizer.encode(&prompt)?;
            ids.truncate(positions / 2);
            if ids.is_empty() {
                ids.push(rng.next_u32() % llama.config.vocabulary as u32);
            }
            let mut twin = Twin::new(llama, &circuit, Exact).beyond_context();
            let mut logits = twin.advance(&ids)?;
            while ids.len() < positions {
                let id = sampler.choose(&logits)?;
                ids.push(id);
                logits = twin.advance(&[id])?;
            }
            all.push(ids);
        }
        for _ in 0..windows / RANDOM {
            let vocabulary = llama.config.vocabulary as u32;
            let tail: Vec<u32> = (0..length).map(|_| rng.next_u32() % vocabulary).collect();
            all.push(with_opening(&tail));
        }
        let (held_out, calibration): (Vec<_>, Vec<_>) = all
            .into_iter()
            .enumerate()
            .partition(|(i, _)| i % HELD_OUT == HELD_OUT - 1);
        let plain = |list: Vec<(usize, Vec<u32>)>| list.into_iter().map(|(_, w)| w).collect();
        Ok(Self {
            calibration: plain(calibration),
            held_out: plain(held_out),
        })
    }
}
