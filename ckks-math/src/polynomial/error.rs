//! What can be wrong with a request for a polynomial approximation.

/// Why a polynomial could not be built: each variant names the offending values and the way out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApproximationError {
    /// The interval has no interior, or an end that is not a finite number.
    #[error(
        "interval [{lo}, {hi}] is empty, reversed or not finite; give finite ends with lo < hi"
    )]
    Interval {
        /// Left end.
        lo: f64,
        /// Right end.
        hi: f64,
    },
    /// Two intervals of a union touch, overlap or are not in ascending order.
    #[error(
        "intervals overlap or are out of order: one ends at {end}, the next starts at {start}; \
         merge them or sort them"
    )]
    Overlap {
        /// Right end of the earlier interval.
        end: f64,
        /// Left end of the later one.
        start: f64,
    },
    /// A union of no intervals.
    #[error("no interval was given; give at least one")]
    NoInterval,
    /// The degree is beyond what the method supports.
    #[error(
        "degree {degree} exceeds the limit {limit}; split the range or use a composite function"
    )]
    Degree {
        /// Requested degree.
        degree: usize,
        /// Greatest supported degree.
        limit: usize,
    },
    /// A polynomial without coefficients.
    #[error("no coefficient was given; the zero polynomial is one coefficient 0")]
    NoCoefficients,
    /// A coefficient is NaN or infinite.
    #[error("coefficient {index} is {value}; coefficients must be finite")]
    Coefficient {
        /// Its index in the Chebyshev basis.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// The function to fit is NaN or infinite on the domain.
    #[error("the function is {value} at {at}; choose a domain on which it is finite")]
    FunctionValue {
        /// Argument.
        at: f64,
        /// Value there.
        value: f64,
    },
    /// The weight of an error measure is not a positive finite number, as the weight 1/|f| of the
    /// relative error is where f vanishes.
    #[error(
        "the error weight is {weight} at {at}, not positive and finite; a relative error needs a \
         function without zeros on the domain, otherwise fit the absolute error"
    )]
    Weight {
        /// Argument.
        at: f64,
        /// Weight there.
        weight: f64,
    },
    /// A parameter is out of its range.
    #[error("{name} is {value}, but must be {range}")]
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The admissible values, in words.
        range: &'static str,
    },
    /// No degree within the limit reaches the wanted precision.
    #[error(
        "{wanted} bits are out of reach: degree {degree} gives {reached:.1} bits; ask for fewer \
         bits, a smaller range or another number of double-angle steps"
    )]
    Unreachable {
        /// Wanted precision, in bits.
        wanted: f64,
        /// Precision of the best polynomial found, in bits.
        reached: f64,
        /// Its degree.
        degree: usize,
    },
}
