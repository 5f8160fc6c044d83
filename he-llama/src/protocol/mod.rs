//! Client and server: what each holds, and the bytes between them.
//!
//! | file | holds |
//! |---|---|
//! | `session` | names of sessions; parameters, plan and units that follow from one |
//! | `agreement` | all that both sides must agree on, and the digest that names it |
//! | `conversation` | what binds requests, responses and states to each other |
//! | `envelope`, `objects` | messages: header, ciphertexts, digest |
//! | `pass` | one pass of the model on a backend |
//! | `demand` | the keys of a session, by a dry run |
//! | `spec`, `package` | all that a client knows, and the files with it |
//! | `client` | the owner of the secret key |
//! | `host` | what all sessions of a model share at the server |
//! | `server` | one client's session and its jobs, without a secret key |
//! | `engine` | both sides without a type parameter |
//! | `key_file` | files that only their owner may read |

pub mod agreement;
pub mod client;
pub mod conversation;
pub mod demand;
pub mod engine;
pub mod envelope;
pub mod host;
pub mod key_file;
mod objects;
pub mod package;
mod pass;
pub mod server;
pub mod session;
pub mod spec;
mod state;

pub use agreement::Agreement;
pub use client::{Client, Reply, Request};
pub use conversation::Conversation;
pub use demand::{Demand, Stage, demand, demand_of_text};
pub use engine::{ClientSide, Engine, HostSide, ServerSide};
pub use host::ModelHost;
pub use package::ClientPackage;
pub use pass::{Constants, machine};
pub use server::{Job, ServerSession};
pub use session::{Cached, Session, Setup};
pub use spec::ClientSpec;
