//! Every required kernel against naive integers.

mod arithmetic;
mod compact;
mod neighbours;
mod refusals;
mod rows;
mod seeded;
mod switching;
mod transforms;

pub use arithmetic::{
    constants_match_integers, gemm_matches_integers, multiply_accumulate_matches_integers,
    pointwise_matches_integers,
};
pub use compact::compact_polynomials_multiply_as_embedded_ones;
pub use neighbours::neighbours_are_added;
pub use refusals::misshapen_operands_are_refused;
pub use rows::{restrict_and_stack_move_rows, rows_add_and_tensor, scaled_rows_add_on_their_limbs};
pub use seeded::{
    packed_rows_come_back, seeded_keys_are_those_of_both_halves,
    seeded_polynomials_follow_their_definition, zeros_are_told_from_others,
};
pub(super) use switching::near_ties;
pub use switching::{base_conversion_follows_its_formula, dot_key_matches_integers};
pub use transforms::{
    automorphism_substitutes, embedding_equals_upload_and_ntt, intt_inverts_ntt,
    ntt_evaluates_at_the_roots,
};

use super::{Rng, Verdict, ensure, galois_elements};
