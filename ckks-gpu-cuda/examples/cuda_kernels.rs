//! Times the kernels on a card: `kernels [--json FILE] [LOG_N [LIMBS]]`, for `N = 2^16` and 48 limbs
//! without arguments.
//!
//! For each operation: microseconds, bytes that it must read and write, their share of the bandwidth of a
//! copy measured in the same run, and integer operations over the card's rate. The larger of the two
//! floors is named. With the feature `executor` and `--executor` it runs on the CPU, to be tested: those
//! times say nothing about a card.

use ckks_gpu_cuda::{Block, CudaBackend, SwitchKey, Tables};
use ckks_math::arith::ntt_primes_excluding;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData,
};
use ckks_math::sampling::Seed;
use ckks_math::{Error, Result};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

/// Limbs of a digit, and special primes.
const DIGIT: usize = 4;
/// Seconds that one measurement may take.
const BUDGET: f64 = 0.3;
/// 32-bit operations of one reduction by a constant, and of a product of two residues, counted in the
/// kernels: a high product, low products, additions and minima.
const BY_CONSTANT: f64 = 5.0;
const PRODUCT: f64 = 8.0;
/// The same for words of 64 bits, each product of which takes about four of 32.
const LONG: f64 = 4.0;

/// What one operation must do.
struct Work {
    bytes: f64,
    operations: f64,
}

struct Row {
    name: String,
    microseconds: f64,
    work: Work,
}

struct Bench<'b> {
    backend: &'b CudaBackend,
    rows: Vec<Row>,
}

impl Bench<'_> {
    /// Time of one run: the least of several measurements, each of enough runs to hide the launch.
    fn time(
        &mut self,
        name: String,
        work: Work,
        run: &mut dyn FnMut() -> Result<()>,
    ) -> Result<f64> {
        run()?;
        self.backend.synchronize()?;
        let (mut best, mut runs) = (f64::INFINITY, 1_u32);
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < BUDGET || best.is_infinite() {
            let begin = Instant::now();
            for _ in 0..runs {
                run()?;
            }
            self.backend.synchronize()?;
            let each = begin.elapsed().as_secs_f64() / f64::from(runs);
            best = best.min(each);
            runs = ((BUDGET / 8.0 / each) as u32).clamp(1, 1000);
        }
        let microseconds = best * 1e6;
        println!("{name:44} {microseconds:12.1} us");
        self.rows.push(Row {
            name,
            microseconds,
            work,
        });
        Ok(best)
    }
}

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

fn measure(bench: &mut Bench<'_>, name: &str, ring: &RingSpec, rows: usize) -> Result<()> {
    let b = bench.backend.clone();
    let Inputs {
        tables,
        mut x,
        y,
        lifted,
        key,
    } = inputs(&b, ring, rows)?;
    let t = &tables;
    let (n, l, k) = (ring.degree() as f64, ring.q().len(), ring.p().len());
    let long = ring.q().iter().chain(ring.p()).any(|m| m.bits() > 31);
    let (word, factor) = if long { (8.0, LONG) } else { (4.0, 1.0) };
    let digits = l.div_ceil(DIGIT);
    let (limbs, all, r) = (l as f64, (l + k) as f64, rows as f64);
    let work = |words: f64, operations: f64| Work {
        bytes: words * n * word,
        operations: operations * n * factor,
    };
    let transform = 0.5 * n.log2() * (BY_CONSTANT + 3.0);
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
    let matrix = b.load_matrix(t, rows, rows, &vec![3; rows * rows])?;
    let gemm = work(2.0 * r * limbs, r * r * limbs * 4.0);
    bench.time(name("gemm, square"), gemm, &mut || {
        b.gemm(t, &matrix, &x).map(drop)
    })?;
    Ok(())
}

fn ring(kind: RingKind, log_n: u32, bits: u32, limbs: usize) -> Result<RingSpec> {
    let q = ntt_primes_excluding(bits, 4 << log_n, limbs, &[])?;
    let p = ntt_primes_excluding(bits, 4 << log_n, DIGIT, &q)?;
    RingSpec::new(kind, log_n, &q, &p)
}

fn open(executor: bool) -> Result<CudaBackend> {
    #[cfg(feature = "executor")]
    if executor {
        return CudaBackend::open_executor(ckks_gpu_cuda::KernelSet::Plain, 1);
    }
    if executor {
        return Err(Error::InvalidParameters(
            "--executor needs the feature".into(),
        ));
    }
    CudaBackend::open(0)
}

fn run() -> Result<()> {
    let mut json = None;
    let (mut numbers, mut executor) = (Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = arguments.next(),
            "--executor" => executor = true,
            other => numbers.push(other.parse::<usize>().map_err(|e| {
                Error::InvalidParameters(format!("{other}: {e}; give log N, then limbs"))
            })?),
        }
    }
    let log_n = *numbers.first().unwrap_or(&16) as u32;
    let limbs = *numbers.get(1).unwrap_or(&48);
    let backend = open(executor)?;
    println!("{}, N = 2^{log_n}, {limbs} limbs", backend.name());
    let mut bench = Bench {
        backend: &backend,
        rows: Vec::new(),
    };
    let plain = ring(RingKind::Standard, log_n, 29, limbs)?;
    let tables = backend.tables(&plain)?;
    let copied = backend.alloc(&tables, 32, Basis::q(limbs))?;
    let bytes = 2.0 * ((32 * limbs) << log_n) as f64 * 4.0;
    let work = Work {
        bytes,
        operations: 0.0,
    };
    let seconds = bench.time("copy".into(), work, &mut || {
        backend.duplicate(&tables, &copied).map(drop)
    })?;
    let bandwidth = bytes / seconds;
    drop((copied, tables));
    for rows in [1, 8] {
        measure(&mut bench, "standard, 30 bits", &plain, rows)?;
    }
    let real = ring(RingKind::ConjugateInvariant, log_n, 29, limbs)?;
    measure(&mut bench, "real, 30 bits", &real, 8)?;
    measure(
        &mut bench,
        "standard, 31 bits",
        &ring(RingKind::Standard, log_n, 30, limbs)?,
        8,
    )?;
    let wide = ring(RingKind::Standard, log_n, 59, limbs.div_ceil(2))?;
    measure(&mut bench, "standard, 60 bits", &wide, 8)?;
    let text = report(&bench.rows, bandwidth, &backend);
    if let Some(path) = json {
        std::fs::write(&path, text)
            .map_err(|e| Error::InvalidParameters(format!("{path}: {e}")))?;
    }
    Ok(())
}

/// Prints the table and returns it as JSON.
fn report(rows: &[Row], bandwidth: f64, backend: &CudaBackend) -> String {
    let rate = backend.integer_rate();
    println!(
        "\ncopy {:.0} GB/s, integer rate {:.2e}/s",
        bandwidth / 1e9,
        rate.unwrap_or(f64::NAN)
    );
    println!(
        "{:44} {:>10} {:>9} {:>8} {:>10}",
        "", "us", "MB", "floor", "share"
    );
    let mut text = format!(
        "{{\"device\": {:?}, \"copy_bytes_per_s\": {bandwidth:.4e}",
        backend.name()
    );
    if let Some(rate) = rate {
        let _ = write!(text, ", \"integer_operations_per_s\": {rate:.4e}");
    }
    text.push_str(", \"kernels\": [");
    for (i, row) in rows.iter().enumerate() {
        let by_bytes = row.work.bytes / bandwidth * 1e6;
        let by_operations = rate.map_or(0.0, |rate| row.work.operations / rate * 1e6);
        let (floor, name) = if by_bytes >= by_operations {
            (by_bytes, "bytes")
        } else {
            (by_operations, "integer")
        };
        let share = floor / row.microseconds;
        let (label, us, mb) = (&row.name, row.microseconds, row.work.bytes / 1e6);
        println!(
            "{label:44} {us:10.1} {mb:9.1} {name:>8} {:9.1}%",
            100.0 * share
        );
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\n  {{\"name\": {label:?}, \"us\": {us:.2}, \"bytes\": {:.0}, \"floor_us\": {floor:.2}, \"floor\": {name:?}, \"share\": {share:.3}}}",
            row.work.bytes
        );
    }
    text.push_str("\n]}\n");
    text
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
