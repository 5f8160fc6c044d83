//! The kernels: sources, embedded PTX, and NVRTC that compiles for one card.
//!
//! A card gets, for each program, the first of these that it takes: what was compiled for it before
//! (a folder of the user's cache), what NVRTC compiles now, the embedded PTX of the oldest
//! architecture. `cargo xtask cuda-check --write` makes the embedded PTX; it is the same on every
//! machine.

mod cache;
mod kernel;
pub mod nvrtc;

pub(crate) use kernel::{Kernel, Signature};

use std::fmt;

/// One source file.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its name, such as `ntt.cu`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Embedded PTX; empty for a header.
    pub ptx: &'static str,
}

macro_rules! headers {
    ($($name:literal)*) => {
        &[$(Source {
            name: concat!($name, ".cuh"),
            text: include_str!(concat!("../../cuda/", $name, ".cuh")),
            ptx: "",
        }),*]
    };
}

macro_rules! programs {
    ($($name:literal)*) => {
        &[$(Source {
            name: concat!($name, ".cu"),
            text: include_str!(concat!("../../cuda/", $name, ".cu")),
            ptx: include_str!(concat!("../../ptx/", $name, ".ptx")),
        }),*]
    };
}

/// Files that are included.
pub const HEADERS: &[Source] = headers! { "arith" "basis" "butterfly" "chacha" "columns" "operands" "packed" "platform" "small_moduli" "tile" "warp_tiles" };

/// Files that hold kernels; each is compiled on its own.
pub const PROGRAMS: &[Source] = programs! {
    "automorphism" "base_convert" "constants" "double_gemm" "gemm" "key_product" "library_gemm"
    "neighbours" "ntt" "pointwise" "seeded_product" "sum_products" "tensor_gemm" "transfer" "uniform"
};

/// Architecture of the embedded PTX: the oldest, whose PTX every newer card takes.
pub const EMBEDDED: &str = "compute_80";

/// The value of [`fingerprint`] that the embedded PTX was made from.
pub const EMBEDDED_FINGERPRINT: &str = include_str!("../../ptx/fingerprint");

/// A hash of all sources, FNV-1a of 64 bits [Fowler-Noll-Vo].
pub fn fingerprint() -> u64 {
    let sources = HEADERS.iter().chain(PROGRAMS);
    let bytes = sources.flat_map(|s| s.name.bytes().chain(s.text.bytes()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Where an image of a program for a card can come from.
pub(crate) struct Image<'a> {
    program: &'a Source,
    target: String,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Cache,
    Nvrtc,
    Embedded,
}

/// The images of a program for a card of a compute capability, best first.
pub(crate) fn images(program: &Source, (major, minor): (i32, i32)) -> [Image<'_>; 3] {
    [Origin::Cache, Origin::Nvrtc, Origin::Embedded].map(|origin| Image {
        program,
        target: format!("sm_{major}{minor}"),
        origin,
    })
}

impl Image<'_> {
    /// The image's bytes, or why there is none.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        match self.origin {
            Origin::Cache => cache::load(self.program, &self.target),
            Origin::Nvrtc => {
                let compiled = nvrtc::compile(self.program, &self.target)?;
                cache::store(self.program, &self.target, &compiled.image);
                Ok(compiled.image)
            }
            Origin::Embedded => {
                let mut image = self.program.ptx.as_bytes().to_vec();
                image.push(0);
                Ok(image)
            }
        }
    }
}

impl fmt::Display for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Cache => write!(f, "the cached image for {}", self.target),
            Origin::Nvrtc => write!(f, "NVRTC's image for {}", self.target),
            Origin::Embedded => write!(f, "the embedded PTX ({EMBEDDED})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a source changed and `cargo xtask cuda-check --write` was not run.
    #[test]
    fn embedded_ptx_is_made_from_these_sources() {
        assert_eq!(
            EMBEDDED_FINGERPRINT.trim(),
            format!("{:016x}", fingerprint())
        );
    }

    #[test]
    fn every_program_has_ptx() {
        for program in PROGRAMS {
            assert!(program.ptx.contains(".target sm_80"), "{}", program.name);
        }
    }
}
