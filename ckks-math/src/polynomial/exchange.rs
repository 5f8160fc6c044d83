//! The steps of the Remez exchange that know nothing of polynomials: choice of the next reference
//! and solution of the linear system.

/// A point of the domain with the signed weighted error there.
#[derive(Clone, Copy)]
pub(super) struct Extremum {
    pub(super) x: f64,
    pub(super) error: f64,
}

/// Size of the greatest error, infinite if one is NaN.
pub(super) fn greatest(extrema: &[Extremum]) -> f64 {
    extrema.iter().fold(0.0, |worst: f64, extremum| {
        let error = extremum.error.abs();
        if error.is_nan() {
            f64::INFINITY
        } else {
            worst.max(error)
        }
    })
}

/// `count` of the given extrema, signs alternating, the greatest kept; None if there are too few.
pub(super) fn alternating(mut extrema: Vec<Extremum>, count: usize) -> Option<Vec<f64>> {
    while extrema.len() > count {
        let last = extrema.len() - 1;
        let size = |i: usize| extrema[i].error.abs();
        let ends = if size(0) < size(last) { 0 } else { last };
        let least = (0..=last)
            .min_by(|&i, &j| size(i).total_cmp(&size(j)))
            .unwrap_or(0);
        if extrema.len() == count + 1 || least == 0 || least == last {
            extrema.remove(ends);
        } else {
            // Removing an inner point alone would join two runs of equal sign.
            let neighbour = if size(least - 1) < size(least + 1) {
                least - 1
            } else {
                least
            };
            extrema.drain(neighbour..neighbour + 2);
        }
    }
    (extrema.len() == count).then(|| extrema.into_iter().map(|e| e.x).collect())
}

/// Solution of a square system given as rows [a_i1 .. a_in | b_i], by elimination with partial
/// pivoting; None if singular or not finite.
pub(super) fn solve_linear(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs()))?;
        rows.swap(column, pivot);
        let (head, tail) = rows.split_at_mut(column + 1);
        let pivot_row = &head[column];
        if pivot_row[column] == 0.0 {
            return None;
        }
        for row in tail {
            let factor = row[column] / pivot_row[column];
            for (entry, &above) in row[column..].iter_mut().zip(&pivot_row[column..]) {
                *entry -= factor * above;
            }
        }
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * solution[j]).sum();
        solution[i] = (rows[i][n] - known) / rows[i][i];
    }
    solution.iter().all(|c| c.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extrema(errors: &[f64]) -> Vec<Extremum> {
        errors
            .iter()
            .enumerate()
            .map(|(i, &error)| Extremum { x: i as f64, error })
            .collect()
    }

    #[test]
    fn references_alternate_and_keep_the_greatest() {
        assert_eq!(alternating(extrema(&[1.0, -2.0]), 3), None);
        assert_eq!(
            alternating(extrema(&[1.0, -2.0, 3.0]), 2),
            Some(vec![1.0, 2.0])
        );
        let errors = [5.0, -4.0, 0.5, -3.0, 6.0, -7.0];
        for count in 1..=6 {
            let chosen = alternating(extrema(&errors), count).unwrap();
            assert_eq!(chosen.len(), count);
            let signs: Vec<bool> = chosen.iter().map(|&x| errors[x as usize] > 0.0).collect();
            assert!(signs.windows(2).all(|w| w[0] != w[1]), "{chosen:?}");
            assert!(
                count < 2 || chosen.contains(&5.0),
                "the greatest error is lost: {chosen:?}"
            );
        }
        assert_eq!(
            alternating(extrema(&errors), 4),
            Some(vec![0.0, 1.0, 4.0, 5.0])
        );
        assert_eq!(greatest(&extrema(&[1.0, f64::NAN, 2.0])), f64::INFINITY);
    }

    #[test]
    fn linear_systems_need_pivots() {
        // x + 2y = 5 and 3x = 3 with a zero in the first pivot position of the third unknown.
        let rows = vec![
            vec![0.0, 2.0, 1.0, 7.0],
            vec![3.0, 0.0, 0.0, 3.0],
            vec![1.0, 2.0, 0.0, 5.0],
        ];
        let solution = solve_linear(rows).unwrap();
        for (value, expected) in solution.iter().zip([1.0, 2.0, 3.0]) {
            assert!((value - expected).abs() < 1e-14);
        }
        assert_eq!(
            solve_linear(vec![vec![1.0, 1.0, 2.0], vec![2.0, 2.0, 4.0]]),
            None
        );
    }
}
