//! The thread that encodes announced products ahead.

use std::sync::PoisonError;

use ckks_math::backend::Backend;

use super::Shared;
use super::order::Step;
use super::state::Claim;
use crate::error::Result;
use crate::matrix::encode::Encoding;

/// Encodes what is announced until the store stops.
///
/// It leaves the device alone, whose queue the products fill: a form that is to lie on the device
/// is finished by the product that needs it.
pub(super) fn run<B: Backend>(shared: &Shared<B>) {
    let mut state = shared.lock();
    while !state.stopped() {
        match state.take_ahead() {
            Some(ahead) => {
                drop(state);
                let claim = Claim::new(shared, ahead.key, ahead.bytes);
                encode(shared, &ahead, claim);
                state = shared.lock();
            }
            None => {
                let waited = shared.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

fn encode<B: Backend>(shared: &Shared<B>, ahead: &Step, claim: Claim<'_, B>) {
    match try_encode(shared, ahead) {
        // Without room, or with the store stopped: the form is absent again.
        Ok(None) => {}
        Ok(Some(encoding)) if shared.options.resident => claim.on_host(encoding),
        Ok(Some(encoding)) => match encoding.finish(false) {
            Ok(encoded) => drop(claim.ready(encoded, 0)),
            Err(error) => claim.failed(error),
        },
        Err(error) => claim.failed(error),
    }
}

/// The coefficients; `None` when the store stops, or they do not fit after all.
fn try_encode<B: Backend>(shared: &Shared<B>, ahead: &Step) -> Result<Option<Encoding<B>>> {
    let (planned, matrix) = (&ahead.planned, &ahead.planned.matrix);
    let mut encoding = Encoding::new(matrix.diagonals(), &shared.context, planned.operand())?;
    let mut go_on = |bytes| {
        let mut state = shared.lock();
        !state.stopped() && state.grow(&ahead.key, bytes)
    };
    let (sources, threads) = (matrix.sources(), shared.options.threads);
    let of = matrix.diagonals();
    let whole = encoding.read(of, &sources, planned.factor, threads, &mut go_on)?;
    Ok(whole.then_some(encoding))
}
