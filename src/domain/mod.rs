//! What bgo knows and decides: names, specs, records, outcomes and the supervisor's state machine.
//!
//! Why it exists: every rule about a process can be read and tested here without a process. Invariant: nothing in
//! this folder does I/O or looks at a clock; time comes in as an argument.

pub mod ansi;
pub mod backoff;
pub mod captured;
pub mod change;
pub mod check;
pub mod control;
pub mod counterpart;
pub mod cursor;
#[cfg(test)]
mod described;
#[cfg(test)]
pub mod dice;
pub mod difference;
pub mod digest;
pub mod dotenv;
pub mod duration;
pub mod env_file;
pub mod event;
pub mod export;
pub mod filter;
pub mod finding;
pub mod flatten;
pub mod graph;
pub mod ignore;
pub mod jobs;
pub mod kind;
pub mod launch;
pub mod lease;
mod left;
pub mod level;
pub mod life;
pub mod login;
pub mod machine;
pub mod name;
pub mod near;
pub mod notice;
pub mod notification;
pub mod order;
pub mod outcome;
pub mod output;
pub mod parent;
pub mod payload;
pub mod plan;
pub mod progress;
pub mod project;
pub mod raw;
pub mod record;
pub mod resurrection;
pub mod rotation;
pub mod row;
pub mod run;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod session;
pub mod settings;
pub mod shell;
pub mod signal;
pub mod size;
pub mod spec;
pub mod state;
pub mod timestamp;
pub mod unknown;
pub mod url;
pub mod values;
pub mod variable;
pub mod watch;
pub mod wish;
pub mod word;
