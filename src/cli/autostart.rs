//! The arguments of `autostart`.

use super::selector::Owners;
use crate::domain::login::Method;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// What is said below the help of `autostart`.
pub const NOTES: &str = "\
install chooses a unit of your systemd manager (of the system's for root), an agent of launchd, a line @reboot of your \
crontab, or a file for your desktop, in this order; --method chooses another. Nothing is started by it, except that \
launchd runs an agent when it loads it. status exits with 0 if bgo will be run, else with 1.

Your systemd manager is reached by XDG_RUNTIME_DIR, which su, cron and some ssh do not set; it starts with the machine, not \
with your first login, if you linger: sudo loginctl enable-linger USER.

  bgo autostart set web never      leave \"web\" down after a reboot: always, unless-stopped or never";

// `autostart`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct AutostartArgs {
    /// install, uninstall, status, or set
    #[arg(value_enum, value_name = "ACTION")]
    pub action: AutostartAction,
    /// Of set: the processes, and last their policy: always, unless-stopped or never
    #[arg(value_name = "NAME|POLICY", required_if_eq("action", "set"))]
    pub words: Vec<OsString>,
    /// systemd, launchd, cron or xdg [default: what suits this machine; of uninstall: all]
    #[arg(long, value_name = "METHOD", value_parser = PossibleValuesParser::new(Method::ALL.map(Method::word)).try_map(|word| word.parse::<Method>()))]
    pub method: Option<Method>,
    /// Of install: only print what would be written
    #[arg(long)]
    pub print: bool,
    /// Also if what is there is not ours, or was edited
    #[arg(long)]
    pub force: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

/// What to do about what is run at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AutostartAction {
    /// Have bgo resurrect run at login
    Install,
    /// No longer
    Uninstall,
    /// Check whether it will
    Status,
    /// Choose what becomes of a process
    Set,
}
