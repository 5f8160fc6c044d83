//! ckks-gpu-wgpu
