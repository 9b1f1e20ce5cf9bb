//! The arguments of `send`.

use super::selector::Owners;
use crate::domain::duration::Span;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is said below the help of `send`.
pub const NOTES: &str = "\
The process must have been started with --stdin. What it has not read when it ends is dropped. Exits with 124 if nothing \
was taken in time, with 1 if a part was: the line `taken_bytes: N` of the error says how much.";

// `send`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SendArgs {
    /// Name of the process
    pub name: OsString,
    /// What to send; - for standard input
    #[arg(required_unless_present_any = ["file", "eof", "enter"])]
    pub text: Option<OsString>,
    /// Send what is in this file, 16 MiB at most
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub file: Option<PathBuf>,
    /// Add a newline
    #[arg(long)]
    pub enter: bool,
    /// End its input after that: it reads no more
    #[arg(long)]
    pub eof: bool,
    /// Give up after this time
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub timeout: Span,
    /// Whose it may be.
    #[command(flatten)]
    pub owners: Owners,
}
