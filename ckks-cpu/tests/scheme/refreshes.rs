//! What a refresh does on either ring.

use crate::common::{Setup, ramp, setup, with_secret, worst};
use ckks_cpu::CpuBackend;
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};
use ckks_math::evaluator::doubling_rotations;
use ckks_math::keys::{GaloisElement, KeyPurpose, KeyRequest};
use ckks_math::params::ParamsLiteral;

pub fn bootstrapper(s: &Setup, slots: usize) -> Bootstrapper<CpuBackend> {
    Bootstrapper::new(&s.context, slots, BootstrapOptions::default()).unwrap()
}

/// Refreshes values that reach both ends of `[-1, 1]`: level, slots and scale are those promised,
/// and every slot is within `bound`.
pub fn restores_levels(s: &mut Setup, slots: usize, bound: f64) {
    let boot = bootstrapper(s, slots);
    let ev = s.evaluator(s.refresh_keys(slots, false));
    let x = ramp(slots);
    let ct = s.encrypt(&x, boot.input_level());
    let y = boot.refresh(&ev, &ct).unwrap();
    assert_eq!((y.level(), y.slots()), (boot.output_level(), slots));
    assert_eq!(y.level(), 9);
    assert_eq!(y.scale(), s.context.params().scale_at(y.level()));
    let error = worst(&s.read(&y), &x);
    println!("{slots} slots: error 2^{:.1}", error.log2());
    assert!(error < bound, "{slots} slots: {error:e}");
}

/// Eight secrets: every slot of each is within `bound`. Returns the mean of the errors.
pub fn mean_error_of_eight_secrets(literal: ParamsLiteral, bound: f64) -> f64 {
    let context = setup(literal, 0).context;
    let slots = context.params().max_slots();
    let boot = Bootstrapper::new(&context, slots, BootstrapOptions::default()).unwrap();
    let mut total = 0.0;
    for seed in 20..28 {
        let mut s = with_secret(&context, seed);
        let ev = s.evaluator(s.refresh_keys(slots, false));
        let x: Vec<f64> = (0..slots)
            .map(|i| ((i * i + seed as usize) as f64).sin())
            .collect();
        let ct = s.encrypt(&x, boot.input_level());
        let found = s.read(&boot.refresh(&ev, &ct).unwrap());
        let error = worst(&found, &x);
        assert!(error < bound, "secret {seed}: {error:e}");
        let errors = found.iter().zip(&x).map(|(a, b)| (a - b).abs());
        total += errors.sum::<f64>();
    }
    let mean = total / (8 * slots) as f64;
    println!("mean error 2^{:.1}", mean.log2());
    mean
}

/// A vector of period 16 in a full ring: its copies are averaged, agree within `agreement`, and are
/// no worse than one copy, which is within `bound`.
pub fn averages_copies(literal: ParamsLiteral, bound: f64, agreement: f64) {
    let mut s = setup(literal, 15);
    let slots = s.context.params().max_slots();
    let boot = bootstrapper(&s, slots);
    let ring = s.context.params().ring();
    let level = boot.output_level();
    let doublings = std::iter::successors(Some(16), |step| Some(2 * step));
    let doublings: Vec<i64> = doublings.take_while(|&step| step < slots as i64).collect();
    let mut requests = s.refresh_keys(slots, false);
    let rotations = doubling_rotations(&doublings).concat();
    requests.extend(rotations.into_iter().map(|step| KeyRequest {
        purpose: KeyPurpose::Galois(GaloisElement::rotation(ring, step)),
        level,
    }));
    let ev = s.evaluator(requests);
    let x = ramp(16);
    let ct = s.encrypt(&x, 3);
    let y = boot.refresh_periodic(&ev, &ct, level).unwrap();
    assert_eq!((y.level(), y.slots()), (level, 16));
    assert_eq!(y.scale(), s.context.params().scale_at(level));
    assert!(worst(&s.read(&y), &x) < bound);
    let copies = s.read(&y.with_slots(slots).unwrap());
    for copy in copies.chunks(16) {
        assert!(worst(copy, &copies[..16]) < agreement);
    }
}
