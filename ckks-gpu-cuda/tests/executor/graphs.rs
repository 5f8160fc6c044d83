//! Captured sequences: the residues of plain runs, for other inputs than those they were captured with.

use ckks_gpu_cuda::{CudaBackend, KernelSet};
use ckks_math::backend::{Basis, Device, RingKernels};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::conformance::table;
use ckks_math::keys::{KeyGenerator, SecretKey, merge_demand};
use ckks_math::params::preset;
use ckks_math::sampling::Seed;
use ckks_math::{Context, Encryptor, Evaluator};
use std::sync::Arc;

fn open() -> CudaBackend {
    let backend = CudaBackend::open_executor(KernelSet::Plain, 21).unwrap();
    backend.poisoned()
}

/// The laws of key switches hold when they are captured, replayed, and beside another queue.
#[test]
fn captured_key_switches_keep_the_laws() {
    let laws = [
        "key_product_equals_its_default_body",
        "key_switch_equals_its_default_body",
        "key_switch_decrypts_alike",
        "hoisted_equals_switch_of_turned",
        "products_match_the_clear",
        "rotations_match_the_clear",
        "fork_and_join_keep_order",
    ];
    let backend = open().with_graphs();
    let mut run = 0;
    for (name, law) in table::<CudaBackend>() {
        if laws.contains(&name) {
            law(&backend).unwrap_or_else(|v| panic!("{name}: {v}"));
            run += 1;
        }
    }
    assert_eq!(run, laws.len());
}

/// The second half of a refresh in primes of 29 bits, captured with one ciphertext and run with others;
/// work in between, with memory of its own, changes nothing.
#[test]
fn half_boot_is_captured_once() {
    let backend = open();
    let mut literal = preset("n16-boot-w31").unwrap();
    literal.log_n = 6;
    let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
    let context = Context::new(params.clone(), backend.clone()).unwrap();
    let seed = |n: u8| Seed::from_bytes([n; 32]);
    let secret = SecretKey::from_seed(&params, seed(1)).unwrap();
    let (slots, options) = (4, BootstrapOptions::default());
    let requests = merge_demand(
        &params,
        &refresh_requests(&params, slots, options, false).unwrap(),
    );
    let keys = KeyGenerator::new(&context, &secret).unwrap();
    let keys = Arc::new(keys.evaluation_keys(requests).unwrap());
    let ev = Evaluator::new(context.clone(), keys);
    let boot = Bootstrapper::new(&context, slots, options).unwrap();
    let mut encryptor = Encryptor::with_secret_key(&context, &secret, seed(2)).unwrap();
    let level = boot.input_level();
    let mut coefficients = |x: &[f64]| {
        let plain = context.encode(x, level, params.scale_at(level)).unwrap();
        let x = encryptor.encrypt(&plain).unwrap();
        boot.slots_to_coeffs(&ev, &x).unwrap()
    };
    let [captured, first, second] = [0.5, -0.25, 1.0].map(|v| coefficients(&[v, 0.125, -v, 0.75]));
    let t = backend.tables(params.ring()).unwrap();
    let residues =
        |x: &ckks_math::Ciphertext<CudaBackend>| backend.download(&t, x.block()).unwrap();
    let expected = [&first, &second].map(|x| residues(&boot.half_boot(&ev, x).unwrap()));
    assert!(expected[0] != expected[1]);

    let graph = backend.capture(|| boot.half_boot(&ev, &captured)).unwrap();
    for turn in 0..2 {
        for (x, expected) in [&first, &second].into_iter().zip(&expected) {
            backend.overwrite(captured.block(), x.block()).unwrap();
            let found = residues(graph.run().unwrap());
            assert!(found == *expected, "turn {turn}");
            // Eager work takes memory that the graph must not share.
            assert!(residues(&boot.half_boot(&ev, x).unwrap()) == *expected);
        }
    }
}

/// Waiting cannot be captured, nor can the work of one of two queues; the queue serves on.
#[test]
fn what_cannot_be_captured_is_refused() {
    let backend = open();
    let params = preset("n14-shallow").unwrap();
    let params = ckks_math::params::ParamsLiteral { log_n: 5, ..params };
    let params = params.check_insecure_for_tests(backend.limits()).unwrap();
    let t = backend.tables(params.ring()).unwrap();
    let x = backend
        .uniform(&t, &Seed::from_bytes([4; 32]), 0, 1, Basis::q(2))
        .unwrap();
    let before = backend.download(&t, &x).unwrap();
    let refused = backend.capture(|| backend.download(&t, &x)).err().unwrap();
    assert!(
        refused.to_string().contains("before the capture"),
        "{refused}"
    );
    let fork = backend.fork().unwrap();
    let refused = backend.capture(|| backend.duplicate(&t, &x)).err().unwrap();
    assert!(refused.to_string().contains("2 queues"), "{refused}");
    drop(fork);
    assert!(backend.download(&t, &x).unwrap() == before);
    let longer = backend.alloc(&t, 2, Basis::q(2)).unwrap();
    assert!(backend.overwrite(&x, &longer).is_err());
}
