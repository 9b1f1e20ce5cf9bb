//! The flags of `env`.
//!
//! Why it exists: `cli.rs` is a list of verbs, and long enough. Invariant: a secret is shown only to who asks for it.

use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// What the help ends with.
pub(super) const NOTES: &str = "\
Of a process that runs it prints what that was started with, else what its next start would give it (and says so on \
standard error). What looks like a secret is shown as ***, and left out with --shell, unless there is --show.";

// `env`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct EnvArgs {
    /// Name of the process
    pub name: OsString,
    /// Commands for sh (also bash, zsh) or fish to read: eval "$(bgo env NAME --shell sh)"
    #[arg(long, value_enum, value_name = "SHELL", hide_possible_values = true)]
    pub shell: Option<Syntax>,
    /// Show secrets, too
    #[arg(long)]
    pub show: bool,
}

/// The language of a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Syntax {
    /// That of sh, bash and zsh
    #[value(aliases = ["bash", "zsh"])]
    Sh,
    /// That of fish
    Fish,
}
