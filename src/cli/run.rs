//! The arguments of `run`.

use super::ProcessFlags;
use super::selector::Owners;
use clap::Args;
use std::ffi::OsString;

/// What is said below the help of `run`.
pub const NOTES: &str = "\
It runs in a session of its own, with /dev/null as standard input. Ctrl-C, SIGTERM and SIGHUP stop it; a second Ctrl-C
kills it. Exits with its exit code, 128+n for signal n, 125 if bgo itself failed.";

// `run`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct RunArgs {
    /// Name it, and keep its record and logs [default: after the program, removed at the end]
    #[arg(long, value_name = "NAME")]
    pub name: Option<OsString>,
    /// What the process is to be like.
    #[command(flatten)]
    pub process: ProcessFlags,
    /// Whose it may be.
    #[command(flatten)]
    pub owners: Owners,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND", required = true)]
    pub command: Vec<OsString>,
}
