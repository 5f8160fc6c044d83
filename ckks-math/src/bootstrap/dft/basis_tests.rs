//! What the basis that a modulus raise reads costs on the conjugate-invariant ring, computed
//! exactly for secrets of weight 32: how far overflow counts spread, and how CoeffsToSlots
//! amplifies noise.
//!
//! The overflow count in a basis is `(c0 + c1 s) / q` in its coordinates, those of `c0` and `c1`
//! uniform in `[-q/2, q/2]`: a sum of uniform terms whose weights are a row of the matrix of `s`,
//! and 1. Deviation `(sum of squares / 12)^(1/2)`; never beyond half the sum of weights.

const WEIGHT: usize = 32;

/// Coordinates in a basis from native ones, and back.
type Change = fn(&[f64]) -> Vec<f64>;

fn odd_from_native(b: &[f64]) -> Vec<f64> {
    (0..b.len())
        .map(|i| b[i] + b.get(i + 1).unwrap_or(&0.0))
        .collect()
}

fn native_from_odd(a: &[f64]) -> Vec<f64> {
    let mut b = a.to_vec();
    for i in (0..b.len().saturating_sub(1)).rev() {
        b[i] -= b[i + 1];
    }
    b
}

/// `b = E(x_2) + x_1 O(x_2)` with `x_i = 2 cos(2^(i-1) theta)`, and so on: the tower basis.
fn tower_from_native(b: &[f64]) -> Vec<f64> {
    if b.len() == 1 {
        return b.to_vec();
    }
    let part = |start: usize| b.iter().skip(start).step_by(2).copied().collect::<Vec<_>>();
    // The odd part is x_1 times its odd coordinates read backwards: a_m = o_m + o_{m+1}.
    let even = tower_from_native(&part(0));
    let odd = tower_from_native(&native_from_odd(&part(1)));
    [even, odd].concat()
}

fn native_from_tower(t: &[f64]) -> Vec<f64> {
    if t.len() == 1 {
        return t.to_vec();
    }
    let (even, odd) = t.split_at(t.len() / 2);
    let (even, odd) = (
        native_from_tower(even),
        odd_from_native(&native_from_tower(odd)),
    );
    even.iter().zip(&odd).flat_map(|(&e, &o)| [e, o]).collect()
}

/// `c s` in native coordinates.
fn multiply(c: &[f64], s: &[(usize, f64)]) -> Vec<f64> {
    let n = c.len() as i64;
    // Y^n + Y^-n = 0, Y^(2n) = -1.
    let at = |i: i64| {
        let i = i.rem_euclid(4 * n);
        let (i, sign) = if i > 2 * n {
            (4 * n - i, 1.0)
        } else {
            (i, 1.0)
        };
        match i {
            i if i < n => sign * c[i as usize],
            i if i == n => 0.0,
            i => -sign * c[(2 * n - i) as usize],
        }
    };
    (0..n)
        .map(|l| {
            let term = |&(i, sign): &(usize, f64)| match i as i64 {
                0 => sign * at(l),
                i => sign * (at(l - i) + at(l + i)),
            };
            s.iter().map(term).sum()
        })
        .collect()
}

struct Spread {
    /// Largest row sum of absolute weights, 1 for `c0` included.
    reach: f64,
    /// Largest and mean deviation of an overflow count.
    worst: f64,
    mean: f64,
}

/// All rows of the matrix of a random secret, sparse in the basis that `secret` takes to the native
/// one.
fn spread(n: usize, seed: u64, to: Change, from: Change, secret: Change) -> Spread {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut sparse = vec![0.0; n];
    while sparse.iter().filter(|&&x| x != 0.0).count() < WEIGHT {
        let sign = if next() & 1 == 0 { 1.0 } else { -1.0 };
        sparse[next() % n] = sign;
    }
    let native = secret(&sparse).into_iter().enumerate();
    let s: Vec<_> = native.filter(|&(_, x)| x != 0.0).collect();
    let (mut sums, mut squares) = (vec![1.0; n], vec![1.0; n]);
    for column in 0..n {
        let mut unit = vec![0.0; n];
        unit[column] = 1.0;
        for (row, x) in to(&multiply(&from(&unit), &s)).iter().enumerate() {
            sums[row] += x.abs();
            squares[row] += x * x;
        }
    }
    let max = |v: &[f64]| v.iter().copied().fold(0.0, f64::max);
    Spread {
        reach: max(&sums),
        worst: (max(&squares) / 12.0).sqrt(),
        mean: squares.iter().map(|x| (x / 12.0).sqrt()).sum::<f64>() / n as f64,
    }
}

/// Largest norm of a row of the change from native coordinates: CoeffsToSlots in the native basis
/// has orthogonal rows of equal norm, so this is how much noise of its argument it amplifies.
fn amplification(n: usize, to: Change) -> f64 {
    let mut squares = vec![0.0; n];
    for column in 0..n {
        let mut unit = vec![0.0; n];
        unit[column] = 1.0;
        for (square, x) in squares.iter_mut().zip(to(&unit)) {
            *square += x * x;
        }
    }
    squares.into_iter().fold(0.0, f64::max).sqrt()
}

#[test]
fn changes_are_inverse_to_each_other() {
    let b: Vec<f64> = (0..64).map(|i| f64::from((i * 37 + 11) % 64)).collect();
    assert_eq!(native_from_odd(&odd_from_native(&b)), b);
    assert_eq!(native_from_tower(&tower_from_native(&b)), b);
    // x_1 x_2 = 2 cos(theta) 2 cos(2 theta) = 2 cos(3 theta) + 2 cos(theta).
    assert_eq!(
        native_from_tower(&[0.0, 0.0, 0.0, 1.0]),
        [0.0, 1.0, 0.0, 1.0]
    );
}

/// Native and odd basis: at most 2 h + 1 = 65 terms, in the odd basis without the coordinate of
/// doubled terms. The tower basis spreads further, even for a secret sparse in it, and amplifies
/// noise by the root of the degree.
#[test]
fn native_and_odd_coordinates_spread_less_than_those_of_the_tower() {
    let identity: Change = <[f64]>::to_vec;
    let terms = (2 * WEIGHT + 1) as f64;
    let report = |name: &str, s: &Spread| {
        println!(
            "{name}: reach {:.1}, deviation at most {:.2}, {:.2} in the mean",
            0.5 * s.reach,
            s.worst,
            s.mean
        );
    };
    for seed in 0..3 {
        let n = 1 << 10;
        let native = spread(n, seed, identity, identity, identity);
        let odd = spread(n, seed, odd_from_native, native_from_odd, identity);
        report("native", &native);
        report("odd", &odd);
        assert!(native.reach <= terms && odd.reach <= terms);
        // Coefficient 0: every term twice (but s_0's, where there is one).
        let doubled = (4.0 * (WEIGHT as f64 - 1.0) / 12.0).sqrt();
        assert!(native.worst >= doubled);
        let single = (terms / 12.0).sqrt();
        assert!(odd.worst < 1.35 * single && odd.mean < 1.02 * single);

        let tower = |secret| spread(1 << 8, seed, tower_from_native, native_from_tower, secret);
        let (foreign, own) = (tower(identity), tower(native_from_tower));
        report("tower, secret sparse in the native basis", &foreign);
        report("tower, secret sparse in the tower basis", &own);
        assert!(foreign.worst > own.worst && own.worst > 1.5 * odd.worst);
        assert!(own.reach > 1.5 * terms);
    }
    assert!((amplification(1 << 10, odd_from_native) - 2_f64.sqrt()).abs() < 1e-12);
    let tower = [8, 10].map(|log_n| amplification(1 << log_n, tower_from_native));
    println!("noise of CoeffsToSlots: tower {tower:?} times the native");
    assert!(tower[1] > 16.0 && tower[1] > 1.9 * tower[0]);
}
