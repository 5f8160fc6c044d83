//! Models with their calibration and setup, for commands.

use std::path::Path;
use std::sync::Arc;

use crate::calibrate::{Calibration, Options, Summary, builtin_text, calibrate, fingerprint};
use crate::cli::args::{LengthArgs, SamplingArgs};
use crate::cli::outline::FOLLOWED;
use crate::cli::screen::Progress;
use crate::config::Config;
use crate::embedded;
use crate::error::{Error, Result};
use crate::length::Length;
use crate::protocol::envelope::Kind;
use crate::protocol::{ClientPackage, ClientSpec, Engine, Session, Setup};
use crate::sampling::Sampler;
use crate::source::Source;
use crate::times::TimesInUse;

/// The model in `directory`, or the one built in.
///
/// # Errors
///
/// Those of [`Source::open`].
pub fn open(directory: Option<&Path>) -> Result<Source> {
    directory.map_or_else(embedded::source, Source::open)
}

/// The model in `directory`, or the one built in, for a run on it.
///
/// # Errors
///
/// Those of [`Source::open`], and [`Error::TooLarge`] for a model that `inspect` calls beyond this
/// program, unless `any_size` is given.
pub fn open_to_run(directory: Option<&Path>, any_size: bool) -> Result<Source> {
    if let Some(directory) = directory.filter(|_| !any_size) {
        let parameters = Config::read(&directory.join("config.json"))?.parameters();
        if parameters > FOLLOWED {
            let limit = FOLLOWED;
            return Err(Error::TooLarge { parameters, limit });
        }
    }
    open(directory)
}

/// How tokens are chosen.
///
/// # Errors
///
/// Those of [`Sampler::new`].
pub fn sampler(args: SamplingArgs) -> Result<Sampler> {
    Sampler::new(args.temperature, args.top_p, args.seed)
}

/// Calibrates with a progress bar.
///
/// # Errors
///
/// Those of [`calibrate`].
pub fn calibrate_with_bar(
    source: &Source,
    text: &str,
    options: &Options,
    quiet: bool,
) -> Result<(Calibration, Summary)> {
    const PARTS: f64 = 1000.0;
    let progress = Progress::new(quiet);
    let mut shown = Ok(());
    let result = calibrate(source, text, options, &mut |share| {
        let done = (share * PARTS) as usize;
        let next = progress.at(done, PARTS as usize, &|| "calibrating".into());
        if shown.is_ok() {
            shown = next;
        }
    });
    progress.clear();
    shown?;
    result
}

/// The calibration stored for `source`, or built in with it; made on built-in text and stored
/// when there is none, for texts of at least `positions` tokens as far as the model admits.
///
/// # Errors
///
/// Fails for a stored calibration that is damaged or of other weights, and where calibration does.
pub fn calibration(source: &Source, positions: usize, quiet: bool) -> Result<Arc<Calibration>> {
    let directory = source.directory.as_deref();
    if let Some((calibration, _)) = Calibration::load(&source.llama, directory)? {
        return Ok(Arc::new(calibration));
    }
    if directory.is_none() {
        return Ok(Arc::new(embedded::calibration(&source.llama)?));
    }
    if !quiet {
        note!("This model has no calibration yet: calibrating on built-in text.")?;
    }
    let mut options = Options::default();
    options.positions = options.positions.max(positions.next_power_of_two());
    let (calibration, _) = calibrate_with_bar(source, builtin_text(), &options, quiet)?;
    let path = calibration.store(&source.llama, directory, false)?;
    if !quiet {
        note!("Calibration stored in {}.", path.display())?;
    }
    Ok(Arc::new(calibration))
}

impl LengthArgs {
    /// The length of the texts that keys or a plan are asked for.
    ///
    /// # Errors
    ///
    /// Fails for lengths that the model's context does not admit.
    pub fn of(&self, source: &Source) -> Result<Length> {
        let prompt = match self.prompt_tokens {
            Some(tokens) => tokens,
            None => {
                let text = self.prompt.text_or_default()?;
                source.prompt(&text, self.tokens)?.len()
            }
        };
        let length = Length::new(prompt, self.tokens)?;
        let limit = source.llama.config.positions;
        length.check(limit, "of the model: ask for fewer")?;
        Ok(length)
    }

    /// Most positions of the conversations that keys or a plan are asked for.
    ///
    /// # Errors
    ///
    /// As [`LengthArgs::of`].
    pub fn capacity(&self, source: &Source) -> Result<usize> {
        let Some(capacity) = self.capacity else {
            return Ok(self.of(source)?.positions());
        };
        let limit = source.llama.config.positions;
        Length::new(capacity, 1)?.check(limit, "of the model: ask for a smaller --capacity")?;
        Ok(capacity)
    }
}

/// Parameters and plan for conversations of up to `capacity` positions.
///
/// # Errors
///
/// Those of [`Setup::new`], and of calibration where there is none.
pub fn setup(
    source: &Source,
    engine: &dyn Engine,
    preset: &str,
    capacity: usize,
    quiet: bool,
) -> Result<Arc<Setup>> {
    warn_if_insecure(preset)?;
    let calibration = calibration(source, capacity, quiet)?;
    let (limits, times) = (
        engine.limits(),
        TimesInUse::of_device(&engine.name())?.times,
    );
    Setup::new(
        &source.llama,
        &calibration,
        preset,
        capacity,
        limits,
        &times,
    )
}

/// The setup of a session that was named in a file of a kind.
///
/// # Errors
///
/// Fails where the model, its calibration or the plan are not those of the session, and where
/// [`setup`] does.
pub fn restore(
    source: &Source,
    engine: &dyn Engine,
    session: &Session,
    (kind, quiet): (Kind, bool),
) -> Result<Arc<Setup>> {
    let found = fingerprint(&source.llama)?;
    if session.model != found {
        return Err(Error::Session {
            what: kind.name(),
            field: "model",
            found: session.model.clone(),
            expected: found,
            way_out: "give its model with --model, or its package with --client",
        });
    }
    let setup = setup(source, engine, &session.preset, session.capacity, quiet)?;
    setup.session.expect(session, kind.name())?;
    Ok(setup)
}

/// What a client knows: by its package, or for the embedded model by the session that keys were
/// made for.
///
/// # Errors
///
/// Fails for a package that cannot be used or is of another session.
pub fn client(
    package: Option<&Path>,
    engine: &dyn Engine,
    session: &Session,
    quiet: bool,
) -> Result<ClientPackage> {
    let kind = Kind::SecretKey;
    let package = match package {
        Some(directory) => ClientPackage::read(directory, engine.limits())?,
        None => {
            let source = embedded::source()?;
            let setup = restore(&source, engine, session, (kind, quiet))?;
            return Ok(ClientPackage {
                spec: Arc::new(ClientSpec::of(&setup)?),
                keys: Vec::new(),
                tokenizer: source.tokenizer,
            });
        }
    };
    package.spec.session().expect(session, kind.name())?;
    warn_if_insecure(package.spec.params().name())?;
    Ok(package)
}

/// Says so when a parameter set protects nothing, also to who asked for quiet. The name must be
/// one that was checked.
///
/// # Errors
///
/// Fails when standard error cannot be written.
pub fn warn_if_insecure(preset: &str) -> Result<()> {
    if preset.starts_with("insecure-") {
        note!("warning: preset {preset} is INSECURE, for tests only: anyone can decrypt")?;
    }
    Ok(())
}
