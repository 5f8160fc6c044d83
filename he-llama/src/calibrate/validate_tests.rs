//! Crafted calibrations: each is refused by the site that is wrong.

use super::*;
use crate::embedded;

fn embedded_calibration() -> (Config, Calibration) {
    let source = embedded::source().expect("the embedded files are complete");
    let calibration = embedded::calibration(&source.llama).expect("made for these weights");
    (source.llama.config.clone(), calibration)
}

fn fit(f: &mut Function) -> &mut Fit {
    f.fit.as_mut().expect("calibrated")
}

type Change = fn(&mut Calibration);

#[test]
fn crafted_numbers_are_refused_by_their_site() {
    let (config, good) = embedded_calibration();
    good.validate(&config).expect("as it was made");
    fn bound(c: &mut Calibration, bound: f64) {
        c.bounds.insert(Site::new(1, Role::Hidden), bound);
    }
    fn softmax(c: &mut Calibration) -> &mut Softmax {
        &mut c.circuit.layers[1].softmax
    }
    let crafted: [(&str, &str, Change); 32] = [
        ("1/hidden", "a bound of 0", |c| bound(c, 0.0)),
        ("1/hidden", "a bound of -1", |c| bound(c, -1.0)),
        ("1/hidden", "a bound of NaN", |c| bound(c, f64::NAN)),
        ("1/hidden", "a bound of inf", |c| bound(c, f64::INFINITY)),
        ("1/hidden", "a bound of 1", |c| bound(c, 1e308)),
        ("1/hidden", "a bound of 1", |c| bound(c, 1e9)),
        ("1/hidden", "a bound of 0.0", |c| bound(c, 1e-308)),
        ("1/hidden", "no bound", |c| {
            c.bounds.remove(&Site::new(1, Role::Hidden));
        }),
        ("2/logits_raw", "no bound", |c| {
            c.bounds.remove(&Site::new(2, Role::LogitsRaw));
        }),
        ("0/square_sum:1", "no bound", |c| {
            c.bounds.remove(&Site::new(0, Role::SquareSum(1)));
        }),
        ("1/gate", "outside of the interval", |c| {
            c.bounds.insert(Site::new(1, Role::Gate), 1e5);
        }),
        ("1/scores", "outside of the interval", |c| {
            c.bounds.insert(Site::new(1, Role::Scores), 1e5);
        }),
        ("1/scores", "shifts of 0 heads", |c| {
            softmax(c).shift.clear();
        }),
        ("1/scores", "a shift or anchor of NaN", |c| {
            softmax(c).shift[2] = f64::NAN;
        }),
        ("1/scores", "anchors of", |c| softmax(c).anchors.truncate(1)),
        ("1/scores", "anchors of", |c| softmax(c).anchors[3].clear()),
        ("1/scores", "a shift or anchor of inf", |c| {
            softmax(c).anchors[0][0] = f64::INFINITY;
        }),
        ("1/scores", "301 squarings", |c| {
            softmax(c).rounds = vec![Round::Square; 300];
        }),
        ("1/scores", "10 squarings", |c| {
            softmax(c).rounds = vec![Round::Square; 9];
        }),
        ("1/scores", "in place of", |c| {
            softmax(c).rounds = vec![Round::Square; 8];
            for r in 0..=8 {
                let site = |role| Site::new(1, role);
                c.bounds.insert(site(Role::Powers(r)), 1.0);
                c.bounds.insert(site(Role::Squares(r)), 1.0);
                c.bounds.insert(site(Role::SquareSum(r)), 1.0);
            }
        }),
        ("1/square_sum:1", "no polynomial", |c| {
            softmax(c).last.fit = None;
        }),
        ("1/gate", "in place of silu", |c| {
            c.circuit.layers[1].silu.kind = Kind::Reciprocal;
        }),
        ("1/mlp_mean_square", "in place of", |c| {
            c.circuit.layers[1].mlp_norm.kind = Kind::InverseRoot { epsilon: 1.0 };
        }),
        ("1/gate", "on [2, -2]", |c| {
            let fit = fit(&mut c.circuit.layers[1].silu);
            (fit.lo, fit.hi) = (2.0, -2.0);
        }),
        ("1/gate", "on [2, 2]", |c| {
            let fit = fit(&mut c.circuit.layers[1].silu);
            (fit.lo, fit.hi) = (2.0, 2.0);
        }),
        ("1/gate", "on [NaN", |c| {
            fit(&mut c.circuit.layers[1].silu).lo = f64::NAN;
        }),
        ("1/square_sum:1", "on [0,", |c| {
            fit(&mut softmax(c).last).lo = 0.0;
        }),
        ("1/gate", "0 coefficients", |c| {
            fit(&mut c.circuit.layers[1].silu).coefficients.clear();
        }),
        ("1/gate", "257 coefficients", |c| {
            fit(&mut c.circuit.layers[1].silu)
                .coefficients
                .resize(257, 0.0);
        }),
        ("1/gate", "infinite coefficients", |c| {
            fit(&mut c.circuit.layers[1].silu).coefficients[3] = f64::NEG_INFINITY;
        }),
        ("1/gate", "its error is said to be", |c| {
            fit(&mut c.circuit.layers[1].silu).coefficients[3] += 0.01;
        }),
        ("1/gate", "whose error is -1", |c| {
            fit(&mut c.circuit.layers[1].silu).error = -1.0;
        }),
    ];
    for (site, part, change) in crafted {
        let mut bad = good.clone();
        change(&mut bad);
        let found = bad.validate(&config);
        let Err(Error::InvalidCalibration { site: at, reason }) = &found else {
            panic!("{site}, {part}: {found:?}");
        };
        assert!(
            at == site && reason.contains(part),
            "{site}, {part}: {at}: {reason}"
        );
    }
}

#[test]
fn the_whole_file_must_fit_the_model() {
    let (config, good) = embedded_calibration();
    let crafted: [(&str, Change); 6] = [
        ("1 layers", |c| c.circuit.layers.truncate(1)),
        ("0 positions", |c| c.positions = 0),
        ("1048576 positions", |c| c.positions = 1 << 20),
        ("accuracy of NaN", |c| c.accuracy.error = f64::NAN),
        ("margin of inf", |c| c.accuracy.margin = f64::INFINITY),
        ("margin of -1", |c| c.accuracy.margin = -1.0),
    ];
    for (part, change) in crafted {
        let mut bad = good.clone();
        change(&mut bad);
        let message = bad.validate(&config).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
}
