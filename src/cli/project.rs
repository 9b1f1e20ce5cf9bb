//! The verbs of projects: `up` and `down`.

use super::selector::Owners;
use crate::domain::duration::Span;
use clap::Args;

/// What is said below the help of `up`.
pub const UP_NOTES: &str = "\
Starts each job when all that it needs is ready, or has ended well. What runs as the file says is left alone, what has \
changed in it is restarted. Returns when all is ready; 1 if anything failed.";

// `up`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct UpArgs {
    /// Names of jobs; what they need is started, too [default: all]
    #[arg(value_name = "JOB")]
    pub names: Vec<String>,
    /// Restart what runs unchanged, too
    #[arg(long)]
    pub force_recreate: bool,
    /// Leave alone what these jobs need
    #[arg(long, requires = "names")]
    pub no_deps: bool,
    /// Time a job has to get ready while others wait for it
    #[arg(long, value_name = "TIME", default_value = "120s")]
    pub after_timeout: Span,
    /// Stop what was started at the first failure
    #[arg(long)]
    pub abort_on_failure: bool,
    /// Follow the output of all; Ctrl-C stops them
    #[arg(short, long)]
    pub attach: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `down`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct DownArgs {
    /// Names of jobs [default: all that are registered]
    #[arg(value_name = "JOB")]
    pub names: Vec<std::ffi::OsString>,
    /// Time each has before SIGKILL [default: its stop timeout]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Span>,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}
