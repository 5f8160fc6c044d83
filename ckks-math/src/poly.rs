//! Polynomials on a device, with their domain in the type.

use crate::backend::{Backend, Shape};
use crate::sampling::Seed;
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
    /// Seeds of the last rows, one each, where these are uniform polynomials fresh from them: what
    /// the wire form sends in their place. A new block has none unless its maker knows them.
    uniform: Vec<Seed>,
    domain: PhantomData<fn() -> D>,
}

impl<D, B: Backend> Poly<D, B> {
    /// Declares the domain of a block, of any shape.
    pub fn new(block: B::Block) -> Self {
        Self::with_uniform(block, Vec::new())
    }

    /// A block whose last rows are [`crate::backend::RingKernels::uniform`] of these seeds, row 0
    /// of each.
    pub(crate) fn with_uniform(block: B::Block, uniform: Vec<Seed>) -> Self {
        Self {
            block,
            uniform,
            domain: PhantomData,
        }
    }

    /// The seeds of the last rows, where they are known.
    pub(crate) fn uniform(&self) -> &[Seed] {
        &self.uniform
    }

    /// The block on the device: rows of residues.
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
    ///
    /// # Errors
    /// What the device reports.
    pub fn into_eval(mut self, backend: &B, t: &B::Tables) -> crate::Result<Poly<Eval, B>> {
        backend.ntt(t, &mut self.block)?;
        Ok(Poly::new(self.block))
    }
}

impl<B: Backend> Poly<Eval, B> {
    /// Inverse transform.
    ///
    /// # Errors
    /// What the device reports.
    pub fn into_coeff(mut self, backend: &B, t: &B::Tables) -> crate::Result<Poly<Coeff, B>> {
        backend.intt(t, &mut self.block)?;
        Ok(Poly::new(self.block))
    }
}
