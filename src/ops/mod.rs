//! What bgo can do, as a library: each function returns data or an [`Error`](crate::error::Error), prints nothing and
//! keeps no state of its own.
//!
//! Why it exists: the command line, the dashboard and other programs do the same things through the same code.
//! Invariant: a function returns only when what it reports is true: `stop` when all is gone, `start` when the command
//! runs.

mod awaited;
mod batch;
mod caller;
mod dependencies;
pub mod doctor;
mod end;
mod environment;
pub mod events;
pub mod expect;
mod export;
mod failure;
mod fetch;
mod foreground;
mod growing;
mod halves;
mod holder;
pub mod jobs;
mod lease;
mod legacy;
mod link;
pub mod login;
pub mod logs;
mod members;
mod names;
mod output;
mod patience;
mod ports;
mod preflight;
pub mod project;
mod publish;
mod recover;
mod remove;
mod rescue;
mod restart;
mod resurrect;
mod revival;
mod run;
mod scope;
mod sealed;
mod send;
mod settings;
mod signal;
mod skill;
mod snapshot;
mod start;
mod stop;
mod systemd;
mod turn;
pub mod up;
mod wait;
mod watched;

pub use batch::{BatchStart, BatchStarted, start_batch};
pub use caller::{check_owner, owner_of_environment};
pub use dependencies::{
    AFTER_TIMEOUT, await_dependencies, check_after, needed_first, restart_order, running_dependents, stop_order,
};
pub use environment::{CapturedEnvironment, ProcessEnvironment, captured_environment, environment};
pub use export::{
    ExportOf, ToWrite, invoking_user, job_to_export, jobs_to_export, other_units, process_to_export, write_exported,
};
pub use fetch::{Fetched, fetch};
pub use foreground::{Foreground, ForegroundEnd, foreground};
pub use lease::{ReapRequest, Reaped, ReapedBy, reap};
pub use members::{Common, Members, members, nobody};
pub use output::RunOutput;
pub use ports::{Freed, Holder, free_port, holders, look_at_ports};
pub use preflight::{is_executable_file, resolve};
pub use publish::{FOR_ALL, FOR_OWNER, publish};
pub use recover::names;
pub use remove::{Cleaned, clean, is_up, remove};
pub use rescue::is_up as is_up_unread;
pub use restart::{RestartRequest, restart};
pub use resurrect::Resurrected;
pub use revival::{RESURRECT_TIMEOUT, ResurrectRequest, Resurrection, resurrect};
pub use sealed::FileDone;
pub use send::{SEND_TIMEOUT, Sent, send};
pub use settings::{is_watched, pause, resume, set, unwatch, watch};
pub use signal::{Signalled, signal};
pub use skill::{install_skill, skill_path, skill_text, uninstall_skill};
pub use snapshot::{snapshot, snapshot_of};
pub use start::{StartOutcome, StartRequest, Started, is_left_alone, start};
pub use stop::{StopOutcome, StopRequest, stop};
pub use wait::{Goal, Pending, Reached, Run, Step, Waiter, shell_status};

use crate::domain::name::Name;
pub use crate::domain::near::nearest;
use crate::domain::record::Record;
use crate::error::{Error, Result};
use crate::store::Store;
use patience::Patience;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the state is and which program sidecars execute. Passed to every operation; there is no global state.
#[derive(Clone, Debug)]
pub struct Bgo {
    /// The state folder.
    pub store: Store,
    /// The bgo binary that sidecars execute.
    pub exe: PathBuf,
    /// The file of the project; default: that of the folder that the caller is in.
    pub config: Option<PathBuf>,
    /// How long the command goes on that this is done for, where others are done for it, too. Default: until a signal ends
    /// it.
    pub(crate) patience: Option<Arc<Patience>>,
}

impl Bgo {
    /// A bgo whose state is in `home` (an absolute path), with sidecars that execute `exe`.
    pub fn new(home: impl Into<PathBuf>, exe: impl Into<PathBuf>) -> Bgo {
        Bgo { store: Store::open(home), exe: exe.into(), config: None, patience: None }
    }

    /// The record of `name`, with all that is in it.
    fn record(&self, name: &Name) -> Result<Record> {
        self.store.read_whole(name)?.ok_or_else(|| self.not_found(name.as_str()))
    }

    /// "No such process", with the nearest name that there is.
    pub fn not_found(&self, name: &str) -> Error {
        let names = self.store.names().unwrap_or_default();
        let nearest = nearest(name, names.iter().map(Name::as_str));
        let is_job =
            || self.project().is_ok_and(|project| project.is_some_and(|project| project.file.job(name).is_some()));
        let hint = match (nearest, Name::parse(name)) {
            (_, Ok(job)) if is_job() => {
                format!("it is a job of this project that never ran: bgo up {} starts it", job.shell())
            }
            (Some(known), _) => format!("did you mean \"{known}\"?"),
            (None, Ok(name)) => {
                format!("bgo status lists them; bgo {shell} -- COMMAND starts one", shell = name.shell())
            }
            (None, Err(_)) => "bgo status lists them".to_owned(),
        };
        Error::not_found(name).hint(hint)
    }
}
