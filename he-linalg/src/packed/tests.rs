use super::*;
use crate::field::{Axis, Field};
use crate::testing::cipher::{Fixture, TOLERANCE};

/// One ciphertext with padding, and several.
fn layouts() -> [Layout; 2] {
    let fields = [
        Field::new(Axis::TOKEN, 3),
        Field::replica(1),
        Field::new(Axis::DIM, 5),
    ];
    [6, 4].map(|log_slots| Layout::new(log_slots, &fields).expect("valid"))
}

#[test]
fn entries_are_added_multiplied_and_mapped() {
    let mut f = Fixture::new(4, 1);
    for layout in layouts() {
        let (a, x) = f.random(&layout, 70);
        let (b, y) = f.random(&layout, 71);
        let zip = |op: fn(f64, f64) -> f64| -> Vec<f64> {
            a.iter().zip(&b).map(|(a, b)| op(*a, *b)).collect()
        };
        let top = f.level;
        f.check(&x, top, &a, TOLERANCE);
        let ev = &f.ev;
        let check = |got: Result<Packed<_>>, level: usize, want: &[f64]| {
            f.check(&got.expect("same layouts"), level, want, TOLERANCE);
        };
        check(x.add(ev, &y), top, &zip(|a, b| a + b));
        check(x.sub(ev, &y), top, &zip(|a, b| a - b));
        check(x.mul(ev, &y), top - 1, &zip(|a, b| a * b));
        check(x.square(ev), top - 1, &zip(|a, _| a * a));
        check(x.negate(ev), top, &zip(|a, _| -a));
        check(x.mul_constant(ev, 0.3), top - 1, &zip(|a, _| 0.3 * a));
        check(x.add_constant(ev, 0.3), top, &zip(|a, _| 0.3 + a));
        check(x.align_to(ev, 1), 1, &a);
        // Dropping keeps the scale; a product brings operands of different levels together.
        let low = x.drop_to(ev, 1).expect("below the top");
        assert_eq!((low.level(), low.scale()), (1, x.scale()));
        f.check_slots(&low, &layout.pack_array(&a).expect("length"), TOLERANCE);
        let lower = x.align_to(ev, 2).expect("below the top");
        check(lower.mul(ev, &y), 1, &zip(|a, b| a * b));
        let mixed = x.mul(ev, &y).and_then(|product| product.add(ev, &x));
        check(mixed, top - 1, &zip(|a, b| a * b + a));
        let index = |i: &[usize]| (i[0] as f64 - i[1] as f64) / 5.0;
        let mut at = Vec::new();
        layout.for_each_index(|i| at.push(index(i)));
        let with = |op: fn(f64, f64) -> f64| -> Vec<f64> {
            a.iter().zip(&at).map(|(a, c)| op(*a, *c)).collect()
        };
        check(x.mul_each(ev, index), top - 1, &with(|a, c| a * c));
        check(x.add_each(ev, index), top, &with(|a, c| a + c));
        let cube = Chebyshev::interpolate(|x| x * x * x, (-1.0, 1.0), 3).expect("finite");
        check(x.polynomial(ev, &cube), top - 2, &zip(|a, _| a * a * a));
    }
}

#[test]
fn padding_is_what_the_layout_says() {
    let mut f = Fixture::new(2, 1);
    for layout in layouts() {
        let (a, x) = f.random(&layout, 72);
        let ev = &f.ev;
        let filled = x.fill_padding(ev, 0.5).expect("no level needed");
        assert_eq!(filled.layout().padding(), Padding::Any);
        let mut want = layout.pack_array(&a).expect("length");
        let mut index = [0; 2];
        for (c, vector) in want.iter_mut().enumerate() {
            for (s, v) in vector.iter_mut().enumerate() {
                if !layout.index_at(c, s, &mut index) {
                    *v = 0.5;
                }
            }
        }
        f.check_slots(&filled, &want, TOLERANCE);
        let cleared = filled.mul_each(ev, |_| 1.0).expect("one level");
        assert_eq!(cleared.layout().padding(), Padding::Zero);
        f.check_slots(&cleared, &layout.pack_array(&a).expect("length"), TOLERANCE);
    }
}

#[test]
fn copies_meet_axes_across_slots_and_ciphertexts() {
    let mut f = Fixture::new(2, 1);
    let (key, head) = (Field::new(Axis::KEY, 3), Field::new(Axis::HEAD, 2));
    let dim = Field::new(Axis::DIM, 4);
    let layout = |fields: &[Field]| Layout::new(3, fields).expect("valid");
    let keys = layout(&[key, head, dim]);
    let (k, x) = f.random(&keys, 73);
    assert_eq!(x.batch().count(), 4);
    let queries = layout(&[Field::replica(2), head, dim]);
    let (q, y) = f.random(&queries, 74);
    let weights = layout(&[key, head]);
    let (p, z) = f.random(&weights, 75);
    let ev = &f.ev;
    let at = |d: usize, h: usize, j: usize| (d * 2 + h) * 3 + j;
    let mut scores = vec![0.0; 24];
    let mut mixed = vec![0.0; 24];
    for (d, h, j) in (0..24).map(|i| (i / 6, i / 3 % 2, i % 3)) {
        scores[at(d, h, j)] = k[at(d, h, j)] * q[d * 2 + h];
        mixed[at(d, h, j)] = k[at(d, h, j)] * p[h * 3 + j];
    }
    for (left, right, want) in [(&x, &y, &scores), (&x, &z, &mixed), (&z, &x, &mixed)] {
        let product = left.mul(ev, right).expect("lies over");
        assert_eq!(product.layout().padding(), Padding::Zero);
        f.check(&product, 1, want, TOLERANCE);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut f = Fixture::new(1, 1);
    let [one, several] = layouts();
    let (_, x) = f.random(&one, 76);
    let (_, y) = f.random(&several, 77);
    let result = x.add(&f.ev, &y).map(|_| ());
    let mismatch = Error::SlotMismatch {
        input: 6,
        output: 4,
    };
    assert_eq!(result, Err(mismatch));
    assert!(matches!(x.read_as(several), Err(Error::Count { .. })));
    assert!(matches!(
        x.mul_vectors(&f.ev, &[]),
        Err(Error::Count { .. })
    ));
    let spent = x.square(&f.ev).and_then(|y| y.square(&f.ev));
    let Err(Error::Scheme(error)) = spent else {
        panic!("two squares on one level")
    };
    assert!(matches!(
        error.inner(),
        ckks_math::Error::LevelExhausted { .. }
    ));
}
