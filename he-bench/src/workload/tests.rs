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
        body()
    }
}

/// The default sets at a small degree run every id, in the order of the list.
#[test]
fn every_id_runs() {
    let backend = select::cpu(Some(1)).unwrap();
    let mut roll = Roll::default();
    let mut run_on = |params: &Params, group| run(&backend, params, group, &mut roll).unwrap();
    for (name, group) in [
        ("n16-deep", Group::Scheme),
        ("n16-boot", Group::Bootstrap),
        ("n16-ci-boot", Group::Bootstrap),
    ] {
        let mut literal = sets::literal(name).unwrap();
        literal.log_n = 10;
        let params = literal.check_insecure_for_tests(backend.limits()).unwrap();
        run_on(&params, group);
    }
    let params = sets::parameters("insecure-n10-boot", backend.limits()).unwrap();
    run_on(&params, Group::Layer);
    assert_eq!(roll.0, IDS);
}

/// The smaller bootstrapping preset keeps fewer levels than the model needs; a set of the same
/// name as a session's but of another degree is refused before any key is made.
#[test]
fn the_layer_is_refused_on_sets_that_cannot_run_it() {
    let backend = select::cpu(Some(1)).unwrap();
    let limits = backend.limits();
    for (name, runs) in [
        ("n16-boot", true),
        ("insecure-n11-boot", true),
        ("n15-boot", false),
        ("n16-deep", false),
    ] {
        assert_eq!(runs_layer(name, limits).unwrap(), runs, "{name}");
    }
    let mut literal = sets::literal("n16-boot").unwrap();
    (literal.log_n, literal.name) = (10, "insecure-n11-boot".into());
    let params = literal.check_insecure_for_tests(limits).unwrap();
    let refused = run(&backend, &params, Group::Layer, &mut Roll::default());
    assert!(matches!(refused, Err(crate::Error::Argument { .. })));
}
