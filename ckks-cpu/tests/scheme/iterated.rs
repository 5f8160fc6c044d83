//! Iterated refreshes gain bits.

use crate::common::{literal, setup, worst};
use ckks_math::bootstrap::{BootstrapOptions, Bootstrapper};

/// At scale 2^50, where one refresh (1e-6, see `bootstrap`) leaves most of the bits unused: an
/// error of at most 1e-6, scaled up by 2^16, is refreshed with an error of at most 1e-6 and scaled
/// down again: 2^-35.9. The floor: the noise of about ten rescalings at scale 2^50, each of
/// deviation 2^6.5, five deviations: 2^-39.5. A third refresh reaches that floor from a level whose
/// canonical scale is 2^50. At the input level, of narrow diagonals, it is 2^44.8: the noise of
/// encryption has a deviation of about 2^6.5 there too, five of them are 2^-36.
#[test]
fn iterated_refreshes_gain_bits() {
    let mut set = literal(9);
    set.log_scale = 50;
    set.word_bits = 50;
    set.special_bits = 50;
    // Diagonals of 44 bits, and of 32 in the last matrix, which goes from 2^50 down to 2^38.
    set.level_bits[1..4].fill(44);
    set.level_bits[4..10].fill(50);
    let mut s = setup(set, 31);
    let slots = 256;
    let boot = Bootstrapper::new(&s.context, slots, BootstrapOptions::default()).unwrap();
    let ev = s.evaluator(s.refresh_keys(slots, false));
    let x: Vec<f64> = (0..slots).map(|i| (i as f64 * 1.7).sin()).collect();
    for level in [boot.input_level(), 6, 12] {
        let ct = s.encrypt(&x, level);
        let once = worst(&s.read(&boot.refresh(&ev, &ct).unwrap()), &x);
        let twice = boot.refresh_iterated(&ev, &ct, 16, 1).unwrap();
        assert_eq!(twice.level(), boot.output_level() - 1);
        let twice = worst(&s.read(&twice), &x);
        println!(
            "from level {level}: once 2^{:.1}, twice 2^{:.1}",
            once.log2(),
            twice.log2()
        );
        assert!(twice < 1e-6 * 2_f64.powi(-16), "{twice:e}");
        assert!(once > 2_f64.powi(12) * twice, "{once:e} {twice:e}");
    }
    for (level, bits) in [(boot.input_level(), 36), (12, 37)] {
        let ct = s.encrypt(&x, level);
        let thrice = boot.refresh_iterated(&ev, &ct, 14, 2).unwrap();
        assert!(thrice.level() >= boot.output_level() - 3);
        let thrice = worst(&s.read(&thrice), &x);
        println!("from level {level}: thrice 2^{:.1}", thrice.log2());
        assert!(thrice < 2_f64.powi(-bits), "{thrice:e}");
    }
    let ct = s.encrypt(&x, boot.input_level());
    // No further refresh is a refresh.
    let none = boot.refresh_iterated(&ev, &ct, 16, 0).unwrap();
    assert_eq!(none.level(), boot.output_level());
}
