//! Small insecure objects of every kind, and their bytes.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::{Device, RingKind};
use ckks_math::keys::{
    EvaluationKeys, GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, PublicKey, SecretKey,
    SwitchingKey,
};
use ckks_math::params::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use ckks_math::sampling::Seed;
use ckks_math::wire::{
    KeySetWriter, Wire, read_evaluation_keys, read_params_insecure_for_tests, read_secret_key,
    write_secret_key,
};
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Error, Evaluator, Plaintext, Result};
use std::sync::Arc;

/// Bytes before the payload.
pub const HEADER: usize = 60;

/// Levels of one and of two primes, digits of two primes, and bootstrapping's two kinds of keys.
pub fn literal(log_n: u32) -> ParamsLiteral {
    ParamsLiteral {
        name: "insecure-tiny".into(),
        ring: RingKind::Standard,
        log_n,
        level_bits: vec![40, 30, 46],
        word_bits: 30,
        special_primes: 2,
        special_bits: 31,
        digit_size: 2,
        log_scale: 30,
        secret: SecretDistribution::Ternary,
        bootstrap: Some(BootstrapLiteral {
            slots_to_coeffs_levels: 0,
            coeffs_to_slots_levels: 0,
            eval_mod_levels: 1,
            ephemeral_weight: 8,
            overflow_bound: 4,
            cosine_degree: 1,
            double_angles: 0,
            message_ratio_bits: 8,
        }),
    }
}

/// Primes of 60 bits on the conjugate-invariant ring, which does not bootstrap.
pub fn wide_literal() -> ParamsLiteral {
    ParamsLiteral {
        name: "insecure-wide".into(),
        ring: RingKind::ConjugateInvariant,
        log_n: 5,
        level_bits: vec![60, 55],
        word_bits: 60,
        special_primes: 1,
        special_bits: 60,
        digit_size: 1,
        log_scale: 55,
        secret: SecretDistribution::SparseTernary { weight: 12 },
        bootstrap: None,
    }
}

/// A context with a secret.
pub struct Setup {
    pub context: Context<CpuBackend>,
    pub secret: SecretKey,
}

pub fn setup(literal: ParamsLiteral) -> Setup {
    let backend = CpuBackend::open(CpuOptions {
        threads: Some(1),
        ..CpuOptions::default()
    });
    let backend = backend.unwrap();
    let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
    let context = Context::new(params, backend).unwrap();
    let secret = SecretKey::from_seed(context.params(), Seed::from_bytes([7; 32])).unwrap();
    Setup { context, secret }
}

impl Setup {
    pub fn top(&self) -> usize {
        self.context.params().max_level()
    }

    /// All purposes that the parameters admit, at all levels.
    pub fn requests(&self) -> Vec<KeyRequest> {
        let params = self.context.params();
        let mut purposes = vec![
            KeyPurpose::Relinearization,
            KeyPurpose::Galois(GaloisElement::rotation(params.ring(), 1)),
        ];
        if params.literal().bootstrap.is_some() {
            purposes.extend([KeyPurpose::ToEphemeral, KeyPurpose::FromEphemeral]);
        }
        let levels = 0..=self.top();
        let at = |level| {
            purposes
                .iter()
                .map(move |&purpose| KeyRequest { purpose, level })
        };
        levels.flat_map(at).collect()
    }

    pub fn switching_key(&self, request: KeyRequest) -> SwitchingKey {
        let generator = KeyGenerator::new(&self.context, &self.secret).unwrap();
        generator.switching_key(request).unwrap()
    }

    pub fn public_key(&self) -> PublicKey {
        KeyGenerator::new(&self.context, &self.secret)
            .unwrap()
            .public_key()
            .unwrap()
    }

    pub fn plaintext(&self, level: usize) -> Plaintext<CpuBackend> {
        let scale = self.context.params().scale_at(level);
        self.context.encode(&message(), level, scale).unwrap()
    }

    /// Two ciphertexts in a batch.
    pub fn ciphertext(&self, level: usize) -> Ciphertext<CpuBackend> {
        let seed = Seed::from_bytes([9; 32]);
        let mut encryptor = Encryptor::with_secret_key(&self.context, &self.secret, seed).unwrap();
        let parts = [0, 1].map(|_| encryptor.encrypt(&self.plaintext(level)).unwrap());
        self.evaluator(EvaluationKeys::new()).join(&parts).unwrap()
    }

    /// A ciphertext that is no longer fresh: its linear term follows from no seed.
    pub fn product(&self, level: usize) -> Ciphertext<CpuBackend> {
        let ev = self.evaluator(EvaluationKeys::new());
        ev.mul_integer(&self.ciphertext(level), 3.0).unwrap()
    }

    pub fn evaluator(&self, keys: EvaluationKeys<CpuBackend>) -> Evaluator<CpuBackend> {
        Evaluator::new(self.context.clone(), Arc::new(keys))
    }

    /// Slot values of each ciphertext of a batch.
    pub fn decrypt(&self, x: &Ciphertext<CpuBackend>) -> Vec<Vec<f64>> {
        let decryptor = Decryptor::new(&self.context, &self.secret).unwrap();
        let plaintexts = decryptor.decrypt(x).unwrap();
        plaintexts
            .iter()
            .map(|p| self.context.decode(p).unwrap())
            .collect()
    }
}

pub fn message() -> Vec<f64> {
    vec![0.5, -0.25, 0.125, -1.0]
}

/// One object of every kind: its name, its bytes, and a reader that writes what it has read,
/// followed by the bytes that it has left unread.
pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub reread: fn(&Setup, &[u8]) -> Result<Vec<u8>>,
}

pub fn samples(s: &Setup) -> Vec<Sample> {
    let params = s.context.params();
    let limits = s.context.backend().limits();
    let requests = s.requests();
    let request = requests[5];
    let mut set = Vec::new();
    let mut writer = KeySetWriter::new(params, &requests[..2], &mut set).unwrap();
    for &request in &requests[..2] {
        writer.push(&s.switching_key(request)).unwrap();
    }
    writer.finish().unwrap();
    let mut secret = Vec::new();
    write_secret_key(&s.secret, params, &mut secret).unwrap();
    vec![
        Sample {
            name: "parameters",
            bytes: params.to_bytes(&limits).unwrap(),
            reread: |s, bytes| {
                let limits = s.context.backend().limits();
                let mut input = bytes;
                let read = read_params_insecure_for_tests(&limits, bytes.len() as u64, &mut input)?;
                Ok([&read.to_bytes(&limits)?, input].concat())
            },
        },
        Sample {
            name: "public_key",
            bytes: s.public_key().to_bytes(params).unwrap(),
            reread: |s, bytes| {
                let params = s.context.params();
                PublicKey::from_bytes(params, bytes)?.to_bytes(params)
            },
        },
        Sample {
            name: "switching_key",
            bytes: s.switching_key(request).to_bytes(params).unwrap(),
            reread: |s, bytes| {
                let params = s.context.params();
                SwitchingKey::from_bytes(params, bytes)?.to_bytes(params)
            },
        },
        Sample {
            name: "key_set",
            bytes: set,
            reread: reread_key_set,
        },
        Sample {
            name: "ciphertext",
            bytes: s.ciphertext(1).to_bytes(&s.context).unwrap(),
            reread: |s, bytes| Ciphertext::from_bytes(&s.context, bytes)?.to_bytes(&s.context),
        },
        Sample {
            name: "product",
            bytes: s.product(1).to_bytes(&s.context).unwrap(),
            reread: |s, bytes| Ciphertext::from_bytes(&s.context, bytes)?.to_bytes(&s.context),
        },
        Sample {
            name: "plaintext",
            bytes: s.plaintext(2).to_bytes(&s.context).unwrap(),
            reread: |s, bytes| Plaintext::from_bytes(&s.context, bytes)?.to_bytes(&s.context),
        },
        Sample {
            name: "secret_key",
            bytes: secret,
            reread: |s, bytes| {
                let mut input = bytes;
                let key = read_secret_key(s.context.params(), &mut input)?;
                let mut out = Vec::new();
                write_secret_key(&key, s.context.params(), &mut out)?;
                Ok(out)
            },
        },
    ]
}

fn reread_key_set(s: &Setup, bytes: &[u8]) -> Result<Vec<u8>> {
    let params = s.context.params();
    read_evaluation_keys(&s.context, bytes.len() as u64, &mut &bytes[..])?;
    let mut input = bytes;
    let reader = ckks_math::wire::KeySetReader::new(params, bytes.len() as u64, &mut input)?;
    let requests = reader.requests().to_vec();
    let mut out = Vec::new();
    let mut writer = KeySetWriter::new(params, &requests, &mut out)?;
    for key in reader {
        writer.push(&key?)?;
    }
    writer.finish()?;
    Ok([&out[..], input].concat())
}

/// CRC-32 of IEEE 802.3, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// Makes the checksums and the declared length fit again.
pub fn reseal(bytes: &mut [u8]) {
    let payload = bytes.len() - HEADER - 4;
    bytes[48..56].copy_from_slice(&(payload as u64).to_le_bytes());
    reseal_checksums(bytes);
}

/// Makes the checksums fit again.
pub fn reseal_checksums(bytes: &mut [u8]) {
    let header = crc32(&bytes[..56]);
    bytes[56..60].copy_from_slice(&header.to_le_bytes());
    let end = bytes.len() - 4;
    let all = crc32(&bytes[..end]);
    bytes[end..].copy_from_slice(&all.to_le_bytes());
}

/// The fault of a refused object, by its debug name: `Wire`'s fault or the error's own.
pub fn fault_name(error: &Error) -> String {
    let text = match error {
        Error::Wire { fault, .. } => format!("{fault:?}"),
        other => format!("{other:?}"),
    };
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}
