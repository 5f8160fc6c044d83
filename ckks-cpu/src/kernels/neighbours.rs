//! Sums of neighbouring coefficients, in place.

use ckks_math::arith::Modulus;
use ckks_math::backend::Neighbour;

/// See [`ckks_math::backend::RingKernels::add_neighbours`]. A coefficient is read before it is
/// written: forwards for the next one, backwards for the one before.
pub fn add_neighbours(m: Modulus, x: &mut [u64], neighbour: Neighbour) {
    match neighbour {
        Neighbour::Next => {
            for k in 1..x.len() {
                x[k - 1] = m.add(x[k - 1], x[k]);
            }
        }
        Neighbour::Previous => {
            for k in (1..x.len()).rev() {
                x[k] = m.add(x[k], x[k - 1]);
            }
            if let Some(first) = x.first_mut() {
                *first = m.add(*first, *first);
            }
        }
    }
}
