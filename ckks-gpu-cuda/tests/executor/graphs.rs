//! Captured sequences: the residues of plain runs, for other inputs than those they were captured
//! with.

use ckks_gpu_cuda::{CudaBackend, KernelSet, Tables};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{
    Basis, Device, GemmKernels, RingKernels, RingKind, RingSpec, SwitchKernels, SwitchKeyData,
};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper, refresh_requests};
use ckks_math::conformance::table;
use ckks_math::keys::{KeyGenerator, SecretKey, merge_demand};
use ckks_math::params::preset;
use ckks_math::sampling::Seed;
use ckks_math::{Ciphertext, Context, Encryptor, Evaluator};
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
        "hoisted_equals_switch_of_permuted",
        "products_match_the_clear",
        "rotations_match_the_clear",
        "fork_and_join_keep_order",
        "captured_work_equals_plain_work",
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
    assert!(backend.replays() > 0);
}

/// Products and switches of one key with several polynomials: all but the first of each kind are
/// run as one, with the residues of plain ones.
#[test]
fn key_switches_are_captured_at_their_second_use() {
    let backend = open();
    let graphs = backend.clone().with_graphs();
    let primes = ntt_primes_excluding(28, 4 << 6, 4, &[]).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 6, &primes[..3], &primes[3..]).unwrap();
    let t = backend.tables(&ring).unwrap();
    let uniform = |n: u8, rows: usize, basis: Basis| {
        let seed = Seed::from_bytes([n; 32]);
        backend.uniform(&t, &seed, 0, rows, basis).unwrap()
    };
    let qp = Basis::qp(3, 1);
    let [b, a] = [1, 2].map(|n| backend.download(&t, &uniform(n, 3, qp)).unwrap());
    let data = SwitchKeyData {
        basis: qp,
        digit_size: 1,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(&t, &data).unwrap();
    for n in 3..7 {
        let x = uniform(n, 1, Basis::q(3));
        for switch in [CudaBackend::key_product, CudaBackend::key_switch] {
            let [plain, captured] = [&backend, &graphs].map(|b| switch(b, &t, &x, &key).unwrap());
            let [plain, captured] = [plain, captured].map(|y| backend.download(&t, &y).unwrap());
            assert!(plain == captured, "{n}");
        }
        assert_eq!(backend.replays(), 2 * u64::from(n - 3));
    }
}

/// A key outlives the tables that its first switches were captured with, and tables made again get
/// some of their memory, with the rest in other places: nothing that was captured with the first
/// ones is run.
#[test]
fn captures_do_not_outlive_their_tables() {
    let backend = open();
    let graphs = backend.clone().with_graphs();
    let primes = ntt_primes_excluding(28, 4 << 6, 4, &[]).unwrap();
    let ring = RingSpec::new(RingKind::Standard, 6, &primes[..3], &primes[3..]).unwrap();
    let (q, qp) = (Basis::q(3), Basis::qp(3, 1));
    let first = backend.tables(&ring).unwrap();
    let uniform = |t: &Tables, n: u8, rows: usize, basis: Basis| {
        let seed = Seed::from_bytes([n; 32]);
        backend.uniform(t, &seed, 0, rows, basis).unwrap()
    };
    let [b, a] = [1, 2].map(|n| {
        let half = uniform(&first, n, 3, qp);
        backend.download(&first, &half).unwrap()
    });
    let data = SwitchKeyData {
        basis: qp,
        digit_size: 1,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(&first, &data).unwrap();
    for n in 3..6 {
        let x = uniform(&first, n, 1, q);
        graphs.key_switch(&first, &x, &key).unwrap();
    }
    let captured = graphs.replays();
    assert!(captured > 0);
    drop(first);
    for held in 0..8 {
        // The pool hands out last what was freed first: the constants of the primes lie where the
        // first tables had them for one of these numbers of blocks in front.
        let small = backend.tables(&ring).unwrap();
        let before: Vec<_> = (0..held)
            .map(|_| uniform(&small, 9, 1, Basis::q(1)))
            .collect();
        drop(small);
        let second = backend.tables(&ring).unwrap();
        // What else the first tables left is filled with a pattern.
        let behind: Vec<_> = (0..64).map(|_| uniform(&second, 9, 1, q)).collect();
        let behind = (
            behind,
            (0..64)
                .map(|_| uniform(&second, 9, 1, Basis::q(1)))
                .collect::<Vec<_>>(),
        );
        for n in 6..9 {
            let x = uniform(&second, n, 1, q);
            let [plain, found] = [&backend, &graphs].map(|on| {
                let switched = on.key_switch(&second, &x, &key).unwrap();
                backend.download(&second, &switched).unwrap()
            });
            assert!(plain == found, "input {n} behind {held} blocks");
        }
        drop((before, behind));
    }
    // The second tables have captures of their own.
    assert!(graphs.replays() > captured);
}

/// Real and complex refreshes of a ring of primes of 29 bits, launch by launch and captured, with
/// other ciphertexts than those that they were captured with; work in between, with memory of its
/// own, changes nothing.
#[test]
fn refreshes_are_captured_once() {
    let backend = open();
    let mut literal = preset("n16-boot-w31").unwrap();
    literal.log_n = 6;
    let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
    let seed = |n: u8| Seed::from_bytes([n; 32]);
    let (slots, options) = (4, BootstrapOptions::default());
    let secret = SecretKey::from_seed(&params, seed(1)).unwrap();
    let contexts = [backend.clone(), backend.clone().with_graphs()]
        .map(|backend| Context::new(params.clone(), backend).unwrap());
    let requests = [false, true].map(|c| refresh_requests(&params, slots, options, c).unwrap());
    let requests = merge_demand(&params, &requests.into_iter().flatten().collect());
    let keys = KeyGenerator::new(&contexts[0], &secret).unwrap();
    let keys = Arc::new(keys.evaluation_keys(requests).unwrap());
    let evaluators = (contexts.each_ref()).map(|c| Evaluator::new(c.clone(), Arc::clone(&keys)));
    let boots = (contexts.each_ref()).map(|c| Bootstrapper::new(c, slots, options).unwrap());
    let mut encryptor = Encryptor::with_secret_key(&contexts[0], &secret, seed(2)).unwrap();
    let level = boots[0].input_level();
    let inputs = [0.5, -0.25, 1.0].map(|v| {
        let values = [v, 0.125, -v, 0.75];
        let plain = contexts[0].encode(&values, level, params.scale_at(level));
        encryptor.encrypt(&plain.unwrap()).unwrap()
    });
    let t = contexts[0].tables();
    let residues = |x: &Ciphertext<CudaBackend>| backend.download(t, x.block()).unwrap();
    let refreshes: [&Refresh; 3] = [
        &|boot, ev, x| boot.refresh(ev, x),
        &|boot, ev, x| boot.refresh_periodic(ev, x, boot.output_level()),
        &|boot, ev, x| boot.refresh_complex(ev, x),
    ];
    for (i, refresh) in refreshes.into_iter().enumerate() {
        for turn in 0..3 {
            let before = backend.replays();
            for (j, x) in inputs.iter().enumerate() {
                let expected = refresh(&boots[0], &evaluators[0], x).unwrap();
                let found = refresh(&boots[1], &evaluators[1], x).unwrap();
                assert!(
                    residues(&expected) == residues(&found),
                    "{i}, {j}, turn {turn}"
                );
                assert_eq!(expected.scale(), found.scale());
            }
            // SlotsToCoeffs and what follows it, for each input, and at most a sum over copies.
            let replays = backend.replays() - before;
            assert!(turn == 0 || (6..=9).contains(&replays), "{i}: {replays}");
        }
    }
    // Other keys: nothing that was captured with the first ones is run.
    let secret = SecretKey::from_seed(&params, seed(3)).unwrap();
    let requests = refresh_requests(&params, slots, options, false).unwrap();
    let requests = merge_demand(&params, &requests);
    let other = KeyGenerator::new(&contexts[0], &secret).unwrap();
    let other = Arc::new(other.evaluation_keys(requests).unwrap());
    let mut encryptor = Encryptor::with_secret_key(&contexts[0], &secret, seed(4)).unwrap();
    let plain = contexts[0].encode(&[0.5, 0.125, -0.5, 0.75], level, params.scale_at(level));
    let input = encryptor.encrypt(&plain.unwrap()).unwrap();
    let [plain, captured] = [0, 1].map(|i| {
        let ev = Evaluator::new(contexts[i].clone(), Arc::clone(&other));
        residues(&boots[i].refresh(&ev, &input).unwrap())
    });
    assert!(plain == captured);
}

/// One way to refresh.
type Refresh = dyn Fn(
    &Bootstrapper<CudaBackend>,
    &Evaluator<CudaBackend>,
    &Ciphertext<CudaBackend>,
) -> ckks_math::Result<Ciphertext<CudaBackend>>;

/// Waiting cannot be captured, nor can the loading of keys and the work of one of two queues; the
/// queue serves on.
#[test]
fn what_cannot_be_captured_is_refused() {
    let backend = open().with_graphs();
    let params = preset("n14-shallow").unwrap();
    let params = ckks_math::params::ParamsLiteral { log_n: 5, ..params };
    let params = params.check_insecure_for_tests(backend.limits()).unwrap();
    let t = backend.tables(params.ring()).unwrap();
    let x = backend
        .uniform(&t, &Seed::from_bytes([4; 32]), 0, 1, Basis::q(2))
        .unwrap();
    let before = backend.download(&t, &x).unwrap();
    let refusal = |work: &mut dyn FnMut() -> ckks_math::Result<()>| {
        let refused = backend.capture(&t, &[&x], &mut |_| work());
        refused.err().unwrap().to_string()
    };
    let refused = refusal(&mut || backend.download(&t, &x).map(drop));
    assert!(refused.contains("before the capture"), "{refused}");
    let refused = refusal(&mut || backend.load_matrix(&t, 1, 1, &[1]).map(drop));
    assert!(refused.contains("before the capture"), "{refused}");
    let fork = backend.fork().unwrap();
    let refused = refusal(&mut || backend.duplicate(&t, &x).map(drop));
    assert!(refused.contains("2 queues"), "{refused}");
    drop(fork);
    assert!(backend.download(&t, &x).unwrap() == before);
    // Within a capture nothing else is captured; without graphs nothing at all.
    let mut inner = None;
    let captured = backend.capture(&t, &[&x], &mut |_| {
        inner = Some(backend.capture(&t, &[&x], &mut |_| Ok(()))?);
        Ok(())
    });
    assert!(captured.unwrap().is_some() && inner.unwrap().is_none());
    let captured = open().capture(&t, &[&x], &mut |_| Ok(()));
    assert!(captured.unwrap().is_none());
}
