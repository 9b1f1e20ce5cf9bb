//! `resurrect`

use super::selector::Selector;
use crate::domain::duration::Span;
use clap::Args;

/// What stands below its flags.
pub const NOTES: &str = "\
It brings back what was up when the machine or the session went down, each process after what it needs (--after), and \
gives a sidecar to what has lost its own. What is named takes along what it needs, if that was up. What was stopped, ended \
by itself or was given up stays down. A process may say otherwise: start or set NAME --autostart always, unless-stopped or \
never. With --timeout over it exits with 124.";

// `resurrect`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ResurrectArgs {
    /// Which; without any, all.
    #[command(flatten)]
    pub selector: Selector<false>,
    /// Only say what would be done, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Give up after this time
    #[arg(long, value_name = "TIME", default_value = "120s")]
    pub timeout: Span,
    /// Also tell what was left as it is, and why
    #[arg(short, long)]
    pub verbose: bool,
}
