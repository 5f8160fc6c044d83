use super::*;
use crate::{select, sets};
use ckks_math::backend::Device as _;

/// Runs every body once and notes its id.
#[derive(Default)]
struct Roll(Vec<&'static str>);

impl Harness for Roll {
    fn wants(&self, _: &str) -> bool {
        true
    }

    fn time(&mut self, id: &'static str, _: &Params, body: &mut Body<'_>) -> Result<()> {
        self.0.push(id);
        Ok(body()?)
    }
}

/// The default sets at a small degree run every id, in the order of the list.
#[test]
fn every_id_runs() {
    let backend = select::open("cpu", Some(1)).unwrap();
    let mut roll = Roll::default();
    for (name, group) in [("n16-deep", Group::Scheme), ("n16-boot", Group::Bootstrap)] {
        let mut literal = sets::literal(name).unwrap();
        literal.log_n = 10;
        let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
        run(&backend, &params, group, &mut roll).unwrap();
    }
    assert_eq!(roll.0, IDS);
}
