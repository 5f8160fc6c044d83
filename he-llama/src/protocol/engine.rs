//! Client and server behind object-safe traits: programs above have no type parameter.

use std::io::{Read, Write};
use std::sync::Arc;

use ckks_math::backend::{Backend, Limits, MemoryUse};
use ckks_math::keys::{KeyRequest, SecretKey};
use he_linalg::matrix::StoreOptions;

use crate::encrypted::Event;
use crate::error::Result;
use crate::protocol::client::{Client, Reply, Request};
use crate::protocol::conversation::Conversation;
use crate::protocol::host::ModelHost;
use crate::protocol::server::ServerSession;
use crate::protocol::session::{Cached, Setup};
use crate::protocol::spec::ClientSpec;

/// A [`Client`] on some backend.
pub trait ClientSide: Send + Sync {
    /// See [`Client::write_keys`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::write_keys`].
    fn write_keys(&self, requests: &[KeyRequest], out: &mut dyn Write) -> Result<()>;

    /// See [`Client::request`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::request`].
    fn request(
        &mut self,
        text: &[u32],
        cached: Cached,
        conversation: &Conversation,
    ) -> Result<Request>;

    /// See [`Client::open`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::open`].
    fn open(&self, response: &[u8], after: &Conversation) -> Result<Reply>;
}

/// A [`ModelHost`] on some backend.
pub trait HostSide: Send + Sync {
    /// See [`ModelHost::session`].
    ///
    /// # Errors
    ///
    /// Those of [`ModelHost::session`].
    fn session(
        &self,
        keys: &mut dyn Read,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Box<dyn ServerSide>>;
}

/// A [`ServerSession`] on some backend.
pub trait ServerSide: Send {
    /// See [`ServerSession::respond`].
    ///
    /// # Errors
    ///
    /// Those of [`ServerSession::respond`].
    fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>>;

    /// See [`ServerSession::cached`].
    fn cached(&self) -> Cached;

    /// See [`ServerSession::save`].
    ///
    /// # Errors
    ///
    /// Those of [`ServerSession::save`].
    fn save(&self, out: &mut dyn Write) -> Result<()>;

    /// See [`ServerSession::load`].
    ///
    /// # Errors
    ///
    /// Those of [`ServerSession::load`].
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
    ///
    /// # Errors
    ///
    /// Those of [`Client::new`].
    fn client(&self, spec: &Arc<ClientSpec>, secret: SecretKey) -> Result<Box<dyn ClientSide>>;

    /// See [`ModelHost::new`].
    ///
    /// # Errors
    ///
    /// Those of [`ModelHost::new`].
    fn host(
        &self,
        setup: &Arc<Setup>,
        needed: Vec<KeyRequest>,
        options: StoreOptions,
    ) -> Result<Box<dyn HostSide>>;
}

impl<B: Backend> ClientSide for Client<B> {
    fn write_keys(&self, requests: &[KeyRequest], mut out: &mut dyn Write) -> Result<()> {
        Self::write_keys(self, requests, &mut out)
    }

    fn request(
        &mut self,
        text: &[u32],
        cached: Cached,
        conversation: &Conversation,
    ) -> Result<Request> {
        Self::request(self, text, cached, conversation)
    }

    fn open(&self, response: &[u8], after: &Conversation) -> Result<Reply> {
        Self::open(self, response, after)
    }
}

impl<B: Backend> HostSide for Arc<ModelHost<B>> {
    fn session(
        &self,
        mut keys: &mut dyn Read,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Box<dyn ServerSide>> {
        Ok(Box::new(ModelHost::session(self, &mut keys, progress)?))
    }
}

impl<B: Backend> ServerSide for ServerSession<B> {
    fn respond(
        &mut self,
        request: &[u8],
        progress: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Vec<u8>> {
        Self::respond(self, request, progress)
    }

    fn cached(&self) -> Cached {
        Self::cached(self)
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

    fn client(&self, spec: &Arc<ClientSpec>, secret: SecretKey) -> Result<Box<dyn ClientSide>> {
        Ok(Box::new(Client::new(spec, self.0.clone(), secret)?))
    }

    fn host(
        &self,
        setup: &Arc<Setup>,
        needed: Vec<KeyRequest>,
        options: StoreOptions,
    ) -> Result<Box<dyn HostSide>> {
        let backend = self.0.clone();
        Ok(Box::new(ModelHost::new(setup, backend, needed, options)?))
    }
}
