//! What the documentation of a public function says of its signature.

use super::Fault;
use crate::rust_source::{Function, public_functions};
use crate::workspace::SourceFile;

/// Words that say what a block holds.
const SHAPE: [&str; 7] = [
    "# Contract",
    "rows",
    "row",
    "limbs",
    "limb",
    "basis",
    "shape",
];

/// Public functions that do not say when they fail, or at which level and scale they work.
pub fn faults(file: &SourceFile) -> Vec<Fault> {
    let functions = public_functions(&file.text);
    functions
        .iter()
        .flat_map(|function| {
            let fault = |check, what: &str| {
                let what = format!("`{}` {what}", function.name);
                Fault::new(check, &file.path, function.line, &what)
            };
            let errors = (is_fallible(function) && !function.docs.contains("# Errors"))
                .then(|| fault("errors", "returns a Result and has no section `# Errors`"));
            let attributes = missing(function).map(|what| fault("attributes", what));
            errors.into_iter().chain(attributes)
        })
        .collect()
}

/// Whether a function returns a `Result`, by whatever path, or this crate's `Outcome`.
fn is_fallible(function: &Function) -> bool {
    let head = function.returns.split(['<', ' ']).next().unwrap_or("");
    let last = head.rsplit("::").next().unwrap_or("");
    last.ends_with("Result") || last == "Outcome"
}

/// What the documentation lacks of the attributes of ciphertexts and blocks.
fn missing(function: &Function) -> Option<&'static str> {
    let signature = words(&function.signature);
    let lower = function.docs.to_lowercase();
    let docs = words(&lower);
    let says = |word: &str| {
        docs.iter()
            .any(|w| *w == word || w.strip_suffix('s') == Some(word))
    };
    if signature.contains(&"Ciphertext") && !(says("level") && says("scale")) {
        return Some("works on ciphertexts and does not name both level and scale");
    }
    let of_backend = ["Self::Block", "B::Block"];
    let block = of_backend.iter().any(|b| function.signature.contains(b));
    let shaped = SHAPE
        .iter()
        .any(|word| says(word) || function.docs.contains("# Contract"));
    (block && !shaped).then_some("works on blocks and names neither rows nor limbs nor basis")
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(text: &str) -> Vec<&'static str> {
        let file = SourceFile {
            path: "he-linalg/src/x.rs".into(),
            text: text.into(),
        };
        faults(&file).into_iter().map(|f| f.check).collect()
    }

    #[test]
    fn fallible_functions_say_when_they_fail() {
        assert_eq!(
            checks("/// Opens.\npub fn open() -> Result<()> {\n"),
            ["errors"]
        );
        assert_eq!(
            checks("pub fn open() -> std::io::Result<()> {\n"),
            ["errors"]
        );
        let said = "/// Opens.\n///\n/// # Errors\n///\n/// When shut.\n#[must_use]\n";
        assert!(checks(&format!("{said}pub fn open() -> Result<()> {{\n")).is_empty());
        assert!(checks("pub(crate) fn open() -> Result<()> {\n").is_empty());
        assert!(
            checks("pub fn map(f: impl Fn() -> Result<()>) -> Option<Result<()>> {\n").is_empty()
        );
        assert_eq!(
            checks("pub trait Door {\n    /// Opens.\n    fn open(&self) -> Result<()>;\n}\n"),
            ["errors"]
        );
        assert!(checks("trait Door {\n    fn open(&self) -> Result<()>;\n}\n").is_empty());
        assert!(
            checks("#[cfg(test)]\nmod tests {\n    pub fn open() -> Result<()> {}\n}\n").is_empty()
        );
    }

    #[test]
    fn functions_on_ciphertexts_name_level_and_scale() {
        let function = "pub fn double<B: Backend>(x: &Ciphertext<B>) -> Ciphertext<B> {\n";
        assert_eq!(checks(function), ["attributes"]);
        assert_eq!(
            checks(&format!("/// At the level of `x`.\n{function}")),
            ["attributes"]
        );
        assert!(
            checks(&format!(
                "/// Level and scale are those of `x`.\n{function}"
            ))
            .is_empty()
        );
        let block = "pub fn double(x: &B::Block) -> B::Block {\n";
        assert_eq!(checks(block), ["attributes"]);
        assert!(checks(&format!("/// Rows and basis are those of `x`.\n{block}")).is_empty());
    }
}
