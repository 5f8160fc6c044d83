//! The vendor's library of matrix products on the CPU: its contract checked, sums in whole numbers.

use super::{Executor, POISON, failure};
use crate::driver::{Address, ByteProduct};
use ckks_math::Result;

/// What addresses and rows of bytes are multiples of, in bytes; the address of scratch; rows and
/// columns.
const ALIGNMENT: usize = 16;
const OF_SCRATCH: usize = 256;
const GRAIN: usize = 8;

impl Executor {
    /// The product, after checks of all that [`ByteProduct`] asks of its caller.
    pub(super) fn product(&self, product: &ByteProduct) -> Result<()> {
        let &ByteProduct {
            rows,
            columns,
            depth,
            batch,
            scratch,
            ..
        } = product;
        let of_a = (product.a, batch * rows * depth);
        let of_b = (product.b, batch * columns * depth);
        let of_c = (product.c, batch * columns * rows * 4);
        for (i, (address, bytes)) in [of_a, of_b, of_c, scratch].into_iter().enumerate() {
            let alignment = if i < 3 { ALIGNMENT } else { OF_SCRATCH };
            if !address.0.is_multiple_of(alignment as u64) {
                return Err(refused(product, "an address is not aligned"));
            }
            self.check(address, bytes)?;
        }
        let whole = |extent: usize, of: usize| extent > 0 && extent.is_multiple_of(of);
        if !whole(rows, GRAIN) || !whole(columns, GRAIN) || !whole(depth, ALIGNMENT) {
            return Err(refused(product, "an extent is no multiple"));
        }
        let written_meets =
            |written, others: [_; 2]| others.map(|o| meet(written, o)) != [false; 2];
        if written_meets(of_c, [of_a, of_b])
            || written_meets(scratch, [of_a, of_b])
            || meet(of_c, scratch)
        {
            return Err(refused(product, "what is written is shared"));
        }
        // SAFETY: all ranges were checked, those written meet no other, and Rust code holds no
        // reference.
        let (a, b, c, scratch) = unsafe {
            (
                std::slice::from_raw_parts(of_a.0.0 as *const i8, of_a.1),
                std::slice::from_raw_parts(of_b.0.0 as *const i8, of_b.1),
                std::slice::from_raw_parts_mut(of_c.0.0 as *mut i32, of_c.1 / 4),
                std::slice::from_raw_parts_mut(scratch.0.0 as *mut u8, scratch.1),
            )
        };
        // Whoever counts on it will find that out.
        scratch.fill(POISON);
        let a = a.chunks_exact(rows * depth);
        let b = b.chunks_exact(columns * depth);
        for ((a, b), c) in a.zip(b).zip(c.chunks_exact_mut(columns * rows)) {
            for (b, c) in b.chunks_exact(depth).zip(c.chunks_exact_mut(rows)) {
                for (a, sum) in a.chunks_exact(depth).zip(c) {
                    let products = a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b));
                    *sum = i32::try_from(products.sum::<i64>())
                        .map_err(|_| refused(product, "a sum does not fit 32 bits"))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether two ranges share a byte.
fn meet(x: (Address, usize), y: (Address, usize)) -> bool {
    let end = |range: (Address, usize)| range.0.offset(range.1);
    x.0 < end(y) && y.0 < end(x)
}

fn refused(product: &ByteProduct, why: &str) -> ckks_math::Error {
    failure(format!("{product:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::executor::KernelSet;
    use crate::driver::{Driver, Queue};

    /// Where the parts of a small product begin in one allocation of 4096 bytes.
    const PLACES: [usize; 4] = [0, 1024, 2048, 3072];

    fn small(start: Address) -> ByteProduct {
        let [a, b, c, scratch] = PLACES.map(|place| start.offset(place));
        ByteProduct {
            a,
            b,
            c,
            rows: 8,
            columns: 16,
            depth: 16,
            batch: 2,
            scratch: (scratch, 1024),
        }
    }

    /// Every sum stands where the batch, the column and the row say; nothing else but scratch is
    /// written.
    #[test]
    fn sums_are_exact_and_in_their_places() {
        let executor = Executor::new(KernelSet::Plain, 1);
        let start = executor.allocate(4096).unwrap();
        let product = small(start);
        let byte = |seed: usize, i: usize| match (i * 7 + seed) % 5 {
            0 => -128,
            1 => 127,
            _ => (i * 37 + seed) as u8 as i8,
        };
        let [a, b] = [1, 2].map(|seed| (0..1024).map(|i| byte(seed, i)).collect::<Vec<i8>>());
        for (to, bytes) in [(product.a, &a), (product.b, &b)] {
            let bytes: Vec<u8> = bytes.iter().map(|&b| b.cast_unsigned()).collect();
            // SAFETY: both lie in the allocation, as the executor checks.
            unsafe { executor.upload(to, &bytes[..512]).unwrap() };
        }
        executor.product(&product).unwrap();
        let mut found = vec![0; 4096];
        // SAFETY: the whole allocation.
        unsafe { executor.download(start, &mut found).unwrap() };
        let sums: Vec<i32> = (found[2048..3072].chunks_exact(4))
            .map(|c| i32::from_ne_bytes([c[0], c[1], c[2], c[3]]))
            .collect();
        for (i, &sum) in sums.iter().enumerate() {
            let (batch, column, row) = (i / 128, i / 8 % 16, i % 8);
            let term = |k: usize| {
                let (x, y) = (
                    a[(batch * 8 + row) * 16 + k],
                    b[(batch * 16 + column) * 16 + k],
                );
                i32::from(x) * i32::from(y)
            };
            assert_eq!(sum, (0..16).map(term).sum::<i32>(), "sum {i}");
        }
        let kept: Vec<u8> = a[..256].iter().map(|&b| b.cast_unsigned()).collect();
        assert_eq!(found[..256], kept);
        assert!(found[3072..].iter().all(|&b| b == POISON));
    }

    /// What a card would answer with a failure, or with wrong sums, is refused.
    #[test]
    fn broken_contracts_are_refused() {
        let executor = Executor::new(KernelSet::Plain, 1);
        let start = executor.allocate(4096).unwrap();
        let refusal = |change: fn(&mut ByteProduct)| {
            let mut product = small(start);
            change(&mut product);
            executor.product(&product).unwrap_err().to_string()
        };
        for (change, words) in [
            ((|p| p.a = p.a.offset(4)) as fn(&mut ByteProduct), "aligned"),
            (|p| p.scratch.0 = p.scratch.0.offset(16), "aligned"),
            (|p| p.rows = 4, "no multiple"),
            (|p| p.columns = 0, "no multiple"),
            (|p| p.depth = 24, "no multiple"),
            (|p| p.c = p.a.offset(256), "shared"),
            (|p| p.scratch.0 = p.b, "shared"),
            (|p| p.c = p.scratch.0, "shared"),
            (|p| p.scratch.1 = 2048, "not in one allocation"),
            (|p| p.batch = 64, "not in one allocation"),
        ] {
            let found = refusal(change);
            assert!(found.contains(words), "{found}");
        }
        let most = 1 << 18;
        let start = executor.allocate(17 * most + 1024).unwrap();
        // SAFETY: a part of the allocation.
        unsafe { executor.fill(start, 17 * most, 0x80).unwrap() };
        let wide = ByteProduct {
            a: start,
            b: start.offset(8 * most),
            c: start.offset(16 * most),
            rows: 8,
            columns: 8,
            depth: most,
            batch: 1,
            scratch: (start.offset(17 * most), 1024),
        };
        let found = executor.product(&wide).unwrap_err().to_string();
        assert!(found.contains("fit 32 bits"), "{found}");
    }
}
