//! Matrices of weights that are read where they are stored.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use half::{bf16, f16};
use rayon::prelude::*;

use crate::digest::{Digest, Digester};
use crate::error::{Error, Result};
use crate::mapping::Bytes;

/// How the numbers of a matrix are stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// IEEE 754 double precision; rounded to single precision when it is read.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
}

impl Format {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Reads as many numbers as `out` holds.
    fn read(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F64 => convert(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => convert(bytes, out, f32::from_le_bytes),
            Self::F16 => convert(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => convert(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }
}

fn convert<const N: usize>(bytes: &[u8], out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    for (out, word) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = number(*word);
    }
}

/// A matrix of weights `[rows, columns]`, row-major, in a mapped file or in memory.
///
/// A clone shares the bytes. Numbers are read as single precision when they are asked for, so a
/// checkpoint is held once, by the operating system, in the format of its file.
#[derive(Clone)]
pub struct Matrix {
    name: Arc<str>,
    bytes: Arc<Bytes>,
    start: usize,
    format: Format,
    rows: usize,
    columns: usize,
    identity: Arc<OnceLock<Digest>>,
}

impl Matrix {
    /// The matrix in `range` of `bytes`; `name` is that of the tensor in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when `range` is outside of `bytes` or does not hold `rows * columns`
    /// numbers of `format`.
    pub fn stored(
        name: &str,
        bytes: Arc<Bytes>,
        range: Range<usize>,
        format: Format,
        [rows, columns]: [usize; 2],
    ) -> Result<Self> {
        let count = rows.checked_mul(columns);
        let size = count.and_then(|count| count.checked_mul(format.bytes()));
        let within = range.start <= range.end && range.end <= bytes.as_slice().len();
        if !within || size != Some(range.len()) {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: vec![rows, columns],
                found: vec![range.len() / format.bytes()],
            });
        }
        Ok(Self {
            name: name.into(),
            bytes,
            start: range.start,
            format,
            rows,
            columns,
            identity: Arc::default(),
        })
    }

    /// A matrix in memory whose entry in row `o` and column `i` is `entry(o, i)`.
    pub fn from_fn(
        rows: usize,
        columns: usize,
        mut entry: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let entries = (0..rows).flat_map(|o| (0..columns).map(move |i| (o, i)));
        let held: Vec<u8> = entries
            .flat_map(|(o, i)| entry(o, i).to_le_bytes())
            .collect();
        Self {
            name: "(in memory)".into(),
            bytes: Arc::new(Bytes::Held(held.into())),
            start: 0,
            format: Format::F32,
            rows,
            columns,
            identity: Arc::default(),
        }
    }

    /// Name of the tensor in its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    pub fn nrows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn ncols(&self) -> usize {
        self.columns
    }

    /// How the numbers are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes of all numbers as stored.
    pub fn stored_bytes(&self) -> usize {
        self.rows * self.columns * self.format.bytes()
    }

    /// Reads row `o` into `row`, which holds as many numbers as there are columns.
    ///
    /// # Panics
    ///
    /// When `o` is no row, and when `row` has another length.
    pub fn row(&self, o: usize, row: &mut [f32]) {
        assert!(o < self.rows, "row {o} of {}", self.rows);
        assert_eq!(row.len(), self.columns, "numbers of a row");
        let width = self.columns * self.format.bytes();
        self.format
            .read(&self.stored_range()[o * width..][..width], row);
    }

    /// The entry in row `o` and column `i`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn get(&self, o: usize, i: usize) -> f32 {
        assert!(o < self.rows && i < self.columns, "entry [{o}, {i}]");
        let at = (o * self.columns + i) * self.format.bytes();
        let mut one = [0.0];
        self.format.read(&self.stored_range()[at..], &mut one);
        one[0]
    }

    /// Calls `each` with the number and the entries of every row, in order.
    pub fn for_each_row(&self, mut each: impl FnMut(usize, &[f32])) {
        let mut row = vec![0.0; self.columns];
        for o in 0..self.rows {
            self.row(o, &mut row);
            each(o, &row);
        }
    }

    /// Names the content: format, shape and bytes. Computed when it is first asked for, in one
    /// pass on all cores that also checks that every number is finite; clones share the result.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] names the first number that is infinite, no number, or beyond single
    /// precision; [`Error::Changed`] says that the file was written since it was opened.
    pub fn identity(&self) -> Result<Digest> {
        if let Some(identity) = self.identity.get() {
            return Ok(*identity);
        }
        let stored = self.stored_range();
        let mut digester = Digester::new("he-llama 0.1 matrix of weights");
        digester.field(format!("{:?}", self.format).as_bytes());
        digester
            .number(self.rows as u64)
            .number(self.columns as u64);
        digester.large_field(stored);
        self.check_finite(stored)?;
        self.bytes.check_unchanged()?;
        Ok(*self.identity.get_or_init(|| digester.finish()))
    }

    fn check_finite(&self, stored: &[u8]) -> Result<()> {
        /// Numbers that one task looks at.
        const BLOCK: usize = 1 << 16;
        let found = stored
            .par_chunks(BLOCK * self.format.bytes())
            .enumerate()
            .find_map_first(|(block, bytes)| {
                let mut numbers = vec![0.0; bytes.len() / self.format.bytes()];
                self.format.read(bytes, &mut numbers);
                let index = numbers.iter().position(|v| !v.is_finite())?;
                Some((block * BLOCK + index, numbers[index]))
            });
        found.map_or(Ok(()), |(index, value)| {
            Err(Error::NotFinite {
                name: self.name.to_string(),
                index,
                value: f64::from(value),
            })
        })
    }

    /// The bytes of all numbers as they are stored.
    pub fn stored_range(&self) -> &[u8] {
        &self.bytes.as_slice()[self.start..][..self.stored_bytes()]
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            format,
            rows,
            columns,
            ..
        } = self;
        write!(f, "Matrix({name}, {format:?}, [{rows}, {columns}])")
    }
}

/// Equal shapes and numbers, in whatever format.
impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        if (self.rows, self.columns) != (other.rows, other.columns) {
            return false;
        }
        let (mut a, mut b) = (vec![0.0; self.columns], vec![0.0; self.columns]);
        (0..self.rows).all(|o| {
            self.row(o, &mut a);
            other.row(o, &mut b);
            a == b
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: Vec<u8>, format: Format, shape: [usize; 2]) -> Result<Matrix> {
        let range = 0..bytes.len();
        Matrix::stored(
            "w",
            Arc::new(Bytes::Held(bytes.into())),
            range,
            format,
            shape,
        )
    }

    #[test]
    fn four_formats_give_the_same_numbers_and_different_identities() {
        let values: Vec<f32> = (0..12).map(|i| i as f32 / 8.0 - 0.5).collect();
        let want = Matrix::from_fn(3, 4, |o, i| values[o * 4 + i]);
        let v = values.iter().copied();
        let all = [
            (
                Format::F64,
                v.clone()
                    .flat_map(|x| f64::from(x).to_le_bytes().to_vec())
                    .collect(),
            ),
            (
                Format::F32,
                v.clone().flat_map(|x| x.to_le_bytes().to_vec()).collect(),
            ),
            (
                Format::F16,
                v.clone()
                    .flat_map(|x| f16::from_f32(x).to_le_bytes().to_vec())
                    .collect(),
            ),
            (
                Format::Bf16,
                v.flat_map(|x| bf16::from_f32(x).to_le_bytes().to_vec())
                    .collect(),
            ),
        ];
        let mut identities = Vec::new();
        for (format, bytes) in all {
            let matrix = held(bytes, format, [3, 4]).expect("sizes agree");
            assert_eq!(matrix, want, "{format:?}");
            assert_eq!(matrix.get(2, 1), values[9], "{format:?}");
            let identity = matrix.identity().expect("finite");
            assert_eq!(matrix.clone().identity().expect("finite"), identity);
            assert_eq!(
                identity == want.identity().expect("finite"),
                format == Format::F32
            );
            assert!(!identities.contains(&identity));
            identities.push(identity);
        }
    }

    #[test]
    fn a_range_that_does_not_hold_the_shape_is_refused() {
        for (len, shape) in [
            (15, [2, 2]),
            (12, [2, 2]),
            (16, [usize::MAX, 2]),
            (16, [1 << 62, 1]),
        ] {
            let found = held(vec![0; len], Format::F32, shape);
            assert!(matches!(found, Err(Error::Shape { .. })), "{len} {shape:?}");
        }
        let bytes = Arc::new(Bytes::Held(vec![0; 16].into()));
        for range in [8..24, 20..20] {
            let shape = [range.len() / 4, 1];
            let found = Matrix::stored("w", Arc::clone(&bytes), range, Format::F32, shape);
            assert!(matches!(found, Err(Error::Shape { .. })), "{found:?}");
        }
    }

    /// Infinities, no numbers, and what single precision cannot hold, at every place.
    #[test]
    fn numbers_that_are_not_finite_are_named() {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300];
        for (at, value) in (0..70_001).step_by(10_000).zip(bad.iter().cycle()) {
            let mut bytes = vec![0; 70_001 * 8];
            bytes[at * 8..][..8].copy_from_slice(&value.to_le_bytes());
            let matrix = held(bytes, Format::F64, [1, 70_001]).expect("sizes agree");
            let found = matrix.identity();
            assert!(
                matches!(&found, Err(Error::NotFinite { index, name, .. }) if *index == at && name == "w"),
                "{found:?}"
            );
        }
    }
}
