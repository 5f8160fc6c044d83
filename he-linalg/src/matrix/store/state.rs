//! Which forms a store holds, and what goes when room is needed.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ckks_math::backend::Backend;

use super::order::{Key, Orders, Step};
use super::{Planned, Shared};
use crate::error::Error;
use crate::matrix::Matrix;
use crate::matrix::encode::{EncodedDiagonals, Encoding};

/// What there is of a form.
enum Form<B: Backend> {
    /// Some thread makes or finishes it.
    Busy,
    /// Encoded on the host, to be finished on the device by the thread that needs it.
    Host(Encoding<B>),
    Ready(Arc<EncodedDiagonals<B>>),
    /// It could not be made ahead.
    Failed(Error),
}

struct Entry<B: Backend> {
    /// Dead when the matrix is dropped.
    matrix: Weak<u64>,
    form: Form<B>,
    /// Bytes held, or reserved while it is made.
    bytes: u64,
    /// Products that read it.
    users: usize,
    /// When it was last asked for.
    last: u64,
}

/// What a product finds of its form.
pub(super) enum Found<B: Backend> {
    /// The form, held until [`State::release`].
    Ready(Arc<EncodedDiagonals<B>>),
    Failed(Error),
    /// Another thread makes it.
    Busy,
    /// To be finished by the caller, who has claimed its bytes.
    Host(Encoding<B>, u64),
    Absent,
}

/// The forms of a store.
pub(super) struct State<B: Backend> {
    budget: Option<u64>,
    entries: HashMap<Key, Entry<B>>,
    orders: Orders,
    bytes: u64,
    peak: u64,
    encoded: u64,
    clock: u64,
    stopped: bool,
}

impl<B: Backend> State<B> {
    pub fn new(budget: Option<u64>) -> State<B> {
        State {
            budget,
            entries: HashMap::new(),
            orders: Orders::default(),
            bytes: 0,
            peak: 0,
            encoded: 0,
            clock: 0,
            stopped: false,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn peak_bytes(&self) -> u64 {
        self.peak
    }

    pub fn encoded_count(&self) -> u64 {
        self.encoded
    }

    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn stopped(&self) -> bool {
        self.stopped
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Adds an order of products with their bytes; its number.
    pub fn announce(&mut self, products: Vec<(Planned, u64)>) -> u64 {
        let number = self.tick();
        self.orders.announce(number, products);
        number
    }

    /// Removes an order, with the failures that nobody will ask for.
    pub fn forget(&mut self, number: u64) {
        self.orders.forget(number);
        let failed = |entry: &Entry<B>| matches!(entry.form, Form::Failed(_));
        self.entries.retain(|_, entry| !failed(entry));
        self.shrink();
    }

    /// Moves on the order in which a product comes soonest.
    pub fn advance(&mut self, key: &Key) {
        self.orders.advance(key);
    }

    /// What there is of a form, for a product that needs it.
    pub fn find(&mut self, key: &Key) -> Found<B> {
        let last = self.tick();
        let Some(entry) = self.entries.get_mut(key) else {
            return Found::Absent;
        };
        entry.last = last;
        match std::mem::replace(&mut entry.form, Form::Busy) {
            Form::Busy => Found::Busy,
            Form::Host(encoding) => Found::Host(encoding, entry.bytes),
            Form::Ready(encoded) => {
                entry.form = Form::Ready(Arc::clone(&encoded));
                entry.users += 1;
                Found::Ready(encoded)
            }
            Form::Failed(error) => {
                self.remove(key);
                Found::Failed(error)
            }
        }
    }

    /// Ends a use.
    pub fn release(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.users = entry.users.saturating_sub(1);
        }
        self.shrink();
    }

    /// Drops what the budget does not keep.
    fn shrink(&mut self) {
        match self.budget {
            Some(_) => {
                self.make_room(0, None);
            }
            None => {
                let kept = |key: &Key, entry: &Entry<B>| {
                    let next = self.orders.distance(key) == Some(0);
                    entry.users > 0 || next || matches!(entry.form, Form::Busy)
                };
                let entries = self.entries.iter();
                let dropped = entries.filter(|(key, entry)| !kept(key, entry));
                let dropped: Vec<Key> = dropped.map(|(key, _)| *key).collect();
                dropped.iter().for_each(|key| self.remove(key));
            }
        }
    }

    /// Drops forms until `need` bytes more are within the budget: those that are needed last, and
    /// of those that are not announced the ones that were not asked for longest. Whether there is
    /// room now.
    ///
    /// With `before` it gives up only forms that are needed after that many products, and none at
    /// all if that is not enough.
    fn make_room(&mut self, need: u64, before: Option<usize>) -> bool {
        self.drop_dead();
        let Some(budget) = self.budget else {
            return true;
        };
        let over = |held: u64| held.saturating_add(need).saturating_sub(budget);
        let mut missing = over(self.bytes);
        if missing == 0 {
            return true;
        }
        let free = |entry: &Entry<B>| entry.users == 0 && !matches!(entry.form, Form::Busy);
        let candidates = self.entries.iter().filter(|(_, entry)| free(entry));
        let needed = candidates.map(|(key, entry)| {
            let distance = self.orders.distance(key).unwrap_or(usize::MAX);
            (distance, std::cmp::Reverse(entry.last), *key, entry.bytes)
        });
        let late = needed.filter(|(distance, ..)| before.is_none_or(|before| *distance > before));
        let mut late: Vec<_> = late.collect();
        late.sort_unstable_by_key(|&(distance, last, ..)| std::cmp::Reverse((distance, last)));
        let mut dropped = Vec::new();
        for (_, _, key, bytes) in late {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(bytes);
            dropped.push(key);
        }
        if missing > 0 && before.is_some() {
            return false;
        }
        dropped.iter().for_each(|key| self.remove(key));
        missing == 0
    }

    /// Drops the forms of matrices that are dropped.
    fn drop_dead(&mut self) {
        let dead = |entry: &Entry<B>| entry.matrix.strong_count() == 0 && entry.users == 0;
        let entries = self.entries.iter();
        let dead = entries.filter(|(_, entry)| dead(entry) && !matches!(entry.form, Form::Busy));
        let dead: Vec<Key> = dead.map(|(key, _)| *key).collect();
        dead.iter().for_each(|key| self.remove(key));
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    fn reserve(&mut self, key: Key, matrix: &Matrix, bytes: u64) {
        let last = self.tick();
        let entry = Entry {
            matrix: Arc::downgrade(&matrix.id),
            form: Form::Busy,
            bytes: 0,
            users: 0,
            last,
        };
        self.entries.insert(key, entry);
        self.hold(&key, bytes);
    }

    /// Sets the bytes of an entry.
    fn hold(&mut self, key: &Key, bytes: u64) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
            self.peak = self.peak.max(self.bytes);
        }
    }

    /// The next announced product that is not there and for which there is room, its bytes
    /// reserved.
    pub fn take_ahead(&mut self) -> Option<Step> {
        let longest = self.orders.longest();
        // Without a budget only the next product is made.
        let depth = self.budget.map_or(1, |_| longest).min(longest);
        for distance in 0..depth {
            let absent = |step: &&Step| {
                let never = self.budget.is_some_and(|budget| step.bytes > budget);
                !never && !self.entries.contains_key(&step.key)
            };
            let Some(step) = self.orders.at(distance).find(absent).cloned() else {
                continue;
            };
            if !self.make_room(step.bytes, Some(distance)) {
                // What comes later has less right to the room.
                return None;
            }
            self.reserve(step.key, &step.planned.matrix, step.bytes);
            return Some(step);
        }
        None
    }

    /// Grows the reservation of a form that is made ahead and turns out larger than it was taken
    /// to be; whether there was room. Without room it is not made ahead again.
    pub fn grow(&mut self, key: &Key, bytes: u64) -> bool {
        let held = self.entries.get(key).map_or(0, |entry| entry.bytes);
        if bytes <= held {
            return true;
        }
        let distance = self.orders.distance(key);
        if self.make_room(bytes - held, distance) {
            self.hold(key, bytes);
            return true;
        }
        self.orders.never_ahead(key);
        false
    }

    fn set(&mut self, key: &Key, form: Form<B>, bytes: u64, users: usize) {
        self.hold(key, bytes);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.form = form;
            entry.users = users;
        }
    }
}

/// The right and duty of one thread to make a form; dropped without a result, the form is absent
/// again.
pub(super) struct Claim<'s, B: Backend> {
    shared: &'s Shared<B>,
    key: Key,
    /// Bytes of the form as far as they are known.
    bytes: u64,
    settled: bool,
}

impl<'s, B: Backend> Claim<'s, B> {
    /// The claim to a form that is marked busy.
    pub fn new(shared: &'s Shared<B>, key: Key, bytes: u64) -> Claim<'s, B> {
        Claim {
            shared,
            key,
            bytes,
            settled: false,
        }
    }

    /// Claims a form for the product that needs it, whatever the budget, and moves its order on;
    /// `None` if it is there or claimed by now.
    pub fn at_need(
        shared: &'s Shared<B>,
        key: Key,
        matrix: &Matrix,
        bytes: u64,
    ) -> Option<Claim<'s, B>> {
        let mut state = shared.lock();
        if state.entries.contains_key(&key) {
            return None;
        }
        state.make_room(bytes, None);
        state.reserve(key, matrix, bytes);
        state.advance(&key);
        shared.changed.notify_all();
        Some(Claim::new(shared, key, bytes))
    }

    /// Hands over the finished form, held by as many products.
    pub fn ready(self, encoded: EncodedDiagonals<B>, users: usize) -> Arc<EncodedDiagonals<B>> {
        let (bytes, encoded) = (encoded.bytes(), Arc::new(encoded));
        self.settle(Form::Ready(Arc::clone(&encoded)), bytes, users);
        encoded
    }

    /// Hands over coefficients, which the product that needs them finishes on the device.
    pub fn on_host(self, encoding: Encoding<B>) {
        let bytes = self.bytes;
        self.settle(Form::Host(encoding), bytes, 0);
    }

    /// Leaves an error to the product that needs the form.
    pub fn failed(self, error: Error) {
        self.settle(Form::Failed(error), 0, 0);
    }

    fn settle(mut self, form: Form<B>, bytes: u64, users: usize) {
        let mut state = self.shared.lock();
        state.encoded += u64::from(matches!(form, Form::Ready(_)));
        state.set(&self.key, form, bytes, users);
        drop(state);
        self.settled = true;
        self.shared.changed.notify_all();
    }
}

impl<B: Backend> Drop for Claim<'_, B> {
    fn drop(&mut self) {
        if !self.settled {
            self.shared.lock().remove(&self.key);
            self.shared.changed.notify_all();
        }
    }
}
