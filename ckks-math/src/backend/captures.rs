//! Which sequences are captured, and when: one state machine for key switches, bootstraps and parts
//! of models.
//!
//! A sequence runs plainly at its first use, since keys are expanded and constants are made then.
//! Its second use captures it, and all later ones replay the capture. An entry is found by the
//! sequence and by the **identity** of everything that it reads: tables, keys, queue. An identity
//! is an allocation, not an address, so what is made later is never taken for what was dropped.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that a captured sequence reads, equal to itself only.
///
/// It holds the allocation, so that no other value gets its address, but not the value: keys and
/// tables are dropped as if nothing had been captured.
#[derive(Clone)]
pub struct Identity(Weak<dyn Any + Send + Sync>);

impl Identity {
    /// The identity of a shared value.
    pub fn of<T: Any + Send + Sync>(value: &Arc<T>) -> Self {
        let weak: Weak<T> = Arc::downgrade(value);
        Self(weak)
    }

    /// Whether the value still exists.
    pub fn exists(&self) -> bool {
        self.0.strong_count() > 0
    }

    fn address(&self) -> *const () {
        self.0.as_ptr().cast()
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.address(), other.address())
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.address()).finish()
    }
}

/// How an attempt to capture a sequence ended.
#[derive(Debug)]
pub enum Attempt<C> {
    /// The captured sequence.
    Captured(C),
    /// Nothing can be captured now; the next use tries again.
    Later,
    /// The device cannot capture this sequence.
    Never,
}

/// The captured sequences of one owner: `K` names a sequence, `C` is its captured form.
///
/// At most [`Captures::limit`] sequences are remembered. Beyond it, those whose tables or keys were
/// dropped go first, then the one that was used longest ago; its device memory goes with it.
pub struct Captures<K, C> {
    limit: usize,
    known: Mutex<Known<K, C>>,
}

struct Known<K, C> {
    entries: HashMap<Use<K>, Entry<C>>,
    /// Uses so far: the clock of `Entry::last`.
    uses: u64,
}

/// A sequence and all that it reads.
#[derive(PartialEq, Eq, Hash)]
struct Use<K> {
    sequence: K,
    reads: Vec<Identity>,
}

struct Entry<C> {
    last: u64,
    state: State<C>,
}

enum State<C> {
    /// It ran plainly once.
    Seen,
    /// It is always run plainly.
    Refused,
    Captured(Box<C>),
}

impl<K: Eq + Hash, C> Captures<K, C> {
    /// Remembers at most `limit` sequences.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            known: Mutex::new(Known {
                entries: HashMap::new(),
                uses: 0,
            }),
        }
    }

    /// The most sequences that are remembered.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The number of sequences that are remembered now.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether no sequence is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replays the capture of a sequence, if there is one; `None` asks the caller to run it
    /// plainly.
    ///
    /// `reads` are the identities of everything on the device that the sequence reads beside its
    /// operands; the caller holds the values during the call. `capture` is called at the second
    /// use, `replay` from then on; `replay` returns `None` where the capture cannot run now. Both
    /// run under the lock of the owner, since runs of one capture share its memory and must not
    /// mix: neither may use this owner.
    ///
    /// # Errors
    /// Whatever `capture` and `replay` return. After an error of `capture` the next use tries
    /// again.
    pub fn run<R, E>(
        &self,
        sequence: K,
        reads: Vec<Identity>,
        capture: impl FnOnce() -> Result<Attempt<C>, E>,
        replay: impl FnOnce(&C) -> Result<Option<R>, E>,
    ) -> Result<Option<R>, E> {
        let mut known = self.lock();
        known.uses += 1;
        let now = known.uses;
        let used = Use { sequence, reads };
        let Some(entry) = known.entries.get_mut(&used) else {
            known.make_room(self.limit);
            if self.limit > 0 {
                let state = State::Seen;
                known.entries.insert(used, Entry { last: now, state });
            }
            return Ok(None);
        };
        entry.last = now;
        if let State::Seen = entry.state {
            entry.state = match capture()? {
                Attempt::Captured(captured) => State::Captured(Box::new(captured)),
                Attempt::Later => State::Seen,
                Attempt::Never => State::Refused,
            };
        }
        match &entry.state {
            State::Captured(captured) => replay(captured),
            State::Seen | State::Refused => Ok(None),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known<K, C>> {
        // An entry is whole between statements: a panic elsewhere cannot break it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, C> Known<K, C> {
    /// Leaves room for one more entry, and none for what can never be asked for again.
    fn make_room(&mut self, limit: usize) {
        (self.entries).retain(|used, _| used.reads.iter().all(Identity::exists));
        while self.entries.len() >= limit.max(1) {
            // Clock values are distinct: exactly one entry goes.
            let oldest = self.entries.values().map(|entry| entry.last).min();
            self.entries.retain(|_, entry| Some(entry.last) != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// One use of a sequence that is captured as its own name; what was replayed.
    fn use_of(captures: &Captures<u32, u32>, sequence: u32, reads: &[&Arc<u8>]) -> Option<u32> {
        let reads = reads.iter().map(|value| Identity::of(value)).collect();
        let capture = || Ok::<_, ()>(Attempt::Captured(sequence));
        let replayed = captures.run(sequence, reads, capture, |&c| Ok(Some(c)));
        replayed.expect("no error")
    }

    #[test]
    fn the_second_use_captures() {
        let (captures, tables) = (Captures::new(4), Arc::new(0));
        let uses: Vec<_> = (0..4).map(|_| use_of(&captures, 7, &[&tables])).collect();
        assert_eq!(uses, [None, Some(7), Some(7), Some(7)]);
    }

    #[test]
    fn equal_values_are_not_the_same_value() {
        let (captures, first, second) = (Captures::new(4), Arc::new(0), Arc::new(0));
        use_of(&captures, 7, &[&first]);
        assert_eq!(use_of(&captures, 7, &[&first]), Some(7));
        assert_eq!(use_of(&captures, 7, &[&second]), None);
        assert_eq!(use_of(&captures, 7, &[&second]), Some(7));
    }

    /// Were the key an address, one of these allocations would get that of a dropped one.
    #[test]
    fn what_was_dropped_is_not_found_again() {
        let captures = Captures::new(1 << 10);
        for _ in 0..200 {
            let tables = Arc::new(0);
            assert_eq!(use_of(&captures, 7, &[&tables]), None);
            assert_eq!(use_of(&captures, 7, &[&tables]), Some(7));
        }
        // And it is forgotten, with the memory of its capture.
        assert_eq!(captures.len(), 1);
    }

    #[test]
    fn the_oldest_goes_first() {
        let (captures, tables) = (Captures::new(2), Arc::new(0));
        for sequence in [1, 1, 2, 2, 1, 3] {
            use_of(&captures, sequence, &[&tables]);
        }
        assert_eq!(captures.len(), 2);
        assert_eq!(use_of(&captures, 1, &[&tables]), Some(1));
        assert_eq!(use_of(&captures, 2, &[&tables]), None);
    }

    #[test]
    fn refusals_last_and_postponed_captures_are_tried_again() {
        let (captures, tables) = (Captures::<_, ()>::new(4), Arc::new(0_u8));
        let tries = Cell::new(0);
        let attempt = |sequence, outcome: Result<Attempt<()>, u8>| {
            let capture = || {
                tries.set(tries.get() + 1);
                outcome
            };
            let reads = vec![Identity::of(&tables)];
            captures.run(sequence, reads, capture, |()| Ok(Some(())))
        };
        assert_eq!(attempt(1, Ok(Attempt::Never)), Ok(None));
        assert_eq!(tries.get(), 0);
        assert_eq!(attempt(1, Ok(Attempt::Never)), Ok(None));
        assert_eq!(attempt(1, Ok(Attempt::Captured(()))), Ok(None));
        assert_eq!(tries.get(), 1);
        for (outcome, found) in [
            (Ok(Attempt::Later), Ok(None)),
            (Ok(Attempt::Later), Ok(None)),
            (Err(5), Err(5)),
            (Ok(Attempt::Captured(())), Ok(Some(()))),
            (Err(5), Ok(Some(()))),
        ] {
            assert_eq!(attempt(2, outcome), found);
        }
    }
}
