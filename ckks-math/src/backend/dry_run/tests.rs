//! Counts against counting by hand; every contract violated once.

use super::*;
use crate::backend::{
    Basis, Device, GemmKernels, Limits, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData, derived,
};
use crate::error::{Error, Result};

/// N = 16, five moduli, two special ones.
fn ring() -> RingSpec {
    RingSpec::new(
        RingKind::Standard,
        4,
        &[97, 193, 257, 353, 449],
        &[577, 641],
    )
    .expect("a ring")
}

fn evaluations(dry: &DryRun, t: &RingSpec, rows: usize, basis: Basis) -> Block {
    let mut x = dry.upload_shape(t, rows, basis).expect("a shape");
    dry.ntt(t, &mut x).expect("coefficients");
    x
}

/// A key switch of R = 3 polynomials at l = 5 with digits of two primes (D = 3) and k = 2: the
/// numbers follow from the algorithm [Han-Ki 2020, Sec. 3].
#[test]
fn key_switch_counts_follow_the_algorithm() -> Result<()> {
    let (dry, t) = (DryRun::default(), ring());
    let key = dry.switch_key_shape(&t, Basis::qp(5, 2), 2)?;
    let x = evaluations(&dry, &t, 3, Basis::q(5));
    let before = dry.counts();
    let y = dry.key_switch(&t, &x, &key)?;
    assert_eq!((y.shape.rows, y.shape.basis), (6, Basis::q(5)));
    let work = dry.counts() - &before;
    // Decompose: R l inverse, R D (l + k) forward; mod-down of 2R rows: 2R k inverse, 2R l forward.
    assert_eq!(work.kernel(Kernel::Intt).limbs, 3 * 5 + 6 * 2);
    assert_eq!(work.kernel(Kernel::Ntt).limbs, 3 * 3 * 7 + 6 * 5);
    assert_eq!(work.kernel(Kernel::Ntt).steps, (3 * 3 * 7 + 6 * 5) * 8 * 4);
    // Digits of 2, 2 and 1 primes to the 5, 5 and 6 primes they lack; 2 special primes to 5.
    assert_eq!(
        work.kernel(Kernel::BaseConvert).limbs,
        3 * (2 * 5 + 2 * 5 + 6) + 6 * 2 * 5
    );
    assert_eq!(work.kernel(Kernel::DotKey).limbs, 2 * 3 * 3 * 7);
    assert_eq!(work.kernel(Kernel::DotKey).bytes_written, 8 * 16 * 6 * 7);
    assert_eq!(
        work.kernel(Kernel::DotKey).bytes_read,
        8 * 16 * (3 * 3 * 7 + 2 * 3 * 7)
    );
    assert_eq!(work.kernel(Kernel::Add).limbs, 6 * 5);
    assert_eq!(work.kernel(Kernel::ScaleLimbs).limbs, 6 * 5);
    assert_eq!(work.key_switches(), 3);
    for operation in [
        Operation::KeySwitch,
        Operation::Decompose,
        Operation::ModDown,
    ] {
        assert_eq!(work.operation(operation).calls, 1);
    }
    assert_eq!(work.key_bytes(), 0);
    assert_eq!(dry.counts().key_bytes(), 2 * 3 * 7 * 16 * 8);
    assert_eq!(work.operation(Operation::Rescale), Usage::default());
    Ok(())
}

/// Sums of phases and differences of snapshots agree; inner phases count for outer ones.
#[test]
fn phases_partition_the_work() -> Result<()> {
    let (dry, t) = (DryRun::default(), ring());
    let x = evaluations(&dry, &t, 2, Basis::q(5));
    let before = dry.counts();
    let outer = dry.phase("turn");
    {
        let _inner = dry.phase("product");
        dry.tensor(&t, &x, &x)?;
    }
    for _ in 0..2 {
        let _inner = dry.phase("rescale");
        dry.rescale(&t, &x, 1)?;
    }
    drop(outer);
    let work = dry.counts() - &before;
    dry.automorphism(&t, &x, 5)?;
    let phases = dry.phases();
    let paths: Vec<_> = phases
        .iter()
        .map(|p| (p.path.as_str(), p.entries))
        .collect();
    assert_eq!(
        paths,
        [("turn", 1), ("turn/product", 1), ("turn/rescale", 2)]
    );
    assert_eq!(phases[0].counts, work);
    assert_eq!(phases[1].counts.clone() + &phases[2].counts, work);
    assert_eq!(phases[2].counts.operation(Operation::Rescale).calls, 2);
    assert_eq!(phases[0].counts.kernel(Kernel::Automorphism).calls, 0);
    let json = serde_json::to_string(&work).expect("serializable");
    assert_eq!(
        serde_json::from_str::<Counts>(&json).expect("readable"),
        work
    );
    assert!(work.to_string().contains("Multiply"));
    Ok(())
}

/// Memory follows the lives of blocks, keys and matrices; a capacity refuses what does not fit.
#[test]
fn memory_follows_lives() -> Result<()> {
    let t = ring();
    let dry = DryRun::new(DryRunOptions {
        word_bytes: 4,
        capacity: Some(10_000),
        ..DryRunOptions::default()
    });
    let block_bytes = 4 * 2 * 5 * 16;
    let x = evaluations(&dry, &t, 2, Basis::q(5));
    assert_eq!(dry.live().blocks, block_bytes);
    {
        let _phase = dry.phase("copies");
        let a = dry.duplicate(&t, &x)?;
        let _b = dry.duplicate(&t, &a)?;
        drop(a);
        let _c = dry.duplicate(&t, &x)?;
    }
    assert_eq!(dry.memory().live, block_bytes);
    assert_eq!(dry.memory().peak, 3 * block_bytes);
    assert_eq!(dry.phases()[0].peak.blocks, 3 * block_bytes);
    let key = dry.switch_key_shape(&t, Basis::qp(3, 1), 1)?;
    let matrix = dry.load_matrix(&t, 2, 3, &[1; 6])?;
    assert_eq!(dry.live().keys, 4 * 2 * 3 * 4 * 16);
    assert_eq!(dry.live().matrices, 48);
    let full = dry.alloc(&t, 100, Basis::q(5));
    assert!(matches!(
        full,
        Err(Error::OutOfMemory { asked: 32_000, .. })
    ));
    drop((x, key, matrix));
    assert_eq!(dry.live(), LiveBytes::default());
    Ok(())
}

/// The short cut of `embed` counts what its default body does.
#[test]
fn embed_counts_as_its_default_body() -> Result<()> {
    let t = ring();
    let (own, default) = (DryRun::default(), DryRun::default());
    own.embed(&t, Basis::qp(3, 1), &[3; 8], 4)?;
    derived::embed(&default, &t, Basis::qp(3, 1), &[3; 8], 4)?;
    for kernel in [Kernel::Upload, Kernel::Ntt] {
        assert_eq!(own.counts().kernel(kernel), default.counts().kernel(kernel));
    }
    assert_eq!(own.counts().kernels().count(), 2);
    assert_eq!(default.counts().kernels().count(), 2);
    Ok(())
}

/// The model is linear in the counts and scales with the degree.
#[test]
fn predicted_times_are_linear() -> Result<()> {
    let (dry, t) = (DryRun::default(), ring());
    let mut x = evaluations(&dry, &t, 2, Basis::q(5));
    let before = dry.counts();
    dry.intt(&t, &mut x)?;
    let work = dry.counts() - &before;
    let times = KernelTimes {
        degree: 16,
        ntt_limb_ns: 100.0,
        base_convert_pair_ns: 0.0,
        dot_key_product_ns: 0.0,
        multiply_limb_ns: 0.0,
        add_limb_ns: 0.0,
        automorphism_limb_ns: 0.0,
        copy_limb_ns: 0.0,
        gemm_product_ns: 0.0,
        transfer_byte_ns: 0.0,
        call_ns: 7.0,
        threads: 2,
    };
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-15, "{found}");
    close(times.seconds(&work), (10.0 * 100.0 / 2.0 + 7.0) * 1e-9);
    close(
        times.seconds(&(work.clone() + &work)),
        2.0 * times.seconds(&work),
    );
    // A limb of N = 256 has 16 * 2 times the butterflies of one of N = 16.
    let larger = KernelTimes {
        degree: 256,
        ..times
    };
    close(
        larger.seconds(&work),
        (10.0 * 100.0 / 32.0 / 2.0 + 7.0) * 1e-9,
    );
    Ok(())
}

/// Every contract violated once is refused with a typed error.
#[test]
fn contracts_are_checked() -> Result<()> {
    let (dry, t) = (DryRun::default(), ring());
    let fresh = |rows, basis| dry.upload_shape(&t, rows, basis).expect("a shape");
    let values = |rows, basis| evaluations(&dry, &t, rows, basis);
    let refused = |what: &str, result: Result<()>| {
        let typed = matches!(
            result,
            Err(Error::ShapeMismatch { .. }
                | Error::BasisMismatch { .. }
                | Error::InvalidParameters(_)
                | Error::LevelExhausted { .. })
        );
        assert!(typed, "{what}: {result:?}");
    };
    let none = |r: Result<Block>| r.map(drop);
    let (two, five) = (Basis::q(2), Basis::q(5));
    let mul = Pointwise::Mul;

    refused("six moduli", none(dry.alloc(&t, 1, Basis::q(6))));
    refused("no primes", none(dry.alloc(&t, 1, Basis::q(0))));
    refused("short upload", none(dry.upload(&t, 1, two, &[0; 31])));
    refused("residue too large", none(dry.upload(&t, 1, two, &[97; 32])));
    refused("ntt twice", dry.ntt(&t, &mut values(1, two)));
    refused("intt twice", {
        let mut x = values(1, two);
        dry.intt(&t, &mut x)?;
        dry.intt(&t, &mut x)
    });
    let (x, y) = (values(4, five), values(3, five));
    refused("rows", none(dry.pointwise(&t, mul, &x, &y)));
    refused(
        "smaller basis",
        none(dry.pointwise(&t, mul, &x, &values(4, two))),
    );
    refused("other domain", {
        let mut z = values(4, five);
        dry.intt(&t, &mut z)?;
        none(dry.pointwise(&t, mul, &x, &z))
    });
    refused("accumulator", {
        dry.multiply_accumulate(&t, &mut values(4, five), &values(2, five), &x)
    });
    refused("constants", dry.scale_limbs(&t, &mut values(1, two), &[1]));
    refused(
        "constant range",
        dry.scale_limbs(&t, &mut values(1, two), &[97, 0]),
    );
    refused(
        "offset rows",
        dry.offset_limbs(&t, &mut values(1, two), 1..2, &[1, 1]),
    );
    refused("combine nothing", none(dry.combine(&t, two, &[], &[])));
    refused("combine bases", {
        none(dry.combine(&t, five, &[&values(1, two)], &[vec![1; 5]]))
    });
    refused("even galois", none(dry.automorphism(&t, &x, 4)));
    refused("large galois", none(dry.automorphism(&t, &x, 33)));
    refused("restrict rows", none(dry.restrict(&t, &x, 3..5, two)));
    refused(
        "restrict basis",
        none(dry.restrict(&t, &x, 0..1, Basis::qp(2, 1))),
    );
    refused("stack bases", none(dry.stack(&t, &[&x, &values(1, two)])));
    refused("stack nothing", none(dry.stack(&t, &[])));
    refused("convert evaluations", none(dry.base_convert(&t, &x, two)));
    refused(
        "add_rows",
        dry.add_rows(&t, &mut values(2, five), 1, &values(2, five)),
    );
    refused("tensor", none(dry.tensor(&t, &x, &y)));
    refused("embed", none(dry.embed(&t, two, &[1; 6], 4)));

    let key = dry.switch_key_shape(&t, Basis::qp(3, 2), 2)?;
    refused("level above the key's", none(dry.key_switch(&t, &x, &key)));
    refused(
        "digits over q",
        none(dry.dot_key(&t, &values(2, Basis::q(3)), &key)),
    );
    refused(
        "special primes",
        none(dry.dot_key(&t, &values(2, Basis::qp(3, 1)), &key)),
    );
    refused(
        "torn digits",
        none(dry.dot_key(&t, &values(3, Basis::qp(3, 2)), &key)),
    );
    refused("digits in coefficients", {
        let mut d = values(2, Basis::qp(3, 2));
        dry.intt(&t, &mut d)?;
        none(dry.dot_key(&t, &d, &key))
    });
    refused("digit size", none(dry.decompose(&t, &x, 0, 2)));
    refused(
        "decompose qp",
        none(dry.decompose(&t, &values(1, Basis::qp(2, 2)), 1, 2)),
    );
    refused("mod_down of q", none(dry.mod_down(&t, &x)));
    refused("rescale by none", none(dry.rescale(&t, &x, 0)));
    refused("rescale by all", none(dry.rescale(&t, &x, 5)));
    let short = SwitchKeyData {
        basis: Basis::qp(1, 1),
        digit_size: 0,
        b: &[],
        a: &[],
    };
    refused(
        "key without digits",
        dry.load_switch_key(&t, &short).map(drop),
    );
    refused(
        "matrix entries",
        dry.load_matrix(&t, 2, 2, &[0; 3]).map(drop),
    );
    let matrix = dry.matrix_shape(2, 3)?;
    refused("gemm rows", none(dry.gemm(&t, &matrix, &x)));
    let other = RingSpec::new(RingKind::Standard, 3, &[97, 193, 257, 353, 449], &[])?;
    refused("other ring", none(dry.duplicate(&other, &x)));
    assert_eq!(fresh(1, two).domain(), Domain::Either);
    Ok(())
}

#[test]
fn limits_are_kept() {
    let dry = DryRun::new(DryRunOptions {
        limits: Limits {
            max_modulus_bits: 8,
            max_degree: 16,
        },
        ..DryRunOptions::default()
    });
    assert!(matches!(
        dry.tables(&ring()),
        Err(Error::Unsupported { .. })
    ));
    let small = RingSpec::new(RingKind::Standard, 4, &[97], &[]).expect("a ring");
    assert!(dry.tables(&small).is_ok());
}
