//! The table of a card, measured on the executor: every row is there and its numbers fit together.
//! Times on the CPU say nothing about a card.

#[path = "../../examples/cuda_kernels/bench.rs"]
mod bench;
#[path = "../../examples/cuda_kernels/kernels.rs"]
mod kernels;
#[path = "../../examples/cuda_kernels/keys.rs"]
mod keys;
#[path = "../../examples/cuda_kernels/matrices.rs"]
mod matrices;
#[path = "../../examples/cuda_kernels/refresh.rs"]
mod refresh;
#[path = "../../examples/cuda_kernels/report.rs"]
mod report;
#[path = "../../examples/cuda_kernels/table.rs"]
mod table;

use bench::{Row, Work};
use ckks_gpu_cuda::{CudaBackend, KernelSet};
use report::Rates;
use table::Extent;

/// The larger floor is named, and what no rate is known for has none.
#[test]
fn the_larger_floor_is_named() {
    let rates = Rates {
        bytes: 2e12,
        operations: Some(1e13),
        tensor: None,
    };
    let row = |bytes, operations, tensor| Row {
        name: String::new(),
        microseconds: 1.0,
        work: Work {
            bytes,
            operations,
            tensor,
        },
        notes: Vec::new(),
    };
    assert_eq!(rates.floor(&row(2e6, 4e6, 9e30)), (1.0, "bytes"));
    assert_eq!(rates.floor(&row(2e6, 5e7, 0.0)), (5.0, "integer"));
    let known = Rates {
        tensor: Some(1e15),
        ..rates
    };
    assert_eq!(known.floor(&row(2e6, 5e7, 8e9)), (8.0, "tensor"));
}

#[test]
fn every_row_of_the_table_is_measured() {
    let backend = CudaBackend::open_executor(KernelSet::Plain, 3).unwrap();
    let extent = Extent {
        log_n: 6,
        limbs: 5,
        matrix: 33,
        batches: &[1, 2],
        budget: 0.0,
    };
    let table = table::run(&backend, &extent).unwrap();
    assert_eq!(table["left_out"].as_array().unwrap().len(), 0);
    let rows = table["kernels"].as_array().unwrap();
    let named = |part: &str| {
        let name = |row: &&serde_json::Value| row["name"].as_str().unwrap().contains(part);
        rows.iter().filter(name).collect::<Vec<_>>()
    };
    for row in rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        let name = row["name"].as_str().unwrap();
        assert!(number("us") > 0.0 && number("bytes") > 0.0, "{name}");
        // No rate of operations is known without a card: bytes over the copy's bandwidth.
        assert_eq!(row["floor"], "bytes", "{name}");
        assert!(row["share_of_integer_rate"].is_null(), "{name}");
        let share = number("floor_us") / number("us");
        assert!((number("share") - share).abs() <= 1e-9 * share, "{name}");
        let copy = number("share_of_copy");
        assert!(
            (copy - share).abs() <= 1e-6 * share,
            "{name}: {copy} {share}"
        );
    }
    // Five rings and batches of seven kernels and the whole key switch.
    assert_eq!(named("decompose").len(), 5);
    assert_eq!(named("key_switch").len(), 5 + 2);
    assert_eq!(named("half_boot").len(), 4);
    // Three lengths of entries, four units, two lengths of words.
    assert_eq!(named("gemm").len(), 24);
    // Sums of 33 products of 8 and 29 bits are below 2^53, those with residues of 60 bits are not.
    let doubles = named("8 bits, Double");
    let doubles = doubles.iter().map(|row| row["products"].as_f64().unwrap());
    assert_eq!(doubles.collect::<Vec<_>>(), [1.0, 2.0]);
    let chosen = named("gemm").into_iter().filter(|row| row["chosen"] == 1.0);
    assert_eq!(chosen.count(), 6);
    for units in ["Tensor", "Library"] {
        let row = named(&format!("8 bits, {units}"))[0];
        let products = row["tensor_products"].as_f64().unwrap();
        // 33 by 33 entries, 4 limbs of 64 residues; moduli of 8 bits hold 33 * 127 * 2^29.5.
        assert_eq!(products, 33.0 * 33.0 * 4.0 * 64.0 * 6.0);
    }
    let host = named("1 rows: dot_key, Fused key on the host")[0];
    assert!(host["of_a_whole_key"].as_f64().unwrap() < 0.5);
    assert!(
        host["key_bytes_on_card"].as_f64().unwrap()
            < 0.1 * host["key_bytes_on_host"].as_f64().unwrap()
    );
}
