//! Default bodies of derived operations: free functions over the required kernels.
//!
//! A backend overrides one when a benchmark shows the gain; the conformance suite runs both and
//! wants the same bits.

mod compact;
mod key_switch;
mod neighbours;
mod rows;
mod seeded;
mod transfer;

pub use compact::{embed_compact, sum_products};
pub use key_switch::{
    decompose, divide_round, dot_key_permuted, key_product, key_switch, mod_down,
    mod_down_and_rescale, rescale,
};
pub use neighbours::add_neighbours;
pub use rows::{add_rows, add_scaled, embed, permuted, tensor};
pub use seeded::{check_packed, load_seeded_key, masked, uniform};
pub use transfer::{download_packed, is_zero, upload_packed};
