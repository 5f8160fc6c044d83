//! A backend without residues: it checks circuits, counts their work and predicts their time.
//!
//! A block is its shape, so any circuit runs in the time its host code takes: parameters, keys and
//! memory of a large model can be planned on a laptop. [`DryRun`] is also the strictest backend:
//! where devices trust the scheme, it checks every contract of shape, basis, range and domain and
//! refuses with a typed error.
//!
//! ```
//! use ckks_math::backend::dry_run::{DryRun, Kernel};
//! use ckks_math::backend::{Basis, Device, RingKernels, RingKind, RingSpec};
//!
//! let dry = DryRun::default();
//! let t = dry.tables(&RingSpec::new(RingKind::Standard, 3, &[17, 97], &[])?)?;
//! let mut x = dry.upload(&t, 2, Basis::q(2), &[1; 32])?;
//! {
//!     let _phase = dry.phase("transform");
//!     dry.ntt(&t, &mut x)?;
//! }
//! assert_eq!(dry.counts().kernel(Kernel::Ntt).limbs, 4);
//! assert_eq!(dry.phases()[0].counts.kernel(Kernel::Upload).calls, 0);
//! assert!(dry.ntt(&t, &mut x).is_err(), "evaluations already");
//! # Ok::<(), ckks_math::Error>(())
//! ```

mod check;
mod counts;
mod device;
mod recorder;
mod ring;
mod switching;
mod times;

#[cfg(test)]
mod tests;

pub use counts::{Counts, Kernel, Operation, Tally, Usage};
pub use device::{Block, Domain, DryRun, DryRunOptions};
pub use recorder::{LiveBytes, PhaseCounts, PhaseGuard};
pub use switching::{PlainMatrix, SwitchKey};
pub use times::KernelTimes;
