//! Citations are keys of docs/papers.md, in brackets: `[Garner 1959]`, `[Han-Ki 2020, Sec. 3]`.

use super::Fault;
use crate::rust_source::comments;
use crate::workspace::{SourceFile, files, root};
use std::path::Path;

/// Where the keys are.
const PAPERS: &str = "docs/papers.md";
/// Years that works of this field and its mathematics may be of.
const YEARS: std::ops::RangeInclusive<u32> = 1930..=2039;

/// Citations that are no keys, authors with a year outside brackets, and keys that nothing cites.
///
/// # Errors
///
/// When a file cannot be read.
pub fn faults(rust: &[SourceFile]) -> Result<Vec<Fault>, String> {
    let path = root().join(PAPERS);
    let papers = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let keys = keys(&papers);
    let mut cited = vec![false; keys.len()];
    let mut faults = Vec::new();
    for file in rust {
        for (line, text) in comments(&file.text) {
            for what in judge(&text, &keys, &mut cited, true) {
                faults.push(Fault::new("citations", &file.path, line, &what));
            }
        }
    }
    for file in files(".", &["md", "cu", "cuh", "wgsl"])? {
        if file.path == Path::new(PAPERS) {
            continue;
        }
        for what in judge(&file.text, &keys, &mut cited, false) {
            faults.push(Fault::new("citations", &file.path, 1, &what));
        }
    }
    let unused = keys.iter().zip(&cited).filter(|(_, cited)| !**cited);
    faults.extend(unused.map(|(key, _)| {
        let what = format!("nothing cites {key:?}");
        Fault::new("citations", Path::new(PAPERS), 1, &what)
    }));
    Ok(faults)
}

/// The first column of the table.
fn keys(papers: &str) -> Vec<&str> {
    let rows = papers.lines().filter_map(|l| l.strip_prefix("| "));
    let first = rows.filter_map(|row| row.split(" |").next());
    first.filter(|key| has_year(key)).collect()
}

/// What is wrong in a text; marks the keys that it cites. Prose outside brackets is judged if
/// `all`.
fn judge(text: &str, keys: &[&str], cited: &mut [bool], all: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut prose = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        prose.push_str(before);
        let Some((inside, behind)) = after.split_once(']') else {
            break;
        };
        rest = behind;
        // A link, an index or an interval.
        if !inside.starts_with(char::is_uppercase) || inside.contains('`') {
            prose.push_str(inside);
            continue;
        }
        for item in inside.split(';').map(str::trim).filter(|i| has_year(i)) {
            let found = keys.iter().position(|key| {
                let locator = item.strip_prefix(key);
                locator.is_some_and(|l| l.is_empty() || l.starts_with(','))
            });
            match found {
                Some(index) => cited[index] = true,
                None => wrong.push(format!("[{item}] is no key of {PAPERS}")),
            }
        }
    }
    prose.push_str(rest);
    if all {
        wrong.extend(loose(&prose));
    }
    wrong
}

/// Authors with a year that stand outside brackets.
fn loose(prose: &str) -> Vec<String> {
    let outside_code = prose.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = outside_code.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| {
        let author = pair[0].trim_start_matches(['(', '"']);
        let named = author.starts_with(|c: char| c.is_uppercase());
        (named || author == "al.") && is_year(pair[1])
    });
    pairs
        .map(|pair| {
            format!(
                "\"{} {}\": cite a key of {PAPERS} in brackets",
                pair[0], pair[1]
            )
        })
        .collect()
}

fn has_year(text: &str) -> bool {
    text.split_whitespace().any(is_year)
}

fn is_year(word: &str) -> bool {
    let digits = word.trim_matches(['(', ')', ',', '.', ';', ':', '"']);
    digits.len() == 4 && digits.parse().is_ok_and(|year| YEARS.contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_keys() {
        let papers = "| citation | work |\n|---|---|\n| Garner 1959 | Residues |\n| Cho et al. 2024 | Softmax |\n";
        let keys = keys(papers);
        assert_eq!(keys, ["Garner 1959", "Cho et al. 2024"]);
        let judge = |text| {
            let mut cited = [false; 2];
            let wrong = super::judge(text, &keys, &mut cited, true);
            (wrong.len(), cited)
        };
        assert_eq!(
            judge("digits [Garner 1959; Cho et al. 2024, Sec. 3]"),
            (0, [true, true])
        );
        assert_eq!(judge("digits [Garner 1960]"), (1, [false, false]));
        assert_eq!(judge("digits [Garner 1959 in short]"), (1, [false, false]));
        assert_eq!(judge("as Garner 1959 has it"), (1, [false, false]));
        assert_eq!(
            judge("as Cho et al. 2024 have it (Garner, 1959)"),
            (2, [false, false])
        );
        assert_eq!(
            judge("`x[0]` of [`Self`] in 2024, [0, 2000] and [2026-11-21]"),
            (0, [false, false])
        );
    }
}
