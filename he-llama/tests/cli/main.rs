//! The built program: whole runs on a ring too small to be secure, and every wrong input.

mod common;
mod conversations;
mod damage;
mod files;
mod generate;
mod inspect;
mod outputs;
mod wrong;
