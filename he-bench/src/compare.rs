//! Two files of records side by side.

use crate::record::Record;
use std::fmt;

/// Changes below this share of the median are noise on any machine that does other work too.
const FLOOR: f64 = 0.02;

/// What became of one benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Slower by more than the spread of both records.
    Slower,
    /// Faster by more than the spread of both records.
    Faster,
    /// Within the spread.
    Same,
}

/// One benchmark in both files.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Id, parameter set, threads.
    pub name: String,
    /// Medians in nanoseconds.
    pub medians: (u64, u64),
    /// New median over old.
    pub ratio: f64,
    /// Relative spread of both records together, at least 2 %.
    pub spread: f64,
    /// What became of it.
    pub change: Change,
}

/// All benchmarks of two files.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Those in both, in the order of the new file.
    pub rows: Vec<Row>,
    /// Names of those in one file only.
    pub unmatched: Vec<String>,
}

impl Comparison {
    /// Matches records by id, parameter set and number of threads.
    pub fn new(old: &[Record], new: &[Record]) -> Self {
        let find =
            |among: &[Record], r: &Record| among.iter().find(|x| name(x) == name(r)).cloned();
        let rows = new
            .iter()
            .filter_map(|n| Some(row(&find(old, n)?, n)))
            .collect();
        let missing = |from: &[Record], other: &[Record], which: &str| -> Vec<String> {
            from.iter()
                .filter(|r| find(other, r).is_none())
                .map(|r| format!("{} ({which} only)", name(r)))
                .collect()
        };
        let mut unmatched = missing(old, new, "old");
        unmatched.extend(missing(new, old, "new"));
        Self { rows, unmatched }
    }

    /// Number of benchmarks that got slower.
    pub fn slower(&self) -> usize {
        self.rows
            .iter()
            .filter(|r| r.change == Change::Slower)
            .count()
    }
}

fn name(r: &Record) -> String {
    format!("{} {} {}t", r.id, r.params, r.threads)
}

fn row(old: &Record, new: &Record) -> Row {
    let ratio = new.median_ns as f64 / old.median_ns.max(1) as f64;
    let spread = old.spread().hypot(new.spread()).max(FLOOR);
    let change = if ratio > 1.0 + spread {
        Change::Slower
    } else if ratio < 1.0 / (1.0 + spread) {
        Change::Faster
    } else {
        Change::Same
    };
    Row {
        name: name(new),
        medians: (old.median_ns, new.median_ns),
        ratio,
        spread,
        change,
    }
}

/// Records as rows of a Markdown table, as BENCHMARKS.md has them.
pub fn table(records: &[Record]) -> String {
    let mut text = String::from("| id | set | threads | median | min | spread | samples |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for r in records {
        let (median, min) = (duration(r.median_ns), duration(r.min_ns));
        let (id, params, threads, samples) = (&r.id, &r.params, r.threads, r.samples);
        let spread = 100.0 * r.spread();
        text.push_str(&format!(
            "| `{id}` | `{params}` | {threads} | {median} | {min} | {spread:.1} % | {samples} |\n"
        ));
    }
    text
}

/// A time in the unit that reads best.
pub fn duration(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        _ if ns < 1e3 => format!("{ns:.0} ns"),
        _ if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        _ if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        _ => format!("{:.3} s", ns / 1e9),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .rows
            .iter()
            .map(|r| r.name.len())
            .max()
            .unwrap_or(0)
            .max(9);
        writeln!(
            f,
            "{:width$} {:>11} {:>11} {:>7} {:>8}",
            "benchmark", "old", "new", "ratio", "spread"
        )?;
        for r in &self.rows {
            let mark = match r.change {
                Change::Slower => "  SLOWER",
                Change::Faster => "  faster",
                Change::Same => "",
            };
            let (old, new) = (duration(r.medians.0), duration(r.medians.1));
            let (name, ratio, spread) = (&r.name, r.ratio, 100.0 * r.spread);
            writeln!(
                f,
                "{name:width$} {old:>11} {new:>11} {ratio:>7.3} {spread:>6.1} %{mark}"
            )?;
        }
        for name in &self.unmatched {
            writeln!(f, "{name}")?;
        }
        write!(
            f,
            "{} of {} got slower by more than the spread",
            self.slower(),
            self.rows.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Origin;

    fn record(id: &str, median_ns: u64, half: u64) -> Record {
        let origin = Origin {
            commit: "c".into(),
            cpu: "p".into(),
            date: "d".into(),
        };
        Record {
            id: id.into(),
            params: "set".into(),
            threads: 1,
            samples: 9,
            median_ns,
            min_ns: median_ns - half,
            q1_ns: median_ns - half,
            q3_ns: median_ns + half,
            backend: "cpu".into(),
            origin,
        }
    }

    /// Quartiles 10 % apart on both sides give a spread of 14 %: 10 % slower is noise, 20 % is not.
    #[test]
    fn a_change_must_exceed_the_spread() {
        let old = [
            record("a", 1000, 50),
            record("b", 1000, 50),
            record("c", 1000, 50),
        ];
        let new = [
            record("a", 1100, 55),
            record("b", 1200, 60),
            record("c", 700, 35),
        ];
        let changes: Vec<_> = Comparison::new(&old, &new)
            .rows
            .iter()
            .map(|r| r.change)
            .collect();
        assert_eq!(changes, [Change::Same, Change::Slower, Change::Faster]);
    }

    #[test]
    fn a_table_has_a_row_for_each_record() {
        let text = table(&[record("a", 1_500_000, 30_000), record("b", 999, 0)]);
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| `a` | `set` | 1 | 1.50 ms | 1.47 ms | 4.0 % | 9 |",
                "| `b` | `set` | 1 | 999 ns | 999 ns | 0.0 % | 9 |"
            ]
        );
    }

    #[test]
    fn records_of_one_file_only_are_named() {
        let comparison = Comparison::new(&[record("a", 10, 0)], &[record("b", 10, 0)]);
        assert!(comparison.rows.is_empty());
        assert_eq!(
            comparison.unmatched,
            ["a set 1t (old only)", "b set 1t (new only)"]
        );
    }
}
