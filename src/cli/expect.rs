//! The flags of `expect`.
//!
//! Why it exists: a file of its own for each verb that has more than a few. Invariant: what `logs` has, too, has the same
//! name there.

use crate::domain::duration::Span;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::str::FromStr;

/// What the help ends with.
pub(super) const NOTES: &str = "\
By default all that the present run has written counts, so nothing is missed between a start and this. The text is also \
found in a line that is not finished (a prompt), and colours do not hide it. It waits over restarts by watch mode and over \
rotations. It fails when the process is down for good (1) or the time is over (124), with the last lines of both logs.";

// `expect`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ExpectArgs {
    /// Name of the process
    pub name: OsString,
    /// The text; with --regex, a regular expression for a line
    pub pattern: String,
    /// PATTERN is a regular expression
    #[arg(long)]
    pub regex: bool,
    /// From where on: start (of the present run), now, or the cursor that expect or logs gave
    #[arg(long, value_name = "PLACE", default_value = "start")]
    pub from: From,
    /// Give up after this time
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Span>,
    /// Only in stdout or stderr [default: both]
    #[arg(long, value_enum, value_name = "STREAM", default_value_t = OneStream::Both, hide_possible_values = true, hide_default_value = true)]
    pub stream: OneStream,
}

/// From where on output counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// All that the present run has written.
    Start,
    /// What is written from now on.
    Now,
    /// What came after this cursor.
    Cursor(String),
}

impl FromStr for From {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<From, Self::Err> {
        Ok(match text {
            "start" => From::Start,
            "now" => From::Now,
            cursor => From::Cursor(cursor.to_owned()),
        })
    }
}

/// Which output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneStream {
    /// Standard output
    Stdout,
    /// Standard error
    Stderr,
    /// Both of them
    Both,
}
