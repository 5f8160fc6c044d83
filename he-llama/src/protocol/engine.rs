//! Client and server behind object-safe traits: programs above have no type parameter.

use std::io::{Read, Write};
use std::sync::Arc;

use ckks_math::backend::{Backend, Limits, MemoryUse};
use ckks_math::keys::{KeyRequest, SecretKey};

use crate::encrypted::Event;
use crate::error::Result;
use crate::protocol::client::{Client, Reply};
use crate::protocol::server::Server;
use crate::protocol::session::Setup;

/// A [`Client`] on some backend.
pub trait ClientSide: Send + Sync {
    /// See [`Client::write_keys`].
    fn write_keys(&self, requests: &[KeyRequest], out: &mut dyn Write) -> Result<()>;

    /// See [`Client::request`].
    fn request(&mut self, ids: &[u32], position: usize) -> Result<Vec<u8>>;

    /// See [`Client::open`].
    fn open(&self, response: &[u8]) -> Result<Reply>;
}

/// A [`Server`] on some backend.
pub trait ServerSide: Send {
    /// See [`Server::respond`].
    fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>>;

    /// See [`Server::position`].
    fn position(&self) -> usize;

    /// See [`Server::save`].
    fn save(&self, out: &mut dyn Write) -> Result<()>;

    /// See [`Server::load`].
    fn load(&mut self, input: &mut dyn Read) -> Result<()>;
}

/// A backend that was opened; each side of a run has its own.
pub trait Engine: Send + Sync {
    /// Name of the device with its kernels.
    fn name(&self) -> String;

    /// What it admits.
    fn limits(&self) -> Limits;

    /// Memory in use.
    fn memory(&self) -> MemoryUse;

    /// See [`Client::new`].
    fn client(&self, setup: &Arc<Setup>, secret: SecretKey) -> Result<Box<dyn ClientSide>>;

    /// See [`Server::new`].
    fn server(
        &self,
        setup: &Arc<Setup>,
        keys: &mut dyn Read,
        needed: &[KeyRequest],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Box<dyn ServerSide>>;
}

impl<B: Backend> ClientSide for Client<B> {
    fn write_keys(&self, requests: &[KeyRequest], mut out: &mut dyn Write) -> Result<()> {
        Self::write_keys(self, requests, &mut out)
    }

    fn request(&mut self, ids: &[u32], position: usize) -> Result<Vec<u8>> {
        Self::request(self, ids, position)
    }

    fn open(&self, response: &[u8]) -> Result<Reply> {
        Self::open(self, response)
    }
}

impl<B: Backend> ServerSide for Server<B> {
    fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>> {
        Self::respond(self, request, progress)
    }

    fn position(&self) -> usize {
        Self::position(self)
    }

    fn save(&self, mut out: &mut dyn Write) -> Result<()> {
        Self::save(self, &mut out)
    }

    fn load(&mut self, mut input: &mut dyn Read) -> Result<()> {
        Self::load(self, &mut input)
    }
}

/// The engine of any backend.
pub struct OnBackend<B>(pub B);

impl<B: Backend> Engine for OnBackend<B> {
    fn name(&self) -> String {
        self.0.name()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn memory(&self) -> MemoryUse {
        self.0.memory()
    }

    fn client(&self, setup: &Arc<Setup>, secret: SecretKey) -> Result<Box<dyn ClientSide>> {
        Ok(Box::new(Client::new(setup, self.0.clone(), secret)?))
    }

    fn server(
        &self,
        setup: &Arc<Setup>,
        mut keys: &mut dyn Read,
        needed: &[KeyRequest],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Box<dyn ServerSide>> {
        let backend = self.0.clone();
        Ok(Box::new(Server::new(
            setup, backend, &mut keys, needed, progress,
        )?))
    }
}
