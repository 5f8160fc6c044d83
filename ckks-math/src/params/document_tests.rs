//! SECURITY.md holds the figures of the code.

use super::*;
use crate::bootstrap::failure_log2;

const DOCUMENT: &str = include_str!("../../../SECURITY.md");

const LIMITS: Limits = Limits {
    max_modulus_bits: 61,
    max_degree: 1 << 17,
};

/// The cells of the rows below the header that starts with `first`, trimmed, without backquotes.
fn table(first: &str) -> Vec<Vec<String>> {
    let header = format!("| {first} |");
    let mut rows = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with(&header));
    assert!(rows.next().is_some(), "no table of {first}");
    rows.skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

/// A number with or without `2^` before it.
fn number(cell: &str) -> f64 {
    let digits = cell.trim_start_matches("2^");
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number: {cell}"))
}

/// Every preset has one row: degree and ring, `log2 QP`, the secrets, `K`, and the probability of
/// failure with all slots and with the number of slots that is worst.
#[test]
fn every_preset_is_described_as_it_is() {
    let rows = table("preset");
    let names: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, preset_names());
    for row in &rows {
        let [
            name,
            degree,
            log_qp,
            secret,
            ephemeral,
            range,
            failure,
            worst,
        ] = row
            .as_slice()
            .try_into()
            .map(|row: &[String; 8]| row.each_ref())
            .expect("8 cells");
        let literal = preset(name).expect("a preset");
        let params = literal.clone().check(LIMITS).expect("secure");
        let (degree, ring) = degree.split_once(", ").unwrap_or((degree, "standard"));
        assert_eq!(number(degree), f64::from(literal.log_n), "{name}");
        let conjugate_invariant = literal.ring == RingKind::ConjugateInvariant;
        assert_eq!(ring == "conjugate-invariant", conjugate_invariant, "{name}");
        assert_eq!(number(log_qp), params.log_qp().round(), "{name}");
        let wanted = match literal.secret {
            SecretDistribution::Ternary => "uniform ternary".to_owned(),
            SecretDistribution::SparseTernary { weight } => format!("weight {weight}"),
        };
        assert_eq!(secret, &wanted, "{name}");
        let Some(bootstrap) = &literal.bootstrap else {
            assert!(
                [ephemeral, range, failure, worst]
                    .iter()
                    .all(|cell| *cell == "-")
            );
            continue;
        };
        assert_eq!(
            number(ephemeral) as usize,
            bootstrap.ephemeral_weight,
            "{name}"
        );
        assert_eq!(number(range) as usize, bootstrap.overflow_bound, "{name}");
        let at = |slots| failure_log2(&params, slots).expect("it bootstraps");
        let log_slots = params.max_slots().trailing_zeros();
        let most = (2..=log_slots)
            .map(|log| at(1 << log))
            .fold(f64::MIN, f64::max);
        let all = at(params.max_slots());
        assert!(
            (number(failure) - all).abs() <= 0.051,
            "{name}: {failure} {all}"
        );
        assert!(
            (number(worst) - most).abs() <= 0.051,
            "{name}: {worst} {most}"
        );
        assert!(most <= -128.0, "{name} fails with 2^{most:.1}");
    }
}

/// Every limit of the code is in the table of limits, with its weight.
#[test]
fn every_limit_is_the_documented_one() {
    let mut found = Vec::new();
    for row in table("secret") {
        let least_weight = match row[0].strip_prefix("weight ") {
            Some(weight) => Some(number(weight.trim_end_matches(" or more")) as usize),
            None => {
                assert_eq!(row[0], "uniform ternary");
                None
            }
        };
        for limit in row[1].split(", ") {
            let (bits, degree) = limit.split_once(" (").expect("bits (2^n)");
            let log_n = number(degree.trim_end_matches(')')) as u32;
            found.push((least_weight, log_n, number(bits) as u32));
        }
    }
    let mut wanted: Vec<_> = SECURITY_LIMITS
        .iter()
        .filter(|limit| limit.log_n >= 14)
        .map(|limit| (limit.least_weight, limit.log_n, limit.log_qp))
        .collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
