//! Naive integers: every kernel once more, written from its definition with 128-bit division.
//!
//! Nothing here shares code with a backend or with [`crate::arith`]; speed is of no concern.

mod base_convert;
mod big;
mod block;
mod pointwise;
mod ring;
mod switching;

pub use base_convert::base_convert;
pub use big::{Big, CentredLift};
pub use block::HostBlock;
pub use pointwise::{combine, gemm, multiply_accumulate, offset_limbs, pointwise, scale_limbs};
pub use ring::{evaluate, evaluation_point, multiply, substitute, transform};
pub use switching::{HostSwitchKey, dot_key, permute_evaluations};

/// `x + y mod q`.
pub fn add(x: u64, y: u64, q: u64) -> u64 {
    ((u128::from(x) + u128::from(y)) % u128::from(q)) as u64
}

/// `x - y mod q`.
pub fn sub(x: u64, y: u64, q: u64) -> u64 {
    ((u128::from(x) + u128::from(q) - u128::from(y % q)) % u128::from(q)) as u64
}

/// `x * y mod q`.
pub fn mul(x: u64, y: u64, q: u64) -> u64 {
    ((u128::from(x) * u128::from(y)) % u128::from(q)) as u64
}

/// `x^e mod q`.
pub fn pow(x: u64, e: u64, q: u64) -> u64 {
    if e == 0 {
        return 1 % q;
    }
    let half = pow(x, e / 2, q);
    let square = mul(half, half, q);
    if e % 2 == 1 {
        mul(square, x, q)
    } else {
        square
    }
}

/// `x^-1 mod q` for a prime `q`.
pub fn inverse(x: u64, q: u64) -> u64 {
    pow(x, q - 2, q)
}

/// The residue of a signed integer.
pub fn signed(x: i64, q: u64) -> u64 {
    i128::from(x).rem_euclid(i128::from(q)) as u64
}
