//! Keys in memory: compressed until they are used, expanded within a budget.

use crate::common::{Setup, literal, ramp, setup, worst};
use ckks_cpu::CpuBackend;
use ckks_math::backend::Device;
use ckks_math::keys::{
    EvaluationKeys, GaloisElement, KeyGenerator, KeyMemory, KeyPurpose, KeyRequest,
};
use ckks_math::wire::Wire;
use ckks_math::{Ciphertext, Evaluator};
use std::sync::Arc;

const LEVEL: usize = 6;
const STEPS: [i64; 4] = [1, 2, 3, 4];

/// Keys for rotations by [`STEPS`] in a set, and the bytes of one of them: compressed, expanded.
fn fill(
    s: &Setup,
    mut keys: EvaluationKeys<CpuBackend>,
) -> (Arc<EvaluationKeys<CpuBackend>>, u64, u64) {
    let generator = KeyGenerator::new(&s.context, &s.secret).unwrap();
    let (mut compressed, mut expanded) = (0, 0);
    for step in STEPS {
        let g = GaloisElement::rotation(s.context.params().ring(), step);
        let purpose = KeyPurpose::Galois(g);
        let request = KeyRequest {
            purpose,
            level: LEVEL,
        };
        let key = generator.switching_key(request).unwrap();
        (compressed, expanded) = (key.bytes() as u64, key.expanded_bytes());
        keys.insert(&s.context, key).unwrap();
    }
    (Arc::new(keys), compressed, expanded)
}

fn bytes(s: &Setup, x: &Ciphertext<CpuBackend>) -> Vec<u8> {
    x.to_bytes(&s.context).unwrap()
}

/// A key is expanded by the first operation that needs it, and by no other; its compressed form
/// then goes. Expanding all beforehand changes no bit.
#[test]
fn the_first_use_expands_a_key() {
    let mut s = setup(literal(9), 21);
    let x = s.encrypt(&ramp(64), LEVEL);
    let (keys, compressed, expanded) = fill(&s, EvaluationKeys::new());
    let held = |expanded_keys: u64| KeyMemory {
        compressed: (4 - expanded_keys) * compressed,
        expanded: expanded_keys * expanded,
    };
    assert_eq!(keys.memory(), held(0));
    let ev = Evaluator::new(s.context.clone(), Arc::clone(&keys));
    let lazy = ev.rotate(&x, 2).unwrap();
    assert_eq!(keys.memory(), held(1));
    ev.rotate(&x, 2).unwrap();
    assert_eq!(keys.memory(), held(1));
    assert!(ev.rotate(&x, 5).is_err());
    assert_eq!(keys.memory(), held(1));
    keys.expand(&s.context).unwrap();
    assert_eq!(keys.memory(), held(4));

    let (eager, ..) = fill(&s, EvaluationKeys::new());
    eager.expand(&s.context).unwrap();
    let eager = Evaluator::new(s.context.clone(), eager);
    assert_eq!(bytes(&s, &lazy), bytes(&s, &eager.rotate(&x, 2).unwrap()));
}

/// With room for two expanded keys those used longest ago go, come back when wanted, and every
/// result has the bits that it has without a bound.
#[test]
fn a_budget_evicts_what_was_used_longest_ago() {
    let mut s = setup(literal(9), 22);
    let values = ramp(64);
    let x = s.encrypt(&values, LEVEL);
    let (free, compressed, expanded) = fill(&s, EvaluationKeys::new());
    let free = Evaluator::new(s.context.clone(), free);
    let (keys, ..) = fill(&s, EvaluationKeys::with_budget(2 * expanded));
    let ev = Evaluator::new(s.context.clone(), Arc::clone(&keys));
    let live = || s.context.backend().memory().live;
    let mut after_two = 0;
    for (i, step) in [1, 2, 1, 3, 1, 4, 2, 3, 1].into_iter().enumerate() {
        let y = ev.rotate(&x, step).unwrap();
        assert_eq!(bytes(&s, &y), bytes(&s, &free.rotate(&x, step).unwrap()));
        let mut permuted = values.clone();
        permuted.rotate_left(step as usize);
        assert!(worst(&s.read(&y), &permuted) < 1e-7);
        let held = keys.memory();
        assert_eq!(held.compressed, 4 * compressed);
        assert_eq!(held.expanded, expanded * (i as u64 + 1).min(2));
        if i == 1 {
            after_two = live();
        }
    }
    // The set without a bound has two more by now; the one with a bound has given its own back.
    assert!(live() < after_two + 3 * expanded);
}
