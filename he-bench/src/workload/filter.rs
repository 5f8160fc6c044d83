//! Choosing benchmarks by id.

use super::IDS;
use crate::error::{Error, Result};

/// Chooses ids: one by its name, or all below a path such as `ntt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Option<String>);

impl Filter {
    /// The filter of a command line; none admits every id.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] when no id would pass.
    pub fn new(filter: Option<&str>) -> Result<Self> {
        let this = Self(filter.map(str::to_owned));
        match filter {
            Some(filter) if !IDS.iter().any(|id| this.admits(id)) => Err(Error::UnknownId {
                filter: filter.into(),
                known: IDS.to_vec(),
            }),
            _ => Ok(this),
        }
    }

    /// Whether an id passes. A filter that is an id admits that one only: `bootstrap` does not
    /// admit `bootstrap/complex`.
    pub fn admits(&self, id: &str) -> bool {
        self.0.as_deref().is_none_or(|filter| {
            id == filter
                || !IDS.contains(&filter)
                    && id
                        .strip_prefix(filter)
                        .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_id_or_a_path() {
        let admitted = |filter| -> Vec<&str> {
            let filter = Filter::new(filter).unwrap();
            IDS.iter().copied().filter(|id| filter.admits(id)).collect()
        };
        assert_eq!(admitted(None), IDS);
        assert_eq!(admitted(Some("rotate")), ["rotate"]);
        assert_eq!(admitted(Some("bootstrap")), ["bootstrap"]);
        assert_eq!(
            admitted(Some("ntt")),
            ["ntt/forward", "ntt/inverse", "ntt/forward_batch"]
        );
        assert!(matches!(
            Filter::new(Some("nt")),
            Err(Error::UnknownId { .. })
        ));
    }
}
