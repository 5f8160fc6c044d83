//! Default bodies of derived operations: free functions over the required kernels.
//!
//! A backend overrides one when a benchmark shows the gain; the conformance suite runs both and
//! wants the same bits.

mod key_switch;
mod packed;
mod rows;

pub use key_switch::{
    decompose, dot_key_turned, key_product, key_switch, mod_down, mod_down_and_rescale, rescale,
};
pub use packed::{embed_packed, sum_products};
pub use rows::{add_rows, add_scaled, embed, tensor};
