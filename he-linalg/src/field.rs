//! The axes of tensors and the bit fields that layouts place them in.

use std::fmt;

/// A logical axis of a tensor, known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axis(&'static str);

impl Axis {
    /// Position of a query or of a row of activations.
    pub const TOKEN: Axis = Axis::new("token");
    /// Position of a key or value.
    pub const KEY: Axis = Axis::new("key");
    /// Distance between a query and a key (a generalized diagonal of the score matrix).
    pub const OFFSET: Axis = Axis::new("offset");
    /// Channel of activations or of an intermediate layer.
    pub const CHANNEL: Axis = Axis::new("channel");
    /// Attention head, or key-value head.
    pub const HEAD: Axis = Axis::new("head");
    /// Query heads that share one key-value head.
    pub const GROUP: Axis = Axis::new("group");
    /// Channel within a head.
    pub const DIM: Axis = Axis::new("dim");
    /// Separate tensors side by side, such as gate and up.
    pub const PART: Axis = Axis::new("part");
    /// Copies of the same value; not part of an index, and allowed more than once in a layout.
    pub const REPLICA: Axis = Axis::new("replica");

    /// An axis of the caller's own; two axes are equal when their names are.
    pub const fn new(name: &'static str) -> Axis {
        Axis(name)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One group of address bits: an axis, its logical length and its number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    /// The axis laid out along these bits.
    pub axis: Axis,
    /// Number of values; places `len..2^log_size` are padding.
    pub len: usize,
    /// Number of address bits.
    pub log_size: u32,
}

impl Field {
    /// `len` values of an axis in the fewest bits that hold them.
    pub const fn new(axis: Axis, len: usize) -> Field {
        Field {
            axis,
            len,
            log_size: ceil_log2(len),
        }
    }

    /// `len` values of an axis in `log_size` bits, the rest padding.
    pub const fn padded(axis: Axis, len: usize, log_size: u32) -> Field {
        Field {
            axis,
            len,
            log_size,
        }
    }

    /// `2^log_size` copies of the same value.
    pub const fn replica(log_size: u32) -> Field {
        let len = if log_size < usize::BITS {
            1 << log_size
        } else {
            usize::MAX
        };
        Field {
            axis: Axis::REPLICA,
            len,
            log_size,
        }
    }

    /// Number of places, `2^log_size`; the fields of a [`Layout`](crate::layout::Layout) have at
    /// most 30 bits.
    pub const fn capacity(&self) -> usize {
        1 << self.log_size
    }

    /// Whether every place holds the same value.
    pub(crate) fn is_uniform(&self) -> bool {
        self.axis == Axis::REPLICA && self.len == self.capacity()
    }
}

/// Smallest `w` with `2^w >= len` (0 for `len` 0 and 1).
pub(crate) const fn ceil_log2(len: usize) -> u32 {
    if len <= 1 {
        0
    } else {
        usize::BITS - (len - 1).leading_zeros()
    }
}

/// What the padding slots of a layout hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Zero: sums may run over them.
    Zero,
    /// Anything of the size of a value: sums must not run over them.
    Any,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_gets_the_fewest_bits_that_hold_its_values() {
        for len in 1..100 {
            let field = Field::new(Axis::DIM, len);
            assert!(field.capacity() >= len);
            assert!(field.log_size == 0 || field.capacity() / 2 < len);
        }
    }

    #[test]
    fn only_full_replica_fields_are_uniform() {
        assert!(Field::replica(3).is_uniform());
        assert!(!Field::padded(Axis::REPLICA, 7, 3).is_uniform());
        assert!(!Field::new(Axis::TOKEN, 8).is_uniform());
    }
}
