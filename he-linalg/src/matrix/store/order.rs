//! Announced orders of products.

use std::collections::HashMap;

use super::Planned;
use crate::matrix::Matrix;
use crate::matrix::encode::Operand;

/// A matrix encoded for an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    matrix: u64,
    level: usize,
    scale: u64,
    factor: u64,
}

impl Key {
    pub fn of(matrix: &Matrix, operand: Operand) -> Key {
        Key {
            matrix: *matrix.id,
            level: operand.level,
            scale: operand.scale.to_bits(),
            factor: operand.factor.to_bits(),
        }
    }
}

/// A product of an order.
#[derive(Clone)]
pub(super) struct Step {
    pub key: Key,
    pub planned: Planned,
    /// Bytes of its form, as far as they are known.
    pub bytes: u64,
}

/// An announced order of products.
struct Order {
    number: u64,
    steps: Vec<Step>,
    positions: HashMap<Key, Vec<usize>>,
    /// The product after the one asked for last.
    next: usize,
}

impl Order {
    /// The position of the next product with a key in this pass.
    fn ahead(&self, key: &Key) -> Option<usize> {
        let positions = self.positions.get(key)?;
        positions.iter().copied().find(|&at| at >= self.next)
    }

    /// How many products come before the next one with a key, in this pass or in those to come.
    fn distance(&self, key: &Key) -> Option<usize> {
        if let Some(at) = self.ahead(key) {
            return Some(at - self.next);
        }
        let first = self.positions.get(key)?.first()?;
        Some(self.steps.len() - self.next + first)
    }
}

/// The orders of all passes that run.
#[derive(Default)]
pub(super) struct Orders(Vec<Order>);

impl Orders {
    /// Adds an order of products with their bytes.
    pub fn announce(&mut self, number: u64, products: Vec<(Planned, u64)>) {
        let mut positions: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut steps = Vec::with_capacity(products.len());
        for (at, (planned, bytes)) in products.into_iter().enumerate() {
            let key = Key::of(&planned.matrix, planned.operand());
            positions.entry(key).or_default().push(at);
            steps.push(Step {
                key,
                planned,
                bytes,
            });
        }
        self.0.push(Order {
            number,
            steps,
            positions,
            next: 0,
        });
    }

    pub fn forget(&mut self, number: u64) {
        self.0.retain(|order| order.number != number);
    }

    /// Moves on the order in which a product comes soonest.
    pub fn advance(&mut self, key: &Key) {
        let reached = self.0.iter_mut();
        let reached = reached.filter_map(|order| Some((order.ahead(key)?, order)));
        if let Some((at, order)) = reached.min_by_key(|(at, order)| at - order.next) {
            order.next = at + 1;
        }
    }

    /// How many products come before the next use of a form; `None` if it is not announced.
    pub fn distance(&self, key: &Key) -> Option<usize> {
        let distances = self.0.iter().filter_map(|order| order.distance(key));
        distances.min()
    }

    /// The products left of the longest order.
    pub fn longest(&self) -> usize {
        let left = self.0.iter().map(|order| order.steps.len() - order.next);
        left.max().unwrap_or(0)
    }

    /// The products that come after `distance` others, of all orders.
    pub fn at(&self, distance: usize) -> impl Iterator<Item = &Step> {
        let orders = self.0.iter();
        orders.filter_map(move |order| order.steps.get(order.next + distance))
    }

    /// Keeps a form from being made ahead.
    pub fn never_ahead(&mut self, key: &Key) {
        let steps = self.0.iter_mut().flat_map(|order| &mut order.steps);
        for step in steps.filter(|step| step.key == *key) {
            step.bytes = u64::MAX;
        }
    }
}
