//! The sidecar: one small process beside each managed one, its parent, which sees how it ends.
//!
//! Why it exists: without a daemon, somebody must wait for the process, restart it and write down what happened.
//! Invariants: it holds the ownership lock for its whole life, so there is never a second one; it lives exactly as
//! long as there is something to supervise; its death ends nothing and loses nothing but its own view, because the
//! process writes to its logs itself.
//!
//! It is this same binary, executed as `bgo __sidecar__ NAME RUN_ID start|attach` with `/` as its folder, the watcher log as
//! stdout and stderr, the ownership lock as descriptor 3 and a pipe to its launcher as descriptor 4; where it is put into a
//! scope of systemd, systemd-run is what is executed first, with this binary as descriptor 5, and executes it in place.

mod attributes;
mod begin;
mod checks;
mod desktop;
mod ends;
mod environment;
mod facts;
mod files;
mod helper;
mod http;
mod launch;
mod lease;
mod log;
mod notes;
mod output;
mod perform;
mod rotate;
mod run;
mod scan;
mod stdin;

pub use begin::main;
pub use environment::next_environment;
pub use http::{PROBE_ENTRY, probe_main};
pub use launch::{Launched, Place, Purpose, Scope, launch};
pub use stdin::{STDIN_ENTRY, stdin_main};

/// The first argument that makes bgo a sidecar.
pub const ENTRY: &str = "__sidecar__";
/// Where the sidecar finds the ownership lock.
const LOCK_FD: i32 = 3;
/// Where the sidecar finds the pipe to its launcher.
const REPORT_FD: i32 = 4;
/// Where systemd-run finds what to execute, if a scope is made; the sidecar closes it.
const EXE_FD: i32 = 5;
/// The variable of a sidecar's environment that names the scope it is in, if it is in one of its own.
pub const SCOPE_VARIABLE: &str = "BGO_SCOPE";
