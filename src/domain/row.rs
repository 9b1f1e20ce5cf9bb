//! One process as `status` shows it: the record, held against what really runs.
//!
//! Why it exists: the table, the detail view and `--json` show the same facts. Invariant: every field was either read
//! from the record or observed at the moment of the snapshot; what could not be observed is `None`.

use super::lease::Lease;
use super::outcome::Exit;
use super::parent::Parent;
use super::project::Project;
use super::raw::Raw;
use super::record::{Health, Ready, State, Watch};
use super::resurrection::Reason;
use super::settings::Settings;
use super::timestamp::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// One process of a snapshot.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The file of its record.
    pub record_path: PathBuf,
    /// Whether something of it runs.
    pub online: bool,
    /// How it is doing.
    pub state: State,
    /// Why, where the state alone does not say it.
    pub reason: Option<String>,
    /// The pid of the running process; of a stopped one, the last.
    pub pid: Option<u32>,
    /// Its process group.
    pub pgid: Option<u32>,
    /// Program and arguments, as text.
    pub command: Vec<String>,
    /// The folder it runs in.
    pub cwd: String,
    /// When the last run started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// How long it has been running, by the boot-time clock.
    pub uptime: Option<Duration>,
    /// CPU time and memory of the whole tree.
    pub usage: Option<Usage>,
    /// The processes of its tree, as far as they can be reached from its leader and its sidecar.
    pub pids: Vec<u32>,
    /// The TCP ports on which they listen, sorted; `None`: nobody has looked, or it cannot be told.
    pub ports: Option<Vec<u16>>,
    /// Watch mode as recorded.
    pub watch: Option<Watch>,
    /// Why `resurrect` starts it; `None`: it does not, or something of it runs or is about to.
    pub comes_back: Option<Reason>,
    /// Its sidecar: pid, and whether it lives. `None`: none is registered.
    pub sidecar: Option<(u32, bool)>,
    /// When the next attempt comes, during a backoff.
    pub next_restart_at: Option<Timestamp>,
    /// How the last run ended, if it has and somebody saw it.
    pub end: Option<Exit>,
    /// The last ends, oldest first.
    pub exits: Vec<Exit>,
    /// How it is supervised.
    pub settings: Settings,
    /// Whether it is ready; `None`: nobody asked for it.
    pub ready: Option<Ready>,
    /// What it says of itself.
    pub status_text: Option<String>,
    /// What health checks found; `None`: nothing bad.
    pub health: Option<Health>,
    /// Consecutive fast crashes so far.
    pub fast_crashes: u32,
    /// How many more restarts the restart limit allows now; `None`: any number.
    pub restarts_left: Option<u32>,
    /// The TCP port that was found for it.
    pub allocated_port: Option<u16>,
    /// What could not be written in time.
    pub degraded: Option<String>,
    /// The project it was started for.
    pub project: Option<Project>,
    /// The git repository of its folder.
    pub git_root: Option<Raw>,
    /// Who called its `start`.
    pub parent: Option<Parent>,
    /// Until when it may run; `None`: for ever.
    pub lease: Option<Lease>,
    /// Whether its sidecar was put into the scope that its settings ask for; `None`: they ask for none, there is no sidecar,
    /// or nobody has looked.
    pub in_scope: Option<bool>,
    /// Its logs: stdout, stderr, watcher.
    pub logs: Logs,
}

/// What a process tree uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time so far, of everything that still runs and of the children the processes waited for.
    pub cpu: Duration,
    /// CPU use in percent of one core: over its lifetime, or since the last frame of `status -w`.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Resident memory in percent of the machine's.
    pub mem_percent: f64,
    /// How many processes it has.
    pub processes: usize,
}

/// The log files of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Standard output.
    pub out: PathBuf,
    /// Standard error.
    pub err: PathBuf,
    /// What the sidecar saw and did.
    pub watcher: PathBuf,
}

impl Row {
    /// How the last run ended, if it has and somebody saw it.
    pub fn last_exit(&self) -> Option<&Exit> {
        self.end.as_ref()
    }

    /// Whether watch mode has given up, or the last (re)start failed.
    pub fn is_errored(&self) -> bool {
        self.state == State::Errored || self.watch.as_ref().is_some_and(|w| w.errored)
    }

    /// The group it belongs to.
    pub fn group(&self) -> Option<&str> {
        self.settings.group.as_deref()
    }

    /// Whether it is watched and its sidecar lives.
    pub fn watcher_lives(&self) -> bool {
        self.sidecar.is_some_and(|(_, alive)| alive)
    }

    /// The command as one line.
    pub fn command_line(&self) -> String {
        self.command.join(" ")
    }
}
