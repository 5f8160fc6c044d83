//! A ring on a backend with helpers to move and compare residues.

use super::data::{KINDS, Rng, families};
use super::oracle::HostBlock;
use super::{Verdict, Violation};
use crate::backend::{Backend, Basis, RingSpec};

/// One ring, with its tables, on the backend under test.
pub struct Fixture<'b, B: Backend> {
    /// The backend under test.
    pub backend: &'b B,
    /// The ring.
    pub ring: RingSpec,
    /// Its tables.
    pub tables: B::Tables,
    /// Kind, degree and primes, for messages.
    pub name: String,
}

impl<'b, B: Backend> Fixture<'b, B> {
    /// A ring on a backend.
    pub fn new(backend: &'b B, ring: RingSpec, primes: &str) -> Verdict<Self> {
        let name = format!("{:?} ring, N = {}, {primes}", ring.kind(), ring.degree());
        let tables = backend
            .tables(&ring)
            .map_err(|e| Violation::from(e).at(&name))?;
        Ok(Self {
            backend,
            ring,
            tables,
            name,
        })
    }

    /// Both rings at degree `2^log_n`, with primes of every size the backend admits.
    pub fn all(backend: &'b B, log_n: u32) -> Verdict<Vec<Self>> {
        if 1_usize << log_n > backend.limits().max_degree {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for kind in KINDS {
            for family in families(backend.limits()) {
                let ring = family.ring(kind, log_n)?;
                all.push(Self::new(backend, ring, family.name)?);
            }
        }
        Ok(all)
    }

    /// Runs a check on both rings at each degree, with primes of every size.
    pub fn each(
        backend: &'b B,
        log_degrees: &[u32],
        check: impl Fn(&Self, &mut Rng) -> Verdict,
    ) -> Verdict {
        for &log_n in log_degrees {
            for fixture in Self::all(backend, log_n)? {
                let mut rng = Rng::new(u64::from(log_n));
                check(&fixture, &mut rng).map_err(|v| v.at(&fixture.name))?;
            }
        }
        Ok(())
    }

    /// Number of moduli `q`.
    pub fn levels(&self) -> usize {
        self.ring.q().len()
    }

    /// Number of special moduli.
    pub fn specials(&self) -> usize {
        self.ring.p().len()
    }

    /// Random residues with extremes among them.
    pub fn random(&self, rng: &mut Rng, rows: usize, basis: Basis) -> HostBlock {
        HostBlock::build(&self.ring, rows, basis, |_, prime, _| {
            rng.residue(self.ring.prime(prime).value())
        })
    }

    /// Uniform residues.
    pub fn uniform(&self, rng: &mut Rng, rows: usize, basis: Basis) -> HostBlock {
        HostBlock::build(&self.ring, rows, basis, |_, prime, _| {
            rng.uniform(self.ring.prime(prime).value())
        })
    }

    /// Residues on the device, in the shape of `x`.
    pub fn upload(&self, x: &HostBlock) -> Verdict<B::Block> {
        let shape = x.shape();
        Ok(self
            .backend
            .upload(&self.tables, shape.rows, shape.basis, x.residues())?)
    }

    /// Coefficients on the device, transformed there; the shape is that of `x`.
    pub fn upload_transformed(&self, x: &HostBlock) -> Verdict<B::Block> {
        let mut block = self.upload(x)?;
        self.backend.ntt(&self.tables, &mut block)?;
        Ok(block)
    }

    /// Residues of a block, in its shape.
    pub fn download(&self, x: &B::Block) -> Verdict<HostBlock> {
        let shape = self.backend.shape(x);
        let residues = self.backend.download(&self.tables, x)?;
        HostBlock::new(&self.ring, shape.rows, shape.basis, residues).ok_or_else(|| {
            Violation::new(format!("downloaded residues do not have the shape {shape}"))
        })
    }

    /// Coefficients of a block of evaluations, in its shape.
    pub fn coefficients(&self, x: &B::Block) -> Verdict<HostBlock> {
        let mut copy = self.backend.duplicate(&self.tables, x)?;
        self.backend.intt(&self.tables, &mut copy)?;
        self.download(&copy)
    }

    /// Fails unless a block holds exactly the expected residues in the expected shape.
    pub fn expect(&self, what: &str, found: &B::Block, expected: &HostBlock) -> Verdict {
        self.download(found)?.expect_equal(what, expected)
    }
}
