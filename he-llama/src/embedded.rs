//! The default model, part of the program: a small Llama trained on Shakespeare's plays.

use std::path::Path;
use std::sync::Arc;

use crate::calibrate::Calibration;
use crate::checkpoint::Weights;
use crate::config::Config;
use crate::error::Result;
use crate::model::Llama;
use crate::source::Source;
use crate::tokenizer::Stored;

const CONFIG: &[u8] = include_bytes!("../assets/shakespeare/config.json");
const WEIGHTS: &[u8] = include_bytes!("../assets/shakespeare/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../assets/shakespeare/tokenizer.json");

const CALIBRATION: &[u8] = include_bytes!("../assets/shakespeare/calibration.json");

/// The directory that errors name.
const PLACE: &str = "(embedded model)";

/// The prompt used when none is given.
pub const PROMPT: &str = "ROMEO:\nCome, let us go";

/// The embedded model.
///
/// # Errors
///
/// None for the files that are part of the program; those of [`Config::parse`],
/// [`Weights::parse`] and [`Stored::tokenizer`] otherwise.
pub fn source() -> Result<Source> {
    let place = Path::new(PLACE);
    let config = Config::parse(CONFIG, place)?;
    let weights = Weights::parse(WEIGHTS, place, &config)?;
    Ok(Source {
        llama: Arc::new(Llama::new(config, weights)),
        tokenizer: tokenizer().tokenizer()?,
        directory: None,
    })
}

/// The tokenizer of the embedded model, as it is stored.
pub fn tokenizer() -> Stored {
    Stored::of(TOKENIZER, Path::new(PLACE))
}

/// The calibration of the embedded model, part of the program as well.
///
/// # Errors
///
/// Those of [`Calibration::parse`] when `llama` is another model.
pub fn calibration(llama: &Llama) -> Result<Calibration> {
    Calibration::parse(CALIBRATION, Path::new("(embedded calibration)"), llama)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Circuit, Exact, Twin};

    /// The calibration that is part of the program was made for the weights that are.
    #[test]
    fn the_embedded_calibration_is_that_of_the_embedded_weights() {
        let source = source().expect("the embedded files are complete");
        calibration(&source.llama).expect("made for these weights");
    }

    /// The prompt fits, and its likelihood under the model is far above chance: less than three
    /// quarters of the `ln(vocabulary)` nats per token of a model that knows nothing.
    #[test]
    fn the_embedded_model_has_learnt_its_corpus() {
        let source = source().expect("the embedded files are complete");
        let ids = source.prompt(PROMPT, 8).expect("fits");
        let circuit = Circuit::exact(&source.llama.config);
        let mut twin = Twin::new(&source.llama, &circuit, Exact);
        let mut nats = 0.0;
        for pair in ids.windows(2) {
            let logits = twin.advance(&pair[..1]).expect("fits");
            nats -= crate::metrics::log_softmax(&logits)[pair[1] as usize];
        }
        let mean = nats / (ids.len() - 1) as f64;
        assert!(
            mean < 0.75 * (source.llama.config.vocabulary as f64).ln(),
            "{mean} nats"
        );
    }
}
