//! ckks-cpu
