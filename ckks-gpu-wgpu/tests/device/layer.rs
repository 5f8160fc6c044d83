//! A layer of a network on ciphertexts: the residues of ckks-cpu, to the bit.

use crate::common::open;
use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_gpu_wgpu::Options;
use ckks_math::backend::{Backend, RingKind};
use ckks_math::keys::{GaloisElement, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
use ckks_math::params::{ParamsLiteral, SecretDistribution};
use ckks_math::polynomial::Chebyshev;
use ckks_math::sampling::Seed;
use ckks_math::wire::Wire;
use ckks_math::{Context, Decryptor, Encryptor, Evaluator};
use he_linalg::bsgs::CostModel;
use he_linalg::{Axis, Field, Layout, LinearMap, Packed, PreparedMap, Terms};
use std::sync::Arc;

/// Channels of the layer.
const WIDTH: usize = 16;

/// 128-bit secure at N = 2^14 (log QP = 384, 5 levels of two primes below 2^28): refused otherwise.
fn literal() -> ParamsLiteral {
    ParamsLiteral {
        name: "short words at 2^14".into(),
        ring: RingKind::Standard,
        log_n: 14,
        level_bits: vec![56, 54, 54, 54, 54, 54],
        word_bits: 29,
        special_primes: 2,
        special_bits: 29,
        digit_size: 2,
        log_scale: 54,
        secret: SecretDistribution::Ternary,
        bootstrap: None,
    }
}

fn weight(seed: usize, i: usize, j: usize) -> f64 {
    ((seed * 97 + i * 31 + j * 17) as f64).sin() / WIDTH as f64
}

fn projection(layout: &Layout, seed: usize) -> LinearMap {
    let row = |out: &[usize], terms: &mut Terms<'_>| {
        for j in 0..WIDTH {
            terms.add(&[j], weight(seed, out[0], j));
        }
    };
    LinearMap::build(layout, layout, row).unwrap()
}

fn clear(seed: usize, x: &[f64]) -> Vec<f64> {
    let row = |i| {
        x.iter()
            .enumerate()
            .map(|(j, v)| weight(seed, i, j) * v)
            .sum()
    };
    (0..WIDTH).map(row).collect()
}

fn silu() -> Chebyshev {
    Chebyshev::interpolate(|v: f64| v / (1.0 + (-v).exp()), (-1.0, 1.0), 3).unwrap()
}

/// `x + down(silu(gate x) * up x)` under seeded keys and encryption: the bytes of the result, and
/// what it decrypts to.
fn layer<B: Backend>(backend: B, values: &[f64]) -> (Vec<u8>, Vec<f64>) {
    let params = literal().check(backend.limits()).unwrap();
    let top = params.max_level();
    let context = Context::new(params, backend).unwrap();
    let seed = |i| Seed::from_bytes([i; 32]);
    let secret = SecretKey::from_seed(context.params(), seed(1)).unwrap();
    let ring = context.params().ring();
    let rotations = (1..WIDTH as i64).map(|k| KeyPurpose::Galois(GaloisElement::rotation(ring, k)));
    let requests = rotations
        .chain([KeyPurpose::Relinearization])
        .map(|purpose| KeyRequest {
            purpose,
            level: top,
        });
    let generator = KeyGenerator::new(&context, &secret).unwrap();
    let keys = generator.evaluation_keys(requests).unwrap();
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, seed(2)).unwrap();
    let ev = Evaluator::new(context.clone(), Arc::new(keys));

    let layout = Layout::new(WIDTH.ilog2(), &[Field::new(Axis::DIM, WIDTH)]).unwrap();
    let [gate, up, down] = [3, 4, 5].map(|seed| projection(&layout, seed));
    let model = CostModel::default();
    let both = [(&gate, &layout), (&up, &layout)];
    let both = PreparedMap::fused(&both, &layout, &model).unwrap();
    let down = PreparedMap::new(&down, &layout, &layout, &model).unwrap();

    let x = Packed::encrypt(&ev, &mut encryptor, layout, values, top).unwrap();
    let projected = both.apply_all(&ev, &x).unwrap();
    let gate = projected[0].polynomial(&ev, &silu()).unwrap();
    let up = projected[1].align_to(&ev, gate.level()).unwrap();
    let y = down.apply(&ev, &gate.mul(&ev, &up).unwrap()).unwrap();
    let x = x.align_to(&ev, y.level()).unwrap();
    let out = y.add(&ev, &x).unwrap();

    let decryptor = Decryptor::new(&context, &secret).unwrap();
    let decrypted = out.decrypt(&context, &decryptor).unwrap();
    (out.batch().to_bytes(&context).unwrap(), decrypted)
}

/// Keys, encryption, two projections with shared rotations, a polynomial, a product, a third
/// projection, a sum: the same ciphertext, which decrypts to the layer's output within 2^-30 (scale
/// 2^54, errors of sqrt(N) 2^-54 a rescaling; diagonals in single precision add 2^-25 of their
/// sum).
#[test]
fn a_secure_layer_equals_that_of_the_cpu_to_the_bit() {
    let Some(backend) = open(Options::default()) else {
        return;
    };
    let values: Vec<f64> = (0..WIDTH).map(|i| (i as f64 * 0.37).cos()).collect();
    let cpu = CpuBackend::open(CpuOptions::default()).unwrap();
    let (expected, decrypted) = layer(cpu, &values);
    let (found, _) = layer(backend, &values);
    assert!(found == expected, "the ciphertexts differ");
    let (gate, up) = (clear(3, &values), clear(4, &values));
    let inner: Vec<f64> = gate
        .iter()
        .zip(&up)
        .map(|(g, u)| silu().eval(*g) * u)
        .collect();
    let outputs = clear(5, &inner);
    for ((found, x), y) in decrypted.iter().zip(&values).zip(&outputs) {
        assert!((found - (x + y)).abs() < 1e-6, "{found} for {}", x + y);
    }
}
