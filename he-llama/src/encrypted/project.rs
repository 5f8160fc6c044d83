//! Products of encrypted tensors with weights.

use ckks_math::backend::Backend;
use he_linalg::{Layout, Packed};

use crate::encrypted::machine::Encrypted;
use crate::encrypted::tensor::Tensor;
use crate::encrypted::weights::Part;
use crate::error::Result;
use crate::model::{Projection, Role};

impl<B: Backend> Encrypted<'_, B> {
    /// The images of `x` under several projections: parts of one ciphertext where the packing has
    /// room for that.
    pub(super) fn project_all<const N: usize>(
        &mut self,
        x: &Tensor<B>,
        projections: [&Projection; N],
    ) -> Result<[Tensor<B>; N]> {
        let mut parts = Vec::with_capacity(N);
        for p in projections {
            parts.push(Part {
                projection: p.clone(),
                factor: x.unit / self.units.of(p.site)?,
                part: 0,
            });
        }
        let roles = projections.map(|p| p.site.role);
        let widest = projections.iter().map(|p| p.outputs()).max().unwrap_or(0);
        let mut results = Vec::with_capacity(N);
        match self.packing.joined(&roles, widest)? {
            Some(joined) => {
                for (part, of) in parts.iter_mut().zip(joined.parts) {
                    part.part = *of;
                }
                let image = self.images(x, &[(parts, joined.layout.clone())])?;
                for (projection, part) in projections.iter().zip(joined.parts) {
                    let result = self.image(projection, &joined.layout, &image[0])?;
                    results.push(result.in_part(Some(*part)));
                }
            }
            None => {
                let mut outputs = Vec::with_capacity(N);
                for part in parts {
                    let output = self.output_layout(&part.projection)?;
                    outputs.push((vec![part], output));
                }
                let images = self.images(x, &outputs)?;
                for ((projection, (_, layout)), image) in
                    projections.iter().zip(&outputs).zip(&images)
                {
                    results.push(self.image(projection, layout, image)?);
                }
            }
        }
        Ok(results
            .try_into()
            .unwrap_or_else(|_| unreachable!("one result for each projection")))
    }

    /// The product of `x` with matrices of some outputs.
    fn images(&mut self, x: &Tensor<B>, outputs: &[(Vec<Part>, Layout)]) -> Result<Vec<Packed<B>>> {
        let input = (x.packed.layout(), x.part.unwrap_or(0));
        let model = (self.config, &self.packing);
        let matrix = self.matrices.weights(outputs, model, input)?;
        self.products.extend(matrix.planned(&x.packed));
        matrix.apply(self.ev, self.store, &x.packed)
    }

    fn image(&mut self, p: &Projection, layout: &Layout, image: &Packed<B>) -> Result<Tensor<B>> {
        let unit = self.units.of(p.site)?;
        self.tensor(layout.clone(), image.batch(), unit, p.site)
    }

    /// The layout that a projection writes to.
    fn output_layout(&self, p: &Projection) -> Result<Layout> {
        match p.site.role {
            Role::QueryRaw | Role::Query => self.packing.per_head(),
            Role::KeyRaw | Role::Key | Role::ValueRaw | Role::Value => {
                if self.packing.shape().is_step() {
                    self.packing.cache()
                } else {
                    self.packing.windows()
                }
            }
            _ => self.packing.channels(p.outputs()),
        }
    }
}
