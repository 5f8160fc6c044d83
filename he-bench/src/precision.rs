//! Error of bootstrapping over many secrets.

use crate::error::{Error, Result};
use crate::machine;
use ckks_math::backend::Backend;
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, RotationKeys, refresh_requests};
use ckks_math::encoding::Complex64;
use ckks_math::keys::{KeyDemand, KeyGenerator, SecretKey};
use ckks_math::sampling::{Seed, uniform_mod};
use ckks_math::{Context, Decryptor, Encryptor, Evaluator, Params};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// What to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Slots refreshed: a power of two from 4.
    pub slots: usize,
    /// Complex slots, with two EvalMods, or real ones, with one.
    pub complex: bool,
    /// Keep all encoded matrices on the device.
    pub resident: bool,
    /// Rotation keys against time.
    pub keys: RotationKeys,
    /// Levels of CoeffsToSlots; all that the set has for it if not given.
    pub coeffs_to_slots_levels: Option<usize>,
    /// Levels of SlotsToCoeffs; all that the set has for it if not given.
    pub slots_to_coeffs_levels: Option<usize>,
}

/// A bootstrapper whose precision is measured; it serves every secret.
pub struct Study<B: Backend> {
    context: Context<B>,
    bootstrapper: Bootstrapper<B>,
    requests: KeyDemand,
    question: Question,
}

/// One secret's refresh of uniform values in `[-1, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Number of the secret.
    pub secret: u64,
    /// Mean over the slots of the distance to the message.
    pub mean_error: f64,
    /// Largest distance.
    pub worst_error: f64,
    /// Seconds to make and load the keys.
    pub keygen_seconds: f64,
    /// Seconds of the refresh.
    pub refresh_seconds: f64,
}

/// All secrets together. Field names are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the parameter set.
    pub params: String,
    /// Number of slots.
    pub slots: usize,
    /// Whether the slots were complex.
    pub complex: bool,
    /// Level of a refreshed ciphertext.
    pub output_level: usize,
    /// log2 of the probability that a refresh overflows its bound `K`.
    pub failure_log2: f64,
    /// `-log2` of the mean error over all secrets and slots.
    pub mean_bits: f64,
    /// `-log2` of the largest error of all.
    pub worst_bits: f64,
    /// Largest resident memory of the process in bytes, where the system tells it.
    pub peak_memory_bytes: Option<u64>,
    /// Each secret.
    pub samples: Vec<Sample>,
}

impl<B: Backend> Study<B> {
    /// Prepares the refresh.
    ///
    /// # Errors
    ///
    /// When the set is not made for bootstrapping, or not with these options.
    pub fn new(params: &Params, backend: &B, question: Question) -> Result<Self> {
        let context = Context::new(params.clone(), backend.clone())?;
        let Question {
            slots,
            complex,
            resident,
            keys,
            coeffs_to_slots_levels,
            slots_to_coeffs_levels,
        } = question;
        let options = BootstrapOptions {
            coeffs_to_slots_levels,
            slots_to_coeffs_levels,
            resident,
            keys,
            ..BootstrapOptions::default()
        };
        let bootstrapper = Bootstrapper::new(&context, slots, options)?;
        let requests = refresh_requests(params, slots, options, complex)?;
        Ok(Self {
            context,
            bootstrapper,
            requests,
            question,
        })
    }

    /// Number of switching keys of a refresh.
    pub fn keys(&self) -> usize {
        self.requests.len()
    }

    /// Draws secret, message and encryption from seeds numbered `secret`, and refreshes once.
    ///
    /// The keys are dropped before the function returns.
    ///
    /// # Errors
    ///
    /// Where the scheme or the device refuses: out of memory, for the most part.
    pub fn sample(&self, secret: u64) -> Result<Sample> {
        let (context, params) = (&self.context, self.context.params());
        let root = Seed::from_bytes(*b"bootstrap precision, many seeds.").derive("secret", secret);
        let key = SecretKey::from_seed(params, root.derive("key", 0))?;
        let start = Instant::now();
        let keys = KeyGenerator::new(context, &key)?.evaluation_keys(self.requests.clone())?;
        keys.expand(context)?;
        let keygen_seconds = start.elapsed().as_secs_f64();
        let ev = Evaluator::new(context.clone(), Arc::new(keys));

        let message = self.message(&root)?;
        let level = self.bootstrapper.input_level();
        let mut encryptor =
            Encryptor::with_secret_key(context, &key, root.derive("encryption", 0))?;
        let scale = params.scale_at(level);
        let plaintext = if self.question.complex {
            context.encode_complex(&message, level, scale)?
        } else {
            let real: Vec<f64> = message.iter().map(|z| z.re).collect();
            context.encode(&real, level, scale)?
        };
        let x = encryptor.encrypt(&plaintext)?;
        let start = Instant::now();
        let y = if self.question.complex {
            self.bootstrapper.refresh_complex(&ev, &x)?
        } else {
            self.bootstrapper.refresh(&ev, &x)?
        };
        context.backend().synchronize()?;
        let refresh_seconds = start.elapsed().as_secs_f64();

        let plaintext = &Decryptor::new(context, &key)?.decrypt(&y)?[0];
        let found = context.decode_complex(plaintext)?;
        let errors: Vec<f64> = found
            .iter()
            .zip(&message)
            .map(|(y, x)| (y.re - x.re).hypot(y.im - x.im))
            .collect();
        let mean_error = errors.iter().sum::<f64>() / errors.len() as f64;
        let worst_error = errors.iter().copied().fold(0.0, f64::max);
        Ok(Sample {
            secret,
            mean_error,
            worst_error,
            keygen_seconds,
            refresh_seconds,
        })
    }

    /// All secrets together.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] without samples.
    pub fn summary(&self, samples: Vec<Sample>) -> Result<Summary> {
        if samples.is_empty() {
            return Err(Error::Argument {
                what: "secrets",
                value: "0".into(),
                way_out: "measure at least one".into(),
            });
        }
        let mean = samples.iter().map(|s| s.mean_error).sum::<f64>() / samples.len() as f64;
        let worst = samples.iter().map(|s| s.worst_error).fold(0.0, f64::max);
        Ok(Summary {
            params: self.context.params().name().into(),
            slots: self.question.slots,
            complex: self.question.complex,
            output_level: self.bootstrapper.output_level(),
            failure_log2: self.bootstrapper.failure_log2(),
            mean_bits: bits(mean),
            worst_bits: bits(worst),
            peak_memory_bytes: machine::peak_memory(),
            samples,
        })
    }

    /// Uniform values: parts in `[-1, 1)`, imaginary ones 0 for a real refresh.
    fn message(&self, root: &Seed) -> Result<Vec<Complex64>> {
        const STEPS: u64 = 1 << 40;
        let part = |label| -> Result<Vec<f64>> {
            let mut words = vec![0; self.question.slots];
            uniform_mod(&root.derive(label, 0), 0, 0, STEPS, &mut words)
                .map_err(ckks_math::Error::from)?;
            Ok(words
                .iter()
                .map(|&w| w as f64 / (STEPS / 2) as f64 - 1.0)
                .collect())
        };
        let re = part("real parts")?;
        let im = if self.question.complex {
            part("imaginary parts")?
        } else {
            vec![0.0; re.len()]
        };
        Ok(re
            .iter()
            .zip(&im)
            .map(|(&re, &im)| Complex64::new(re, im))
            .collect())
    }
}

/// Bits of precision: `-log2` of an error.
pub fn bits(error: f64) -> f64 {
    -error.log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{select, sets};
    use ckks_math::backend::Device as _;

    /// The bounds asked of `n16-boot` (mean 2^-20, worst 2^-17) hold a fortiori at degree 2^11:
    /// rounding and key-switching noise grow with the root of the degree. Those of `n16-ci-boot`
    /// may be a bit less.
    #[test]
    fn a_small_ring_refreshes_within_the_bounds_of_the_preset() {
        let backend = select::cpu(None).unwrap();
        let cases = [
            ("n16-boot", false, 20.0, 17.0),
            ("n16-boot", true, 20.0, 17.0),
            ("n16-boot-w31", false, 20.0, 17.0),
            ("n16-ci-boot", false, 19.0, 16.0),
            ("n16-ci-boot-w31", false, 19.0, 16.0),
        ];
        for (name, complex, mean, worst) in cases {
            let mut literal = sets::literal(name).unwrap();
            literal.log_n = 11;
            let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
            let question = Question {
                slots: params.max_slots(),
                complex,
                resident: true,
                ..Question::default()
            };
            let study = Study::new(&params, &backend, question).unwrap();
            let samples = vec![study.sample(0).unwrap(), study.sample(1).unwrap()];
            assert_ne!(samples[0].worst_error, samples[1].worst_error);
            let found = study.summary(samples).unwrap();
            let (found_mean, found_worst) = (found.mean_bits, found.worst_bits);
            assert!(found_mean >= mean, "{name} {complex}: mean {found_mean}");
            assert!(
                found_worst >= worst,
                "{name} {complex}: worst {found_worst}"
            );
        }
    }

    #[test]
    fn no_secrets_is_an_error() {
        let backend = select::cpu(Some(1)).unwrap();
        let mut literal = sets::literal("n16-boot").unwrap();
        literal.log_n = 10;
        let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
        let question = Question {
            slots: 4,
            keys: RotationKeys::Few,
            ..Question::default()
        };
        let study = Study::new(&params, &backend, question).unwrap();
        assert!(matches!(
            study.summary(Vec::new()),
            Err(Error::Argument { .. })
        ));
    }
}
