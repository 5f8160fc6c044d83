//! Times each kernel: `cargo run --release -p ckks-cpu --example cpu_kernels [THREADS]
//! [LOG_N] [BITS]`.
//!
//! Prints the fastest of several runs, in microseconds for one limb (for base conversion, one pair
//! of limbs), on a ring of degree `2^LOG_N` (16) with 24 + 6 primes of `BITS` bits (45), the
//! special ones longer.

use ckks_cpu::{CpuBackend, CpuOptions, available_kernels};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData,
};
use std::time::{Duration, Instant};

fn fastest(mut run: impl FnMut()) -> Duration {
    run();
    let time = |()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    [(); 9].map(time).into_iter().min().unwrap_or_default()
}

fn main() -> ckks_math::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let threads = arguments.next().unwrap_or(1);
    let log_n = arguments.next().unwrap_or(16) as u32;
    let bits = arguments.next().unwrap_or(45) as u32;
    let (l, k) = (24, 6);
    for kind in [RingKind::Standard, RingKind::ConjugateInvariant] {
        let order = 4 << log_n;
        let q = ntt_primes_excluding(bits, order, l, &[])?;
        let p = ntt_primes_excluding((bits + 4).min(60), order, k, &q)?;
        let ring = RingSpec::new(kind, log_n, &q, &p)?;
        for kernels in available_kernels() {
            let options = CpuOptions {
                threads: Some(threads),
                kernels,
            };
            let backend = CpuBackend::open(options)?;
            println!("{kind:?}, N = 2^{log_n}, {}:", backend.name());
            measure(&backend, &ring)?;
        }
    }
    Ok(())
}

fn measure(backend: &CpuBackend, ring: &RingSpec) -> ckks_math::Result<()> {
    let start = Instant::now();
    let t = backend.tables(ring)?;
    println!(
        "  {:24} {:9.1} ms",
        "tables",
        start.elapsed().as_secs_f64() * 1e3
    );
    let (l, k, digit) = (ring.q().len(), ring.p().len(), 6);
    let (full, top) = (Basis::qp(l, k), Basis::q(l));
    let digits = l.div_ceil(digit);
    let words = |rows: usize, basis: Basis| -> Vec<u64> {
        let limbs = (0..rows).flat_map(|_| ring.moduli(basis));
        limbs
            .flat_map(|m| {
                (1..=ring.degree() as u64)
                    .map(move |j| m.reduce(j.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            })
            .collect()
    };
    let mut x = backend.upload(&t, 1, full, &words(1, full))?;
    let y = backend.duplicate(&t, &x)?;
    let report = |name: &str, limbs: usize, time: Duration| {
        let micros = time.as_secs_f64() * 1e6;
        println!(
            "  {name:24} {:9.1} us/limb {:9.2} ms",
            micros / limbs as f64,
            micros / 1e3
        );
    };
    let limbs = full.limbs();
    report(
        "ntt",
        limbs,
        fastest(|| backend.ntt(&t, &mut x).expect("ntt")),
    );
    report(
        "intt",
        limbs,
        fastest(|| backend.intt(&t, &mut x).expect("intt")),
    );
    for op in [Pointwise::Add, Pointwise::Mul] {
        let run = || drop(backend.pointwise(&t, op, &x, &y).expect("pointwise"));
        report(&format!("pointwise {op:?}"), limbs, fastest(run));
    }
    let mut acc = backend.duplicate(&t, &x)?;
    let run = || {
        backend
            .multiply_accumulate(&t, &mut acc, &x, &y)
            .expect("mac");
    };
    report("multiply_accumulate", limbs, fastest(run));
    let ones = vec![3; limbs];
    let run = || backend.scale_limbs(&t, &mut acc, &ones).expect("scale");
    report("scale_limbs", limbs, fastest(run));
    let g = ring.galois_rotation(7);
    let run = || drop(backend.automorphism(&t, &x, g).expect("automorphism"));
    report("automorphism", limbs, fastest(run));
    let pair = backend.stack(&t, &[&x, &y])?;
    let run = || drop(backend.tensor(&t, &pair, &pair).expect("tensor"));
    report("tensor", limbs, fastest(run));
    let mut sum = backend.duplicate(&t, &pair)?;
    let run = || backend.add_rows(&t, &mut sum, 1, &x).expect("sum");
    report("add_rows", limbs, fastest(run));
    for (name, shift, divisor) in [
        ("embed N", 20, 1),
        ("embed N, wide", 60, 1),
        ("embed N/2", 20, 2),
        ("embed N/64", 20, 64),
    ] {
        let m = ring.degree() / divisor;
        let spread = |j: usize| (j as i64).wrapping_mul(0x1e37_79b9_7f4a_7c15) >> (64 - shift);
        let coefficients: Vec<i64> = (0..m).map(spread).collect();
        let run = || drop(backend.embed(&t, full, &coefficients, m).expect("embed"));
        report(name, limbs, fastest(run));
    }
    let host = words(1, full);
    let run = || drop(backend.duplicate(&t, &x).expect("copy"));
    report("duplicate", limbs, fastest(run));
    let run = || drop(backend.upload(&t, 1, full, &host).expect("upload"));
    report("upload", limbs, fastest(run));
    let run = || drop(backend.alloc(&t, 1, full).expect("zeros"));
    report("alloc", limbs, fastest(run));
    let (outputs, inputs, level) = (32, 32, Basis::q(2));
    let entries: Vec<i64> = (0..inputs * outputs)
        .map(|i| i as i64 % 255 - 127)
        .collect();
    let matrix = backend.load_matrix(&t, outputs as usize, inputs as usize, &entries)?;
    let vectors = backend.upload(&t, inputs as usize, level, &words(inputs as usize, level))?;
    let run = || drop(backend.gemm(&t, &matrix, &vectors).expect("gemm"));
    let time = fastest(run).as_secs_f64();
    let products = (2 * ring.degree()) as f64 * (inputs * outputs) as f64;
    println!(
        "  {:24} {:9.1} products/ns {:6.2} ms",
        "gemm 32 x 32",
        products / time * 1e-9,
        time * 1e3
    );
    let source = backend.restrict(&t, &x, 0..1, Basis::digit(0, digit))?;
    let run = || drop(backend.base_convert(&t, &source, full).expect("convert"));
    let pairs = digit * (limbs - digit);
    report("base_convert (pair)", pairs, fastest(run));
    let x = backend.upload(&t, 1, top, &words(1, top))?;
    let run = || drop(backend.decompose(&t, &x, digit, k).expect("decompose"));
    report("decompose", digits * limbs, fastest(run));
    let decomposed = backend.decompose(&t, &x, digit, k)?;
    let half = words(digits, full);
    let data = SwitchKeyData {
        basis: full,
        digit_size: digit,
        b: &half,
        a: &half,
    };
    let key = backend.load_switch_key(&t, &data)?;
    let run = || drop(backend.dot_key(&t, &decomposed, &key).expect("dot"));
    report("dot_key", limbs, fastest(run));
    let run = || {
        drop(
            backend
                .dot_key_permuted(&t, &decomposed, g, &key)
                .expect("dot"),
        );
    };
    report("dot_key_permuted", limbs, fastest(run));
    let product = backend.dot_key(&t, &decomposed, &key)?;
    let run = || drop(backend.mod_down(&t, &product).expect("mod_down"));
    report("mod_down (2 rows)", 2 * l, fastest(run));
    let run = || drop(backend.rescale(&t, &x, 1).expect("rescale"));
    report("rescale by 1", l - 1, fastest(run));
    let run = || drop(backend.key_switch(&t, &x, &key).expect("key_switch"));
    report("key_switch", l, fastest(run));
    Ok(())
}
