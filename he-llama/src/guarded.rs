//! The border to foreign parsers that panic on damaged input.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread runs foreign code whose panics become errors.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The result of `work`, or the message of the panic that ended it.
///
/// Such a panic is not printed; those of other code are, as before. After a panic the state that
/// `work` has changed must not be used any more.
///
/// # Errors
///
/// The message of the panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "a panic without a message".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 3), Ok(3));
        let empty: Vec<u8> = Vec::new();
        let found = guarded(|| empty[std::hint::black_box(7)]);
        assert!(found.is_err_and(|message| message.contains("index is 7")));
        assert!(!GUARDED.get());
    }
}
