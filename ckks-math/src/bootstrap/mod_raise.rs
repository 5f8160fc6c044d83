//! ModRaise through the ephemeral sparse secret, and the trace onto the sparse subring.

use super::Bootstrapper;
use crate::backend::{Backend, Basis};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::keys::KeyPurpose;

impl<B: Backend> Bootstrapper<B> {
    /// From level 0 to the top: the coefficients become `m + q0 I` under the long-term secret, the
    /// scale is read as `q0`, and sparse slots are projected by the trace (times the ring's slots over `n`).
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
        let mut raised = backend.base_convert(t, &block, top)?;
        backend.ntt(t, &mut raised)?;
        let raised = Ciphertext {
            level: self.top,
            scale: params.group_modulus(0),
            slots: params.max_slots(),
            ..ev.wrap(raised, x)
        };
        let mut sum = self.switch(ev, &raised, KeyPurpose::FromEphemeral)?;
        let mut step = self.slots;
        while step < params.max_slots() {
            let turned = ev.rotate(&sum, step as i64)?;
            sum = ev.add(&sum, &turned)?;
            step *= 2;
        }
        Ok(Ciphertext {
            slots: self.slots,
            ..sum
        })
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
