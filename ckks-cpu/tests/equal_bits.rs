//! Same bits whatever the kernels, the threads, and the fusing of derived operations.

mod common;

use ckks_cpu::{Block, CpuBackend, CpuOptions, KernelChoice, Tables, available_kernels};
use ckks_math::Error;
use ckks_math::arith::is_prime;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingSpec, SwitchKernels, SwitchKeyData,
    derived,
};
use common::{KINDS, SplitMix, open, residues, ring};

/// How residues are drawn.
#[derive(Clone, Copy, Debug)]
enum Draw {
    Random,
    Largest,
    Zero,
}

fn draw(ring: &RingSpec, rows: usize, basis: Basis, how: Draw, rng: &mut SplitMix) -> Vec<u64> {
    let mut words = residues(ring, rows, basis, rng);
    let moduli: Vec<u64> = ring.moduli(basis).map(|m| m.value()).collect();
    for (i, limb) in words.chunks_mut(ring.degree()).enumerate() {
        match how {
            Draw::Random => {}
            Draw::Largest => limb.fill(moduli[i % moduli.len()] - 1),
            Draw::Zero => limb.fill(0),
        }
    }
    words
}

struct Case<'a> {
    backend: &'a CpuBackend,
    tables: Tables,
    out: Vec<(&'static str, Vec<u64>)>,
}

impl Case<'_> {
    fn keep(&mut self, name: &'static str, x: &Block) {
        self.out.push((
            name,
            self.backend.download(&self.tables, x).expect("download"),
        ));
    }
}

/// The results of every kernel on a ring with 5 moduli and 2 special ones.
fn everything(backend: &CpuBackend, ring: &RingSpec, how: Draw) -> Vec<(&'static str, Vec<u64>)> {
    let mut rng = SplitMix(11);
    let tables = backend.tables(ring).expect("tables");
    let mut case = Case {
        backend,
        tables,
        out: Vec::new(),
    };
    let (full, top) = (Basis::qp(5, 2), Basis::q(5));
    let mut upload = |rows: usize, basis: Basis| {
        let words = draw(ring, rows, basis, how, &mut rng);
        backend
            .upload(&case.tables, rows, basis, &words)
            .expect("upload")
    };
    let (x, y) = (upload(2, full), upload(2, full));
    let digits = upload(6, Basis::qp(5, 2));
    let low = upload(2, top);
    let (b, a) = (upload(3, full), upload(3, full));
    let t = &case.tables;
    let [b, a] = [b, a].map(|half| backend.download(t, &half).expect("download"));
    let data = SwitchKeyData {
        basis: full,
        digit_size: 2,
        b: &b,
        a: &a,
    };
    let key = backend.load_switch_key(t, &data).expect("key");
    let constants: Vec<u64> = ring.moduli(full).map(|m| m.value() - 1).collect();
    let galois = ring.galois_rotation(5);
    let matrix = backend
        .load_matrix(t, 3, 2, &[1, -2, i64::MAX, i64::MIN, 0, 7])
        .expect("matrix");
    let copy = || backend.duplicate(t, &x).expect("copy");
    let mut results = Vec::new();
    let mut transformed = copy();
    backend.ntt(t, &mut transformed).expect("ntt");
    results.push(("ntt", transformed));
    let mut transformed = copy();
    backend.intt(t, &mut transformed).expect("intt");
    results.push(("intt", transformed));
    for (name, op) in [
        ("add", Pointwise::Add),
        ("sub", Pointwise::Sub),
        ("mul", Pointwise::Mul),
    ] {
        results.push((name, backend.pointwise(t, op, &x, &y).expect("op")));
        let mut assigned = copy();
        backend
            .pointwise_assign(t, op, &mut assigned, &y)
            .expect("op");
        results.push((name, assigned));
    }
    let mut acc = copy();
    backend
        .multiply_accumulate(t, &mut acc, &y, &x)
        .expect("mac");
    results.push(("multiply_accumulate", acc));
    let mut scaled = copy();
    backend
        .scale_limbs(t, &mut scaled, &constants)
        .expect("scale");
    backend
        .offset_limbs(t, &mut scaled, 1..2, &constants)
        .expect("offset");
    results.push(("scale, offset", scaled));
    let many: Vec<_> = (0..40).map(|i| if i % 2 == 0 { &x } else { &y }).collect();
    let weights = vec![constants.clone(); 40];
    results.push((
        "combine",
        backend.combine(t, full, &many, &weights).expect("combine"),
    ));
    results.push((
        "automorphism",
        backend.automorphism(t, &x, galois).expect("automorphism"),
    ));
    for (from, to) in [(Basis::p(2), top), (Basis::digit(2, 5), full), (top, full)] {
        let source = backend.restrict(t, &x, 0..2, from).expect("restrict");
        results.push((
            "base_convert",
            backend.base_convert(t, &source, to).expect("convert"),
        ));
    }
    results.push(("dot_key", backend.dot_key(t, &digits, &key).expect("dot")));
    let permuted = backend
        .dot_key_permuted(t, &digits, galois, &key)
        .expect("dot");
    results.push(("dot_key_permuted", permuted));
    results.push(("gemm", backend.gemm(t, &matrix, &x).expect("gemm")));
    results.push((
        "decompose",
        backend.decompose(t, &low, 2, 2).expect("decompose"),
    ));
    results.push(("mod_down", backend.mod_down(t, &x).expect("mod_down")));
    results.push(("rescale", backend.rescale(t, &low, 2).expect("rescale")));
    results.push((
        "key_switch",
        backend.key_switch(t, &low, &key).expect("key_switch"),
    ));
    for (name, result) in results {
        case.keep(name, &result);
    }
    case.out
}

fn assert_equal(
    wanted: &[(&'static str, Vec<u64>)],
    got: &[(&'static str, Vec<u64>)],
    context: &str,
) {
    assert_eq!(wanted.len(), got.len());
    for ((name, wanted), (_, got)) in wanted.iter().zip(got) {
        let differing = wanted.iter().zip(got).position(|(a, b)| a != b);
        assert_eq!(
            (wanted.len(), differing),
            (got.len(), None),
            "{name}, {context}"
        );
    }
}

/// Primes of 30 to 50 bits use 52-bit products where they exist, 60 and 61 bits never: all sizes of
/// rings, and the extremes of residues.
#[test]
fn kernels_and_threads_agree_bit_for_bit() {
    for kind in KINDS {
        for log_n in [4, 6, 7, 8, 9, 10, 11, 13, 16] {
            for (q_bits, p_bits) in [
                ([30, 36, 41, 50, 49], [50, 50]),
                ([60, 50, 33, 47, 45], [49, 61]),
                ([61, 60, 51, 59, 61], [61, 60]),
            ] {
                let ring = ring(kind, log_n, &q_bits, &p_bits);
                let draws: &[Draw] = match log_n {
                    6 | 10 => &[Draw::Random, Draw::Largest, Draw::Zero],
                    _ => &[Draw::Random],
                };
                for &how in draws {
                    let wanted = everything(&open(KernelChoice::Reference, 2), &ring, how);
                    for kernels in available_kernels() {
                        let got = everything(&open(kernels, 1), &ring, how);
                        let context = format!("{kind:?} 2^{log_n} {how:?} {kernels:?}");
                        assert_equal(&wanted, &got, &context);
                    }
                }
            }
        }
    }
}

/// The larger transforms, for which the naive definition is too slow.
#[test]
fn transforms_of_all_sizes_agree() {
    for kind in KINDS {
        for log_n in 1..=17 {
            let ring = ring(kind, log_n, &[log_n.max(20) + 10, 50, 61, 60], &[]);
            transforms_agree(&ring, Draw::Random);
        }
    }
}

/// Primes where the room for lazy levels changes: just below and above `2^49`, `2^52 / 7` and, from
/// below, `2^50`, on the extremes of residues.
#[test]
fn transforms_agree_where_the_arithmetic_changes() {
    for (kind, order) in KINDS.into_iter().zip([1 << 12, 1 << 13]) {
        let nearest = |bound: u64, up: bool| {
            let first = bound / order * order + 1;
            let mut candidates = (0..).map(|k| {
                if up {
                    first + k * order
                } else {
                    first - k * order
                }
            });
            let fits = |&q: &u64| (q > bound) == up && is_prime(q);
            candidates.find(fits).expect("primes are dense")
        };
        let primes: Vec<u64> = [1 << 49, (1 << 52) / 7]
            .into_iter()
            .flat_map(|bound| [nearest(bound, false), nearest(bound, true)])
            .chain([nearest(1 << 50, false), nearest(1 << 51, true)])
            .collect();
        let ring = RingSpec::new(kind, 11, &primes, &[]).expect("a ring");
        for how in [Draw::Random, Draw::Largest, Draw::Zero] {
            transforms_agree(&ring, how);
        }
    }
}

/// Every kind of kernels gives the reference's values and finds back to the coefficients.
fn transforms_agree(ring: &RingSpec, how: Draw) {
    let (basis, mut rng) = (Basis::q(ring.q().len()), SplitMix(12));
    let words = draw(ring, 1, basis, how, &mut rng);
    let values = |kernels| {
        let backend = open(kernels, 2);
        let t = backend.tables(ring).expect("tables");
        let mut x = backend.upload(&t, 1, basis, &words).expect("upload");
        backend.ntt(&t, &mut x).expect("ntt");
        let values = backend.download(&t, &x).expect("download");
        backend.intt(&t, &mut x).expect("intt");
        assert!(backend.download(&t, &x).expect("download") == words);
        values
    };
    let wanted = values(KernelChoice::Reference);
    for kernels in available_kernels() {
        assert!(
            wanted == values(kernels),
            "{:?} 2^{}, {how:?}, {}",
            ring.kind(),
            ring.log_degree(),
            kernels.name()
        );
    }
}

/// Kernels that the machine lacks are refused by name, with those that it has.
#[test]
fn absent_kernels_are_refused() {
    let all = [
        KernelChoice::Avx512Ifma,
        KernelChoice::Avx512,
        KernelChoice::Avx2,
        KernelChoice::Neon,
    ];
    let have = available_kernels();
    assert!(have.len() < all.len() + 1, "no machine has all of these");
    for kernels in all.into_iter().filter(|k| !have.contains(k)) {
        let options = CpuOptions {
            threads: Some(1),
            kernels,
        };
        let refused = CpuBackend::open(options).err().expect("a refusal");
        let message = refused.to_string();
        assert!(matches!(refused, Error::Unsupported { .. }));
        assert!(message.contains(kernels.name()), "{message}");
        assert!(have.iter().all(|k| message.contains(k.name())), "{message}");
    }
}

/// Fused operations against the derived bodies, over levels, digit sizes and rows, on both rings,
/// with primes below and above 50 bits.
#[test]
fn overrides_equal_derived_bodies() {
    for kind in KINDS {
        for (q_bits, p_bits) in [
            ([45, 40, 50, 41, 42, 43, 44, 46], [50, 49, 48]),
            ([60, 40, 55, 55, 50, 61, 30, 46], [50, 61, 48]),
            ([60, 55, 55, 55, 55, 61, 58, 51], [61, 61, 60]),
        ] {
            overrides_equal_derived_bodies_on(&ring(kind, 10, &q_bits, &p_bits));
        }
    }
}

fn overrides_equal_derived_bodies_on(ring: &RingSpec) {
    let mut rng = SplitMix(13);
    for backend in available_kernels().into_iter().map(|k| open(k, 2)) {
        let t = backend.tables(ring).expect("tables");
        let full = Basis::qp(8, 3);
        let same = |op: &str, a: ckks_math::Result<Block>, b: ckks_math::Result<Block>| {
            let [a, b] = [a, b].map(|x| x.expect("an operation"));
            assert_eq!(backend.shape(&a), backend.shape(&b));
            let [a, b] = [a, b].map(|x| backend.download(&t, &x).expect("download"));
            assert!(a == b, "{op}");
        };
        for digit_size in [1, 3, 8] {
            let count = 8_usize.div_ceil(digit_size);
            let (b, a) = (
                residues(ring, count, full, &mut rng),
                residues(ring, count, full, &mut rng),
            );
            let data = SwitchKeyData {
                basis: full,
                digit_size,
                b: &b,
                a: &a,
            };
            let key = backend.load_switch_key(&t, &data).expect("key");
            for (l, rows) in [(1, 1), (4, 5), (7, 2), (8, 1)] {
                let mut random = |rows: usize, basis: Basis| {
                    let words = residues(ring, rows, basis, &mut rng);
                    backend.upload(&t, rows, basis, &words).expect("upload")
                };
                let x = random(rows, Basis::q(l));
                let decomposed =
                    derived::decompose(&backend, &t, &x, digit_size, 3).expect("digits");
                let galois = ring.galois_rotation(-2);
                same(
                    "dot_key_permuted",
                    backend.dot_key_permuted(&t, &decomposed, galois, &key),
                    derived::dot_key_permuted(&backend, &t, &decomposed, galois, &key),
                );
                same(
                    "decompose",
                    backend.decompose(&t, &x, digit_size, 3),
                    Ok(decomposed),
                );
                same(
                    "key_switch",
                    backend.key_switch(&t, &x, &key),
                    derived::key_switch(&backend, &t, &x, &key),
                );
                for primes in 1..l {
                    same(
                        "rescale",
                        backend.rescale(&t, &x, primes),
                        derived::rescale(&backend, &t, &x, primes),
                    );
                }
                let x = random(rows, Basis::qp(l, 3));
                same(
                    "mod_down",
                    backend.mod_down(&t, &x),
                    derived::mod_down(&backend, &t, &x),
                );
            }
        }
    }
}
