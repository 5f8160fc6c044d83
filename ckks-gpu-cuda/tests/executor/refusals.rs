//! What no shape tells: the width of words, and whose memory a block is.

use ckks_gpu_cuda::{Block, CudaBackend, KernelSet, Tables};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{
    Basis, Device, GemmKernels, Pointwise, RingKernels, RingKind, RingSpec, SwitchKernels,
    SwitchKeyData,
};
use ckks_math::{Error, Result};

const LOG_N: u32 = 4;

fn open(seed: u64) -> CudaBackend {
    CudaBackend::open_executor(KernelSet::Plain, seed).unwrap()
}

/// A ring with three primes `q` and a special one, of so many bits.
fn ring(bits: u32) -> RingSpec {
    let primes = ntt_primes(bits, 4 << LOG_N, 4).unwrap();
    RingSpec::new(RingKind::Standard, LOG_N, &primes[..3], &primes[3..]).unwrap()
}

/// Every kind of launch with a block that is none of the tables.
fn outcomes(b: &CudaBackend, t: &Tables, x: &mut Block) -> Vec<(&'static str, Result<()>)> {
    let y = b.alloc(t, 1, Basis::q(3)).unwrap();
    let ones = [1; 3];
    let matrix = b.load_matrix(t, 1, 1, &[3]).unwrap();
    let whole = Basis::qp(3, 1);
    let residues = vec![1; (3 * 4) << LOG_N];
    let data = SwitchKeyData {
        basis: whole,
        digit_size: 1,
        b: &residues,
        a: &residues,
    };
    let key = b.load_switch_key(t, &data).unwrap();
    vec![
        ("download", b.download(t, x).map(drop)),
        ("duplicate", b.duplicate(t, x).map(drop)),
        ("ntt", b.ntt(t, x)),
        ("intt", b.intt(t, x)),
        (
            "first operand",
            b.pointwise(t, Pointwise::Add, x, &y).map(drop),
        ),
        (
            "second operand",
            b.pointwise(t, Pointwise::Add, &y, x).map(drop),
        ),
        ("in place", b.pointwise_assign(t, Pointwise::Mul, x, &y)),
        ("constants", b.scale_limbs(t, x, &ones)),
        (
            "sum",
            b.combine(t, Basis::q(3), &[x], &[ones.to_vec()]).map(drop),
        ),
        ("gather", b.automorphism(t, x, 3).map(drop)),
        ("restrict", b.restrict(t, x, 0..1, Basis::q(1)).map(drop)),
        ("stack", b.stack(t, &[x]).map(drop)),
        ("conversion", b.base_convert(t, x, whole).map(drop)),
        ("matrix", b.gemm(t, &matrix, x).map(drop)),
        ("key", b.key_switch(t, x, &key).map(drop)),
        ("zeros", b.is_zero(t, x).map(drop)),
    ]
}

/// Rings of the same degree and number of primes whose words differ: a block of one is shorter than
/// kernels of the other read.
#[test]
fn blocks_of_other_words_are_refused() {
    let backend = open(1);
    let rings = [28, 40].map(ring);
    let tables = rings.each_ref().map(|ring| backend.tables(ring).unwrap());
    for (of, with) in [(0, 1), (1, 0)] {
        let mut x = backend.alloc(&tables[of], 1, Basis::q(3)).unwrap();
        for (what, outcome) in outcomes(&backend, &tables[with], &mut x) {
            let refusal = outcome.expect_err(what);
            assert!(
                matches!(refusal, Error::InvalidParameters(_)),
                "{what}: {refusal}"
            );
        }
    }
}

/// So do the entries of a matrix and the halves of a key.
#[test]
fn matrices_and_keys_of_other_words_are_refused() {
    let backend = open(1);
    let rings = [28, 40].map(ring);
    let tables = rings.each_ref().map(|ring| backend.tables(ring).unwrap());
    for (of, with) in [(0, 1), (1, 0)] {
        let x = backend.alloc(&tables[with], 1, Basis::q(3)).unwrap();
        let matrix = backend.load_matrix(&tables[of], 1, 1, &[3]).unwrap();
        let refusal = backend.gemm(&tables[with], &matrix, &x).err().unwrap();
        assert!(refusal.to_string().contains("load it again"), "{refusal}");
        let residues = vec![1; (3 * 4) << LOG_N];
        let data = SwitchKeyData {
            basis: Basis::qp(3, 1),
            digit_size: 1,
            b: &residues,
            a: &residues,
        };
        let key = backend.load_switch_key(&tables[of], &data).unwrap();
        let refusal = backend.key_product(&tables[with], &x, &key).err().unwrap();
        assert!(refusal.to_string().contains("load it again"), "{refusal}");
    }
}

/// Addresses of one device mean nothing to another, nor do its tables.
#[test]
fn blocks_and_tables_of_other_devices_are_refused() {
    let backends = [open(1), open(2)];
    let ring = ring(28);
    let tables = backends.each_ref().map(|b| b.tables(&ring).unwrap());
    let mut x = backends[0].alloc(&tables[0], 1, Basis::q(3)).unwrap();
    for (what, outcome) in outcomes(&backends[1], &tables[1], &mut x) {
        let refusal = outcome.expect_err(what);
        assert!(matches!(refusal, Error::Device { .. }), "{what}: {refusal}");
    }
    let refusal = backends[1]
        .ntt(&tables[0], &mut x)
        .expect_err("tables of the first");
    assert!(matches!(refusal, Error::Device { .. }), "{refusal}");
}
