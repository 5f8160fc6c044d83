//! Every kernel against its definition on integers, at small degrees, on both rings.

mod common;

use ckks_math::arith::Modulus;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData,
};
use common::{KINDS, SplitMix, backends, random_block, residues, ring};

fn mul(m: Modulus, x: u64, y: u64) -> u64 {
    (u128::from(x) * u128::from(y) % u128::from(m.value())) as u64
}

fn add(m: Modulus, x: u64, y: u64) -> u64 {
    (x + y) % m.value()
}

/// The value of one polynomial at each point of the ring, by definition.
fn evaluate(ring: &RingSpec, prime: usize, a: &[u64]) -> Vec<u64> {
    let (m, root, bits) = (ring.prime(prime), ring.root(prime), ring.log_degree());
    let reverse = |j: u64| j.reverse_bits() >> (64 - bits);
    let value = |j: u64| {
        let exponent = match ring.kind() {
            RingKind::Standard => 2 * reverse(j) + 1,
            RingKind::ConjugateInvariant => 4 * reverse(j) + 1,
        };
        let z = m.pow(root, exponent);
        let conjugate = m.inv(z);
        (a.iter().enumerate()).fold(0, |sum, (k, &a)| {
            let mut power = m.pow(z, k as u64);
            if ring.kind() == RingKind::ConjugateInvariant && k > 0 {
                power = add(m, power, m.pow(conjugate, k as u64));
            }
            add(m, sum, mul(m, a, power))
        })
    };
    (0..ring.degree() as u64).map(value).collect()
}

/// `x(X^g)` on coefficients, by definition.
fn substitute(ring: &RingSpec, m: Modulus, a: &[u64], galois: u64) -> Vec<u64> {
    let n = ring.degree() as u64;
    let mut out = vec![0; a.len()];
    for (k, &a) in a.iter().enumerate() {
        let mut e = k as u64 * galois % ring.root_order();
        let mut negative = false;
        match ring.kind() {
            RingKind::Standard => {
                negative = e >= n;
                e %= n;
            }
            RingKind::ConjugateInvariant => {
                // X^e + X^-e is even in e, and X^2N = -1.
                e = e.min(4 * n - e);
                if e > n {
                    negative = true;
                    e = 2 * n - e;
                }
            }
        }
        out[e as usize] = if negative {
            (m.value() - a) % m.value()
        } else {
            a
        };
    }
    out
}

#[test]
fn ntt_evaluates_at_the_roots_and_intt_inverts() {
    let mut rng = SplitMix(1);
    for backend in backends() {
        for kind in KINDS {
            for log_n in [1, 2, 3, 5, 6, 7, 9] {
                let ring = ring(kind, log_n, &[31, 45, 50], &[60]);
                let (t, basis) = (backend.tables(&ring).expect("tables"), Basis::qp(3, 1));
                let words = residues(&ring, 2, basis, &mut rng);
                let mut x = backend.upload(&t, 2, basis, &words).expect("upload");
                backend.ntt(&t, &mut x).expect("ntt");
                let values = backend.download(&t, &x).expect("download");
                let pieces = values
                    .chunks(ring.degree())
                    .zip(words.chunks(ring.degree()));
                for (i, (values, a)) in pieces.enumerate() {
                    assert_eq!(values, evaluate(&ring, i % 4, a), "{kind:?} {log_n} {i}");
                }
                backend.intt(&t, &mut x).expect("intt");
                assert_eq!(backend.download(&t, &x).expect("download"), words);
            }
        }
    }
}

#[test]
fn elementwise_kernels_match_integers() {
    let mut rng = SplitMix(2);
    for backend in backends() {
        for log_n in [1, 3, 7] {
            let ring = ring(RingKind::Standard, log_n, &[30, 45, 50, 60], &[49]);
            let t = backend.tables(&ring).expect("tables");
            let n = ring.degree();
            let (small, large) = (Basis::digit(1, 4), Basis::qp(4, 1));
            let x = residues(&ring, 4, small, &mut rng);
            let y = residues(&ring, 2, large, &mut rng);
            let z = residues(&ring, 4, large, &mut rng);
            let [bx, by, bz] =
                [(&x, 4, small), (&y, 2, large), (&z, 4, large)].map(|(words, rows, basis)| {
                    backend.upload(&t, rows, basis, words).expect("upload")
                });
            let constants: Vec<u64> = ring.moduli(small).map(|m| rng.next() % m.value()).collect();
            // Index of residue (row, limb of `small`, j) in x, y and z.
            let check = |block: &ckks_cpu::Block,
                         f: &dyn Fn(Modulus, usize, u64, u64, u64) -> u64| {
                let got = backend.download(&t, block).expect("download");
                for (i, &got) in got.iter().enumerate() {
                    let (row, limb, j) = (i / (3 * n), i / n % 3, i % n);
                    let m = ring.prime(limb + 1);
                    let other = |rows: usize| ((row % rows) * 5 + limb + 1) * n + j;
                    assert_eq!(got, f(m, limb, x[i], y[other(2)], z[other(4)]), "{i}");
                }
            };
            for (op, f) in [
                (
                    Pointwise::Add,
                    (|m, x, y| add(m, x, y)) as fn(Modulus, u64, u64) -> u64,
                ),
                (Pointwise::Sub, |m, x, y| add(m, x, m.value() - y)),
                (Pointwise::Mul, mul),
            ] {
                check(
                    &backend.pointwise(&t, op, &bx, &by).expect("op"),
                    &|m, _, x, y, _| f(m, x, y),
                );
                let mut inplace = backend.duplicate(&t, &bx).expect("copy");
                backend
                    .pointwise_assign(&t, op, &mut inplace, &by)
                    .expect("op");
                check(&inplace, &|m, _, x, y, _| f(m, x, y));
            }
            let copy = || backend.duplicate(&t, &bx).expect("copy");
            let mut acc = copy();
            backend
                .multiply_accumulate(&t, &mut acc, &bz, &by)
                .expect("mac");
            check(&acc, &|m, _, x, y, z| add(m, x, mul(m, z, y)));
            let mut scaled = copy();
            backend
                .scale_limbs(&t, &mut scaled, &constants)
                .expect("scale");
            check(&scaled, &|m, limb, x, _, _| mul(m, x, constants[limb]));
            let mut moved = copy();
            backend
                .offset_limbs(&t, &mut moved, 0..4, &constants)
                .expect("offset");
            check(&moved, &|m, limb, x, _, _| add(m, x, constants[limb]));
            let combined = backend
                .combine(
                    &t,
                    small,
                    &[&bx, &bz],
                    &[constants.clone(), constants.clone()],
                )
                .expect("combine");
            check(&combined, &|m, limb, x, _, z| {
                mul(m, add(m, x, z), constants[limb])
            });
        }
    }
}

#[test]
fn offsets_touch_only_their_rows_and_moves_keep_rows() {
    let mut rng = SplitMix(3);
    for backend in backends() {
        let ring = ring(RingKind::Standard, 6, &[40, 41, 42], &[43]);
        let t = backend.tables(&ring).expect("tables");
        let basis = Basis::qp(3, 1);
        let words = residues(&ring, 3, basis, &mut rng);
        let mut x = backend.upload(&t, 3, basis, &words).expect("upload");
        let part = backend
            .restrict(
                &t,
                &x,
                1..3,
                Basis {
                    lo: 1,
                    hi: 2,
                    special: 1,
                },
            )
            .expect("restrict");
        let limb = |row: usize, limb: usize| &words[(row * 4 + limb) * 64..][..64];
        let wanted = [limb(1, 1), limb(1, 3), limb(2, 1), limb(2, 3)].concat();
        assert_eq!(backend.download(&t, &part).expect("download"), wanted);
        let stacked = backend.stack(&t, &[&part, &part]).expect("stack");
        assert_eq!(backend.shape(&stacked).rows, 4);
        assert_eq!(
            backend.download(&t, &stacked).expect("download"),
            [&wanted[..], &wanted].concat()
        );
        backend
            .offset_limbs(&t, &mut x, 1..2, &[1, 2, 3, 4])
            .expect("offset");
        let moved = backend.download(&t, &x).expect("download");
        for (i, (&got, &was)) in moved.iter().zip(&words).enumerate() {
            let step = if i / 256 == 1 {
                (i / 64 % 4 + 1) as u64
            } else {
                0
            };
            let m = ring.prime(i / 64 % 4);
            assert_eq!(got, add(m, was, step));
        }
        let zero = backend.alloc(&t, 2, basis).expect("alloc");
        assert!(
            backend
                .download(&t, &zero)
                .expect("download")
                .iter()
                .all(|&w| w == 0)
        );
    }
}

#[test]
fn automorphism_substitutes() {
    let mut rng = SplitMix(4);
    for backend in backends() {
        for kind in KINDS {
            for log_n in [1, 2, 4, 7] {
                let ring = ring(kind, log_n, &[40, 60], &[]);
                let (t, basis) = (backend.tables(&ring).expect("tables"), Basis::q(2));
                let n = ring.degree();
                let words = residues(&ring, 2, basis, &mut rng);
                let mut x = backend.upload(&t, 2, basis, &words).expect("upload");
                backend.ntt(&t, &mut x).expect("ntt");
                for galois in [
                    1,
                    3,
                    ring.galois_rotation(1),
                    ring.galois_rotation(-3),
                    ring.root_order() - 1,
                ] {
                    let mut permuted = backend.automorphism(&t, &x, galois).expect("automorphism");
                    backend.intt(&t, &mut permuted).expect("intt");
                    let wanted: Vec<u64> = (words.chunks(n).enumerate())
                        .flat_map(|(i, a)| substitute(&ring, ring.prime(i % 2), a, galois))
                        .collect();
                    assert_eq!(
                        backend.download(&t, &permuted).expect("download"),
                        wanted,
                        "{kind:?} {log_n} {galois}"
                    );
                }
            }
        }
    }
}

#[test]
fn base_conversion_follows_its_formula_and_keeps_centred_integers() {
    let mut rng = SplitMix(5);
    for backend in backends() {
        for (q_bits, p_bits) in [
            (vec![25, 33, 45, 50], vec![49, 50, 31]),
            (vec![25, 33, 60, 50], vec![49, 60, 31]),
            (vec![40; 20], vec![50; 3]),
        ] {
            let ring = ring(RingKind::Standard, 10, &q_bits, &p_bits);
            let t = backend.tables(&ring).expect("tables");
            let (l, n) = (q_bits.len(), ring.degree());
            for (from, to) in [
                (Basis::digit(0, 2), Basis::qp(l, 3)),
                (Basis::p(3), Basis::q(l)),
                (Basis::q(l), Basis::qp(l, 3)),
                (Basis::digit(1, 2), Basis::q(l - 1)),
            ] {
                let words = residues(&ring, 2, from, &mut rng);
                let x = backend.upload(&t, 2, from, &words).expect("upload");
                let got = backend.base_convert(&t, &x, to).expect("convert");
                let got = backend.download(&t, &got).expect("download");
                let sources: Vec<Modulus> = ring.moduli(from).collect();
                for row in 0..2 {
                    for j in (0..n).step_by(7) {
                        let at = |limb: usize| words[(row * from.limbs() + limb) * n + j];
                        let (ys, v) = digits_and_quotient(&sources, &at);
                        for (k, target) in ring.moduli(to).enumerate() {
                            let got = got[(row * to.limbs() + k) * n + j];
                            if let Some(shared) = sources.iter().position(|s| *s == target) {
                                assert_eq!(got, at(shared));
                                continue;
                            }
                            let product = |skip: usize| {
                                let others = sources.iter().enumerate().filter(|(i, _)| *i != skip);
                                others
                                    .fold(1, |p, (_, s)| mul(target, p, s.value() % target.value()))
                            };
                            let sum = (0..sources.len()).fold(0, |sum, i| {
                                add(target, sum, mul(target, ys[i] % target.value(), product(i)))
                            });
                            let minus = mul(target, v, product(usize::MAX));
                            assert_eq!(got, add(target, sum, target.value() - minus));
                            if let [d] = sources[..] {
                                // One prime: the centred integer itself.
                                assert_eq!(got, target.reduce_i64(d.centre(at(0))), "{j} {k}");
                            }
                        }
                    }
                }
            }
        }
    }
}

fn digits_and_quotient(sources: &[Modulus], at: &dyn Fn(usize) -> u64) -> (Vec<u64>, u64) {
    let mut sum = 1_u64 << 27;
    let ys = (sources.iter().enumerate())
        .map(|(i, m)| {
            let others = sources.iter().enumerate().filter(|(k, _)| *k != i);
            let product = others.fold(1, |p, (_, d)| mul(*m, p, d.value() % m.value()));
            let (y, bits) = (mul(*m, at(i), m.inv(product)), m.bits());
            let z = if bits >= 30 {
                y >> (bits - 30)
            } else {
                y << (30 - bits)
            };
            let r = ((1_u128 << (30 + bits)) / u128::from(m.value())) as u64;
            sum += (z * r) >> 32;
            y
        })
        .collect();
    (ys, sum >> 28)
}

#[test]
fn dot_key_matches_integers_at_every_level() {
    let mut rng = SplitMix(6);
    for backend in backends() {
        for log_n in [2, 7] {
            let ring = ring(RingKind::Standard, log_n, &[45, 40, 50, 41, 60], &[50, 49]);
            let t = backend.tables(&ring).expect("tables");
            let (n, full) = (ring.degree(), Basis::qp(5, 2));
            let (b, a) = (
                residues(&ring, 3, full, &mut rng),
                residues(&ring, 3, full, &mut rng),
            );
            let data = SwitchKeyData {
                basis: full,
                digit_size: 2,
                b: &b,
                a: &a,
            };
            let key = backend.load_switch_key(&t, &data).expect("key");
            assert_eq!(backend.switch_key_layout(&key), (full, 2));
            for l in 1..=5_usize {
                let (digits, rows, basis) = (l.div_ceil(2), 3, Basis::qp(l, 2));
                let x = random_block(&backend, &t, digits * rows, basis, &mut rng);
                let words = backend.download(&t, &x).expect("download");
                let got = backend.dot_key(&t, &x, &key).expect("dot");
                assert_eq!(backend.shape(&got).rows, 2 * rows);
                let got = backend.download(&t, &got).expect("download");
                for (i, &got) in got.iter().enumerate() {
                    let (row, limb, j) = (i / n / (l + 2), i / n % (l + 2), i % n);
                    let m = ring.moduli(basis).nth(limb).expect("a limb");
                    let key_limb = if limb < l { limb } else { limb + 5 - l };
                    let half = if row < rows { &b } else { &a };
                    let wanted = (0..digits).fold(0, |sum, d| {
                        let x = words[((d * rows + row % rows) * (l + 2) + limb) * n + j];
                        add(m, sum, mul(m, x, half[(d * 7 + key_limb) * n + j]))
                    });
                    assert_eq!(got, wanted, "l = {l}, {i}");
                }
            }
        }
    }
}

#[test]
fn gemm_matches_integers() {
    let mut rng = SplitMix(7);
    for backend in backends() {
        for (outputs, inputs, bits, special_bits) in [
            (1, 1, 50, 60),
            (3, 5, 45, 61),
            (9, 40, 50, 55),
            (6, 1100, 47, 61),
            (5, 70, 49, 38),
        ] {
            let ring = ring(RingKind::Standard, 6, &[30, bits], &[special_bits]);
            let t = backend.tables(&ring).expect("tables");
            let basis = Basis {
                lo: 1,
                hi: 2,
                special: 1,
            };
            let mut w: Vec<i64> = (0..outputs * inputs).map(|_| rng.next() as i64).collect();
            // The residues of one row, and of all inputs at one place, are the largest.
            w[..inputs].fill(if inputs == 1 { i64::MIN } else { -1 });
            let matrix = backend
                .load_matrix(&t, outputs, inputs, &w)
                .expect("matrix");
            let mut words = residues(&ring, inputs, basis, &mut rng);
            for (i, limb) in words.chunks_exact_mut(64).enumerate() {
                limb[17] = ring.prime(i % 2 + 1).value() - 1;
            }
            let x = backend.upload(&t, inputs, basis, &words).expect("upload");
            let got = backend.gemm(&t, &matrix, &x).expect("gemm");
            let got = backend.download(&t, &got).expect("download");
            for (i, &got) in got.iter().enumerate() {
                let (out, limb, j) = (i / 128, i / 64 % 2, i % 64);
                let q = i128::from(ring.prime(limb + 1).value());
                let wanted = (0..inputs).fold(0, |sum: i128, k| {
                    let x = i128::from(words[(k * 2 + limb) * 64 + j]);
                    (sum + i128::from(w[out * inputs + k]) % q * x).rem_euclid(q)
                });
                assert_eq!(i128::from(got), wanted);
            }
            assert!(backend.load_matrix(&t, outputs, inputs + 1, &w).is_err());
        }
    }
}
