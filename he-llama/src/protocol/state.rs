//! What a server's state file holds of the keys and values of a layer, and in which layouts.

use ckks_math::backend::Backend;
use he_linalg::Layout;

use crate::encrypted::{KeyValues, Shape, Tensor};
use crate::error::Result;
use crate::model::Role;
use crate::protocol::envelope::Kind;
use crate::protocol::session::{Cached, Setup};

/// The tensors of one layer in a state, in order; each pair is keys and values.
pub(super) struct Forms {
    /// Layout of the windows before the last.
    complete: Option<Layout>,
    /// The last window, and its layout.
    last: Option<(Shape, Layout)>,
    /// Layout of all positions as steps have them, and the parts of keys and values in it.
    stepped: Option<(Layout, [Option<usize>; 2])>,
}

impl Forms {
    /// Tensors of one layer.
    pub fn tensors(&self) -> usize {
        let some = [
            self.complete.is_some(),
            self.last.is_some(),
            self.stepped.is_some(),
        ];
        2 * some.into_iter().filter(|there| *there).count()
    }
}

impl<B: Backend> KeyValues<B> {
    /// All tensors, in the order of [`Forms`].
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor<B>> {
        let last = self.last.as_ref().map(|(_, entries)| entries);
        [self.complete.as_ref(), last, self.stepped.as_ref()]
            .into_iter()
            .flatten()
            .flatten()
    }

    /// What there is of a cache that holds `cached`.
    ///
    /// # Errors
    ///
    /// Fails where no passes of the session leave such a cache.
    pub(super) fn forms(setup: &Setup, kind: Kind, cached: Cached) -> Result<Forms> {
        let session = &setup.session;
        let windows = Cached {
            positions: cached.windows,
            ..cached
        };
        let (end, last) = (
            session.last_pass(kind, cached)?,
            session.last_pass(kind, windows)?,
        );
        let layout = setup.packing(last).windows()?;
        let stepped = match end.is_step() {
            true => {
                let packing = setup.packing(end);
                Some((packing.cache()?, packing.cache_parts()?))
            }
            false => None,
        };
        Ok(Forms {
            complete: (last.start > 0).then(|| layout.clone()),
            last: Some((last, layout)),
            stepped,
        })
    }

    /// A cache of tensors that are read one after another, each by its layout and its place in a
    /// layer.
    ///
    /// # Errors
    ///
    /// Fails where `read` does.
    pub(super) fn restored(
        forms: &Forms,
        read: &mut dyn FnMut(&Layout, Role) -> Result<Tensor<B>>,
    ) -> Result<Self> {
        let mut pair = |layout: &Layout| {
            let (keys, values) = (read(layout, Role::Key)?, read(layout, Role::Value)?);
            Ok::<_, crate::Error>([keys, values])
        };
        let mut cache = Self::default();
        if let Some(layout) = &forms.complete {
            cache.complete = Some(pair(layout)?);
        }
        if let Some((shape, layout)) = &forms.last {
            cache.last = Some((*shape, pair(layout)?));
        }
        if let Some((layout, parts)) = &forms.stepped {
            let [keys, values] = pair(layout)?;
            cache.stepped = Some([keys.in_part(parts[0]), values.in_part(parts[1])]);
        }
        Ok(cache)
    }
}
