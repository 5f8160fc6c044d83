//! Galois elements, checked.

use crate::backend::{RingKind, RingSpec};
use crate::error::{Error, Result};
use std::fmt;

/// An element `g` of the Galois group of a ring, the automorphism `X -> X^g`: odd, and below the
/// order of the roots of unity (`2 N`, or `4 N` on the conjugate-invariant ring).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GaloisElement(u64);

impl GaloisElement {
    /// The element `element` of the ring's group.
    ///
    /// # Errors
    /// [`Error::GaloisElement`] for an even number, or one not below the order of the roots of
    /// unity.
    pub fn new(ring: &RingSpec, element: u64) -> Result<Self> {
        let order = ring.root_order();
        if element.is_multiple_of(2) || element >= order {
            return Err(Error::GaloisElement {
                found: element,
                order,
            });
        }
        Ok(Self(element))
    }

    /// The automorphism that rotates slots left by `steps`.
    #[must_use]
    pub fn rotation(ring: &RingSpec, steps: i64) -> Self {
        Self(ring.galois_rotation(steps))
    }

    /// The automorphism that conjugates slots; the identity on the conjugate-invariant ring.
    #[must_use]
    pub fn conjugation(ring: &RingSpec) -> Self {
        Self(match ring.kind() {
            RingKind::Standard => ring.galois_conjugation(),
            RingKind::ConjugateInvariant => 1,
        })
    }

    /// The number `g`.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for GaloisElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_below_the_order_are_elements() {
        for (kind, primes, order) in [
            (RingKind::Standard, [97, 193], 32),
            (RingKind::ConjugateInvariant, [193, 257], 64),
        ] {
            let ring = RingSpec::new(kind, 4, &primes[..1], &primes[1..]).expect("a ring");
            for g in (0..order + 4).chain([u64::MAX - 1, u64::MAX]) {
                let element = GaloisElement::new(&ring, g);
                if g % 2 == 1 && g < order {
                    assert_eq!(element.expect("a unit").get(), g);
                } else {
                    let refused = element.expect_err("no unit");
                    assert!(
                        matches!(refused, Error::GaloisElement { found, order: o } if found == g && o == order),
                        "{refused}"
                    );
                }
            }
            for steps in [i64::MIN, -17, -1, 0, 1, 5, i64::MAX] {
                let g = GaloisElement::rotation(&ring, steps).get();
                assert!(GaloisElement::new(&ring, g).is_ok(), "{steps}: {g}");
            }
            let g = GaloisElement::conjugation(&ring).get();
            assert!(GaloisElement::new(&ring, g).is_ok());
        }
    }
}
