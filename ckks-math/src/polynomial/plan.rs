//! How to evaluate a Chebyshev series on a ciphertext: Paterson-Stockmeyer at minimal depth.
//!
//! The plan is data. First come the [`Power`] steps, each one product
//! T_{a+b} = 2 T_a T_b - T_{|a-b|}; then a tree of divisions p = q T_G + r in the Chebyshev basis
//! ([`Node::Split`], one product each) down to [`Node::Leaf`]s, which are scalar combinations of
//! powers already computed [Paterson-Stockmeyer 1973; Chen-Chillotti-Song 2019, for the Chebyshev
//! basis; Bossuat-Mouchet-Troncoso-Hubaux 2021, algorithms 1 and 2, for depth and scales].
//!
//! # Levels
//!
//! The level of a value is the number of rescalings between it and the input u, which is already
//! mapped to [-1, 1] and has level 0. A product or a combination with non-integer scalars, of
//! operands at level at most t - 1, is made at level t - 1 and rescaled once to level t. So:
//!
//! * T_k has level ceil(log2 k): both factors have indices at most 2^(ceil(log2 k) - 1).
//! * A leaf at level t may use the T_k with ceil(log2 k) <= t - 1, that is k <= 2^(t-1).
//! * A split at level t needs T_G and q at level at most t - 1. Its remainder is added to the
//!   product *before* the rescaling: a leaf r is the scalar combination at level t - 1 with
//!   plaintext scalars encoded at the scale of the product, so it costs no level beyond t - 1 -> t;
//!   a remainder that is itself a split at level t is another product at level t - 1. The whole
//!   chain of remainders is one sum of products and scalar multiples with a single
//!   relinearisation and a single rescaling ([`Node::sum`]).
//!
//! Let D(t) be the greatest degree possible at level t. D(1) = 1 (a leaf c_0 + c_1 u), and a split
//! by G = 2^(t-1), of level t - 1, gives D(t) = 2^(t-1) + D(t-1) = 2^t - 1; the remainder, of
//! degree below G, fits as well. Hence degree d has depth ceil(log2(d + 1)). No less is possible:
//! the leading term c u^d is a product of d + 1 operands, c among them, and t levels multiply at
//! most 2^t operands.
//!
//! Along the chain of leading quotients a full baby-step polynomial would be one level late (degree
//! g - 1 needs T_{g-1}, then its scalar), so there the division goes on below the baby steps, with
//! powers already there: at most log2(g) products more than the textbook count.
//!
//! # A factor
//!
//! p(u) z for a second ciphertext z costs less than p(u) and then a product
//! ([`Plan::with_factor`]): p z = (q z) T_G + r z. If z comes `late` levels after u, a polynomial
//! of level at most t - 1 times z has level t, which takes care of r; by induction level t admits
//! degree 2^t - 1 - 2^late, so the depth is ceil(log2(d + 1 + 2^late)), against ceil(log2(d +
//! 1)) + 1. A product by z is a split with the giant 0: its quotient is a plain polynomial; all
//! other nodes stand for their polynomial times z, and their leaves are constants times z.
//!
//! # Scales
//!
//! Let q_t be the prime that the rescaling from level t - 1 to level t drops, and s the scale
//! wanted at level t. The product must have scale s q_t, so the quotient gets the target s q_t /
//! scale(T_G), and a leaf scalar c on T_i is encoded as round(c s q_t / scale(T_i)). Walking down
//! from the root every sum is of equal scales, exactly.

use super::chebyshev::Chebyshev;
use std::collections::{BTreeMap, BTreeSet};

/// One product T_index = 2 T_left T_right - T_difference, with index = left + right and
/// difference = left - right >= 0.
///
/// T_0 is 1 and T_1 is the input. difference = 0 is a squaring: T_{2a} = 2 T_a^2 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// Index of the polynomial computed, at least 2.
    pub index: usize,
    /// Greater factor.
    pub left: usize,
    /// Smaller factor.
    pub right: usize,
    /// left - right.
    pub difference: usize,
    /// Level of the result, ceil(log2 index); the operands have lower levels.
    pub level: u32,
}

/// A polynomial of the division tree, at a level given from above.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// sum_i c_i T_i: scalar multiples only.
    Leaf {
        /// Level of the result after its rescaling, unless the leaf is a remainder (then it joins
        /// the sum of its parent, at the level of the parent).
        level: u32,
        /// c_0, c_1, ...; zeros are to be skipped, and the T_i of the others (i >= 2) are among the
        /// powers. May be empty, meaning zero.
        coefficients: Vec<f64>,
    },
    /// quotient * T_giant + remainder.
    Split {
        /// Level of the result after its rescaling.
        level: u32,
        /// G, at least 2; T_G is among the powers, at a level below `level`. Or 0 for the factor z.
        giant: usize,
        /// Of degree at least 1, at `level` - 1.
        quotient: Box<Node>,
        /// Of degree less than G, at the same `level`, added before the rescaling.
        remainder: Box<Node>,
    },
}

impl Node {
    /// Level of the result, counted from the input.
    pub fn level(&self) -> u32 {
        match self {
            Node::Leaf { level, .. } | Node::Split { level, .. } => *level,
        }
    }

    /// The node as sum_j quotient_j T_{giant_j} + leaf: the products of the chain of remainders, in
    /// descending order of the giants, and the coefficients of the last remainder.
    ///
    /// All quotients are at `level() - 1`; the sum needs one relinearisation and one rescaling.
    pub fn sum(&self) -> (Vec<(usize, &Node)>, &[f64]) {
        let (mut products, mut node) = (Vec::new(), self);
        loop {
            match node {
                Node::Leaf { coefficients, .. } => return (products, coefficients),
                Node::Split {
                    giant,
                    quotient,
                    remainder,
                    ..
                } => {
                    products.push((*giant, quotient.as_ref()));
                    node = remainder;
                }
            }
        }
    }

    /// (products, sums that contain a product) of the tree.
    fn counts(&self) -> (usize, usize) {
        let (products, _) = self.sum();
        let own = (products.len(), usize::from(!products.is_empty()));
        products.iter().fold(own, |(splits, sums), (_, quotient)| {
            let inner = quotient.counts();
            (splits + inner.0, sums + inner.1)
        })
    }

    /// Inserts the indices >= 2 of all powers the tree uses.
    fn collect_powers(&self, powers: &mut BTreeSet<usize>) {
        let (products, leaf) = self.sum();
        powers.extend((2..leaf.len()).filter(|&i| leaf[i] != 0.0));
        for (giant, quotient) in products {
            if giant > 0 {
                powers.insert(giant);
            }
            quotient.collect_powers(powers);
        }
    }
}

/// Evaluation plan of one polynomial.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    powers: Vec<Power>,
    root: Node,
    depth: u32,
    factor: Option<u32>,
}

impl Plan {
    /// Plan of minimal depth ceil(log2(degree + 1)) with the fewest ciphertext products over all
    /// numbers of baby steps, and among those the fewest relinearisations.
    ///
    /// Exact zeros in the coefficients are used: an odd polynomial computes no even baby step but
    /// the powers of two, an even one no odd baby step (division by an even T_G keeps the parity).
    pub fn new(polynomial: &Chebyshev) -> Self {
        Self::build(polynomial, Terms { late: None })
    }

    /// Plan of p(u) z, for a factor z available `late` levels after u, of the depth
    /// ceil(log2(degree + 1 + 2^late)); see the module's documentation.
    pub fn with_factor(polynomial: &Chebyshev, late: u32) -> Self {
        Self::build(polynomial, Terms { late: Some(late) })
    }

    fn build(polynomial: &Chebyshev, terms: Terms) -> Self {
        let degree = polynomial.degree();
        let coefficients = &polynomial.coefficients()[..=degree];
        let depth = terms.level_of_degree(degree);
        // Beyond a few times sqrt(degree) more baby steps never pay; powers of two always admit a
        // plan, see the module's comment.
        let limit = 8 * (degree.isqrt() + 1);
        let plan = |babies: usize| {
            let root = build(coefficients, depth, babies, terms)?;
            let powers = powers_for(&root);
            Some(Plan {
                powers,
                root,
                depth,
                factor: terms.late,
            })
        };
        (2..=limit.max(2))
            .filter_map(plan)
            .min_by_key(|plan| (plan.nonscalar_mults(), plan.relinearisations()))
            .expect("two baby steps with the giants 2, 4, 8, ... reach every degree")
    }

    /// How many levels after u the factor is expected, for a plan made by [`Plan::with_factor`].
    pub fn factor(&self) -> Option<u32> {
        self.factor
    }

    /// The powers to compute, ascending in index, which is an order of evaluation.
    pub fn powers(&self) -> &[Power] {
        &self.powers
    }

    /// The division tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Levels consumed: ceil(log2(degree + 1)).
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Ciphertext-by-ciphertext products, squarings included.
    pub fn nonscalar_mults(&self) -> usize {
        self.powers.len() + self.root.counts().0
    }

    /// Key switches when each chain of remainders is relinearised once.
    pub fn relinearisations(&self) -> usize {
        self.powers.len() + self.root.counts().1
    }
}

/// The value of the polynomial at u in [-1, 1] by walking the plan in f64: the reference for an
/// evaluator on ciphertexts.
pub fn evaluate_clear(plan: &Plan, u: f64) -> f64 {
    let mut values = BTreeMap::from([(0, 1.0), (1, u)]);
    for power in &plan.powers {
        let product = 2.0 * values[&power.left] * values[&power.right];
        values.insert(power.index, product - values[&power.difference]);
    }
    evaluate_node(&plan.root, &values)
}

fn evaluate_node(node: &Node, values: &BTreeMap<usize, f64>) -> f64 {
    let (products, leaf) = node.sum();
    let scalars = leaf.iter().enumerate().filter(|&(_, &c)| c != 0.0);
    let leaf: f64 = scalars.map(|(i, c)| c * values[&i]).sum();
    let products = products
        .iter()
        .map(|(giant, q)| evaluate_node(q, values) * values[giant]);
    products.sum::<f64>() + leaf
}

/// Whether a polynomial stands alone, or times a factor available `late` levels after u.
#[derive(Clone, Copy)]
struct Terms {
    late: Option<u32>,
}

impl Terms {
    /// The level at which a polynomial of the degree is available.
    fn level_of_degree(self, degree: usize) -> u32 {
        let more = self.late.map_or(0, |late| 1 << late);
        usize::BITS - (degree + more).leading_zeros()
    }

    /// Whether a leaf of this degree can be formed for a result at `level`: from constants times
    /// powers, or for a factor from a constant times the factor.
    fn leaf_fits(self, degree: usize, level: u32) -> bool {
        match self.late {
            None => degree == 0 || level_of_power(degree) < level,
            Some(late) => degree == 0 && late < level,
        }
    }
}

/// ceil(log2 k), the level of T_k, k >= 1.
fn level_of_power(k: usize) -> u32 {
    k.next_power_of_two().trailing_zeros()
}

/// Tree of a polynomial at the level, with leaves below `babies` and the giants babies * 2^j; None
/// if those giants do not reach the level. The last coefficient must not be zero.
fn build(coefficients: &[f64], level: u32, babies: usize, terms: Terms) -> Option<Node> {
    let degree = coefficients.iter().rposition(|&c| c != 0.0).unwrap_or(0);
    let coefficients = &coefficients[..coefficients.len().min(degree + 1)];
    let in_time = |k: usize| k == 0 || level_of_power(k) < level;
    if degree < babies && terms.leaf_fits(degree, level) {
        return Some(Node::Leaf {
            level,
            coefficients: coefficients.to_vec(),
        });
    }
    let plain = Terms { late: None };
    if terms.late.is_some_and(|late| late < level) && plain.level_of_degree(degree) < level {
        let quotient = Box::new(build(coefficients, level - 1, babies, plain)?);
        let remainder = Box::new(Node::Leaf {
            level,
            coefficients: Vec::new(),
        });
        return Some(Node::Split {
            level,
            giant: 0,
            quotient,
            remainder,
        });
    }
    let small = (1..usize::BITS).map(|i| 1 << i).take_while(|&g| g < babies);
    let giants = (0..usize::BITS)
        .map_while(|j| babies.checked_shl(j))
        .take_while(|&g| g <= degree);
    let giant = small
        .chain(giants)
        .filter(|&g| g <= degree && in_time(g) && terms.level_of_degree(degree - g) < level)
        .max()?;
    let (quotient, remainder) = divide(coefficients, giant);
    let mut remainder = build(&remainder, level, babies, terms)?;
    if let [constant] = quotient[..]
        && terms.late.is_none()
    {
        // A constant times T_G is no product of ciphertexts: it belongs to the last leaf.
        add_to_leaf(&mut remainder, giant, constant);
        return Some(remainder);
    }
    let quotient = Box::new(build(&quotient, level - 1, babies, terms)?);
    Some(Node::Split {
        level,
        giant,
        quotient,
        remainder: Box::new(remainder),
    })
}

/// Adds c T_index to the last remainder.
fn add_to_leaf(node: &mut Node, index: usize, c: f64) {
    match node {
        Node::Split { remainder, .. } => add_to_leaf(remainder, index, c),
        Node::Leaf { coefficients, .. } => {
            coefficients.resize(coefficients.len().max(index + 1), 0.0);
            coefficients[index] += c;
        }
    }
}

/// (q, r) with p = q T_g + r and deg r < g <= deg p, all in the Chebyshev basis, by
/// T_n = 2 T_{n-g} T_g - T_{|n-2g|} from the top down.
fn divide(p: &[f64], g: usize) -> (Vec<f64>, Vec<f64>) {
    let mut remainder = p.to_vec();
    let mut quotient = vec![0.0; p.len() - g];
    for n in (g + 1..p.len()).rev() {
        quotient[n - g] = 2.0 * remainder[n];
        remainder[n.abs_diff(2 * g)] -= remainder[n];
    }
    quotient[0] = remainder[g];
    remainder.truncate(g);
    (quotient, remainder)
}

/// The powers the tree uses and all they depend on, ascending.
fn powers_for(root: &Node) -> Vec<Power> {
    let mut wanted = BTreeSet::new();
    root.collect_powers(&mut wanted);
    let mut powers = Vec::new();
    while let Some(index) = wanted.pop_last() {
        let half = 1 << (level_of_power(index) - 1);
        let known = |k: usize| k < 2 || wanted.contains(&k);
        let missing = |&left: &usize| {
            let right = index - left;
            let mut operands = vec![left, right, left - right];
            operands.sort_unstable();
            operands.dedup();
            operands.into_iter().filter(|&k| !known(k)).count()
        };
        // Factors of index at most `half` keep the level minimal; ties go to the most balanced
        // split, a squaring where there is one.
        let left = (index.div_ceil(2)..=half.min(index - 1))
            .min_by_key(missing)
            .expect("index >= 2 has ceil(index / 2) <= 2^(level - 1)");
        let (right, level) = (index - left, level_of_power(index));
        let difference = left - right;
        wanted.extend([left, right, difference].into_iter().filter(|&k| k >= 2));
        powers.push(Power {
            index,
            left,
            right,
            difference,
            level,
        });
    }
    powers.reverse();
    powers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polynomial::chebyshev::{Parity, clenshaw};

    /// Coefficients in [-1, 1] from a linear congruential generator.
    fn polynomial(degree: usize, parity: Parity) -> Chebyshev {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ degree as u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        let coefficients = (0..=degree).map(|_| next()).collect();
        let series = Chebyshev::from_coefficients((-1.0, 1.0), coefficients).unwrap();
        series.project(parity)
    }

    fn each_polynomial(mut visit: impl FnMut(&Chebyshev, Parity)) {
        for degree in 1..=127 {
            visit(&polynomial(degree, Parity::General), Parity::General);
            let parity = if degree % 2 == 0 {
                Parity::Even
            } else {
                Parity::Odd
            };
            visit(&polynomial(degree, parity), parity);
        }
    }

    #[test]
    fn walking_the_plan_equals_clenshaw() {
        each_polynomial(|p, parity| {
            let plan = Plan::new(p);
            for i in 0..=50 {
                let u = f64::from(i) / 25.0 - 1.0;
                let difference = evaluate_clear(&plan, u) - p.eval_unit(u);
                assert!(
                    difference.abs() < 1e-12,
                    "{parity:?} {}: {difference}",
                    p.degree()
                );
            }
        });
    }

    /// With z = 1 the same walk evaluates the plan; levels follow the formula.
    #[test]
    fn a_factor_joins_in_time() {
        fn check(node: &Node, late: u32, factor: bool) {
            let (products, leaf) = node.sum();
            if factor && !leaf.is_empty() {
                assert!(leaf.len() == 1 && late < node.level());
            }
            for (giant, quotient) in products {
                assert!(giant > 0 || late < node.level());
                assert!(giant == 0 || level_of_power(giant) < node.level());
                assert_eq!(quotient.level() + 1, node.level());
                check(quotient, late, factor && giant > 0);
            }
        }
        each_polynomial(|p, parity| {
            for late in 0..3 {
                let plan = Plan::with_factor(p, late);
                let depth = ((p.degree() + 1 + (1 << late)) as f64).log2().ceil() as u32;
                assert_eq!(plan.depth(), depth, "degree {} late {late}", p.degree());
                check(plan.root(), late, true);
                for u in [-1.0, -0.37, 0.0, 0.61, 1.0] {
                    let difference = evaluate_clear(&plan, u) - p.eval_unit(u);
                    assert!(difference.abs() < 1e-12, "{parity:?} {} {late}", p.degree());
                }
            }
        });
    }

    #[test]
    fn depth_is_the_least_possible_and_levels_fit() {
        fn check(node: &Node, powers: &BTreeMap<usize, u32>) {
            let (products, leaf) = node.sum();
            for (giant, quotient) in products {
                assert!(powers[&giant] < node.level());
                assert_eq!(quotient.level() + 1, node.level());
                check(quotient, powers);
            }
            for i in (1..leaf.len()).filter(|&i| leaf[i] != 0.0) {
                assert!(powers[&i] < node.level(), "T_{i} at level {}", node.level());
            }
        }
        each_polynomial(|p, _| {
            let plan = Plan::new(p);
            let depth = ((p.degree() + 1) as f64).log2().ceil() as u32;
            assert_eq!((plan.depth(), plan.root().level()), (depth, depth));
            let mut powers = BTreeMap::from([(0, 0), (1, 0)]);
            for power in plan.powers() {
                assert_eq!(power.left + power.right, power.index);
                assert_eq!(power.left - power.right, power.difference);
                assert!(powers[&power.left].max(powers[&power.right]) < power.level);
                assert!(powers[&power.difference] < power.level);
                powers.insert(power.index, power.level);
            }
            check(plan.root(), &powers);
        });
    }

    #[test]
    fn counts_grow_as_the_square_root_and_parity_saves() {
        each_polynomial(|p, parity| {
            let (plan, degree) = (Plan::new(p), p.degree());
            let general = Plan::new(&polynomial(degree, Parity::General));
            // Baby steps, as many giants as halvings, splits, and the leading chain.
            let textbook = 2.0 * (2.0 * degree as f64).sqrt() + (degree as f64).log2();
            assert!(plan.nonscalar_mults() as f64 <= textbook, "{degree}");
            assert!(
                plan.nonscalar_mults() <= general.nonscalar_mults(),
                "{parity:?} {degree}"
            );
            assert!(plan.relinearisations() <= plan.nonscalar_mults());
            assert!(plan.nonscalar_mults() >= plan.depth() as usize - 1);
        });
        let count = |degree, parity| Plan::new(&polynomial(degree, parity)).nonscalar_mults();
        // Products at depth 4, 5, 6, 7; an odd polynomial of full degree saves the even baby steps.
        let counts = |parity| [15, 31, 63, 127].map(|degree| count(degree, parity));
        assert_eq!(counts(Parity::General), [8, 13, 18, 27]);
        assert_eq!(counts(Parity::Odd), [8, 12, 17, 23]);
        // A single power of two is repeated squaring and one scalar.
        let mut monomial = vec![0.0; 65];
        monomial[64] = 0.3;
        let plan = Plan::new(&Chebyshev::from_coefficients((-1.0, 1.0), monomial).unwrap());
        assert_eq!((plan.nonscalar_mults(), plan.depth()), (6, 7));
    }

    #[test]
    fn even_plans_use_even_powers_only() {
        for degree in [6, 14, 30, 36, 62] {
            let plan = Plan::new(&polynomial(degree, Parity::Even));
            assert!(
                plan.powers().iter().all(|power| power.index % 2 == 0),
                "degree {degree}"
            );
        }
    }

    #[test]
    fn degenerate_polynomials() {
        let constant = Chebyshev::from_coefficients((0.0, 1.0), vec![2.5, 0.0]).unwrap();
        let plan = Plan::new(&constant);
        assert_eq!((plan.depth(), plan.nonscalar_mults()), (0, 0));
        assert_eq!(evaluate_clear(&plan, 0.7), 2.5);
        let line = Chebyshev::from_coefficients((0.0, 1.0), vec![0.0, -3.0]).unwrap();
        let plan = Plan::new(&line);
        assert_eq!((plan.depth(), plan.nonscalar_mults()), (1, 0));
        assert_eq!(evaluate_clear(&plan, 0.5), -1.5);
    }

    #[test]
    fn division_multiplies_back() {
        let p = polynomial(29, Parity::General);
        for g in 1..=29 {
            let (q, r) = divide(p.coefficients(), g);
            assert!(r.len() == g && q.len() == 30 - g);
            for i in 0..=40 {
                let u = f64::from(i) / 20.0 - 1.0;
                let product = clenshaw(&q, u) * (g as f64 * u.acos()).cos() + clenshaw(&r, u);
                let tolerance = 1e-13 * (1.0 + q.iter().map(|c| c.abs()).sum::<f64>());
                assert!((product - p.eval_unit(u)).abs() < tolerance, "g = {g}");
            }
        }
    }
}
