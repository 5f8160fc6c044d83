//! Launches: a kernel's name, its grid and its arguments.

use crate::driver::{Address, Function};
use crate::kernels::Kernel;
use ckks_math::backend::Basis;
use ckks_math::{Error, Result};
use std::ffi::c_void;

/// Threads of a block of the element-wise kernels.
const THREADS: u32 = 256;
/// Residues that one of their threads works on, where there are as many.
const PER_THREAD: u32 = 4;
/// Largest second and third extent of a grid.
const MAX_EXTENT: usize = 65_535;

/// A basis as kernels read it; `Limbs` of `basis.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Limbs {
    lo: u32,
    q_len: u32,
    special: u32,
    q_total: u32,
}

impl Limbs {
    /// A basis of a ring with `q_total` moduli `q`.
    pub const fn new(basis: Basis, q_total: usize) -> Self {
        Self {
            lo: basis.lo as u32,
            q_len: basis.q_len() as u32,
            special: basis.special as u32,
            q_total: q_total as u32,
        }
    }

    /// The bytes of a basis in an array that kernels read.
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let words = [self.lo, self.q_len, self.special, self.q_total];
        for (out, word) in bytes.chunks_exact_mut(4).zip(words) {
            out.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// Some columns of one limb of a block, as kernels read them; `Columns` of `columns.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The basis of the block.
    pub limbs: Limbs,
    /// The limb.
    pub limb: u32,
    /// The first of the columns, in the limb.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// `log2 N`.
    pub log_n: u32,
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A pointer to device memory, or a 64-bit word.
    Long(u64),
    /// A 32-bit word.
    Word(u32),
    /// A basis.
    Limbs(Limbs),
    /// Columns of a limb.
    Columns(Columns),
    /// A structure of two 32-bit words, such as `Turn` or `Skip`.
    Pair([u32; 2]),
}

impl Argument {
    /// Where the argument lies.
    pub const fn raw(&self) -> *const c_void {
        match self {
            Self::Long(word) => std::ptr::from_ref(word).cast(),
            Self::Word(word) => std::ptr::from_ref(word).cast(),
            Self::Limbs(limbs) => std::ptr::from_ref(limbs).cast(),
            Self::Columns(columns) => std::ptr::from_ref(columns).cast(),
            Self::Pair(pair) => std::ptr::from_ref(pair).cast(),
        }
    }

    /// Its bytes.
    pub const fn bytes(&self) -> u32 {
        match self {
            Self::Word(_) => 4,
            Self::Long(_) | Self::Pair(_) => 8,
            Self::Limbs(_) => size_of::<Limbs>() as u32,
            Self::Columns(_) => size_of::<Columns>() as u32,
        }
    }
}

impl From<Address> for Argument {
    fn from(address: Address) -> Self {
        Self::Long(address.0)
    }
}

impl From<u64> for Argument {
    fn from(word: u64) -> Self {
        Self::Long(word)
    }
}

impl From<u32> for Argument {
    fn from(word: u32) -> Self {
        Self::Word(word)
    }
}

impl From<Limbs> for Argument {
    fn from(limbs: Limbs) -> Self {
        Self::Limbs(limbs)
    }
}

impl From<Columns> for Argument {
    fn from(columns: Columns) -> Self {
        Self::Columns(columns)
    }
}

impl From<[u32; 2]> for Argument {
    fn from(pair: [u32; 2]) -> Self {
        Self::Pair(pair)
    }
}

/// A list of arguments of different types.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { [$($crate::launch::Argument::from($argument)),*] };
}
pub(crate) use arguments;

/// Blocks of a launch and threads of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks on each axis.
    pub blocks: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Shared memory of a block, in bytes.
    pub shared: u32,
}

impl Grid {
    /// A grid of so many blocks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where no device has such a grid.
    pub fn new(kernel: Kernel, blocks: [usize; 3], threads: u32) -> Result<Self> {
        if blocks[0] > i32::MAX as usize || blocks[1] > MAX_EXTENT || blocks[2] > MAX_EXTENT {
            return Err(Error::Unsupported {
                backend: "cuda".into(),
                what: format!("{kernel} on a grid of {blocks:?} blocks"),
                way_out: format!("work on at most {MAX_EXTENT} rows at a time"),
            });
        }
        Ok(Self {
            blocks: blocks.map(|b| b as u32),
            threads,
            shared: 0,
        })
    }

    /// The grid of an element-wise kernel on `[rows, limbs, N]`.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn elements(kernel: Kernel, log_n: u32, limbs: usize, rows: usize) -> Result<Self> {
        let n = 1_u32 << log_n;
        let threads = n.min(THREADS);
        let pieces = (n / (threads * PER_THREAD)).max(1);
        Self::new(kernel, [pieces as usize, limbs, rows], threads)
    }

    /// Whether there is no block to run.
    pub fn is_empty(&self) -> bool {
        self.blocks.contains(&0)
    }
}

/// A kernel to run.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Which one, for messages.
    pub kernel: Kernel,
    /// The device's own handle of it.
    pub function: Function,
    /// Its blocks.
    pub grid: Grid,
    /// Its arguments.
    pub arguments: &'a [Argument],
}

impl Launch<'_> {
    /// A failure of the device that this launch caused.
    pub fn failure(&self, error: &Error) -> Error {
        let Self {
            kernel,
            grid,
            arguments,
            ..
        } = self;
        Error::Device {
            backend: "cuda".into(),
            message: format!("{kernel} on {grid:?} with {arguments:x?}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_grids_cover_every_degree() {
        for log_n in 1..=17 {
            let grid = Grid::elements(Kernel::Add, log_n, 3, 2).expect("a small grid");
            let n = 1 << log_n;
            assert!(grid.threads <= n && n % (grid.threads * grid.blocks[0]) == 0);
            assert_eq!(grid.blocks[1..], [3, 2]);
        }
    }

    #[test]
    fn grids_beyond_the_device_are_refused() {
        let refused = Grid::elements(Kernel::Add, 4, 1, MAX_EXTENT + 1);
        assert!(matches!(refused, Err(Error::Unsupported { .. })));
    }
}
