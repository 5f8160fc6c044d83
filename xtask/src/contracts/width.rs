//! Comments are at most 100 columns wide: rustfmt does not wrap them.

use super::Fault;
use crate::workspace::SourceFile;

/// Columns of a comment line.
const COLUMNS: usize = 100;

/// The comment lines that are too wide. Rows of tables and lines of one word cannot be wrapped.
pub fn faults(file: &SourceFile) -> Vec<Fault> {
    let wide = |(_, line): &(usize, &str)| {
        let text = line.trim_start();
        let Some(text) = text.strip_prefix("//") else {
            return false;
        };
        let text = text.trim_start_matches(['/', '!']).trim_start();
        let fixed = text.starts_with('|') || !text.trim_end().contains(' ');
        line.chars().count() > COLUMNS && !fixed
    };
    let lines = file.text.lines().enumerate().filter(wide);
    let fault = |(at, line): (usize, &str)| {
        let columns = line.chars().count();
        let what = format!("{columns} columns, {COLUMNS} are admitted");
        Fault::new("width", &file.path, at + 1, &what)
    };
    lines.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_comments_are_found_but_not_tables_and_code() {
        let words = "word ".repeat(25);
        let link = "x".repeat(120);
        let text = format!(
            "//! {words}\n    /// {words}\n// short\n//! | {words} |\nlet x = \"{words}\";\n// {link}\n"
        );
        let file = SourceFile {
            path: "xtask/src/x.rs".into(),
            text,
        };
        let found: Vec<String> = faults(&file).into_iter().map(|f| f.text).collect();
        assert_eq!(
            found,
            [
                "xtask/src/x.rs:1: 129 columns, 100 are admitted",
                "xtask/src/x.rs:2: 133 columns, 100 are admitted"
            ]
        );
    }
}
