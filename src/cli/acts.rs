//! The verbs that act on processes that are there: `signal`, `stop`, `restart`, `set`, `delete`, `clean`, `reap`.

use super::restart_policy;
use super::selector::{Owners, Selector};
use super::settings::SettingsFlags;
use crate::domain::duration::Span;
use crate::domain::settings::Restart;
use crate::domain::signal::Signal;
use clap::Args;
use std::ffi::OsString;

// `signal`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SignalArgs {
    /// Name of the process
    pub name: OsString,
    /// Which, as HUP, SIGHUP or 1
    pub signal: Signal,
    /// Send it to everything that the process has started, too
    #[arg(short, long)]
    pub all: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `stop`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct StopArgs {
    /// Which.
    #[command(flatten)]
    pub selector: Selector,
    /// Stop every process that runs
    #[arg(short, long, group = "selection", conflicts_with_all = ["names", "group", "project", "tag", "owner", "mine", "cwd"])]
    pub all: bool,
    /// Stop what needs them (--after) first
    #[arg(long)]
    pub cascade: bool,
    /// SIGKILL at once
    #[arg(short, long, conflicts_with_all = ["signal", "timeout"])]
    pub force: bool,
    /// Signal that asks it to end [default: its stop signal]
    #[arg(long, value_name = "SIGNAL")]
    pub signal: Option<Signal>,
    /// Time it then has before SIGKILL [default: its stop timeout]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Span>,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `restart`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct RestartArgs {
    /// Which.
    #[command(flatten)]
    pub selector: Selector,
    /// Restart every process that runs
    #[arg(short, long, group = "selection", conflicts_with_all = ["names", "group", "project", "tag", "owner", "mine", "cwd"])]
    pub all: bool,
    /// Count restarts by watch mode from zero again
    #[arg(long)]
    pub reset_counters: bool,
    /// Take today's environment; variables set by -e stay
    #[arg(long)]
    pub update_env: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `set`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SetArgs {
    /// Names of the processes
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<OsString>,
    /// Restart it when it dies: no, on-failure or always
    #[arg(long, value_name = "POLICY", value_parser = restart_policy, help_heading = "Restart policy")]
    pub restart: Option<Restart>,
    /// All other settings.
    #[command(flatten)]
    pub settings: SettingsFlags,
    /// Give a setting its default again: max-rss, health-url …
    #[arg(long, value_name = "SETTING")]
    pub unset: Vec<String>,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `delete`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct DeleteArgs {
    /// Which.
    #[command(flatten)]
    pub selector: Selector,
    /// Do not ask, even if it runs
    #[arg(short, long)]
    pub yes: bool,
    /// Leave its logs where they are
    #[arg(long)]
    pub keep_logs: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `clean`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct CleanArgs {
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `reap`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ReapArgs {
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also forget what has outlived its lease, logs included
    #[arg(long)]
    pub delete: bool,
}
