//! he-bench
