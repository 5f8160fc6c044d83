//! The kernels by name, and what each takes, as the embedded PTX declares it.

use super::PROGRAMS;
use crate::launch::{Argument, Grid};
use crate::tables::Word;
use ckks_math::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// How the symbols of a kernel end.
enum Suffix {
    /// One symbol.
    None,
    /// With the word: `u32` or `u64`.
    Word,
    /// With the bits of the longest primes: `30`, `31` or `61`.
    Bits,
}

macro_rules! kernels {
    ($($kernel:ident $name:literal $suffix:ident)*) => {
        /// A kernel, whatever the words of the ring.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kernel {
            $(
                #[doc = concat!("The kernel `", $name, "`.")]
                $kernel
            ),*
        }

        impl Kernel {
            /// All kernels, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$kernel),*];

            const fn parts(self) -> (&'static str, Suffix) {
                match self {
                    $(Self::$kernel => ($name, Suffix::$suffix)),*
                }
            }
        }
    };
}

kernels! {
    Import "import" Word
    Export "export" Word
    Restrict "restrict" Word
    Embed "embed" Word
    Unpack "unpack" Word
    FindNonzero "find_nonzero" Word
    Add "add" Word
    Subtract "subtract" Word
    Multiply "multiply" Word
    MultiplyAccumulate "multiply_accumulate" Word
    Tensor "tensor" Word
    ScaleLimbs "scale_limbs" Word
    OffsetLimbs "offset_limbs" Word
    AddScaled "add_scaled" Word
    Combine "combine" Word
    Automorphism "automorphism" Word
    AddNeighbours "add_neighbours" Word
    BaseConvert "base_convert" Word
    SumProducts "sum_products" Word
    KeyProduct1 "key_product_1" Word
    KeyProduct4 "key_product_4" Word
    SeededProduct "seeded_product" Word
    Uniform "uniform" Word
    LoadMatrix "load_matrix" Word
    Gemm "gemm" Word
    CutMatrix "cut_matrix" None
    CutRows "cut_rows" Word
    DoubleGemm "double_gemm" Word
    ByteMatrix "byte_matrix" None
    ByteRows "byte_rows" Word
    JoinSums "join_sums" Word
    TileMatrix "tile_matrix" None
    TileRows "tile_rows" Word
    TensorGemm "tensor_gemm" Word
    NttShort "ntt_short" Bits
    InttShort "intt_short" Bits
    NttWhole "ntt_whole" Bits
    InttWhole "intt_whole" Bits
    NttColumns "ntt_columns" Bits
    NttRows "ntt_rows" Bits
    InttRows "intt_rows" Bits
    InttColumns "intt_columns" Bits
}

impl Kernel {
    /// The symbol of the kernel for the words of a ring.
    pub(crate) fn symbol(self, word: Word) -> String {
        let (name, suffix) = self.parts();
        match suffix {
            Suffix::None => name.to_owned(),
            Suffix::Word => format!("{name}_{}", word.suffix()),
            Suffix::Bits => format!("{name}_{}", word.transform_suffix()),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parts().0)
    }
}

/// What a kernel takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Bytes of each parameter.
    parameters: Vec<u32>,
    /// Most threads of a block.
    threads: u32,
}

impl Signature {
    /// That of a symbol.
    ///
    /// # Errors
    /// [`Error::Device`] where no kernel has the symbol.
    pub(crate) fn of(symbol: &str) -> Result<&'static Self> {
        static ALL: LazyLock<HashMap<&str, Signature>> =
            LazyLock::new(|| PROGRAMS.iter().flat_map(|p| signatures(p.ptx)).collect());
        ALL.get(symbol)
            .ok_or_else(|| failure(format!("no kernel is named {symbol}")))
    }

    /// Fails unless the arguments have the number and the sizes of the parameters, and the block
    /// has no more threads than the kernel is compiled for.
    ///
    /// # Errors
    /// [`Error::Device`] that names the kernel.
    pub(crate) fn check(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        let given = arguments.iter().map(Argument::bytes);
        if !given.clone().eq(self.parameters.iter().copied()) {
            let given: Vec<u32> = given.collect();
            let taken = &self.parameters;
            return Err(failure(format!(
                "{kernel} takes arguments of {taken:?} bytes, not of {given:?}"
            )));
        }
        if grid.threads > self.threads {
            let (given, most) = (grid.threads, self.threads);
            return Err(failure(format!(
                "{kernel} takes blocks of at most {most} threads, not of {given}"
            )));
        }
        Ok(())
    }
}

fn failure(message: String) -> Error {
    Error::Device {
        backend: "cuda".into(),
        message,
    }
}

/// The symbols of a PTX program with their signatures.
fn signatures(ptx: &str) -> impl Iterator<Item = (&str, Signature)> {
    ptx.split(".entry ").skip(1).map(|entry| {
        let name = entry.split(['(', '\n']).next().unwrap_or_default().trim();
        let head = entry.split('{').next().unwrap_or_default();
        let parameters = head.lines().filter(|line| line.contains(".param "));
        let threads = head.lines().find_map(|line| {
            let threads = line.trim().strip_prefix(".maxntid ")?;
            threads.split(',').next()?.trim().parse().ok()
        });
        let signature = Signature {
            parameters: parameters.map(parameter_bytes).collect(),
            threads: threads.unwrap_or_default(),
        };
        (name, signature)
    })
}

/// Bytes of a parameter: a word, as in `.param .u64 x`, or an array, as in `.param .align 4 .b8
/// x[16]`.
fn parameter_bytes(line: &str) -> u32 {
    let array = line.rsplit_once('[').and_then(|(_, length)| {
        let digits = length.split(']').next()?;
        digits.parse().ok()
    });
    let word = || match line.contains("64 ") {
        true => 8,
        false => 4,
    };
    array.unwrap_or_else(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [Word; 3] = [
        Word::Short { lazy: true },
        Word::Short { lazy: false },
        Word::Long,
    ];

    #[test]
    fn every_kernel_has_a_signature_for_every_word() {
        for (number, &kernel) in Kernel::ALL.iter().enumerate() {
            assert_eq!(kernel as usize, number);
            for word in WORDS {
                let symbol = kernel.symbol(word);
                let signature = Signature::of(&symbol).expect("a kernel");
                assert!(!signature.parameters.is_empty(), "{symbol}");
                assert!(signature.threads.is_multiple_of(32), "{symbol}");
                assert!(signature.threads > 0, "{symbol}");
            }
        }
        assert!(Signature::of("add").is_err());
    }

    #[test]
    fn every_embedded_kernel_is_named() {
        let named: Vec<String> = (Kernel::ALL.iter())
            .flat_map(|kernel| WORDS.map(|word| kernel.symbol(word)))
            .collect();
        for program in PROGRAMS {
            for (symbol, _) in signatures(program.ptx) {
                assert!(named.iter().any(|n| n == symbol), "{symbol}");
            }
        }
    }

    #[test]
    fn arguments_that_a_kernel_does_not_take_are_refused() {
        let signature = Signature::of("import_u32").expect("a kernel");
        let limbs = crate::launch::Limbs::default();
        let [to, primes] = [Argument::from(0_u64); 2];
        let (limbs, log_n) = (Argument::from(limbs), Argument::from(4_u32));
        let grid = |threads| Grid::new(Kernel::Import, [1, 1, 1], threads).expect("small");
        let check = |threads, arguments: &[Argument]| {
            signature.check(Kernel::Import, grid(threads), arguments)
        };
        assert!(check(256, &[to, primes, limbs, log_n]).is_ok());
        assert!(check(512, &[to, primes, limbs, log_n]).is_err());
        assert!(check(256, &[to, primes, limbs]).is_err());
        assert!(check(256, &[to, primes, log_n, limbs]).is_err());
        let message = check(256, &[to])
            .expect_err("three are missing")
            .to_string();
        assert!(
            message.contains("import takes arguments of [8, 8, 16, 4]"),
            "{message}"
        );
    }
}
