//! As much of Rust's syntax as the checks need: functions, comments, words of code.
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

/// A public function, or a method of a public trait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Line of its `fn`, from 1 on.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its documentation, one line after the other.
    pub docs: String,
    /// The text from `fn` to the body or the semicolon.
    pub signature: String,
    /// The type behind its arrow, empty without one.
    pub returns: String,
}

/// The public functions of a file outside its modules of tests, in their order.
pub fn public_functions(text: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    let mut docs = String::new();
    let (mut tests, mut of_trait) = (None, None);
    let mut configured = false;
    let mut attribute = 0;
    let mut open: Option<Function> = None;
    for (at, full) in text.lines().enumerate() {
        let indent = full.len() - full.trim_start().len();
        let line = full.trim();
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc.trim());
            docs.push('\n');
            continue;
        }
        let code = code_of(line);
        if code.is_empty() {
            continue;
        }
        if tests.is_some_and(|of| indent > of) {
            continue;
        }
        tests = None;
        // Attributes stand between documentation and function, on several lines at times.
        if attribute > 0 || code.starts_with("#[") {
            attribute += code.matches('[').count();
            attribute -= code.matches(']').count().min(attribute);
            configured |= code == "#[cfg(test)]";
            continue;
        }
        if std::mem::take(&mut configured) && code.starts_with("mod ") && code.ends_with('{') {
            tests = Some(indent);
            continue;
        }
        if code.starts_with("pub trait ") {
            of_trait = Some(indent);
        } else if of_trait == Some(indent) && code.starts_with('}') {
            of_trait = None;
        }
        if open.is_none() {
            let own = of_trait.is_some_and(|of| indent == of + 4);
            if let Some(name) = function_name(&code, own) {
                open = Some(Function {
                    line: at + 1,
                    name: name.into(),
                    docs: std::mem::take(&mut docs),
                    ..Function::default()
                });
            }
        }
        if let Some(mut function) = open.take() {
            let end = body_or_semicolon(&code);
            function.signature += &code[..end.unwrap_or(code.len())];
            function.signature.push(' ');
            if end.is_some() {
                function.returns = returned(&function.signature).into();
                functions.push(function);
            } else {
                open = Some(function);
            }
        }
        docs.clear();
    }
    functions
}

/// Where the body or the semicolon of a signature is; one within an array's type is none.
fn body_or_semicolon(code: &str) -> Option<usize> {
    let mut brackets = 0_i32;
    code.char_indices().find_map(|(at, c)| {
        brackets += i32::from(c == '[') - i32::from(c == ']');
        (c == '{' || c == ';' && brackets == 0).then_some(at)
    })
}

/// The name of the function that a line of code begins; one of a public trait needs no `pub`.
fn function_name(code: &str, of_trait: bool) -> Option<&str> {
    let mut rest = match code.strip_prefix("pub ") {
        Some(rest) => rest,
        None if of_trait => code,
        None => return None,
    };
    for qualifier in ["const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(qualifier).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?
        .split(|c: char| !is_word(c))
        .next()
}

/// What stands behind the arrow of a signature.
fn returned(signature: &str) -> &str {
    let (mut depth, mut before) = (0_i32, ' ');
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '<' | '[' => depth += 1,
            '>' if before == '-' && depth == 0 => {
                let rest = signature[at + 1..].trim();
                return rest.split(" where ").next().unwrap_or(rest).trim();
            }
            '>' if before == '-' => {}
            ')' | '>' | ']' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    ""
}

/// The comments of a file, adjacent lines joined by spaces, each with its first line, from 1 on.
pub fn comments(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut follows = false;
    for (at, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            follows = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim();
        match all.last_mut() {
            Some((_, text)) if follows => {
                text.push(' ');
                text.push_str(comment);
            }
            _ => all.push((at + 1, comment.to_owned())),
        }
        follows = true;
    }
    all
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

    #[test]
    fn public_functions_are_found_with_docs_and_types() {
        let text = r#"            /// Opens {a door}.
            #[expect(
                lint,
                reason = "why"
            )]
            pub const fn open<F: Fn(u8) -> Result<()>>(
                f: F,
            ) -> std::result::Result<Door, E>
            where
                F: Send,
            {
            }
            fn private() {}
            impl X {
                /// Shuts.
                pub fn shut(&self) {}
            }
            #[cfg(test)]
            mod tests {
                pub fn hidden() {}
            }
            /// Last.
            pub unsafe fn last() -> [u8; 4] {}
            "#;
        let found = public_functions(text);
        let seen: Vec<_> = found
            .iter()
            .map(|f| (f.line, f.name.as_str(), f.docs.trim(), f.returns.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (6, "open", "Opens {a door}.", "std::result::Result<Door, E>"),
                (16, "shut", "Shuts.", ""),
                (23, "last", "Last.", "[u8; 4]"),
            ]
        );
    }

    #[test]
    fn lines_of_a_comment_are_joined() {
        let text = "//! One\n//! two.\n\nfn x() {} // behind\n    // Three\n    // four.\n";
        assert_eq!(
            comments(text),
            [(1, "One two.".into()), (5, "Three four.".into())]
        );
    }
}
