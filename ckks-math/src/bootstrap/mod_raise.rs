//! ModRaise through the ephemeral sparse secret, and the trace onto the sparse subring.
//!
//! Any basis of the ring over the integers can be lifted in: what is added is a multiple of `q0`, and
//! small in the coordinates that were lifted. All slots of the conjugate-invariant ring are lifted in the
//! odd basis ([`super::RealBasis::Odd`]).

use super::Bootstrapper;
use super::linear::{native_from_odd, odd_from_native};
use crate::arith::Modulus;
use crate::backend::{Backend, Basis};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::keys::KeyPurpose;

impl<B: Backend> Bootstrapper<B> {
    /// From level 0 to the top: the coefficients become `m + q0 I` under the long-term secret, the
    /// scale is read as `q0`, and sparse slots are projected by the trace (times the ring's slots over `n`). Times
    /// `2 + Y + Y^-1` in the odd basis.
    pub(super) fn mod_raise(&self, ev: &Evaluator<B>, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        if x.level != 0 {
            return Err(Error::LevelMismatch {
                op: "mod_raise",
                found: x.level,
                expected: 0,
            });
        }
        let params = self.context.params();
        let sparse = self.switch(ev, x, KeyPurpose::ToEphemeral)?;
        let (backend, t) = (self.context.backend(), self.context.tables());
        let mut block = backend.duplicate(t, &sparse.poly.block)?;
        backend.intt(t, &mut block)?;
        let top: Basis = params.basis_at(self.top);
        let mut raised = if self.coordinates.are_odd() {
            let odd = self.change(&block, odd_from_native)?;
            self.change(&backend.base_convert(t, &odd, top)?, native_from_odd)?
        } else {
            backend.base_convert(t, &block, top)?
        };
        backend.ntt(t, &mut raised)?;
        let raised = Ciphertext {
            level: self.top,
            scale: params.group_modulus(0),
            slots: params.max_slots(),
            ..ev.wrap(raised, x)
        };
        let mut sum = self.switch(ev, &raised, KeyPurpose::FromEphemeral)?;
        if self.coordinates.are_odd() {
            // 2 + Y + Y^-1, for CoeffsToSlots.
            let mut square = vec![0.0; params.degree()];
            square[..2].copy_from_slice(&[2.0, 1.0]);
            let square = self.context.encode_coefficients(&square, self.top, 1.0)?;
            sum = ev.multiply_plain(&sum, &square)?;
        }
        let traced = ev.inner_sum(&sum, self.slots, params.max_slots() / self.slots)?;
        Ok(Ciphertext {
            slots: self.slots,
            ..traced
        })
    }

    /// Applies a change of basis to the coefficients of every row and prime, on the host.
    fn change(
        &self,
        block: &B::Block,
        change: fn(&mut [u64], usize, &[Modulus]),
    ) -> Result<B::Block> {
        let (backend, t) = (self.context.backend(), self.context.tables());
        let shape = backend.shape(block);
        let moduli: Vec<Modulus> = self.context.params().ring().moduli(shape.basis).collect();
        let mut residues = backend.download(t, block)?;
        change(&mut residues, shape.degree, &moduli);
        backend.upload(t, shape.rows, shape.basis, &residues)
    }

    /// Changes the secret.
    fn switch(
        &self,
        ev: &Evaluator<B>,
        x: &Ciphertext<B>,
        purpose: KeyPurpose,
    ) -> Result<Ciphertext<B>> {
        let (backend, t) = (self.context.backend(), self.context.tables());
        let key = ev
            .keys()
            .get(&self.context, "bootstrap", purpose, x.level)?;
        let basis = x.poly.shape(backend).basis;
        let k = x.count;
        let linear = backend.restrict(t, &x.poly.block, k..2 * k, basis)?;
        let mut block = backend.key_switch(t, &linear, &key)?;
        let constant = backend.restrict(t, &x.poly.block, 0..k, basis)?;
        backend.add_rows(t, &mut block, 0, &constant)?;
        Ok(ev.wrap(block, x))
    }
}
