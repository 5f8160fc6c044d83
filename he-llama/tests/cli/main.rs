//! The built program: whole runs on a ring too small to be secure, and every wrong input.

mod common;
mod damage;
mod files;
mod generate;
mod inspect;
mod wrong;
