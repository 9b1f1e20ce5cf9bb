//! The arguments of `start`: a name and a command, or a payload.

use super::StartFlags;
use clap::Args;
use std::ffi::OsString;

/// The two forms of `start`.
pub const USAGE: &str = "bgo start [OPTIONS] <NAME> -- <COMMAND>...\n       bgo start [OPTIONS] --spec <JSON|@FILE|->";

/// What is said below the help of `start`.
pub const NOTES: &str = "\
A payload is a spec or an array of specs: {\"name\": \"web\", \"command\": [\"python3\", \"-m\", \"http.server\"], \"restart\": \
\"always\"}. Its keys are the names of the flags, with _ for -; cmd is a command line. Flags beside --spec hold for all \
specs that do not say otherwise. An array answers for each, and exits with 1 if any failed.";

/// More starts at once than this only wait for each other.
const MOST_AT_ONCE: i64 = 64;

// `start`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct StartArgs {
    /// Name of the process
    #[arg(required_unless_present = "spec")]
    pub name: Option<OsString>,
    /// Start what this JSON says, one spec or an array of specs; @FILE reads a file, - standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true, conflicts_with_all = ["name", "command"], help_heading = "Payloads")]
    pub spec: Option<OsString>,
    /// How many of an array are started at once [default: 8]
    #[arg(long, value_name = "N", requires = "spec", conflicts_with = "name", value_parser = clap::value_parser!(u16).range(1..=MOST_AT_ONCE), help_heading = "Payloads")]
    pub concurrency: Option<u16>,
    /// How to start it.
    #[command(flatten)]
    pub flags: StartFlags,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
