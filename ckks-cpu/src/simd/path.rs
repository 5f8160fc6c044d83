//! The kernels as safe methods of the proof that their instructions exist.

use super::double::Double;
use super::linear::TARGETS;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::ntt::VectorNtt;
use super::residues::Constants;
use super::wide::Wide;
use super::words::Words;
use super::{ChaCha, NARROW_BITS, Packer, dot, elementwise, fold, gemm, linear, ntt, products};
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, narrow::Narrow};
use crate::kernels::{KeyLimb, Permutation, Source, Twiddles};
use crate::options::KernelChoice;
use ckks_math::arith::{Modulus, Shoup};
use ckks_math::backend::Pointwise;

/// Proof that this machine has one of the instruction sets; on some architectures, no value.
#[derive(Clone, Copy)]
pub enum Vector {
    #[cfg(target_arch = "x86_64")]
    Ifma(Avx512<true>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512<false>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

/// Which arithmetic a prime takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// At most `2^52 / 7`: see [`super::narrow`].
    Roomy,
    /// Below `2^50`.
    Narrow,
    /// Any.
    Wide,
}

impl Class {
    const fn of(m: Modulus) -> Self {
        if m.bits() > NARROW_BITS {
            Self::Wide
        } else if m.value() <= (1 << 52) / 7 {
            Self::Roomy
        } else {
            Self::Narrow
        }
    }

    /// The class of a sum of words that may not be below `2^50`.
    const fn of_words(m: Modulus, wide: bool) -> Self {
        if wide { Self::Wide } else { Self::of(m) }
    }
}

/// Runs `$work` with the instructions of a path enabled: `$s` is the proof, `$R` the arithmetic.
macro_rules! run {
    ($s:ident as $arithmetic:ty, $R:ident => $work:expr) => {{
        type $R = $arithmetic;
        $s.run(
            #[inline(always)]
            || $work,
        )
    }};
}

/// Chooses path and arithmetic, then [`run`].
macro_rules! on {
    ($vector:expr, $class:expr, |$s:ident: $R:ident| $work:expr) => {
        match $vector {
            #[cfg(target_arch = "x86_64")]
            Vector::Ifma($s) => match $class {
                Class::Roomy => run!($s as Narrow<true>, $R => $work),
                Class::Narrow => run!($s as Narrow<false>, $R => $work),
                Class::Wide => run!($s as Wide<Avx512<true>>, $R => $work),
            },
            #[cfg(target_arch = "x86_64")]
            Vector::Avx512($s) => match $class {
                Class::Wide => run!($s as Wide<Avx512<false>>, $R => $work),
                _ => run!($s as Double<Avx512<false>>, $R => $work),
            },
            #[cfg(target_arch = "x86_64")]
            Vector::Avx2($s) => match $class {
                Class::Wide => run!($s as Wide<Avx2>, $R => $work),
                _ => run!($s as Double<Avx2>, $R => $work),
            },
            #[cfg(target_arch = "aarch64")]
            Vector::Neon($s) => match $class {
                Class::Wide => run!($s as Wide<Neon>, $R => $work),
                _ => run!($s as Double<Neon>, $R => $work),
            },
        }
    };
}

/// Chooses the path alone.
macro_rules! on_words {
    ($vector:expr, |$s:ident| $work:expr) => {
        on!($vector, Class::Wide, |$s: _Unused| $work)
    };
}

impl Vector {
    /// The proof for a choice, the fastest for [`KernelChoice::Auto`]; `None` where the machine
    /// lacks it.
    pub fn detect(choice: KernelChoice) -> Option<Self> {
        match choice {
            KernelChoice::Reference => None,
            KernelChoice::Auto => KernelChoice::VECTOR.into_iter().find_map(Self::detect),
            #[cfg(target_arch = "x86_64")]
            KernelChoice::Avx512Ifma => Avx512::detect().map(Self::Ifma),
            #[cfg(target_arch = "x86_64")]
            KernelChoice::Avx512 => Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            KernelChoice::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "aarch64")]
            KernelChoice::Neon => Neon::detect().map(Self::Neon),
            _ => None,
        }
    }

    /// The choice that leads here.
    pub const fn choice(self) -> KernelChoice {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) => KernelChoice::Avx512Ifma,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => KernelChoice::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => KernelChoice::Avx2,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => KernelChoice::Neon,
        }
    }

    /// The generator of uniform residues of this path.
    pub fn chacha(self) -> Option<ChaCha> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) | Self::Avx512(_) => ChaCha::detect(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => None,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => None,
        }
    }

    /// What packs residues on this path.
    pub fn packer(self) -> Option<Packer> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) | Self::Avx512(_) => Packer::detect(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Packer::detect_avx2(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => None,
        }
    }

    pub fn constants(self, m: Modulus) -> Constants {
        on_words!(self, |s| Constants::new(m, long_split(s)))
    }

    pub fn transform(self, m: Modulus, t: &Twiddles) -> VectorNtt {
        let constants = self.constants(m);
        // Not inside of `run`: there is nothing to vectorise.
        on!(self, Class::of(m), |_s: R| VectorNtt::new::<R>(
            constants, t
        ))
    }

    pub fn ntt(self, t: &VectorNtt, x: &mut [u64]) {
        on!(self, Class::of(t.modulus()), |s: R| {
            if let Some(w) = t.fold() {
                fold::fold::<R>(s, t, w, x);
            }
            ntt::forward::<R>(s, t, x);
        });
    }

    pub fn intt(self, t: &VectorNtt, x: &mut [u64]) {
        on!(self, Class::of(t.modulus()), |s: R| {
            ntt::inverse::<R>(s, t, x);
            if let Some(w) = t.fold() {
                fold::unfold::<R>(s, t, w, x);
            }
        });
    }

    pub fn intt_to_columns(self, t: &VectorNtt, x: &mut [u64], factor: u64, out: &mut [u64]) {
        if t.fold().is_some() {
            self.intt(t, x);
        }
        on!(self, Class::of(t.modulus()), |s: R| {
            if t.fold().is_some() {
                ntt::scale_to_columns::<R>(s, t, x, factor, out);
            } else {
                ntt::inverse_to_columns::<R>(s, t, x, factor, out);
            }
        });
    }

    pub fn ntt_column(self, t: &VectorNtt, group: usize, column: &mut [u64], x: &mut [u64]) {
        on!(self, Class::of(t.modulus()), |s: R| {
            ntt::forward_one_column::<R>(s, t, group, column, x);
        });
    }

    pub fn ntt_block(self, t: &VectorNtt, block: usize, x: &mut [u64]) {
        on!(self, Class::of(t.modulus()), |s: R| {
            ntt::forward_one_block::<R>(s, t, block, x);
        });
    }

    pub fn pointwise(self, n: &Constants, op: Pointwise, out: &mut [u64], x: &[u64], y: &[u64]) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::binary::<R>(s, n, op, out, x, y);
        });
    }

    pub fn pointwise_assign(self, n: &Constants, op: Pointwise, x: &mut [u64], y: &[u64]) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::binary_assign::<R>(s, n, op, x, y);
        });
    }

    pub fn multiply_accumulate(self, n: &Constants, acc: &mut [u64], x: &[u64], y: &[u64]) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::multiply_accumulate::<R>(s, n, acc, x, y);
        });
    }

    pub fn sum_products(self, n: &Constants, out: &mut [u64], pairs: &[(&[u64], &[u64])]) {
        on!(self, Class::of(n.modulus), |s: R| {
            products::sum_products::<R>(s, n, out, pairs);
        });
    }

    pub fn add_scaled(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::add_scaled::<R>(s, n, out, x, c);
        });
    }

    pub fn tensor(self, n: &Constants, outs: [&mut [u64]; 3], x: [&[u64]; 2], y: [&[u64]; 2]) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::tensor::<R>(s, n, outs, x, y);
        });
    }

    pub fn scale(self, n: &Constants, x: &mut [u64], c: Shoup) {
        on!(self, Class::of(n.modulus), |s: R| elementwise::scale::<R>(
            s, n, x, c
        ));
    }

    pub fn scale_into(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::scale_into::<R>(s, n, out, x, c);
        });
    }

    pub fn offset(self, n: &Constants, x: &mut [u64], c: u64) {
        on!(self, Class::of(n.modulus), |s: R| elementwise::offset::<R>(
            s, n, x, c
        ));
    }

    pub fn subtract_from_and_scale(self, n: &Constants, out: &mut [u64], x: &[u64], c: Shoup) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::subtract_from_and_scale::<R>(s, n, out, x, c);
        });
    }

    /// See [`elementwise::integers`].
    pub fn integers(self, n: &Constants, out: &mut [u64], x: &[i64], small: bool) {
        on!(self, Class::of(n.modulus), |s: R| {
            elementwise::integers::<R>(s, n, out, x, small);
        });
    }

    /// `wide` if words of `xs` may be `2^50` or more.
    pub fn linear(
        self,
        n: &Constants,
        wide: bool,
        out: &mut [u64],
        xs: &[&[u64]],
        weights: &[u64],
    ) {
        on!(self, Class::of_words(n.modulus, wide), |s: R| {
            linear::linear::<R>(s, n, out, xs, weights);
        });
    }

    /// [`Vector::linear`] modulo several primes at once, if it takes that many slices and words.
    pub fn linear_many(
        self,
        n: [&Constants; TARGETS],
        wide: bool,
        out: &mut [u64],
        xs: &[&[u64]],
        weights: [&[u64]; TARGETS],
    ) -> bool {
        let class = |n: &&Constants| Class::of_words(n.modulus, wide);
        let class = if n.iter().any(|n| class(n) == Class::Wide) {
            Class::Wide
        } else {
            Class::Narrow
        };
        on!(self, class, |s: R| {
            let takes = linear::takes_many::<R>(xs.len(), out.len() / TARGETS);
            if takes {
                linear::linear_many::<R>(s, n, out, xs, weights);
            }
            takes
        })
    }

    /// See [`gemm::gemm`].
    pub fn gemm(
        self,
        n: &Constants,
        outs: &mut [&mut [u64]],
        xs: &[&[u64]],
        weights: &[u64],
        scratch: &mut [u64],
    ) {
        on!(self, Class::of(n.modulus), |s: R| {
            gemm::gemm::<R>(s, n, outs, xs, weights, scratch);
        });
    }

    pub fn permute(self, permutation: &Permutation, out: &mut [u64], x: &[u64]) {
        on_words!(self, |s| dot::permute(s, permutation, out, x));
    }

    pub fn dot(
        self,
        n: &Constants,
        outs: &mut [&mut [u64]],
        xs: &[&[u64]],
        permutation: Option<&Permutation>,
        key: KeyLimb<'_>,
    ) {
        on!(self, Class::of(n.modulus), |s: R| {
            dot::dot::<R>(s, n, outs, xs, permutation, key);
        });
    }

    pub fn quotient(self, sources: &[Source], digits: &[&[u64]], out: &mut [u64]) {
        on_words!(self, |s| linear::quotient(s, sources, digits, out));
    }
}

/// Where long sums of a path split words.
const fn long_split<S: Words>(_: S) -> u32 {
    S::LONG_SPLIT
}
