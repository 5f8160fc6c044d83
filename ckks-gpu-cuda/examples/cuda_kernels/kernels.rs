//! Each kernel on its own.

use crate::bench::{Bench, PRODUCT, Unit};
use ckks_gpu_cuda::{Block, CudaBackend, SwitchKey, Tables};
use ckks_math::Result;
use ckks_math::backend::{
    Basis, Device, Pointwise, RingKernels, RingSpec, SwitchKernels, SwitchKeyData,
};
use ckks_math::sampling::Seed;

/// Limbs of a digit, and special primes.
pub const DIGIT: usize = 4;

/// One ring with inputs of all operations.
struct Inputs {
    tables: Tables,
    x: Block,
    y: Block,
    lifted: Block,
    key: SwitchKey,
}

fn inputs(b: &CudaBackend, ring: &RingSpec, rows: usize) -> Result<Inputs> {
    let tables = b.tables(ring)?;
    let (q, qp) = (
        Basis::q(ring.q().len()),
        Basis::qp(ring.q().len(), ring.p().len()),
    );
    let seed = Seed::from_bytes([1; 32]);
    let digits = ring.q().len().div_ceil(DIGIT);
    let half = vec![1; digits * qp.limbs() * ring.degree()];
    let data = SwitchKeyData {
        basis: qp,
        digit_size: DIGIT,
        b: &half,
        a: &half,
    };
    Ok(Inputs {
        x: b.uniform(&tables, &seed, 0, rows, q)?,
        y: b.uniform(&tables, &seed, rows, rows, q)?,
        lifted: b.uniform(&tables, &seed, 0, 2 * rows, qp)?,
        key: b.load_switch_key(&tables, &data)?,
        tables,
    })
}

/// Times every kernel on one ring.
pub fn measure(bench: &mut Bench, name: &str, ring: &RingSpec, rows: usize) -> Result<()> {
    let b = bench.backend.clone();
    let Inputs {
        tables,
        mut x,
        y,
        lifted,
        key,
    } = inputs(&b, ring, rows)?;
    let t = &tables;
    let (l, k) = (ring.q().len(), ring.p().len());
    let unit = Unit::of(ring);
    let work = |limbs, operations| unit.work(limbs, operations);
    let digits = l.div_ceil(DIGIT);
    let (limbs, all, r) = (l as f64, (l + k) as f64, rows as f64);
    let transform = unit.transform();
    let convert = |from: f64, to: f64| from * PRODUCT + from * to * 3.0 + to * PRODUCT;
    let name = |op: &str| format!("{name}, {rows} rows: {op}");
    bench.time(
        name("ntt"),
        work(2.0 * r * limbs, r * limbs * transform),
        &mut || b.ntt(t, &mut x),
    )?;
    bench.time(
        name("intt"),
        work(2.0 * r * limbs, r * limbs * transform),
        &mut || b.intt(t, &mut x),
    )?;
    bench.time(
        name("multiply"),
        work(3.0 * r * limbs, r * limbs * PRODUCT),
        &mut || b.pointwise(t, Pointwise::Mul, &x, &y).map(drop),
    )?;
    bench.time(
        name("automorphism"),
        work(2.0 * r * limbs, r * limbs * 10.0),
        &mut || b.automorphism(t, &x, 5).map(drop),
    )?;
    let (from, to) = (Basis::digit(0, DIGIT.min(l)), Basis::qp(l, k));
    let digit = b.restrict(t, &x, 0..rows, from)?;
    let lift = convert(DIGIT as f64, all);
    bench.time(
        name("base_convert"),
        work(r * (DIGIT as f64 + all), r * lift),
        &mut || b.base_convert(t, &digit, to).map(drop),
    )?;
    let d = digits as f64;
    // Coefficients once, then each digit over all primes, transformed but for its own limbs.
    let split = work(
        r * (2.0 * limbs + d * all * 3.0),
        r * (limbs * transform + d * lift + (d * all - limbs) * transform),
    );
    bench.time(name("decompose"), split, &mut || {
        b.decompose(t, &x, DIGIT, k).map(drop)
    })?;
    let parts = b.decompose(t, &x, DIGIT, k)?;
    let dot = work(all * (d * (r + 2.0) + 2.0 * r), r * all * d * 2.0 * 4.0);
    bench.time(name("dot_key"), dot, &mut || {
        b.dot_key(t, &parts, &key).map(drop)
    })?;
    let p = k as f64;
    let down = work(
        2.0 * r * (p * 3.0 + limbs * 4.0),
        2.0 * r * (p * transform + convert(p, limbs) + limbs * transform),
    );
    bench.time(name("mod_down of two components"), down, &mut || {
        b.mod_down(t, &lifted).map(drop)
    })?;
    // The floor of a key switch: its input, its key, its output.
    let whole = work(
        all * d * 2.0 + 3.0 * r * limbs,
        r * (limbs * transform + d * lift + (d * all - limbs) * transform + all * d * 8.0)
            + 2.0 * r * ((p + limbs) * transform + convert(p, limbs)),
    );
    bench.time(name("key_switch"), whole, &mut || {
        b.key_switch(t, &x, &key).map(drop)
    })?;
    Ok(())
}
