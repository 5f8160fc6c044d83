//! The CKKS scheme [Cheon-Kim-Kim-Song 2017] in RNS form over an abstract compute backend.
//!
//! | module | holds |
//! |---|---|
//! | [`arith`] | arithmetic modulo word-sized primes, NTT primes |
//! | [`backend`] | the traits a device implements, bodies derived from them, shapes of data |
//! | [`params`] | parameter literals, presets, security |
//! | [`encoding`], [`sampling`] | slot transforms, integers and residues; seeds and samplers |
//! | [`cost`] | prices of operations from the times of a device's kernels |
//! | [`context`] | one parameter set on one device; plaintexts |
//! | [`keys`], [`encrypt`], [`decrypt`] | secret, public and switching keys; encryption, decryption |
//! | [`evaluator`] | arithmetic on ciphertexts |
//! | [`polynomial`] | polynomial approximation and evaluation |
//! | [`wire`] | versioned bytes of every public object |
//! | [`error`] | the error type |
//!
//! # Example
//!
//! A circuit is written once for all backends. On [`backend::dry_run::DryRun`], whose blocks are
//! their shapes, it yields its counts and its last level in no time; on a device of a backend crate
//! it computes.
//!
//! ```
//! use ckks_math::backend::{Backend, Device, dry_run::DryRun};
//! use ckks_math::keys::{GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
//! use ckks_math::{Ciphertext, Context, Encryptor, Evaluator, Result};
//! use ckks_math::{params::preset, sampling::Seed};
//!
//! /// `x[i] x[i + 1]` in every slot: one level.
//! fn neighbours<B: Backend>(server: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
//!     server.mul(x, &server.rotate(x, 1)?)
//! }
//!
//! let dry = DryRun::default();
//! let params = preset("n14-shallow")?.check(dry.limits())?; // refused below 128 bits
//! let (context, level) = (Context::new(params.clone(), dry.clone())?, params.max_level());
//! // Seeds come from the operating system: `Seed::from_rng`. These are for a dry run only.
//! let seed = |number| Seed::from_bytes([number; 32]);
//! let secret = SecretKey::from_seed(&params, seed(1))?;
//! let next = KeyPurpose::Galois(GaloisElement::rotation(params.ring(), 1));
//! let keys = [KeyPurpose::Relinearization, next].map(|purpose| KeyRequest { purpose, level });
//! let keys = KeyGenerator::new(&context, &secret)?.evaluation_keys(keys)?;
//! let x = context.encode(&[0.5, -1.0, 0.25, 1.0], level, params.scale_at(level))?;
//! let x = Encryptor::with_secret_key(&context, &secret, seed(2))?.encrypt(&x)?;
//! let before = dry.counts().key_switches();
//! let y = neighbours(&Evaluator::new(context, keys.into()), &x)?;
//! assert_eq!(y.level(), level - 1);
//! assert_eq!(dry.counts().key_switches() - before, 2);
//! # Ok::<(), ckks_math::Error>(())
//! ```
//!
//! # Presets
//!
//! Slots are real numbers where the ring is conjugate-invariant, else complex ones. Usable levels
//! are those that a circuit has: all of them, or those between one refresh and the next.
//!
//! | preset | log N | slots | log2 QP | usable levels | bits a level |
//! |---|---|---|---|---|---|
//! | `n16-boot` | 16 | 32768 | 1552 | 13 | 40 |
//! | `n15-boot` | 15 | 16384 | 765 | 3 | 36 |
//! | `n16-boot-w31` | 16 | 32768 | 1665 | 10 | 54 |
//! | `n16-deep` | 16 | 32768 | 1680 | 24 | 55 |
//! | `n14-shallow` | 14 | 8192 | 387 | 6 | 40 |
//! | `n16-ci` | 16 | 65536 | 1607 | 27 | 45 |
//! | `n16-ci-boot` | 16 | 65536 | 1742 | 13 | 40 |
//! | `n16-ci-boot-w31` | 16 | 65536 | 1745 | 10 | 54 |
#![forbid(unsafe_code)]

pub mod arith;
pub mod backend;
pub mod bootstrap;
pub mod ciphertext;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod context;
pub mod cost;
pub mod decrypt;
pub mod encoding;
pub mod encrypt;
pub mod error;
pub mod evaluator;
pub mod keys;
pub mod params;
pub mod poly;
pub mod polynomial;
pub mod sampling;
pub mod wire;

pub use ciphertext::{Ciphertext, Plaintext};
pub use context::Context;
pub use decrypt::{Decryptor, SharedDecryptor};
pub use encrypt::Encryptor;
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use params::{Params, ParamsLiteral};
