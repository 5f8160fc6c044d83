//! Launches of number-theoretic transforms: passes, tiles, and the primes of each.

use crate::backend::WgpuBackend;
use crate::block::{Block, Limbs, View, count, lines, runs};
use crate::launch::Arguments;
use crate::tables::{Tables, Twiddles};
use ckks_math::Result;
use ckks_math::backend::{Basis, RingKind};

/// Levels of the last pass of a transform of more than one tile.
const ROW_LEVELS: u32 = 8;

/// One launch for each tile: see `ntt.wgsl`.
struct Pass {
    kernel: &'static str,
    log_tile: u32,
    log_height: u32,
    /// Levels on these bits of a tile.
    low: u32,
    high: u32,
    /// Whether it ends the transform.
    last: bool,
}

/// Rows to transform, and the primes.
struct Work<'a> {
    view: View<'a>,
    rows: usize,
    bases: &'a [Basis],
    /// `log2` of the polynomials that lie side by side in a line.
    log_parts: u32,
    inverse: bool,
}

/// The passes of a transform of `2^log_poly` residues in lines of `2^log_n`, forward order.
fn passes(log_poly: u32, log_n: u32, most: u32, inverse: bool) -> Vec<Pass> {
    let (rows, columns) = match inverse {
        false => ("ntt_rows", "ntt_columns"),
        true => ("intt_rows", "intt_columns"),
    };
    if log_poly <= most {
        return vec![Pass {
            kernel: rows,
            log_tile: most.min(log_n),
            log_height: 0,
            low: 0,
            high: log_poly,
            last: true,
        }];
    }
    let log_height = log_poly - ROW_LEVELS.min(most);
    let columns = Pass {
        kernel: columns,
        log_tile: most,
        log_height,
        low: most - log_height,
        high: most,
        last: inverse,
    };
    let rows = Pass {
        kernel: rows,
        log_tile: most,
        log_height,
        low: 0,
        high: log_poly - log_height,
        last: !inverse,
    };
    match inverse {
        false => vec![columns, rows],
        true => vec![rows, columns],
    }
}

/// The primes of a basis whose twiddle factors lie in one buffer, as kernels count them.
fn share(t: &Tables, basis: Basis, twiddles: &Twiddles) -> Vec<Limbs> {
    let total = t.ring().q().len();
    let within = basis
        .prime_indices(total)
        .filter(|i| twiddles.primes.contains(i));
    if within.clone().count() == basis.limbs() {
        return vec![t.limbs(basis)];
    }
    let q = within.clone().filter(|&i| i < total);
    let p = within.filter(|&i| i >= total);
    let of = |first: Option<usize>, count| first.map(|first| lines(first, count));
    let parts = [
        of(q.clone().next(), q.count()),
        of(p.clone().next(), p.count()),
    ];
    parts.into_iter().flatten().collect()
}

impl WgpuBackend {
    /// The transform of all limbs.
    pub(crate) fn ntt_all(&self, t: &Tables, x: &mut Block) -> Result<()> {
        self.ntt_rows(t, x, 0..x.shape.rows, &[x.shape.basis])
    }

    /// The transform of some rows, and of some limbs of them.
    pub(crate) fn ntt_rows(
        &self,
        t: &Tables,
        x: &mut Block,
        rows: std::ops::Range<usize>,
        bases: &[Basis],
    ) -> Result<()> {
        let work = Work {
            view: x.rows.from(rows.start),
            rows: rows.len(),
            bases,
            log_parts: 0,
            inverse: false,
        };
        self.transform(t, &work)
    }

    /// The transforms of packed polynomials of `2^log_m > 1` coefficients.
    pub(crate) fn transform_compact(&self, t: &Tables, x: &mut Block, log_m: u32) -> Result<()> {
        let work = Work {
            view: x.rows.view(),
            rows: x.shape.rows,
            bases: &[x.shape.basis],
            log_parts: t.log_n() - log_m,
            inverse: false,
        };
        self.transform(t, &work)
    }

    /// The inverse transform.
    pub(crate) fn intt_all(&self, t: &Tables, x: &mut Block) -> Result<()> {
        let work = Work {
            view: x.rows.view(),
            rows: x.shape.rows,
            bases: &[x.shape.basis],
            log_parts: 0,
            inverse: true,
        };
        self.transform(t, &work)
    }

    fn transform(&self, t: &Tables, work: &Work<'_>) -> Result<()> {
        let log_n = t.log_n();
        let log_poly = log_n - work.log_parts;
        let most = self.pool.queue().card().log_tile;
        let folded = t.ring().kind() == RingKind::ConjugateInvariant;
        let passes = passes(log_poly, log_n, most, work.inverse);
        for twiddles in t.twiddles() {
            let shares = work.bases.iter().map(|&basis| share(t, basis, twiddles));
            for each in shares.flatten() {
                if folded && !work.inverse {
                    self.fold(t, work, "fold", each)?;
                }
                for pass in &passes {
                    self.pass(t, work, pass, each, twiddles)?;
                }
                if folded && work.inverse {
                    self.fold(t, work, "unfold", each)?;
                }
            }
        }
        Ok(())
    }

    fn pass(
        &self,
        t: &Tables,
        work: &Work<'_>,
        pass: &Pass,
        each: Limbs,
        twiddles: &Twiddles,
    ) -> Result<()> {
        let (log_n, log_parts) = (t.log_n(), work.log_parts);
        let mut extra = [0; 16];
        extra[..4].copy_from_slice(&[log_n - log_parts, pass.log_tile, pass.log_height, log_parts]);
        let first_prime = twiddles.primes.start as u32;
        extra[4..8].copy_from_slice(&[pass.high, u32::from(pass.last), first_prime, pass.low]);
        let factors = match work.inverse {
            false => &twiddles.forward,
            true => &twiddles.inverse,
        };
        for run in runs(work.rows, &[work.view]) {
            let mut args = Arguments {
                each,
                log_n,
                total: ((run.len * count(each)) << (log_n - pass.log_tile)) as u32,
                extra,
                ..Arguments::default()
            };
            args.operands[0] = work.view.words(&run, 0);
            let out = work.view.bound(&run, 0, 2);
            let bound = [(1, t.primes()), out, (3, factors.raw())];
            self.dispatch(&args, pass.kernel, 1, &[], &bound)?;
        }
        Ok(())
    }

    fn fold(&self, t: &Tables, work: &Work<'_>, kernel: &'static str, each: Limbs) -> Result<()> {
        let log_n = t.log_n();
        for run in runs(work.rows, &[work.view]) {
            let mut args = Arguments {
                each,
                log_n,
                total: ((run.len * count(each)) << (log_n - 1)) as u32,
                ..Arguments::default()
            };
            args.extra[0] = log_n - work.log_parts;
            args.operands[0] = work.view.words(&run, 0);
            let bound = [(1, t.primes()), work.view.bound(&run, 0, 2)];
            self.dispatch(&args, kernel, self.threads(), &[], &bound)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every level of every length once, in order, on tiles that hold it.
    #[test]
    fn passes_do_each_level_once() {
        for most in 9..=12 {
            for log_poly in 1..=17 {
                let forward = passes(log_poly, 17, most, false);
                let inverse = passes(log_poly, 17, most, true);
                let levels = |pass: &Pass| pass.high - pass.low;
                assert_eq!(forward.iter().map(levels).sum::<u32>(), log_poly);
                assert_eq!(inverse.iter().map(levels).sum::<u32>(), log_poly);
                for pass in forward.iter().chain(&inverse) {
                    assert!(pass.high <= pass.log_tile && pass.log_tile <= most);
                }
                let last = |passes: &[Pass]| {
                    let flags: Vec<_> = passes.iter().map(|p| p.last).collect();
                    flags.iter().filter(|&&l| l).count() == 1 && flags.last() == Some(&true)
                };
                assert!(last(&forward) && last(&inverse));
            }
        }
    }
}
