//! Every kernel states a contract and names a law that the conformance suite runs.

use crate::Outcome;
use crate::rust_source::{Method, trait_methods};
use crate::workspace::{SourceFile, rust_files};

/// Checks `ckks-math/src/backend` against `ckks-math/src/conformance`.
///
/// A kernel is a method of a trait `..Kernels` that takes or returns a block. A law is a function
/// below `conformance/laws` that the list in `conformance/suite.rs` names.
///
/// # Errors
///
/// When a kernel lacks its contract, or a contract its law.
pub fn run() -> Outcome {
    let mut methods = Vec::new();
    for file in rust_files("ckks-math/src/backend")? {
        methods.extend(trait_methods(&file.text));
    }
    let conformance = rust_files("ckks-math/src/conformance")?;
    let faults = faults(&methods, &conformance);
    for fault in &faults {
        println!("{fault}");
    }
    let named = methods.iter().filter(|m| !laws_of(m).is_empty()).count();
    println!("contracts: {named} of {} methods name a law", methods.len());
    match faults.len() {
        0 => Ok(()),
        count => Err(format!(
            "{count} faults in the contracts: see ckks-math/src/backend"
        )),
    }
}

fn faults(methods: &[Method], conformance: &[SourceFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for method in methods {
        let name = format!("{}::{}", method.of, method.name);
        let laws = laws_of(method);
        let contract = method.docs.contains("# Contract");
        if is_kernel(method) && !contract {
            faults.push(format!("{name} has no `# Contract`"));
        }
        if contract && laws.is_empty() {
            faults.push(format!("{name}: its contract names no law (law: `name`)"));
        }
        for law in laws {
            let definition = format!("fn {law}");
            let defined = conformance.iter().any(|file| {
                file.path.components().any(|c| c.as_os_str() == "laws")
                    && has_word(&file.text, &definition)
            });
            let listed = conformance
                .iter()
                .any(|file| file.path.ends_with("suite.rs") && has_word(&file.text, law));
            if !defined {
                faults.push(format!("{name}: no law is defined as `{law}`"));
            } else if !listed {
                faults.push(format!("{name}: the suite does not list `{law}`"));
            }
        }
    }
    faults
}

fn is_kernel(method: &Method) -> bool {
    method.of.ends_with("Kernels") && method.signature.contains("Self::Block")
}

/// The names in backquotes after each `law:`.
fn laws_of(method: &Method) -> Vec<&str> {
    let after = method.docs.split("law:").skip(1);
    after.filter_map(|rest| rest.split('`').nth(1)).collect()
}

/// Whether `word` stands in a text with no word character behind it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let behind = text[at + word.len()..].chars().next();
        !behind.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(docs: &str) -> Method {
        Method {
            of: "RingKernels".into(),
            name: "ntt".into(),
            docs: docs.into(),
            signature: "fn ntt(x: &Self::Block)".into(),
            required: true,
        }
    }

    fn suite() -> Vec<SourceFile> {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
        };
        vec![
            file(
                "conformance/laws/kernels.rs",
                "pub fn known(b: &B) {}\npub fn unlisted() {}",
            ),
            file("conformance/suite.rs", "known,"),
        ]
    }

    #[test]
    fn a_kernel_needs_a_contract_with_a_law_that_runs() {
        for (docs, complaint) in [
            ("# Contract\nlaw: `known`", None),
            ("Transforms.", Some("has no `# Contract`")),
            ("# Contract\nexact", Some("names no law")),
            ("# Contract\nlaw: `know`", Some("no law is defined")),
            ("# Contract\nlaw: `unlisted`", Some("does not list")),
        ] {
            let found = faults(&[method(docs)], &suite());
            match complaint {
                None => assert!(found.is_empty(), "{found:?}"),
                Some(words) => assert!(found[0].contains(words), "{found:?}"),
            }
        }
    }
}
