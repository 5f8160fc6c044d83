//! The scheme on the CPU backend, on small rings.

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::{Device, RingKind};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::keys::{EvaluationKeys, KeyGenerator, KeyPurpose, KeyRequest, SecretKey};
use ckks_math::params::{BootstrapLiteral, ParamsLiteral, SecretDistribution};
use ckks_math::sampling::Seed;
use ckks_math::{Context, Decryptor, Encryptor, Evaluator, Params};
use std::sync::Arc;

fn literal(log_n: u32) -> ParamsLiteral {
    let mut level_bits = vec![49, 34, 34, 34];
    level_bits.extend([40; 6]);
    level_bits.extend([49; 11]);
    ParamsLiteral {
        name: "small".into(),
        ring: RingKind::Standard,
        log_n,
        level_bits,
        word_bits: 49,
        special_primes: 5,
        special_bits: 49,
        digit_size: 5,
        log_scale: 40,
        secret: SecretDistribution::SparseTernary { weight: 192 },
        bootstrap: Some(BootstrapLiteral {
            slots_to_coeffs_levels: 3,
            coeffs_to_slots_levels: 3,
            eval_mod_levels: 8,
            ephemeral_weight: 32,
            overflow_bound: 16,
            cosine_degree: 30,
            double_angles: 3,
            message_ratio_bits: 11,
        }),
    }
}

struct Setup {
    context: Context<CpuBackend>,
    secret: SecretKey,
    encryptor: Encryptor<CpuBackend>,
    decryptor: Decryptor<CpuBackend>,
}

fn setup(literal: ParamsLiteral, seed: u8) -> Setup {
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let params: Params = literal.check_insecure_for_tests(backend.limits()).unwrap();
    let context = Context::new(params, backend).unwrap();
    let secret = SecretKey::from_seed(context.params(), Seed::from_bytes([seed; 32])).unwrap();
    let encryptor =
        Encryptor::with_secret_key(&context, &secret, Seed::from_bytes([seed + 1; 32])).unwrap();
    let decryptor = Decryptor::new(&context, &secret).unwrap();
    Setup {
        context,
        secret,
        encryptor,
        decryptor,
    }
}

fn ramp(n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((i * 37 + 11) % 101) as f64 / 50.5 - 1.0)
        .collect()
}

fn worst(x: &[f64], y: &[f64]) -> f64 {
    x.iter()
        .zip(y)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn arithmetic_matches_plaintext() {
    let mut s = setup(literal(11), 3);
    let (n, level) = (64, 9);
    let x = ramp(n);
    let scale = s.context.params().scale_at(level);
    let ct = s
        .encryptor
        .encrypt(&s.context.encode(&x, level, scale).unwrap())
        .unwrap();
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    let ring = s.context.params().ring();
    let keys = generator
        .evaluation_keys([
            KeyRequest {
                purpose: KeyPurpose::Relinearization,
                level,
            },
            KeyRequest {
                purpose: KeyPurpose::Galois(ring.galois_rotation(3)),
                level,
            },
        ])
        .unwrap();
    let ev = Evaluator::new(s.context.clone(), Arc::new(keys));
    let read = |c| {
        s.context
            .decode(&s.decryptor.decrypt(&c).unwrap()[0])
            .unwrap()
    };
    assert!(worst(&read(ct.clone()), &x) < 1e-8);
    let square = ev.square(&ct).unwrap();
    let want: Vec<f64> = x.iter().map(|v| v * v).collect();
    assert!(
        worst(&read(square.clone()), &want) < 1e-7,
        "{}",
        worst(&read(square), &want)
    );
    let turned = ev.rotate(&ct, 3).unwrap();
    let want: Vec<f64> = (0..n).map(|i| x[(i + 3) % n]).collect();
    assert!(worst(&read(turned), &want) < 1e-7);
    let hoisted = ev.rotate_many(&ct, &[3]).unwrap();
    assert!(worst(&read(hoisted[0].clone()), &want) < 1e-7);
    let silu =
        ckks_math::polyval::Chebyshev::interpolate(|v| v / (1.0 + (-v).exp()), (-1.0, 1.0), 15)
            .unwrap();
    let y = ev.polynomial(&ct, &silu).unwrap();
    let want: Vec<f64> = x.iter().map(|v| v / (1.0 + (-v).exp())).collect();
    assert_eq!(y.level(), level - 4);
    assert!(
        worst(&read(y.clone()), &want) < 1e-6,
        "{}",
        worst(&read(y), &want)
    );
}
/// A polynomial times a ciphertext and times a mask, against the clear values: errors of a few
/// rescalings at scale 2^40 (2^-30 a slot), times the coefficients' sum (below 4).
#[test]
fn polynomials_take_factors_and_masks() {
    use ckks_math::polyval::{Chebyshev, Plan};
    let mut s = setup(literal(11), 5);
    let (n, level) = (64, 9);
    let (x, z) = (ramp(n), (0..n).map(|i| (i as f64 * 0.7).sin()).collect::<Vec<_>>());
    let mut encrypt = |v: &[f64], level: usize| {
        let scale = s.context.params().scale_at(level);
        s.encryptor.encrypt(&s.context.encode(v, level, scale).unwrap()).unwrap()
    };
    let (cx, cz, late) = (encrypt(&x, level), encrypt(&z, level), encrypt(&z, level - 2));
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    let key = KeyRequest { purpose: KeyPurpose::Relinearization, level };
    let keys = generator.evaluation_keys([key]).unwrap();
    let ev = Evaluator::new(s.context.clone(), Arc::new(keys));
    let read = |c| s.context.decode(&s.decryptor.decrypt(&c).unwrap()[0]).unwrap();
    let f = |v: f64| 1.0 / (v + 1.5).sqrt();
    let mask: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { 1.0 }).collect();
    for degree in [1, 2, 6, 7, 14, 15, 30] {
        let p = Chebyshev::interpolate(f, (-1.0, 1.0), degree).unwrap();
        for (factor, levels) in [(&cz, 0), (&late, 2)] {
            let plan = Plan::with_factor(&p, levels);
            let out = level - plan.depth() as usize;
            let scale = s.context.params().scale_at(out);
            let y = ev.polynomial_times(&cx, &plan, factor, scale).unwrap();
            assert_eq!(y.level(), out);
            let want: Vec<f64> = x.iter().zip(&z).map(|(x, z)| p.eval(*x) * z).collect();
            let error = worst(&read(y), &want);
            assert!(error < 1e-6, "degree {degree} late {levels}: {error}");
        }
        let plan = Plan::new(&p);
        let scale = s.context.params().scale_at(level - plan.depth() as usize);
        let y = ev.polynomial_masked(&cx, &plan, &mask, scale).unwrap();
        let want: Vec<f64> = x.iter().zip(&mask).map(|(x, m)| p.eval(*x) * m).collect();
        let error = worst(&read(y), &want);
        assert!(error < 1e-6, "masked degree {degree}: {error}");
    }
}

#[test]
fn refresh_restores_levels() {
    for slots in [64, 1 << 10] {
        let mut s = setup(literal(11), 9);
        let level = 5;
        let x = ramp(slots);
        let scale = s.context.params().scale_at(level);
        let ct = s.encryptor.encrypt(&s.context.encode(&x, level, scale).unwrap()).unwrap();
        let options = BootstrapOptions::default();
        let boot = Bootstrapper::new(&s.context, slots, options).unwrap();
        let requests =
            ckks_math::bootstrap::refresh_requests(s.context.params(), slots, options, false)
                .unwrap();
        let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
        let keys: EvaluationKeys<_> = generator.evaluation_keys(requests).unwrap();
        let ev = Evaluator::new(s.context.clone(), Arc::new(keys));
        let y = boot.refresh(&ev, &ct).unwrap();
        assert_eq!(y.level(), boot.output_level());
        let got = s.context.decode(&s.decryptor.decrypt(&y).unwrap()[0]).unwrap();
        let error = worst(&got, &x);
        println!("{slots} slots: level {} error 2^{:.1}", y.level(), error.log2());
        assert!(error < 1e-5, "{error}");
    }
}
