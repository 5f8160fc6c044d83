//! Numbers of faults that are admitted for now: they may only fall.

use super::Fault;
use crate::Outcome;
use crate::workspace::root;
use std::collections::BTreeMap;
use std::path::PathBuf;

const HEAD: &str = "\
# Faults that `cargo xtask contracts` admits: check, crate, number. They may only fall;
# `cargo xtask contracts --lower` writes what is left.
";

/// Numbers of faults by check and crate; those of none are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debts(BTreeMap<(String, String), usize>);

impl Debts {
    /// Those of the workspace.
    ///
    /// # Errors
    ///
    /// When the file is missing or a line is not `check crate number`.
    pub fn read() -> Result<Self, String> {
        let path = path();
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut debts = BTreeMap::new();
        for line in text
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let wrong = || format!("xtask/debts: {line:?} is not `check crate number`");
            let words: Vec<&str> = line.split_whitespace().collect();
            let [check, room, count] = words[..] else {
                return Err(wrong());
            };
            let count = count.parse().map_err(|_| wrong())?;
            debts.insert((check.to_owned(), room.to_owned()), count);
        }
        Ok(Self(debts))
    }

    /// Counts faults.
    pub fn of(faults: &[Fault]) -> Self {
        let mut debts = BTreeMap::new();
        for fault in faults {
            let key = (fault.check.to_owned(), fault.room.clone());
            *debts.entry(key).or_insert(0) += 1;
        }
        Self(debts)
    }

    /// The number of one check and crate.
    pub fn count(&self, check: &str, room: &str) -> usize {
        let key = (check.to_owned(), room.to_owned());
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// Check, crate and number.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.0
            .iter()
            .map(|((c, r), n)| (c.as_str(), r.as_str(), *n))
    }

    /// The checks and crates with more faults in `found` than are admitted here.
    pub fn exceeded_by<'a>(&self, found: &'a Self) -> Vec<(&'a str, &'a str)> {
        let more = found.entries().filter(|(c, r, n)| *n > self.count(c, r));
        more.map(|(check, room, _)| (check, room)).collect()
    }

    /// `found`, which must not exceed these.
    ///
    /// # Errors
    ///
    /// When it does.
    pub fn lowered_to(&self, found: &Self) -> Result<Self, String> {
        match self.exceeded_by(found).first() {
            None => Ok(found.clone()),
            Some((check, room)) => Err(format!(
                "{room} has {} faults of `{check}`, more than the {} admitted",
                found.count(check, room),
                self.count(check, room)
            )),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self) -> Outcome {
        let lines = self.entries().map(|(c, r, n)| format!("{c} {r} {n}\n"));
        let text: String = std::iter::once(HEAD.to_owned()).chain(lines).collect();
        let path = path();
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    }
}

fn path() -> PathBuf {
    root().join("xtask/debts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debts_may_only_fall() {
        let admitted = Debts::parse("# head\nerrors a 2\nwidth b 1\n").expect("three words a line");
        let fewer = Debts::parse("errors a 1\n").expect("the same");
        assert!(admitted.exceeded_by(&fewer).is_empty());
        assert_eq!(admitted.lowered_to(&fewer), Ok(fewer.clone()));
        assert_eq!(
            fewer.exceeded_by(&admitted),
            [("errors", "a"), ("width", "b")]
        );
        assert!(fewer.lowered_to(&admitted).is_err());
        assert!(Debts::parse("errors a\n").is_err());
        assert!(Debts::parse("errors a many\n").is_err());
    }
}
