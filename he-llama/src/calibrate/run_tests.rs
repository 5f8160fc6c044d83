//! Small calibrations of the embedded model and of changed copies of it.

use std::sync::Arc;

use super::*;
use crate::calibrate::builtin_text;
use crate::embedded;
use crate::matrix::Matrix;

fn small(source: &Source, positions: usize) -> Result<(Calibration, Summary)> {
    let options = Options {
        positions,
        windows: 24,
        ..Options::default()
    };
    calibrate(source, builtin_text(), &options, &mut |_| ())
}

/// The embedding of one token made longer: a massive activation, whose mean square no polynomial
/// of the norm spans.
#[test]
fn a_token_that_no_polynomial_holds_is_named_with_its_site() {
    let mut source = embedded::source().expect("the embedded files are complete");
    let text = builtin_text();
    let id = source.tokenizer.encode(text).expect("text")[3];
    let llama = Arc::make_mut(&mut source.llama);
    let old = llama.embedding.clone();
    llama.embedding = Matrix::from_fn(old.nrows(), old.ncols(), |o, i| {
        old.get(o, i) * if o == id as usize { 1e3 } else { 1.0 }
    });
    let found = small(&source, 16).expect_err("no polynomial spans it");
    let Error::Unfit { site, cause, .. } = &found else {
        panic!("{found}");
    };
    assert_eq!(site, "0/mlp_mean_square");
    assert!(
        cause.contains(&format!("token {id} ")) && cause.contains("rotated"),
        "{cause}"
    );
}

/// Numbers that overflow are found in the clear run already, by their site.
#[test]
fn infinite_values_are_named_with_their_site() {
    let mut source = embedded::source().expect("the embedded files are complete");
    let llama = Arc::make_mut(&mut source.llama);
    let up = &mut llama.layers[1].up;
    up.scale = 1e308;
    let found = small(&source, 16).expect_err("it overflows");
    assert!(
        matches!(&found, Error::InvalidCalibration { site, .. } if site.starts_with("1/")),
        "{found}"
    );
}

/// Positions that are no power of two: prompts within them are padded beyond, and may fill the
/// model's context.
#[test]
fn positions_count_real_tokens() {
    let mut source = embedded::source().expect("the embedded files are complete");
    Arc::make_mut(&mut source.llama).config.positions = 20;
    let (calibration, _) = small(&source, 20).expect("calibrates");
    calibration.check_length(19, 1).expect("19 + 1 real tokens");
    let more = calibration.check_length(19, 2);
    assert!(matches!(
        more,
        Err(Error::ContextExceeded { limit: 20, .. })
    ));
    // Sums over the 32 keys of the padded prompt are within the windows.
    let circuit = &calibration.circuit;
    let ids: Vec<u32> = source.tokenizer.encode(builtin_text()).expect("text")[..32].to_vec();
    let mut twin = Twin::new(&source.llama, circuit, Within::default()).beyond_context();
    twin.advance(&ids).expect("runs");
    assert!(
        twin.policy().escapes.is_empty(),
        "{:?}",
        twin.policy().escapes
    );
}
