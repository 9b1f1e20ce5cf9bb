//! The flags of `doctor`.
//!
//! Why it exists: as `cli.rs`. Invariant: without a flag nothing is changed.

use clap::Args;

/// What the help ends with.
pub(super) const NOTES: &str = "\
It checks permissions, records, processes, sidecars, locks, orphans, leftovers, logs, disk, notices (inotify), session and \
clock, and names the command that mends what is wrong. Without --fix nothing is changed. Exits with 1 if an error is left, \
else with 0, also with notes and warnings.";

// `doctor`
#[derive(Clone, Copy, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct DoctorArgs {
    /// Mend what is safe to mend: modes, leftovers, dead sidecars, removed records; nothing that runs is ended
    #[arg(long)]
    pub fix: bool,
}
