//! Transfer, independence of blocks, order of queues, memory.

use super::{Rng, Verdict, Violation, ensure};
use crate::arith::ntt_primes;
use crate::backend::{Backend, Basis, Pointwise, RingKind, RingSpec};
use crate::conformance::{Fixture, oracle};
use crate::error::Error;

/// What was uploaded comes back: every basis, one row and more, extremes among the residues.
pub fn upload_then_download<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[1, 4, 7], |f, rng| {
        let (l, k) = (f.levels(), f.specials());
        for basis in [
            Basis::q(1),
            Basis::q(l),
            Basis::qp(l, k),
            Basis::qp(2, 1),
            Basis::p(k),
            Basis::digit(2, 4),
        ] {
            for rows in [1, 3] {
                let x = f.random(rng, rows, basis);
                f.expect("upload", &f.upload(&x)?, &x)?;
            }
        }
        Ok(())
    })
}

/// A new block holds zeros, also where another block was freed.
pub fn alloc_is_zero<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[6], |f, rng| {
        for rows in [1, 3] {
            let basis = Basis::qp(f.levels(), f.specials());
            let used = f.upload(&f.random(rng, rows, basis))?;
            drop(used);
            let fresh = f.backend.alloc(&f.tables, rows, basis)?;
            let zeros = oracle::HostBlock::build(&f.ring, rows, basis, |_, _, _| 0);
            f.expect("alloc", &fresh, &zeros)?;
        }
        Ok(())
    })
}

/// Writing to a copy leaves the original, and the other way round.
pub fn duplicate_is_independent<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[6], |f, rng| {
        let basis = Basis::q(f.levels());
        let (x, y) = (f.random(rng, 2, basis), f.random(rng, 2, basis));
        let (mut left, one) = (f.upload(&x)?, f.upload(&y)?);
        let mut right = f.backend.duplicate(&f.tables, &left)?;
        f.expect("duplicate", &right, &x)?;
        let add = |block: &mut B::Block| {
            f.backend
                .pointwise_assign(&f.tables, Pointwise::Add, block, &one)
        };
        add(&mut right)?;
        f.expect("original after its copy changed", &left, &x)?;
        let sum = oracle::pointwise(&f.ring, Pointwise::Add, &x, &y);
        f.expect("changed copy", &right, &sum)?;
        add(&mut left)?;
        add(&mut left)?;
        f.expect("copy after the original changed", &right, &sum)
    })
}

/// A forked queue sees what was submitted before it; after `join` its results are seen.
pub fn fork_and_join_keep_order<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[8], |f, rng| {
        let basis = Basis::qp(f.levels(), f.specials());
        let (x, y) = (f.random(rng, 4, basis), f.random(rng, 1, basis));
        let mut block = f.upload(&x)?;
        let step = f.upload(&y)?;
        let mut expected = x;
        for round in 0..4 {
            for _ in 0..8 {
                f.backend
                    .pointwise_assign(&f.tables, Pointwise::Mul, &mut block, &step)?;
                expected = oracle::pointwise(&f.ring, Pointwise::Mul, &expected, &y);
            }
            let side = f.backend.fork()?;
            for _ in 0..8 {
                side.pointwise_assign(&f.tables, Pointwise::Add, &mut block, &step)?;
                expected = oracle::pointwise(&f.ring, Pointwise::Add, &expected, &y);
            }
            f.backend.join(&side)?;
            f.expect(&format!("round {round}"), &block, &expected)?;
        }
        f.backend.synchronize()?;
        Ok(())
    })
}

/// Work that was captured, if the backend captures, leaves what a plain run leaves: with other
/// operands, more than once, and with plain work in between that takes memory of its own.
pub fn captured_work_equals_plain_work<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[5], |f, rng| {
        let basis = Basis::q(f.levels());
        let step = f.upload(&f.random(rng, 1, basis))?;
        let work = |x: &B::Block| -> crate::Result<B::Block> {
            let mut y = f.backend.duplicate(&f.tables, x)?;
            for op in [Pointwise::Add, Pointwise::Mul, Pointwise::Add] {
                f.backend.pointwise_assign(&f.tables, op, &mut y, &step)?;
            }
            f.backend
                .base_convert(&f.tables, &y, Basis::p(f.specials()))
        };
        let first = f.upload(&f.random(rng, 3, basis))?;
        drop(work(&first)?);
        let mut kept = None;
        let captured = f.backend.capture(&f.tables, &[&first], &mut |own| {
            let result = work(&own[0])?;
            kept = Some((own, result));
            Ok(())
        })?;
        let Some((captured, (_own, result))) = captured.zip(kept) else {
            return Ok(());
        };
        for turn in 0..3 {
            let x = f.upload(&f.random(rng, 3, basis))?;
            let ran = f.backend.replay(&captured, &[&x])?;
            ensure!(ran, "captured work was not run, turn {turn}");
            let expected = f.backend.download(&f.tables, &work(&x)?)?;
            let found = f.backend.download(&f.tables, &result)?;
            ensure!(found == expected, "a replay differs, turn {turn}");
        }
        let fewer = f.backend.replay(&captured, &[]);
        ensure!(fewer.is_err(), "a replay without its operand is taken");
        let other = f.upload(&f.random(rng, 2, basis))?;
        let other = f.backend.replay(&captured, &[&other]);
        ensure!(
            other.is_err(),
            "a replay with an operand of another shape is taken"
        );
        Ok(())
    })
}

/// Blocks, keys and matrices count while they live and no longer.
pub fn memory_returns_after_drop<B: Backend>(backend: &B) -> Verdict {
    Fixture::each(backend, &[6], |f, rng| {
        f.backend.synchronize()?;
        let before = f.backend.memory().live;
        let basis = Basis::qp(f.levels(), f.specials());
        let block = f.upload(&f.random(rng, 2, basis))?;
        let with_block = f.backend.memory().live;
        ensure!(with_block > before, "a block of {basis} counts nothing");
        let copy = f.backend.duplicate(&f.tables, &block)?;
        let with_copy = f.backend.memory().live;
        ensure!(with_copy > with_block, "a copy counts nothing");
        let host_key = oracle::HostSwitchKey::random(&f.ring, rng, basis, 2);
        let key = f.backend.load_switch_key(&f.tables, &host_key.data())?;
        let with_key = f.backend.memory().live;
        ensure!(with_key > with_copy, "a switching key counts nothing");
        let matrix = f.backend.load_matrix(&f.tables, 8, 8, &[1; 64])?;
        let full = f.backend.memory();
        ensure!(full.live > with_key, "a matrix counts nothing");
        ensure!(
            full.peak >= full.live,
            "peak {} below live {}",
            full.peak,
            full.live
        );
        drop((block, copy, key, matrix));
        f.backend.synchronize()?;
        let after = f.backend.memory();
        ensure!(
            after.live == before,
            "{} bytes live after everything was dropped, {before} before",
            after.live
        );
        ensure!(after.peak >= full.peak, "the peak fell when blocks died");
        Ok(())
    })
}

/// Rings inside the limits are taken, rings outside refused with a typed error.
pub fn tables_respect_limits<B: Backend>(backend: &B) -> Verdict {
    let limits = backend.limits();
    ensure!(
        (20..=61).contains(&limits.max_modulus_bits) && limits.max_degree.is_power_of_two(),
        "limits {limits:?} are not 20 to 61 bits and a power of two"
    );
    let refused = |ring: &RingSpec| match backend.tables(ring) {
        Ok(_) => Err(Violation::new(format!(
            "a ring of degree {} with the modulus {} is taken in spite of {limits:?}",
            ring.degree(),
            ring.prime(0).value()
        ))),
        Err(Error::Unsupported { .. } | Error::InvalidParameters(_)) => Ok(()),
        Err(other) => Err(Violation::new(format!(
            "a ring outside the limits is refused with {other:?} instead of Unsupported"
        ))),
    };
    if limits.max_modulus_bits < 60 {
        // 2^bits lies between primes of the admitted length and longer ones.
        let bits = limits.max_modulus_bits + 1;
        let long = ntt_primes(bits, 128, 6)?
            .into_iter()
            .find(|q| q >> (bits - 1) != 0);
        let long = long.ok_or_else(|| Violation::new("no prime beyond the limit found"))?;
        refused(&RingSpec::new(RingKind::Standard, 5, &[long], &[])?)?;
    }
    let log_n = limits.max_degree.ilog2();
    if log_n < 17 {
        let order = 4_u64 << log_n;
        let q = ntt_primes(limits.max_modulus_bits - 1, order, 1)?;
        refused(&RingSpec::new(RingKind::Standard, log_n + 1, &q, &[])?)?;
    }
    let mut rng = Rng::new(1);
    for f in Fixture::all(backend, 4)? {
        let ring = f.backend.ring(&f.tables);
        ensure!(*ring == f.ring, "{}: tables return another ring", f.name);
        let x = f.random(&mut rng, 2, Basis::qp(2, 1));
        let shape = f.backend.shape(&f.upload(&x)?);
        ensure!(
            shape == x.shape(),
            "{}: shape {shape} is not {}",
            f.name,
            x.shape()
        );
    }
    Ok(())
}
