//! Arithmetic modulo word-sized primes: reduction, products, powers, and the search for NTT primes.

mod modulus;
mod primes;

pub use modulus::{Modulus, Shoup};
pub use primes::{is_prime, ntt_primes, ntt_primes_excluding, primitive_root_of_unity};
