//! Products of encrypted tensors with weights.

use ckks_math::backend::Backend;
use he_linalg::bsgs::CostModel;
use he_linalg::{Layout, LinearMap, PreparedMap};

use crate::encrypted::machine::Encrypted;
use crate::encrypted::maps;
use crate::encrypted::tensor::Tensor;
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
            parts.push(maps::Part {
                projection: p,
                factor: x.unit / self.units.of(p.site)?,
                part: 0,
            });
        }
        let roles = projections.map(|p| p.site.role);
        let widest = projections.iter().map(|p| p.outputs()).max().unwrap_or(0);
        let results = match self.packing.joined(&roles, widest)? {
            Some(joined) => {
                for (part, of) in parts.iter_mut().zip(joined.parts) {
                    part.part = *of;
                }
                self.joined(x, &parts, joined.layout)?
            }
            None => self.apart(x, &parts)?,
        };
        Ok(results
            .try_into()
            .unwrap_or_else(|_| unreachable!("one result for each projection")))
    }

    fn joined(
        &mut self,
        x: &Tensor<B>,
        parts: &[maps::Part<'_>],
        output: Layout,
    ) -> Result<Vec<Tensor<B>>> {
        let map = self.weights(x, parts, &output)?;
        let input = x.packed.layout();
        let prepared = PreparedMap::new(&map, input, &output, &CostModel::default())?;
        let image = prepared.apply(self.ev, &x.packed)?;
        let mut results = Vec::with_capacity(parts.len());
        for part in parts {
            let site = part.projection.site;
            let unit = self.units.of(site)?;
            let result = self.tensor(output.clone(), image.batch(), unit, site)?;
            results.push(Tensor {
                part: Some(part.part),
                ..result
            });
        }
        Ok(results)
    }

    fn apart(&mut self, x: &Tensor<B>, parts: &[maps::Part<'_>]) -> Result<Vec<Tensor<B>>> {
        let mut built = Vec::with_capacity(parts.len());
        for part in parts {
            let output = self.output_layout(part.projection)?;
            let map = self.weights(x, std::slice::from_ref(part), &output)?;
            built.push((map, output));
        }
        let pairs: Vec<_> = built.iter().map(|(map, output)| (map, output)).collect();
        let prepared = PreparedMap::fused(&pairs, x.packed.layout(), &CostModel::default())?;
        let images = prepared.apply_all(self.ev, &x.packed)?;
        let mut results = Vec::with_capacity(parts.len());
        for ((image, part), (_, output)) in images.iter().zip(parts).zip(built) {
            let site = part.projection.site;
            results.push(self.tensor(output, image.batch(), self.units.of(site)?, site)?);
        }
        Ok(results)
    }

    /// The matrix of some projections into one layout.
    fn weights(
        &self,
        x: &Tensor<B>,
        parts: &[maps::Part<'_>],
        output: &Layout,
    ) -> Result<LinearMap> {
        let input = x.packed.layout();
        if self.thin {
            return maps::thin(input, output);
        }
        let head = parts
            .iter()
            .any(|part| part.projection.site.role == Role::LogitsRaw);
        let token = head.then(|| self.packing.shape().used - 1);
        let from = (input, x.part.unwrap_or(0));
        maps::projection(parts, self.config, &self.packing, from, output, token)
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
