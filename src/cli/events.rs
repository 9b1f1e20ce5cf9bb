//! The flags of `events`.
//!
//! Why it exists: as `cli.rs`. Invariant: what only makes sense while it goes on needs `--stream`.

use super::selector::Selector;
use crate::domain::duration::Span;
use clap::Args;

/// What the help ends with.
pub(super) const NOTES: &str = "\
One JSON object a line: {type, name, sequence, time, data, cursor}. Types: registered, started, ready, failing, healthy, \
unhealthy, paused, resumed, exited, detached, ended, restarting, waiting, errored, stopped, deleted; log; lost, where \
some are not known any more (about 180 of a process are kept). The sequence of a process counts from 1 without a gap. \
With --json and without --stream: {events, cursor}. With --timeout it exits with 124 when the time is over.";

// `events`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct EventsArgs {
    /// Whose.
    #[command(flatten)]
    pub selector: Selector<false>,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(short, long)]
    pub stream: bool,
    /// Only what has happened after this cursor; 0: all that is kept [default: 0; with --stream now]
    #[arg(long, value_name = "CURSOR")]
    pub since: Option<String>,
    /// The lines that they write from now on, too
    #[arg(long, requires = "stream")]
    pub logs: bool,
    /// End when all are down for good; restarts by its policy go on
    #[arg(long, requires = "stream")]
    pub until_exit: bool,
    /// End after this time
    #[arg(long, value_name = "TIME", requires = "stream")]
    pub timeout: Option<Span>,
}
