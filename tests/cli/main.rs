//! The command line as its users meet it: one binary, a module a command, every test in a home of its own.
//!
//! Why it exists: what bgo promises must hold from outside, with real processes. Invariant: a test sees only its own
//! [`env::TestEnv`], and leaves no process behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod crash;
mod delete;
mod direct;
mod env;
mod help;
mod hooks;
mod legacy;
mod limits;
mod logs;
mod pause;
mod pick;
mod policy;
mod probe;
mod race;
mod restart;
mod resurrect;
mod set;
mod start;
mod states;
mod status;
mod stop;
mod watch;
