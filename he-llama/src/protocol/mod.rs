//! Client and server: what each holds, and the bytes between them.
//!
//! | file | holds |
//! |---|---|
//! | `session` | what both sides agree on: parameters, plan, units |
//! | `pass` | one pass of the model on a backend |
//! | `demand` | the keys of a session, by a dry run |
//! | `envelope` | headers around the wire format |
//! | `client` | the owner of the secret key |
//! | `server` | the owner of the weights, without a secret key |
//! | `engine` | both sides without a type parameter |
//! | `key_file` | files that only their owner may read |
//! | `generate` | both sides in one process |

pub mod client;
pub mod demand;
pub mod engine;
pub mod envelope;
pub mod generate;
pub mod key_file;
mod pass;
pub mod server;
pub mod session;

pub use client::{Client, Reply};
pub use demand::{Demand, demand};
pub use engine::{ClientSide, Engine, ServerSide};
pub use pass::{Bootstrappers, machine};
pub use server::Server;
pub use session::{Session, Setup};
