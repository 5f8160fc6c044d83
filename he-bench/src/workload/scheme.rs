//! Kernels and operations of the scheme, at the top level with all slots.

use super::{Group, Harness, gemm, ids_of, message};
use crate::error::Result;
use ckks_math::backend::{Backend, Basis};
use ckks_math::keys::{GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Decryptor, Encryptor, Evaluator, Params};
use std::sync::Arc;

/// Steps of the hoisted rotations.
const STEPS: [i64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

pub(super) fn run<B: Backend>(
    backend: &B,
    params: &Params,
    harness: &mut impl Harness,
) -> Result<()> {
    if !ids_of(Group::Scheme).any(|id| harness.wants(id)) {
        return Ok(());
    }
    let context = Context::new(params.clone(), backend.clone())?;
    ntt(&context, harness)?;
    gemm::run(backend, params, harness)?;
    let secret = SecretKey::from_seed(params, Seed::from_bytes([1; 32]))?;
    let generator = KeyGenerator::new(&context, &secret)?;
    key_switch(&context, &generator, harness)?;
    evaluator(&context, &secret, &generator, harness)?;
    client(&context, &secret, &generator, harness)?;
    keygen(&context, &generator, harness)
}

/// One limb there or back, or all limbs there, in place: what is in the block does not matter to
/// the time.
fn ntt<B: Backend>(context: &Context<B>, harness: &mut impl Harness) -> Result<()> {
    let (backend, t) = (context.backend(), context.tables());
    let mut x = polynomial(context, Basis::q(1))?;
    if harness.wants("ntt/forward") {
        harness.time("ntt/forward", context.params(), &mut || {
            backend.ntt(t, &mut x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    if harness.wants("ntt/inverse") {
        harness.time("ntt/inverse", context.params(), &mut || {
            backend.intt(t, &mut x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    if harness.wants("ntt/forward_batch") {
        let params = context.params();
        let mut x = polynomial(context, params.basis_at(params.max_level()))?;
        harness.time("ntt/forward_batch", params, &mut || {
            backend.ntt(t, &mut x)?;
            Ok(backend.synchronize()?)
        })?;
    }
    Ok(())
}

fn key_switch<B: Backend>(
    context: &Context<B>,
    generator: &KeyGenerator<'_, B>,
    harness: &mut impl Harness,
) -> Result<()> {
    if !harness.wants("key_switch") {
        return Ok(());
    }
    let (backend, t, params) = (context.backend(), context.tables(), context.params());
    let level = params.max_level();
    let purpose = KeyPurpose::Relinearization;
    let key = generator
        .switching_key(KeyRequest { purpose, level })?
        .load(context)?;
    let x = polynomial(context, params.basis_at(level))?;
    harness.time("key_switch", params, &mut || {
        backend.key_switch(t, &x, &key)?;
        Ok(backend.synchronize()?)
    })
}

fn evaluator<B: Backend>(
    context: &Context<B>,
    secret: &SecretKey,
    generator: &KeyGenerator<'_, B>,
    harness: &mut impl Harness,
) -> Result<()> {
    let params = context.params();
    let level = params.max_level();
    let (product, rotation, hoisted, rescale) = (
        "multiply_relinearise_rescale",
        "rotate",
        "rotate_hoisted_8",
        "rescale",
    );
    let mut requests = Vec::new();
    if harness.wants(product) {
        requests.push(KeyRequest {
            purpose: KeyPurpose::Relinearization,
            level,
        });
    }
    let count = match (harness.wants(hoisted), harness.wants(rotation)) {
        (true, _) => STEPS.len(),
        (false, true) => 1,
        (false, false) => 0,
    };
    requests.extend(rotations(params).take(count));
    if requests.is_empty() && !harness.wants(rescale) {
        return Ok(());
    }
    let keys = generator.evaluation_keys(requests)?;
    keys.expand(context)?;
    let ev = Evaluator::new(context.clone(), Arc::new(keys));
    let x = encrypted(context, secret)?;
    let backend = context.backend();
    let mut time = |id, op: &dyn Fn() -> ckks_math::Result<()>| -> Result<()> {
        if harness.wants(id) {
            harness.time(id, params, &mut || {
                op()?;
                Ok(backend.synchronize()?)
            })?;
        }
        Ok(())
    };
    time(product, &|| ev.mul(&x, &x).map(drop))?;
    time(rotation, &|| ev.rotate(&x, STEPS[0]).map(drop))?;
    time(hoisted, &|| ev.rotate_many(&x, &STEPS).map(drop))?;
    time(rescale, &|| ev.rescale(&x).map(drop))
}

/// What the owner of the secret does: encode and encrypt, decrypt and decode.
fn client<B: Backend>(
    context: &Context<B>,
    secret: &SecretKey,
    generator: &KeyGenerator<'_, B>,
    harness: &mut impl Harness,
) -> Result<()> {
    let params = context.params();
    let level = params.max_level();
    if harness.wants("encode_encrypt") {
        let key = generator.public_key()?;
        let mut encryptor = Encryptor::with_public_key(context, &key, Seed::from_bytes([3; 32]))?;
        let values = message(params.max_slots());
        harness.time("encode_encrypt", params, &mut || {
            encryptor.encrypt(&context.encode(&values, level, params.scale_at(level))?)?;
            Ok(context.backend().synchronize()?)
        })?;
    }
    if harness.wants("decrypt_decode") {
        let decryptor = Decryptor::new(context, secret)?;
        let x = encrypted(context, secret)?;
        harness.time("decrypt_decode", params, &mut || {
            for plaintext in decryptor.decrypt(&x)? {
                context.decode(&plaintext)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn keygen<B: Backend>(
    context: &Context<B>,
    generator: &KeyGenerator<'_, B>,
    harness: &mut impl Harness,
) -> Result<()> {
    if !harness.wants("keygen/rotation_8") {
        return Ok(());
    }
    let params = context.params();
    harness.time("keygen/rotation_8", params, &mut || {
        generator
            .evaluation_keys(rotations(params))?
            .expand(context)?;
        Ok(context.backend().synchronize()?)
    })
}

fn rotations(params: &Params) -> impl Iterator<Item = KeyRequest> + '_ {
    let level = params.max_level();
    STEPS.iter().map(move |&s| {
        let purpose = KeyPurpose::Galois(GaloisElement::rotation(params.ring(), s));
        KeyRequest { purpose, level }
    })
}

/// One polynomial with residues of full length.
fn polynomial<B: Backend>(context: &Context<B>, basis: Basis) -> Result<B::Block> {
    let ring = context.params().ring();
    let residues: Vec<u64> = ring
        .moduli(basis)
        .flat_map(|q| (0..ring.degree() as u64).map(move |i| (i + 7).wrapping_pow(5) % q.value()))
        .collect();
    Ok(context
        .backend()
        .upload(context.tables(), 1, basis, &residues)?)
}

/// All slots at the top level.
fn encrypted<B: Backend>(context: &Context<B>, secret: &SecretKey) -> Result<Ciphertext<B>> {
    let params = context.params();
    let level = params.max_level();
    let mut encryptor = Encryptor::with_secret_key(context, secret, Seed::from_bytes([2; 32]))?;
    let values = message(params.max_slots());
    Ok(encryptor.encrypt(&context.encode(&values, level, params.scale_at(level))?)?)
}
