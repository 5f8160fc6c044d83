//! ckks-math
