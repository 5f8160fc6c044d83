//! Linear maps with plaintext weights.

use crate::digest::Digester;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::model::machine::Positions;
use crate::model::site::Site;

/// Rotary embedding of the output of a projection.
///
/// Channel pair `(i, i + head_dim / 2)` of each head rotates by `position * frequencies[i]`; the
/// turn is linear, so it belongs to the weights, which then depend on the token.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Angle per position of each pair, `head_dim / 2` numbers.
    pub frequencies: Vec<f64>,
}

/// `y[o, t] = scale * sum_i weight[o, i] * gain[i] * x[i, t]`, then rotated where `rope` is set.
#[derive(Clone, Debug)]
pub struct Projection {
    /// Names the result; its range is that of this site.
    pub site: Site,
    /// Weights `[out, in]`, where the checkpoint has them.
    pub weight: Matrix,
    /// Weights of the norm before, `in` factors.
    pub gain: Option<Vec<f32>>,
    /// Common factor.
    pub scale: f64,
    /// The result has this many heads of `out / heads` channels each.
    pub heads: usize,
    /// Rotation of the result.
    pub rope: Option<Rope>,
}

impl Projection {
    /// A plain linear map into one group of channels.
    pub fn new(site: Site, weight: Matrix) -> Self {
        Self {
            site,
            weight,
            gain: None,
            scale: 1.0,
            heads: 1,
            rope: None,
        }
    }

    /// Number of output channels, all heads together.
    pub fn outputs(&self) -> usize {
        self.weight.nrows()
    }

    /// Number of input channels.
    pub fn inputs(&self) -> usize {
        self.weight.ncols()
    }

    /// The matrix `[out, in]` that acts on the token at `position`, row-major: gain, scale and
    /// rotation folded in.
    pub fn matrix_at(&self, position: usize) -> Vec<f64> {
        let (rows, columns) = (self.outputs(), self.inputs());
        let mut matrix = vec![0.0; rows * columns];
        self.weight.for_each_row(|o, row| {
            let out = &mut matrix[o * columns..][..columns];
            for (i, (out, w)) in out.iter_mut().zip(row).enumerate() {
                let gain = self.gain.as_ref().map_or(1.0, |g| f64::from(g[i]));
                *out = f64::from(*w) * gain * self.scale;
            }
        });
        let Some(rope) = &self.rope else {
            return matrix;
        };
        let (dim, half) = (rows / self.heads, rope.frequencies.len());
        for head in 0..self.heads {
            for (pair, frequency) in rope.frequencies.iter().enumerate() {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                let (a, b) = (head * dim + pair, head * dim + pair + half);
                for i in 0..columns {
                    let (x, y) = (matrix[a * columns + i], matrix[b * columns + i]);
                    matrix[a * columns + i] = x * cos - y * sin;
                    matrix[b * columns + i] = y * cos + x * sin;
                }
            }
        }
        matrix
    }

    /// Row `output` of [`Projection::matrix_at`], into `row`, which has a place for each input.
    ///
    /// # Panics
    ///
    /// When `row` has another length, and for outputs that there are not.
    pub fn row_at(&self, position: usize, output: usize, row: &mut [f64]) {
        let mut stored = vec![0.0; self.inputs()];
        let mut add = |o: usize, factor: f64, row: &mut [f64]| {
            self.weight.row(o, &mut stored);
            for (i, (out, w)) in row.iter_mut().zip(&stored).enumerate() {
                let gain = self.gain.as_ref().map_or(1.0, |g| f64::from(g[i]));
                *out += f64::from(*w) * gain * self.scale * factor;
            }
        };
        row.fill(0.0);
        let Some(rope) = &self.rope else {
            return add(output, 1.0, row);
        };
        let (dim, half) = (self.outputs() / self.heads, rope.frequencies.len());
        let (start, within) = (output - output % dim, output % dim);
        let pair = within % half;
        let (sin, cos) = (position as f64 * rope.frequencies[pair]).sin_cos();
        let (low, high) = (start + pair, start + pair + half);
        let [of_low, of_high] = match within < half {
            true => [cos, -sin],
            false => [sin, cos],
        };
        add(low, of_low, row);
        add(high, of_high, row);
    }

    /// The image of the tokens `x` (row-major `[token, in]`) at `positions`, row-major
    /// `[token, out]`.
    pub fn times(&self, x: &[f64], positions: Positions) -> Vec<f64> {
        let (outputs, inputs) = (self.outputs(), self.inputs());
        let tokens = positions.len;
        // Tokens innermost, so that each weight is read and scaled once.
        let mut columns = vec![0.0; inputs * tokens];
        for (t, row) in x.chunks_exact(inputs).enumerate() {
            for (i, v) in row.iter().enumerate() {
                let gain = self.gain.as_ref().map_or(1.0, |g| f64::from(g[i]));
                columns[i * tokens + t] = v * gain * self.scale;
            }
        }
        let mut y = vec![0.0; tokens * outputs];
        let mut sum = vec![0.0; tokens];
        self.weight.for_each_row(|o, row| {
            sum.fill(0.0);
            for (w, column) in row.iter().zip(columns.chunks_exact(tokens)) {
                let w = f64::from(*w);
                for (s, c) in sum.iter_mut().zip(column) {
                    *s += w * c;
                }
            }
            for (t, s) in sum.iter().enumerate() {
                y[t * outputs + o] = *s;
            }
        });
        if let Some(rope) = &self.rope {
            for (t, row) in y.chunks_exact_mut(outputs).enumerate() {
                for head in row.chunks_exact_mut(outputs / self.heads) {
                    rope.rotate(head, positions.start + t);
                }
            }
        }
        y
    }
}

impl Projection {
    /// Adds all that the map depends on to the hash.
    ///
    /// # Errors
    ///
    /// Those of [`Matrix::identity`].
    pub(crate) fn digest_into(&self, digester: &mut Digester) -> Result<()> {
        let reals = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let gain = self.gain.as_deref().map(reals).unwrap_or_default();
        let rope = self.rope.as_ref();
        let frequencies = rope.map_or(&[][..], |rope| &rope.frequencies);
        digester.field(self.weight.identity()?.as_bytes());
        digester.number(self.heads as u64);
        for numbers in [&[self.scale], gain.as_slice(), frequencies] {
            digester.reals(numbers.iter().copied());
        }
        Ok(())
    }
}

impl Rope {
    /// Turns the channels of one head to `position`.
    pub fn rotate(&self, head: &mut [f64], position: usize) {
        let (low, high) = head.split_at_mut(self.frequencies.len());
        for ((x, y), frequency) in low.iter_mut().zip(high).zip(&self.frequencies) {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            (*x, *y) = (*x * cos - *y * sin, *y * cos + *x * sin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::site::Role;

    /// The folded matrix of a position does what the rotation after the product does.
    #[test]
    fn the_matrix_at_a_position_holds_the_rotation() {
        let weight = Matrix::from_fn(8, 3, |o, i| ((o * 5 + i * 7) % 11) as f32 / 4.0 - 1.0);
        let mut p = Projection::new(Site::new(0, Role::QueryRaw), weight);
        p.heads = 2;
        p.scale = 0.5;
        p.gain = Some(vec![1.0, 2.0, -0.5]);
        p.rope = Some(Rope {
            frequencies: vec![1.0, 0.1],
        });
        let x = [0.3, -1.0, 2.0, 1.5, 0.25, -0.75];
        let y = p.times(&x, Positions { start: 6, len: 2 });
        for t in 0..2 {
            let m = p.matrix_at(6 + t);
            for o in 0..8 {
                let mut row = [7.0; 3];
                p.row_at(6 + t, o, &mut row);
                for (found, expected) in row.iter().zip(&m[o * 3..]) {
                    assert!((found - expected).abs() < 1e-14);
                }
                let want: f64 = (0..3).map(|i| m[o * 3 + i] * x[t * 3 + i]).sum();
                assert!((y[t * 8 + o] - want).abs() < 1e-14);
            }
        }
    }
}
