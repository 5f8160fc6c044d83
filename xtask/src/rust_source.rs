//! As much of Rust's syntax as the checks need: methods of traits, words of code.
//!
//! Made for files that rustfmt has laid out; comments and string literals are told apart, nothing
//! else is parsed.

/// A method declared in a trait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// The trait.
    pub of: String,
    /// Its own name.
    pub name: String,
    /// Its documentation, one line after the other.
    pub docs: String,
    /// The text from `fn` to the body or the semicolon.
    pub signature: String,
    /// Whether it has no body.
    pub required: bool,
}

/// The methods of all traits of a file, in their order.
pub fn trait_methods(text: &str) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    let (mut of, mut docs) = (String::new(), String::new());
    let mut open: Option<Method> = None;
    let mut depth = 0;
    for line in text.lines() {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc.trim());
            docs.push('\n');
            continue;
        }
        let code = code_of(line);
        if code.is_empty() {
            continue;
        }
        if depth == 0 {
            of = trait_name(&code).unwrap_or_default();
        }
        if depth == 1 && !of.is_empty() && open.is_none() && code.starts_with("fn ") {
            let name = code[3..]
                .split(|c: char| !is_word(c))
                .next()
                .unwrap_or_default();
            let docs = std::mem::take(&mut docs);
            open = Some(Method {
                of: of.clone(),
                name: name.into(),
                docs,
                ..Method::default()
            });
        }
        if let Some(mut method) = open.take() {
            let end = code.find(['{', ';']);
            method
                .signature
                .push_str(&code[..end.unwrap_or(code.len())]);
            method.signature.push(' ');
            match end {
                Some(at) => {
                    method.required = code[at..].starts_with(';');
                    methods.push(method);
                }
                None => open = Some(method),
            }
        }
        depth += code.matches('{').count();
        depth = depth.saturating_sub(code.matches('}').count());
        if !code.starts_with("#[") {
            docs.clear();
        }
    }
    methods
}

/// Lines of code and how often a word stands in them, comments and strings left out.
pub fn count_word(text: &str, word: &str) -> usize {
    text.lines()
        .map(|line| code_of(line.trim()))
        .map(|code| {
            code.split(|c: char| !is_word(c))
                .filter(|w| *w == word)
                .count()
        })
        .sum()
}

fn trait_name(code: &str) -> Option<String> {
    let rest = code
        .strip_prefix("pub ")
        .unwrap_or(code)
        .strip_prefix("trait ")?;
    rest.split(|c: char| !is_word(c)).next().map(str::to_owned)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A line without its comment and without what stands in its string literals.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut rest = line.chars().peekable();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted => drop(rest.next()),
            '"' => quoted = !quoted,
            _ if quoted => {}
            '/' if rest.peek() == Some(&'/') => break,
            // A character literal of a quote or a brace.
            '\'' if matches!(rest.peek(), Some('"' | '{' | '}')) => {
                rest.nth(1);
            }
            _ => code.push(c),
        }
    }
    code.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        /// A device { with braces in its doc }.
        pub trait Device: Clone {
            /// The block.
            type Block;
            /// First.
            ///
            /// law: `one`
            fn first(&self) -> Result<()>;
            /// Second.
            fn second(
                &self,
                x: &Self::Block,
            ) -> Result<Self::Block> {
                let text = "fn not_a_method() {";
                inner(|y| { y }, text)
            }
        }
        impl Device for Cpu {
            fn first(&self) -> Result<()> { Ok(()) }
        }
        fn free() {}
    "#;

    #[test]
    fn methods_of_traits_are_found_with_their_docs() {
        let methods = trait_methods(SOURCE);
        let names: Vec<_> = methods
            .iter()
            .map(|m| (m.name.as_str(), m.required))
            .collect();
        assert_eq!(names, [("first", true), ("second", false)]);
        assert_eq!(methods[0].docs, "First.\n\nlaw: `one`\n");
        assert!(methods[1].signature.contains("Self::Block"));
        assert!(methods.iter().all(|m| m.of == "Device"));
    }

    #[test]
    fn words_are_counted_in_code_only() {
        let text = "// where\nimpl<T> X for Y<T> where T: Z { } // where\nlet nowhere = \"where\";";
        assert_eq!(count_word(text, "where"), 1);
    }
}
