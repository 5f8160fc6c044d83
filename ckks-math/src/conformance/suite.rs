//! The list of laws, and how a law is run.

use super::laws;
use crate::backend::Backend;
use crate::error::Error;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Why a backend cannot be opened here: no such device, no such instructions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {reason}")]
pub struct Skip {
    /// Kind of device, as named in `CKKS_REQUIRE_DEVICE`: `cpu`, `cuda`, `wgpu`.
    pub kind: String,
    /// What is missing.
    pub reason: String,
}

impl Skip {
    /// A skip of a kind of device for a reason.
    pub fn new(kind: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            reason: reason.into(),
        }
    }

    /// Whether `required`, a list of kinds with commas (the value of `CKKS_REQUIRE_DEVICE`),
    /// forbids this skip.
    pub fn is_forbidden_by(&self, required: &str) -> bool {
        required.split(',').any(|kind| kind.trim() == self.kind)
    }

    /// Says `SKIPPED` and why, once in a process for each kind, past the harness, which keeps what
    /// a passing test prints.
    ///
    /// # Panics
    /// When `CKKS_REQUIRE_DEVICE` forbids the skip. Made for tests.
    pub fn announce(&self, what: &str) {
        let required = std::env::var("CKKS_REQUIRE_DEVICE").unwrap_or_default();
        assert!(
            !self.is_forbidden_by(&required),
            "{what} skipped ({self}), but CKKS_REQUIRE_DEVICE = {required}"
        );
        static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(self.kind.clone()) {
            // Nobody is told where nobody listens.
            let _ = writeln!(
                std::io::stdout(),
                "SKIPPED ({self}): {what} and all else that needs it"
            );
        }
    }
}

/// How a law fails on a backend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Violation(String);

impl Violation {
    /// A violation in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The violation with where it happened in front.
    pub fn at(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl From<Error> for Violation {
    fn from(error: Error) -> Self {
        Self(format!("the backend refused: {error}"))
    }
}

/// Result of a law.
pub type Verdict<T = ()> = Result<T, Violation>;

/// A law: fails with a violation on a backend that breaks it.
pub type Law<B> = fn(&B) -> Verdict;

/// Runs a law as a test: [`Skip::announce`] where the backend cannot be opened.
///
/// # Panics
/// When the law does not hold, or when the environment variable `CKKS_REQUIRE_DEVICE` names the
/// kind of the skip. Made for `#[test]` functions.
pub fn run<B: Backend>(
    name: &str,
    open: impl FnOnce() -> Result<B, Skip>,
    law: impl FnOnce(&B) -> Verdict,
) {
    match open() {
        Ok(backend) => {
            if let Err(violation) = law(&backend) {
                panic!("{} breaks {name}: {violation}", backend.name());
            }
        }
        Err(skip) => skip.announce(name),
    }
}

/// The one list of laws, handed to the macro `$then` behind its arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_laws {
    ($then:ident { $($arguments:tt)* }) => {
        $crate::$then! {
            { $($arguments)* }
            device::upload_then_download
            device::alloc_is_zero
            device::duplicate_is_independent
            device::fork_and_join_keep_order
            device::captured_work_equals_plain_work
            device::memory_returns_after_drop
            device::tables_respect_limits
            kernels::ntt_evaluates_at_the_roots
            kernels::intt_inverts_ntt
            kernels::pointwise_matches_integers
            kernels::multiply_accumulate_matches_integers
            kernels::constants_match_integers
            kernels::automorphism_substitutes
            kernels::restrict_and_stack_move_rows
            kernels::base_conversion_follows_its_formula
            kernels::dot_key_matches_integers
            kernels::gemm_matches_integers
            kernels::rows_add_and_tensor
            kernels::scaled_rows_add_on_their_limbs
            kernels::neighbours_are_added
            kernels::embedding_equals_upload_and_ntt
            kernels::seeded_polynomials_follow_their_definition
            kernels::packed_rows_come_back
            kernels::zeros_are_told_from_others
            kernels::seeded_keys_are_those_of_both_halves
            kernels::compact_polynomials_multiply_as_embedded_ones
            kernels::misshapen_operands_are_refused
            derived::decompose_equals_its_default_body
            derived::mod_down_equals_its_default_body
            derived::rescale_equals_its_default_body
            derived::key_product_equals_its_default_body
            derived::key_switch_equals_its_default_body
            derived::dot_key_permuted_equals_its_default_body
            meaning::digits_lift_their_limbs
            meaning::mod_down_divides_by_p
            meaning::rescale_divides_by_the_last_primes
            meaning::mod_down_and_rescale_divides_once
            meaning::key_switch_decrypts_alike
            meaning::hoisted_equals_switch_of_permuted
            scheme::encryption_round_trips
            scheme::sums_match_the_clear
            scheme::products_match_the_clear
            scheme::levels_and_scales_align
            scheme::rotations_match_the_clear
            scheme::transforms_match_the_clear
            scheme::polynomials_match_the_clear
            parity::fixed_circuit_gives_the_committed_residues
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_names {
    ({} $($tier:ident :: $law:ident)*) => { &[$(stringify!($law)),*] };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    ({ $backend:ty } $($tier:ident :: $law:ident)*) => {
        vec![$((stringify!($law), laws::$tier::$law as Law<$backend>)),*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ $name:ident, $backend:expr } $($tier:ident :: $law:ident)*) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $law() {
                    $crate::conformance::run(
                        stringify!($law),
                        || $backend,
                        $crate::conformance::laws::$tier::$law,
                    );
                }
            )*
        }
    };
}

/// One `#[test]` for each law, in a module: `suite! { mod plain, backend = open() }`.
///
/// The expression has type `Result<B, Skip>` with `B: Backend`; each test evaluates it anew, so
/// that tests do not share a memory pool.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    (mod $name:ident, backend = $backend:expr $(,)?) => {
        $crate::__conformance_laws! { __conformance_tests { $name, $backend } }
    };
}

/// The names of all laws, in the order they are run.
pub const LAWS: &[&str] = crate::__conformance_laws! { __conformance_names {} };

/// All laws with their names, to run them without the test harness.
pub fn table<B: Backend>() -> Vec<(&'static str, Law<B>)> {
    crate::__conformance_laws! { __conformance_table { B } }
}
