//! he-linalg
