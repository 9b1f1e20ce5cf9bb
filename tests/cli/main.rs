//! The command line as its users meet it: one binary, a module a command, every test in a home of its own.
//!
//! Why it exists: what bgo promises must hold from outside, with real processes. Invariant: a test sees only its own
//! [`env::TestEnv`], and leaves no process behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod agent;
mod autostart;
mod captured;
mod crash;
mod delete;
mod dependencies;
mod desktop;
mod direct;
mod doctor;
mod env;
mod environment;
mod events;
mod expect;
mod export;
mod faults;
mod fetch;
mod files;
mod groups;
mod health;
mod help;
mod hooks;
mod if_not_running;
mod json;
mod lease;
mod legacy;
mod limits;
mod logs;
mod logs_follow;
mod logs_json;
mod logs_many;
mod logs_torn;
mod man;
mod notify;
mod owner;
mod pause;
mod pick;
mod policy;
mod ports;
mod probe;
mod projects;
mod race;
mod ready;
mod real_systemd;
mod restart;
mod resurrect;
mod resurrect_races;
mod revival;
mod rotation;
mod run;
mod scope;
mod security;
mod send;
mod set;
mod shutdown;
mod signal;
mod skill;
mod soak;
mod spec;
mod start;
mod states;
mod status;
mod stop;
mod supervision_faults;
mod survival;
mod survival_records;
mod survival_surroundings;
mod up;
mod wait;
mod watch;
mod webhook;
