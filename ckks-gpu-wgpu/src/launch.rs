//! Launches over blocks.

use crate::backend::WgpuBackend;
use crate::block::{Limbs, View, count, runs};
use crate::driver::{Args, Bound, Dispatch};
use crate::tables::Tables;
use ckks_math::Result;

/// The arguments of a launch, in the order of `Args` of `blocks.wgsl`.
#[derive(Default)]
pub(crate) struct Arguments {
    /// The basis over which elements are counted.
    pub each: Limbs,
    /// `out`, then up to four more.
    pub operands: [[u32; 8]; 5],
    pub log_n: u32,
    /// Elements, threads or tiles.
    pub total: u32,
    pub flags: u32,
    pub extra: [u32; 16],
}

impl Arguments {
    pub fn words(&self) -> Args {
        let mut words = [0; 64];
        words[..4].copy_from_slice(&self.each);
        words[4..44].copy_from_slice(self.operands.as_flattened());
        words[44] = self.log_n;
        words[45] = self.total;
        words[46] = self.flags;
        words[48..].copy_from_slice(&self.extra);
        words
    }
}

/// A kernel over elements `[rows, limbs, N]`.
pub(crate) struct Elements<'a> {
    pub kernel: &'static str,
    /// The basis whose limbs are counted.
    pub each: Limbs,
    /// Number of rows.
    pub rows: usize,
    /// `out`, then x0 and those behind it.
    pub views: &'a [View<'a>],
    /// `log2` of the residues of one thread.
    pub log_run: u32,
    /// Constants that it reads.
    pub constants: &'a [u32],
    pub flags: u32,
    pub extra: &'a [u32],
    /// Buffers that are no rows.
    pub also: &'a [Bound<'a>],
}

impl<'a> Elements<'a> {
    /// Over the rows and limbs of `out`.
    pub fn over(kernel: &'static str, rows: usize, views: &'a [View<'a>]) -> Self {
        Self {
            kernel,
            each: views[0].rows.limbs,
            rows,
            views,
            log_run: 0,
            constants: &[],
            flags: 0,
            extra: &[],
            also: &[],
        }
    }
}

impl WgpuBackend {
    /// Records an element-wise kernel, a launch for each run of rows.
    pub(crate) fn launch(&self, t: &Tables, work: &Elements<'_>) -> Result<()> {
        for run in runs(work.rows, work.views) {
            let mut args = Arguments {
                each: work.each,
                log_n: t.log_n(),
                total: ((run.len * count(work.each)) << (t.log_n() - work.log_run)) as u32,
                flags: work.flags,
                ..Arguments::default()
            };
            args.extra[..work.extra.len()].copy_from_slice(work.extra);
            let mut bound = vec![(1, t.primes())];
            for (k, view) in work.views.iter().enumerate() {
                args.operands[k] = view.words(&run, k);
                bound.push(view.bound(&run, k, 2 + k as u32));
            }
            bound.extend(work.also);
            self.dispatch(&args, work.kernel, self.threads(), work.constants, &bound)?;
        }
        Ok(())
    }

    /// Records a launch of `args.total` threads, `each` of them to a workgroup.
    pub(crate) fn dispatch(
        &self,
        args: &Arguments,
        kernel: &'static str,
        each: u32,
        constants: &[u32],
        bound: &[Bound<'_>],
    ) -> Result<()> {
        self.pool.queue().dispatch(&Dispatch {
            kernel,
            groups: args.total.div_ceil(each),
            args: &args.words(),
            constants,
            bound,
        })
    }
}
