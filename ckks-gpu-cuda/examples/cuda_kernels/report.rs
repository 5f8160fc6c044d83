//! Floors, and the table as text and as JSON.

use crate::bench::{Bench, Row};
use serde_json::{Value, json};

/// What a card can do in a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Bytes that a copy reads and writes, measured in the same run.
    pub bytes: f64,
    /// 32-bit integer operations; `None` where no card runs.
    pub operations: Option<f64>,
    /// Products of bytes on tensor cores, by the data sheet; `None` where none is known.
    pub tensor: Option<f64>,
}

impl Rates {
    /// The largest of the times that a row's work takes at these rates, in microseconds, and its
    /// name.
    pub fn floor(&self, row: &Row) -> (f64, &'static str) {
        let at = |amount: f64, rate: Option<f64>| rate.map_or(0.0, |rate| amount / rate * 1e6);
        let floors = [
            (at(row.work.bytes, Some(self.bytes)), "bytes"),
            (at(row.work.operations, self.operations), "integer"),
            (at(row.work.tensor, self.tensor), "tensor"),
        ];
        let largest = |a: (f64, _), b: (f64, _)| if b.0 > a.0 { b } else { a };
        floors.into_iter().fold((0.0, "bytes"), largest)
    }
}

/// Prints the table and returns it.
///
/// Of each row: microseconds, bytes and the share of the copy's bandwidth that they make, integer
/// operations over the card's rate, the larger floor and its share of the time.
pub fn report(bench: &Bench, rates: &Rates, name: &str) -> Value {
    println!(
        "\n{name}: copy {:.0} GB/s, integer {:.2e}/s, tensor {:.2e}/s",
        rates.bytes / 1e9,
        rates.operations.unwrap_or(f64::NAN),
        rates.tensor.unwrap_or(f64::NAN)
    );
    println!(
        "{:52} {:>10} {:>9} {:>7} {:>8} {:>8} {:>7}",
        "", "us", "MB", "copy", "integer", "floor", "share"
    );
    let rows: Vec<Value> = bench.rows.iter().map(|row| line(row, rates)).collect();
    json!({
        "device": name,
        "copy_bytes_per_s": rates.bytes,
        "integer_operations_per_s": rates.operations,
        "tensor_products_per_s": rates.tensor,
        "kernels": rows,
    })
}

fn line(row: &Row, rates: &Rates) -> Value {
    let (floor, name) = rates.floor(row);
    let seconds = row.microseconds * 1e-6;
    let bandwidth = row.work.bytes / seconds / rates.bytes;
    let integer = rates
        .operations
        .map(|rate| row.work.operations / seconds / rate);
    let share = floor / row.microseconds;
    let percent = |value: Option<f64>| value.map_or("".into(), |v| format!("{:.1}%", 100.0 * v));
    println!(
        "{:52} {:10.1} {:9.1} {:>7} {:>8} {name:>8} {:>7}",
        row.name,
        row.microseconds,
        row.work.bytes / 1e6,
        percent(Some(bandwidth)),
        percent(integer),
        percent(Some(share)),
    );
    let mut line = json!({
        "name": row.name,
        "us": row.microseconds,
        "bytes": row.work.bytes,
        "share_of_copy": bandwidth,
        "integer_operations": row.work.operations,
        "share_of_integer_rate": integer,
        "tensor_products": row.work.tensor,
        "floor_us": floor,
        "floor": name,
        "share": share,
    });
    for &(note, value) in &row.notes {
        println!("    {note}: {value:.3e}");
        line[note] = json!(value);
    }
    line
}
