//! Codes: one for each variant, unique, in kebab case.

/// The names of the variants of an enum and the codes that its `code` gives, read from a source.
fn variants_and_codes(source: &str, name: &str) -> (Vec<String>, Vec<(String, String)>) {
    let body = source
        .split(&format!("pub enum {name} {{"))
        .nth(1)
        .expect("the enum");
    let body = body.split("\n}\n").next().expect("its end");
    let variants = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase))
        .map(|line| line.split([' ', '(', ',']).next().unwrap_or("").to_owned())
        .collect();
    let codes = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::"))
        .filter_map(|line| line.split_once(" => \""))
        .map(|(variant, code)| {
            let variant = variant.split([' ', '(']).next().unwrap_or("");
            (variant.to_owned(), code.trim_end_matches("\",").to_owned())
        })
        .collect();
    (variants, codes)
}

/// The compiler checks that every variant has a code; here that no two share one, that all are
/// kebab case, and that the codes are those published: a code that changes breaks programs.
#[test]
fn every_variant_has_a_code_of_its_own() {
    let (errors, own) = variants_and_codes(include_str!("error.rs"), "Error");
    let (faults, wire) = variants_and_codes(include_str!("wire/fault.rs"), "WireFault");
    assert!(
        errors.len() > 25 && faults.len() > 10,
        "{errors:?} {faults:?}"
    );
    // All but `Wire`, whose codes are those of its fault.
    assert_eq!(own.len(), errors.len() - 1, "{own:?}");
    assert_eq!(wire.len(), faults.len(), "{wire:?}");
    let mut codes = Vec::new();
    for (variant, code) in own.iter().chain(&wire) {
        assert!(
            errors.contains(variant) || faults.contains(variant),
            "{variant}"
        );
        let words = code.split('-');
        let mut letters = words.map(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
        assert!(letters.all(|good| good), "{code}");
        codes.push(code);
    }
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), count, "{codes:?}");
}

#[test]
fn codes_reach_through_the_wire_format() {
    let fault = crate::wire::WireFault::Flags { found: 1 };
    let object = "ciphertext";
    let error = super::Error::Wire { object, fault };
    assert_eq!(error.code(), "wire-flags");
    let sampling = crate::sampling::SamplingError::Length { length: 3 };
    assert_eq!(super::Error::from(sampling).code(), "sampling");
}
