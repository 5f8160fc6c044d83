//! A fixed circuit gives the same residues on every backend, in every version.

use super::{Rng, Verdict, ensure};
use crate::arith::ntt_primes_excluding;
use crate::backend::{Backend, Basis, Pointwise, RingKind, RingSpec};
use crate::conformance::Fixture;
use crate::conformance::oracle::HostSwitchKey;

/// Ring, bits of the moduli, `log2 N`, and the committed hash of all residues the circuit makes.
///
/// The larger degree makes blocks that backends share out among threads.
const COMMITTED: [(RingKind, u32, u32, u64); 6] = [
    (RingKind::Standard, 30, 8, 0x3a905f60aacd7ad3),
    (RingKind::ConjugateInvariant, 30, 8, 0x387dd1f9dcf707fa),
    (RingKind::Standard, 49, 8, 0x443c5b3e867c6398),
    (RingKind::ConjugateInvariant, 49, 8, 0xd4b5432afdd29257),
    (RingKind::Standard, 30, 12, 0x53c17eb3e5a8e748),
    (RingKind::ConjugateInvariant, 49, 12, 0xd63f66f41609ebf2),
];

/// FNV-1a over the bytes of residues, low byte first [Fowler-Noll-Vo].
struct Hash(u64);

impl Hash {
    fn absorb(&mut self, residues: &[u64]) {
        for byte in residues.iter().flat_map(|r| r.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The hash of every intermediate result of a circuit through all kernels equals the committed
/// one, on both rings, for short and long words.
pub fn fixed_circuit_gives_the_committed_residues<B: Backend>(backend: &B) -> Verdict {
    for (kind, bits, log_n, committed) in COMMITTED {
        // Primes of `ntt_primes` may lie above 2^bits.
        let limits = backend.limits();
        if bits + 1 > limits.max_modulus_bits || 1 << log_n > limits.max_degree {
            continue;
        }
        let order = 4 << log_n;
        let q = ntt_primes_excluding(bits, order, 5, &[])?;
        let p = ntt_primes_excluding(bits, order, 2, &q)?;
        let ring = RingSpec::new(kind, log_n, &q, &p)?;
        let f = Fixture::new(backend, ring, "fixed primes")?;
        let hash = circuit(&f).map_err(|v| v.at(&f.name))?;
        ensure!(
            hash == committed,
            "{kind:?}, {bits} bits, N = 2^{log_n}: the residues hash to {hash:#018x}, committed is {committed:#018x}"
        );
    }
    Ok(())
}

fn circuit<B: Backend>(f: &Fixture<'_, B>) -> Verdict<u64> {
    let (b, t) = (f.backend, &f.tables);
    let mut rng = Rng::new(2017);
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    let mut note = |block: &B::Block| -> Verdict {
        hash.absorb(f.download(block)?.residues());
        Ok(())
    };
    let (l, k) = (f.levels(), f.specials());
    let key = HostSwitchKey::random(&f.ring, &mut rng, Basis::qp(l, k), 2);
    let key = b.load_switch_key(t, &key.data())?;
    let x = f.upload_transformed(&f.random(&mut rng, 2, Basis::q(l)))?;
    let y = f.upload_transformed(&f.random(&mut rng, 1, Basis::qp(l, k)))?;
    note(&x)?;
    let mut product = b.pointwise(t, Pointwise::Mul, &x, &y)?;
    b.pointwise_assign(t, Pointwise::Sub, &mut product, &x)?;
    b.multiply_accumulate(t, &mut product, &x, &x)?;
    note(&product)?;
    let lower = b.rescale(t, &product, 1)?;
    note(&lower)?;
    let galois = f.ring.galois_rotation(7);
    let permuted = b.automorphism(t, &lower, galois)?;
    let switched = b.key_switch(t, &permuted, &key)?;
    note(&switched)?;
    let digits = b.decompose(t, &lower, 2, k)?;
    let hoisted = b.dot_key_permuted(t, &digits, galois, &key)?;
    note(&hoisted)?;
    let mut down = b.mod_down(t, &hoisted)?;
    let constants: Vec<u64> = f
        .ring
        .moduli(Basis::q(l - 1))
        .map(|m| rng.residue(m.value()))
        .collect();
    b.scale_limbs(t, &mut down, &constants)?;
    b.offset_limbs(t, &mut down, 1..3, &constants)?;
    let sum = b.combine(
        t,
        Basis::q(3),
        &[&down, &switched],
        &[constants[..3].to_vec(), constants[..3].to_vec()],
    )?;
    let rows = b.stack(t, &[&sum, &b.restrict(t, &down, 1..2, Basis::q(3))?])?;
    let matrix: Vec<i64> = (0..15).map(|_| rng.signed(1000)).collect();
    let matrix = b.load_matrix(t, 3, 5, &matrix)?;
    let mut out = b.gemm(t, &matrix, &rows)?;
    note(&out)?;
    b.intt(t, &mut out)?;
    note(&b.base_convert(t, &out, Basis::qp(l, k))?)?;
    Ok(hash.0)
}
