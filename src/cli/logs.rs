//! The flags of `logs` and `follow`.
//!
//! Why it exists: both choose from the same logs in the same way. Invariant: what one shows and the other does too has
//! one flag.

use super::selector::Selector;
use clap::Args;

/// What the help of both ends with.
pub(super) const NOTES: &str = "\
Of several processes each line stands behind the name of its process, and a line of standard error has ! there instead \
of |. With --grep it exits with 1 if no line matches. A line longer than 64 KiB counts as several, where lines count. A \
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
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<u64>,
    /// What.
    #[command(flatten)]
    pub part: LogPart,
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
    #[arg(short = 'n', long, value_name = "N")]
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
