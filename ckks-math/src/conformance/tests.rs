//! The suite holds for a correct backend and catches planted faults.

use super::naive::{Fault, Naive};
use super::{DefaultsOnly, LAWS, Law, Skip, table};
use crate::backend::Backend;
use crate::backend::dry_run::{DryRun, Operation};

crate::conformance::suite! { mod plain, backend = Ok::<_, Skip>(Naive::new(None, false)) }
crate::conformance::suite! { mod poisoned, backend = Ok::<_, Skip>(Naive::new(None, true)) }
crate::conformance::suite! {
    mod defaults,
    backend = Ok::<_, Skip>(DefaultsOnly(Naive::new(None, false)))
}

/// The law of a name.
fn law<B: Backend>(name: &str) -> Law<B> {
    let found = table::<B>().into_iter().find(|(law, _)| *law == name);
    found.expect("a law of the list").1
}

/// Each planted fault breaks the law that names its subject.
#[test]
fn planted_faults_are_caught() {
    let planted = [
        (Fault::UploadRepeatsFirstRow, "upload_then_download"),
        (Fault::DuplicateLost, "duplicate_is_independent"),
        (Fault::MemoryLeaks, "memory_returns_after_drop"),
        (Fault::LimitsIgnored, "tables_respect_limits"),
        (Fault::NttNaturalOrder, "ntt_evaluates_at_the_roots"),
        (Fault::InverseNotScaled, "intt_inverts_ntt"),
        (Fault::LimbsByPosition, "pointwise_matches_integers"),
        (
            Fault::NoBroadcastInPermutation,
            "pointwise_matches_integers",
        ),
        (Fault::SubReversed, "pointwise_matches_integers"),
        (
            Fault::AccumulateForgets,
            "multiply_accumulate_matches_integers",
        ),
        (Fault::OffsetAllRows, "constants_match_integers"),
        (Fault::RowsUnchecked, "misshapen_operands_are_refused"),
        (Fault::CombineSkipsLast, "constants_match_integers"),
        (Fault::InverseGalois, "automorphism_substitutes"),
        (Fault::RestrictFromFirstRow, "restrict_and_stack_move_rows"),
        (Fault::QuotientFloors, "base_conversion_follows_its_formula"),
        (Fault::QuotientFloors, "digits_lift_their_limbs"),
        (Fault::QuotientFloors, "mod_down_divides_by_p"),
        (Fault::QuotientFloors, "rescale_divides_by_the_last_primes"),
        (
            Fault::QuotientInFloat,
            "base_conversion_follows_its_formula",
        ),
        (
            Fault::CommonLimbsZeroed,
            "base_conversion_follows_its_formula",
        ),
        (Fault::SkipsLastDigit, "dot_key_matches_integers"),
        (Fault::SkipsLastDigit, "key_switch_decrypts_alike"),
        (Fault::KeyLimbsByPosition, "dot_key_matches_integers"),
        (Fault::KeyHalvesSwapped, "dot_key_matches_integers"),
        (Fault::KeyHalvesSwapped, "key_switch_decrypts_alike"),
        (Fault::GemmUnsigned, "gemm_matches_integers"),
        (Fault::GemmTransposed, "gemm_matches_integers"),
        (Fault::AddRowsOverride, "rows_add_and_tensor"),
        (Fault::TensorOverride, "rows_add_and_tensor"),
        (Fault::NeighboursOverride, "neighbours_are_added"),
        (Fault::EmbedOverride, "embedding_equals_upload_and_ntt"),
        (
            Fault::EmbedCompactOverride,
            "compact_polynomials_multiply_as_embedded_ones",
        ),
        (
            Fault::SumProductsOverride,
            "compact_polynomials_multiply_as_embedded_ones",
        ),
        (
            Fault::DecomposeOverride,
            "decompose_equals_its_default_body",
        ),
        (Fault::DecomposeOverride, "digits_lift_their_limbs"),
        (Fault::ModDownOverride, "mod_down_equals_its_default_body"),
        (Fault::ModDownOverride, "mod_down_divides_by_p"),
        (Fault::RescaleOverride, "rescale_equals_its_default_body"),
        (Fault::RescaleOverride, "rescale_divides_by_the_last_primes"),
        (Fault::AddScaledOverride, "scaled_rows_add_on_their_limbs"),
        (
            Fault::ModDownAndRescaleOverride,
            "mod_down_and_rescale_divides_once",
        ),
        (
            Fault::KeyProductOverride,
            "key_product_equals_its_default_body",
        ),
        (
            Fault::KeySwitchOverride,
            "key_switch_equals_its_default_body",
        ),
        (Fault::KeySwitchOverride, "key_switch_decrypts_alike"),
        (
            Fault::PermutedOverride,
            "dot_key_permuted_equals_its_default_body",
        ),
        (Fault::PermutedOverride, "hoisted_equals_switch_of_permuted"),
        (Fault::EmbedOverride, "encryption_round_trips"),
        (Fault::SumProductsOverride, "transforms_match_the_clear"),
        (Fault::AddRowsOverride, "sums_match_the_clear"),
        (Fault::TensorOverride, "products_match_the_clear"),
        (Fault::RescaleOverride, "levels_and_scales_align"),
        (Fault::InverseGalois, "rotations_match_the_clear"),
        (Fault::PermutedOverride, "transforms_match_the_clear"),
        (Fault::KeyHalvesSwapped, "polynomials_match_the_clear"),
    ];
    for (fault, name) in planted {
        let mut backend = Naive::new(Some(fault), false);
        if fault == Fault::LimitsIgnored {
            backend.max_modulus_bits = 50;
        }
        assert!(
            law(name)(&backend).is_err(),
            "{fault:?} is not caught by {name}"
        );
    }
}

/// Accumulating into memory that was not cleared shows in the poisoned run and only there.
#[test]
fn fresh_memory_shows_when_poisoned() {
    let fault = Some(Fault::AccumulatesIntoFresh);
    for name in [
        "dot_key_matches_integers",
        "hoisted_equals_switch_of_permuted",
    ] {
        assert!(law(name)(&Naive::new(fault, false)).is_ok(), "{name}");
        assert!(law(name)(&Naive::new(fault, true)).is_err(), "{name}");
    }
}

/// Faulty overrides vanish behind `DefaultsOnly`: it forwards required methods only.
#[test]
fn defaults_only_hides_overrides() {
    for (fault, name) in [
        (Fault::AddRowsOverride, "rows_add_and_tensor"),
        (Fault::TensorOverride, "rows_add_and_tensor"),
        (Fault::EmbedOverride, "embedding_equals_upload_and_ntt"),
        (
            Fault::EmbedCompactOverride,
            "compact_polynomials_multiply_as_embedded_ones",
        ),
        (
            Fault::SumProductsOverride,
            "compact_polynomials_multiply_as_embedded_ones",
        ),
        (Fault::DecomposeOverride, "digits_lift_their_limbs"),
        (Fault::ModDownOverride, "mod_down_divides_by_p"),
        (Fault::RescaleOverride, "rescale_divides_by_the_last_primes"),
        (Fault::KeySwitchOverride, "key_switch_decrypts_alike"),
        (Fault::PermutedOverride, "hoisted_equals_switch_of_permuted"),
    ] {
        let backend = Naive::new(Some(fault), false);
        assert!(law(name)(&backend).is_err(), "{fault:?}");
        let verdict = law(name)(&DefaultsOnly(backend));
        assert!(verdict.is_ok(), "{fault:?}: {verdict:?}");
    }
}

/// The dry run keeps the laws that read no residues, and admits a circuit through all kernels.
#[test]
fn dry_run_admits_the_circuits() {
    let dry = DryRun::default();
    for name in ["memory_returns_after_drop", "tables_respect_limits"] {
        let verdict = law(name)(&dry);
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
    }
    let before = dry.counts();
    let verdict = law("fixed_circuit_gives_the_committed_residues")(&dry);
    let violation = verdict.expect_err("a dry run has no residues").to_string();
    assert!(violation.contains("the residues hash to"), "{violation}");
    let work = dry.counts() - &before;
    // One call, and one hoisted product of two polynomials.
    assert_eq!(work.operation(Operation::KeySwitch).calls, 1);
    assert_eq!(work.operation(Operation::DotKeyPermuted).calls, 1);
    assert_eq!(work.key_switches(), 4);
}

/// A backend of short words runs the families it admits.
#[test]
fn short_words_pass() {
    let mut backend = Naive::new(None, false);
    backend.max_modulus_bits = 31;
    for (name, law) in table::<Naive>() {
        let verdict = law(&backend);
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
    }
}

/// Every `law:` of a contract is a law of the suite, and no name stands twice.
#[test]
fn contracts_name_laws_that_exist() {
    let sources = [
        include_str!("../backend/device.rs"),
        include_str!("../backend/ring_kernels.rs"),
        include_str!("../backend/switch_kernels.rs"),
        include_str!("../backend/gemm.rs"),
    ];
    let mut named = 0;
    for source in sources {
        for rest in source.split("law: `").skip(1) {
            let law = rest.split('`').next().expect("a closing quote");
            assert!(
                LAWS.contains(&law),
                "a contract names {law}, which the suite lacks"
            );
            named += 1;
        }
    }
    assert!(named >= 15, "only {named} contracts name a law");
    let mut sorted = LAWS.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), LAWS.len());
}

#[test]
fn required_devices_forbid_skips() {
    let skip = Skip::new("cuda", "no device");
    assert!(skip.is_forbidden_by("cuda"));
    assert!(skip.is_forbidden_by("wgpu, cuda"));
    assert!(!skip.is_forbidden_by("wgpu"));
    assert!(!skip.is_forbidden_by(""));
    super::run(
        "any",
        || Err::<Naive, _>(Skip::new("none", "not made")),
        |_| Ok(()),
    );
}
