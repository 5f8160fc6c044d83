//! ckks-gpu-cuda
