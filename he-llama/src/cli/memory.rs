//! Amounts of memory on the command line.

use he_linalg::matrix::StoreOptions;

/// Units of bytes by their names.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a whole number of bytes, or of another unit.
///
/// # Errors
///
/// Says what is admitted.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[digits.len()..].trim();
    let known = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let factor = match (unit, known) {
        ("", _) => Some(1),
        (_, known) => known.map(|(_, factor)| *factor),
    };
    let number: Option<u64> = digits.parse().ok();
    let product = number
        .zip(factor)
        .and_then(|(n, factor)| n.checked_mul(factor));
    let names = UNITS.map(|(name, _)| name).join(", ");
    product.ok_or_else(|| format!("a whole number with one of {names} is expected, as in 2GiB"))
}

/// How encoded matrices are kept within `memory` bytes.
pub fn store(memory: Option<u64>, threads: Option<usize>) -> StoreOptions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    StoreOptions {
        budget: memory,
        threads: threads.unwrap_or(cores).max(1),
        resident: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, expected) in [
            ("0", 0),
            ("17", 17),
            ("3 kB", 3000),
            ("2GiB", 2 << 30),
            ("5mib", 5 << 20),
            ("18446744073709551615B", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "GiB",
            "-1",
            "1.5GB",
            "2 TB",
            "18446744073709551615kB",
            "1e9",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
