//! Polynomials on a device, with their domain in the type.

use crate::backend::{Backend, Shape};
use std::marker::PhantomData;

/// Coefficient domain.
#[derive(Clone, Copy, Debug)]
pub enum Coeff {}

/// Evaluation (NTT) domain.
#[derive(Clone, Copy, Debug)]
pub enum Eval {}

/// Rows of polynomials in domain `D` ([`Coeff`] or [`Eval`]).
pub struct Poly<D, B: Backend> {
    pub(crate) block: B::Block,
    domain: PhantomData<fn() -> D>,
}

impl<D, B: Backend> Poly<D, B> {
    /// Declares the domain of a block.
    pub fn new(block: B::Block) -> Self {
        Self {
            block,
            domain: PhantomData,
        }
    }

    /// The block on the device.
    pub fn block(&self) -> &B::Block {
        &self.block
    }

    /// Its shape.
    pub fn shape(&self, backend: &B) -> Shape {
        backend.shape(&self.block)
    }
}

impl<B: Backend> Poly<Coeff, B> {
    /// Forward transform.
    pub fn into_eval(mut self, backend: &B, t: &B::Tables) -> crate::Result<Poly<Eval, B>> {
        backend.ntt(t, &mut self.block)?;
        Ok(Poly::new(self.block))
    }
}

impl<B: Backend> Poly<Eval, B> {
    /// Inverse transform.
    pub fn into_coeff(mut self, backend: &B, t: &B::Tables) -> crate::Result<Poly<Coeff, B>> {
        backend.intt(t, &mut self.block)?;
        Ok(Poly::new(self.block))
    }
}
