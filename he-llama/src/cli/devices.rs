//! `he-llama devices`.

use ckks_math::cost::MeasureOptions;

use crate::backends;
use crate::cli::args::DevicesArgs;
use crate::error::Result;
use crate::outputs::{check_absent, check_target};
use crate::times::MeasuredTimes;

/// Lists the backends, or measures one and keeps its times.
///
/// # Errors
/// As [`backends::devices`], or those of measuring and writing.
pub fn run(args: &DevicesArgs) -> Result<()> {
    if args.measure {
        return measure(args);
    }
    for device in backends::devices()? {
        let mark = if device.present {
            "built in"
        } else {
            "absent  "
        };
        say!("{:6} {mark}  {}", device.name, device.description)?;
    }
    Ok(())
}

fn measure(args: &DevicesArgs) -> Result<()> {
    if let Some(out) = &args.out {
        // Times may be measured again; anything else is not replaced unasked.
        check_absent(out, args.force || MeasuredTimes::read(out).is_ok())?;
        check_target(out)?;
    }
    let options = MeasureOptions::default();
    let measured = MeasuredTimes::measure(&args.backend, args.threads, options)?;
    let path = match &args.out {
        Some(path) => {
            measured.write(path)?;
            path.clone()
        }
        None => measured.store()?,
    };
    let times = &measured.times;
    say!("{}, N = 2^{}", measured.device, times.degree.ilog2())?;
    for (what, ns) in [
        ("transform of a limb", times.ntt_limb_ns),
        (
            "base conversion of a limb to a prime",
            times.base_convert_pair_ns,
        ),
        (
            "product of a digit limb with a key limb",
            times.dot_key_product_ns,
        ),
        ("product of a limb", times.multiply_limb_ns),
        ("sum of a limb", times.add_limb_ns),
        ("automorphism of a limb", times.automorphism_limb_ns),
        ("copy of a limb", times.copy_limb_ns),
        (
            "product of a matrix entry with a limb",
            times.gemm_product_ns,
        ),
        ("transfer of a byte", times.transfer_byte_ns),
        ("call", times.call_ns),
    ] {
        say!("  {what:40} {ns:>12} ns")?;
    }
    say!("written to {}", path.display())
}
