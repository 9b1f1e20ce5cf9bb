//! The flags of `logs` and `follow`.
//!
//! Why it exists: both choose from the same logs in the same way. Invariant: what one shows and the other does too has
//! one flag.

use super::selector::Selector;
use crate::domain::level::Level;
use crate::domain::size::Size;
use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// What the help of both ends with.
pub(super) const NOTES: &str = "\
Of several processes each line stands behind the name of its process, and a line of standard error has ! there instead \
of |. With --grep or --level it exits with 1 if no line passes. A line longer than 64 KiB counts as several, where lines count. \
With --json a reply has at most --max-bytes, a line at most 8 KiB, and a cursor to go on from; a follow is one object a \
line. A \
follow goes on over rotations and restarts, and takes in who joins the group or project; it ends with 0 when all have \
been deleted or, with --until-exit, are down for good.";

// Which logs.
#[derive(Clone, Copy, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct Streams {
    /// Only standard output
    #[arg(long)]
    pub stdout: bool,
    /// Only standard error
    #[arg(long)]
    pub stderr: bool,
}

// What of the logs.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct LogPart {
    /// Only what the present or last run wrote
    #[arg(long, conflicts_with = "watcher")]
    pub since_start: bool,
    /// Everything that is kept, rotated files included
    #[arg(long, conflicts_with = "since_start")]
    pub all: bool,
    /// Only lines that match this regular expression, rotated files included; colours do not count
    #[arg(long, value_name = "RE")]
    pub grep: Option<String>,
    /// Only messages of this level and worse: error, warn, info or debug; a line without one belongs to the message before
    #[arg(long, value_name = "LEVEL", conflicts_with = "watcher")]
    pub level: Option<Level>,
    /// Leave out escape sequences: colours, titles, links
    #[arg(long)]
    pub strip_ansi: bool,
}

// How much of the logs, in which form, and from where on.
#[derive(Clone, Debug, Default, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ReadFlags {
    /// Only the first N lines of each stream
    #[arg(long, value_name = "N", conflicts_with_all = ["lines", "follow"], help_heading = "In parts")]
    pub head: Option<u64>,
    /// At most so much, of lines that fit: 4K, 1M; the cursor stands after them [default with --json: 64K]
    #[arg(long, value_name = "SIZE", value_parser = max_bytes, conflicts_with = "follow", help_heading = "In parts")]
    pub max_bytes: Option<Size>,
    /// inline: the lines; artifact: a digest, and which bytes of which files they are; auto: what fits
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        hide_possible_values = true,
        conflicts_with = "follow",
        help_heading = "In parts"
    )]
    pub output: Option<OutputForm>,
    /// Counts of errors and warnings, the last error, what repeats, the last lines
    #[arg(long, conflicts_with_all = ["follow", "lines", "head", "max_bytes", "output"], help_heading = "In parts")]
    pub digest: bool,
    /// Only what came after this cursor, which --json, --digest and expect give
    #[arg(
        long,
        value_name = "CURSOR",
        conflicts_with_all = ["follow", "lines", "since_start", "run", "all", "new"],
        help_heading = "In parts"
    )]
    pub since_cursor: Option<String>,
    /// Only what is new to READER, a name of your choice; with --grep, --level or --digest all of it stays new
    #[arg(
        long,
        value_name = "READER",
        conflicts_with_all = ["follow", "lines", "since_start", "run", "all"],
        help_heading = "In parts"
    )]
    pub new: Option<OsString>,
}

/// In which form logs are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// The lines if they fit, else the artifact
    Auto,
    /// The lines
    Inline,
    /// A digest, and which bytes of which files they are
    Artifact,
}

/// The least that a reply can be bounded to, in bytes: a line of JSON has to fit.
const LEAST: u64 = 256;

fn max_bytes(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if size.0 < LEAST { Err(format!("it must be at least {LEAST} bytes")) } else { Ok(size) }
}

// `logs`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct LogsArgs {
    /// Whose.
    #[command(flatten)]
    pub selector: Selector,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// With --follow: end when all are down for good; restarts by its policy go on
    #[arg(long, requires = "follow")]
    pub until_exit: bool,
    /// Only the last N lines of each stream [default: 50; all with --since-start, --run, --all or --grep]
    #[arg(short = 'n', long, visible_alias = "tail", value_name = "N")]
    pub lines: Option<u64>,
    /// What.
    #[command(flatten)]
    pub part: LogPart,
    /// How much.
    #[command(flatten)]
    pub read: ReadFlags,
    /// Only what this run wrote: 0 is the present or last, -1 the one before, as far back as -10
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = run_number,
        conflicts_with_all = ["since_start", "all", "follow", "watcher"]
    )]
    pub run: Option<i64>,
    /// Which.
    #[command(flatten)]
    pub streams: Streams,
    /// What the sidecar saw and did: starts, exits, restarts
    #[arg(long, conflicts_with_all = ["stdout", "stderr"])]
    pub watcher: bool,
}

fn run_number(text: &str) -> Result<i64, String> {
    let known = text.parse().ok().filter(|number| *number <= 0);
    known.ok_or_else(|| "0 is the present or last run, -1 the one before, and so on".to_owned())
}

// `follow`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct FollowArgs {
    /// Whose.
    #[command(flatten)]
    pub selector: Selector,
    /// End when all are down for good; restarts by its policy go on
    #[arg(long)]
    pub until_exit: bool,
    /// How many lines of each stream to begin with [default: 10; all with --since-start or --all]
    #[arg(short = 'n', long, visible_alias = "tail", value_name = "N")]
    pub lines: Option<u64>,
    /// What.
    #[command(flatten)]
    pub part: LogPart,
    /// Which.
    #[command(flatten)]
    pub streams: Streams,
    /// What the sidecar sees and does
    #[arg(long, conflicts_with_all = ["stdout", "stderr"])]
    pub watcher: bool,
}
