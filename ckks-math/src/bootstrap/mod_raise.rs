//! ModRaise through the ephemeral sparse secret, and the trace onto the sparse subring.
//!
//! Any basis of the ring over the integers can be lifted in: what is added is a multiple of `q0`,
//! and small in the coordinates that were lifted. All slots of the conjugate-invariant ring are
//! lifted in the odd basis ([`super::RealBasis::Odd`]): an element `f = sum b_m (Z^2m + Z^-2m)`,
//! `Y = Z^2`, becomes `(Z + Z^-1) f` with coordinates `a_m = b_m + b_(m+1)`, and what CoeffsToSlots
//! reads is `(Z + Z^-1)^2 f = (2 + Y + Y^-1) f` with native coordinates `a_m + a_(m-1)`. Both are
//! sums of neighbours.

use super::Bootstrapper;
use crate::backend::{Backend, Basis, Neighbour, Permuted};
use crate::ciphertext::Ciphertext;
use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::keys::KeyPurpose;

impl<B: Backend> Bootstrapper<B> {
    /// From level 0 to the top: the coefficients become `m + q0 I` under the long-term secret, the
    /// scale is read as `q0`, and sparse slots are projected by the trace (times the ring's slots
    /// over `n`). Times `2 + Y + Y^-1` in the odd basis.
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
        let odd = self.coordinates.are_odd();
        if odd {
            backend.add_neighbours(t, &mut block, Neighbour::Next)?;
        }
        let mut raised = backend.base_convert(t, &block, top)?;
        if odd {
            backend.add_neighbours(t, &mut raised, Neighbour::Previous)?;
        }
        backend.ntt(t, &mut raised)?;
        let raised = Ciphertext {
            level: self.top,
            scale: params.group_modulus(0),
            slots: params.max_slots(),
            ..ev.wrap(raised, x)
        };
        let switched = self.switch(ev, &raised, KeyPurpose::FromEphemeral)?;
        let traced = ev.inner_sum(&switched, self.slots, params.max_slots() / self.slots)?;
        Ok(Ciphertext {
            slots: self.slots,
            ..traced
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
        ev.add_permuted(&mut block, &Permuted::rows(&x.poly.block, 0..k))?;
        Ok(ev.wrap(block, x))
    }
}
