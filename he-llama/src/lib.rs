//! he-llama
