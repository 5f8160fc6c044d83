//! Blocks between ranks: one alone, and several that meet in memory of the host.

use ckks_gpu_cuda::{Block, Communicator, CudaBackend, KernelSet, Through};
use ckks_math::arith::ntt_primes;
use ckks_math::backend::{Basis, Device, RingKernels, RingKind, RingSpec};
use ckks_math::sampling::Seed;

fn ring() -> RingSpec {
    // Sums of three residues of 31 bits exceed a word.
    let q = ntt_primes(30, 1 << 8, 3).unwrap();
    RingSpec::new(RingKind::Standard, 6, &q, &[]).unwrap()
}

fn backends(count: u64) -> Vec<CudaBackend> {
    let open = |seed| CudaBackend::open_executor(KernelSet::Plain, seed).unwrap();
    (0..count).map(open).collect()
}

/// The rows that a rank holds at first, a different seed each.
fn rows(b: &CudaBackend, rank: usize, rows: usize) -> Block {
    let t = b.tables(&ring()).unwrap();
    let seed = Seed::from_bytes([rank as u8 + 1; 32]);
    b.uniform(&t, &seed, 0, rows, Basis::q(3)).unwrap()
}

/// What each of `count` ranks holds after each of the three operations.
fn run(count: usize, through: Through) -> Vec<[Vec<u64>; 3]> {
    let ranks = Communicator::of(backends(count as u64), through).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = ranks
            .into_iter()
            .map(|c| {
                scope.spawn(move || {
                    let b = c.backend();
                    let t = b.tables(&ring()).unwrap();
                    let mut x = rows(b, c.rank(), 2 * c.size());
                    let gathered = c.all_gather(&t, &x).unwrap();
                    let reduced = c.reduce_scatter(&t, &x).unwrap();
                    c.broadcast(&mut x, c.size() - 1).unwrap();
                    [gathered, reduced, x].map(|x| b.download(&t, &x).unwrap())
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// The same by integers.
fn expected(count: usize) -> Vec<[Vec<u64>; 3]> {
    let ring = ring();
    let backend = backends(1).remove(0);
    let t = backend.tables(&ring).unwrap();
    let held: Vec<Vec<u64>> = (0..count)
        .map(|rank| {
            backend
                .download(&t, &rows(&backend, rank, 2 * count))
                .unwrap()
        })
        .collect();
    let (share, n) = (held[0].len() / count, ring.degree());
    let sum = |i: usize| {
        let q = ring.q()[i / n % 3].value();
        held.iter().map(|x| x[i]).sum::<u64>() % q
    };
    (0..count)
        .map(|rank| {
            let reduced = (rank * share..(rank + 1) * share).map(sum).collect();
            [held.concat(), reduced, held[count - 1].clone()]
        })
        .collect()
}

/// One rank needs no library; several meet in memory of the host.
#[test]
fn ranks_gather_reduce_and_broadcast() {
    assert!(run(1, Through::Nccl) == expected(1));
    for count in [1, 2, 3] {
        assert!(
            run(count, Through::Host) == expected(count),
            "{count} ranks"
        );
    }
}

/// A rank that gives too little is named by the others, and none waits forever; what makes no sense
/// is refused, as is NCCL without a card.
#[test]
fn ranks_that_do_not_fit_are_refused() {
    let ranks = Communicator::of(backends(2), Through::Host).unwrap();
    let (errors, ranks): (Vec<String>, Vec<Communicator>) = std::thread::scope(|scope| {
        let threads = ranks.into_iter().map(|c| {
            scope.spawn(move || {
                let t = c.backend().tables(&ring()).unwrap();
                let x = rows(c.backend(), 0, 1 + c.rank());
                (c.all_gather(&t, &x).err().unwrap().to_string(), c)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|t| t.join().unwrap()).unzip()
    });
    assert!(errors[0].contains("rank 1 gave"), "{}", errors[0]);
    assert!(errors[1].contains("rank 0 gave"), "{}", errors[1]);
    let t = ranks[0].backend().tables(&ring()).unwrap();
    let mut odd = rows(ranks[0].backend(), 0, 3);
    assert!(ranks[0].reduce_scatter(&t, &odd).is_err());
    assert!(ranks[0].broadcast(&mut odd, 2).is_err());
    let refused = Communicator::of(backends(2), Through::Nccl).err().unwrap();
    assert!(refused.to_string().contains("NCCL"), "{refused}");
}
