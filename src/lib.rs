//! bgo runs any command in the background: detached from the shell, its output kept, its end known exactly, restarted
//! when it crashes, brought back after a reboot. No daemon, no database: files, locks and signals are the interface.
//!
//! Read the folders in this order; imports point down only (`tests/guards.rs` checks it):
//!
//! | folder | what it is |
//! |---|---|
//! | [`cli`], [`commands`] | the command line, and one file a verb: parse, call [`ops`], show with [`view`] |
//! | [`ops`] | the library: [`ops::start`], [`ops::stop`] … return data and print nothing |
//! | [`sidecar`] | the process beside each managed one: launch, event loop, actions, facts |
//! | [`logs`] | the output of a process: reading and rotating it |
//! | [`store`], [`platform`] | the files under `~/.bgo`; every system call |
//! | [`domain`] | names, specs, records, the state machine: data and rules without I/O or a clock |
//! | [`view`] | tables and JSON: rendering only |
//! | [`error`] | what failed, why, which command helps, and the exit code |
//!
//! As a library:
//!
//! ```no_run
//! use bgo::{domain::name::Name, ops};
//!
//! let bgo = ops::Bgo::new("/srv/state", "/usr/local/bin/bgo");
//! let name = Name::parse("web").map_err(|e| e.to_string())?;
//! let request = ops::StartRequest::new(name, vec!["python3".into(), "server.py".into()]);
//! let started = ops::start(&bgo, &request).map_err(|e| e.message())?;
//! println!("pid {}", started.pid);
//! # Ok::<(), String>(())
//! ```

#![cfg_attr(test, recursion_limit = "256")] // A whole row of `status --json` as one literal.
pub mod cli;
pub mod commands;
pub mod domain;
pub mod error;
pub mod logs;
pub mod ops;
pub mod platform;
pub mod sidecar;
pub mod store;
pub mod view;
