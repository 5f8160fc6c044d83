//! Key switches: keys in each form and place, and captured sequences.

use crate::bench::{ACCUMULATE, Bench, PRODUCT, Unit};
use crate::kernels::DIGIT;
use ckks_gpu_cuda::{CudaBackend, KeyForm};
use ckks_math::Result;
use ckks_math::backend::{Basis, Device, RingKernels, RingSpec, SeededKeyData, SwitchKernels};
use ckks_math::sampling::Seed;

/// Operations of ChaCha20 for each 64-bit word: twenty rounds of four quarters of twelve, over
/// eight.
const STREAM: f64 = 120.0;

/// Inner products with keys that are whole, expanded at a use, or made as the product goes, from
/// the device and from the host; then a key switch submitted as one.
pub fn measure(bench: &mut Bench, name: &str, ring: &RingSpec) -> Result<()> {
    let (l, k) = (ring.q().len(), ring.p().len());
    let basis = Basis::qp(l, k);
    let digits = l.div_ceil(DIGIT);
    let unit = Unit::of(ring);
    let (all, d) = ((l + k) as f64, digits as f64);
    let plain = bench.backend.clone();
    let t = plain.tables(ring)?;
    let seed = Seed::from_bytes([7; 32]);
    let half = plain.uniform(&t, &seed, 0, digits, basis)?;
    let packed = plain.download_packed(&t, &half)?;
    drop(half);
    let data = SeededKeyData {
        basis,
        digit_size: DIGIT,
        seed: &seed,
        b: &packed,
    };
    for rows in [1, 4] {
        let x = plain.uniform(&t, &seed, 99, rows, Basis::q(l))?;
        let parts = plain.decompose(&t, &x, DIGIT, k)?;
        let r = rows as f64;
        let mut whole = 0;
        for (form, host) in [
            (KeyForm::Whole, false),
            (KeyForm::Expanded, false),
            (KeyForm::Fused, false),
            (KeyForm::Fused, true),
        ] {
            let mut b = plain.clone().with_key_form(form);
            if host {
                b = b.with_host_storage();
            }
            let key = b.load_seeded_key(&t, &data)?;
            let (device, pinned) = key.bytes();
            whole = whole.max(device);
            // The least that any form must do: digits in, sums out, and the key that is kept.
            let mut work = unit.work(all * (d * r + 2.0 * r), r * all * d * 2.0 * ACCUMULATE);
            work.bytes += (device + pinned) as f64;
            if form != KeyForm::Whole {
                work.operations += (STREAM + PRODUCT) * all * d * unit.n;
            }
            let place = if host { "on the host" } else { "on the card" };
            let name = format!("{name}, {rows} rows: dot_key, {form:?} key {place}");
            bench.time(name, work, &mut || b.dot_key(&t, &parts, &key).map(drop))?;
            bench.note("key_bytes_on_card", device as f64);
            bench.note("key_bytes_on_host", pinned as f64);
            bench.note("of_a_whole_key", (device + pinned) as f64 / whole as f64);
        }
    }
    captured(bench, name, ring, &data)
}

fn captured(
    bench: &mut Bench,
    name: &str,
    ring: &RingSpec,
    data: &SeededKeyData<'_>,
) -> Result<()> {
    let (l, unit) = (ring.q().len(), Unit::of(ring));
    for graphs in [false, true] {
        let mut b: CudaBackend = bench.backend.clone();
        if graphs {
            b = b.with_graphs();
        }
        let t = b.tables(ring)?;
        let key = b.load_seeded_key(&t, data)?;
        let x = b.uniform(&t, data.seed, 99, 1, Basis::q(l))?;
        let mut work = unit.work(3.0 * l as f64, 0.0);
        work.bytes += key.bytes().0 as f64;
        // The second use captures: neither is timed.
        drop(b.key_switch(&t, &x, &key)?);
        let how = if graphs {
            "captured"
        } else {
            "launch by launch"
        };
        let name = format!("{name}, 1 row: key_switch, {how}");
        bench.time(name, work, &mut || b.key_switch(&t, &x, &key).map(drop))?;
    }
    Ok(())
}
