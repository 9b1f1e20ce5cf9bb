//! The same processes as other supervisors describe them.
//!
//! Why it exists: who outgrows one machine, or wants the guarantees of an init system, takes the jobs along. What becomes
//! of each setting is decided here, for each format in a file of its own; `view::export` only writes down what was
//! decided. Invariant: no setting is dropped in silence. What has no counterpart, or means something else there, is a
//! [`Note`] (`fates` has one for each setting and format, and a test holds it against the list of all settings).

mod compose;
mod fates;
mod job;
mod k8s;
mod launchd;
mod names;
mod node;
mod nomad;
mod systemd;
#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;

pub use node::{Document, Entry, File, Map, Node, Syntax};

use super::duration::Span;
use super::raw::Raw;
use super::settings::Settings;
use super::spec::{FastCrash, INTERVAL, MIN_UPTIME};
use crate::error::Result;
use job::Job;

/// What ends the first line of a file that describes one process.
pub const EXPORTED: &str = ", exported by bgo";

/// For which supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Units of systemd.
    Systemd,
    /// Property lists of launchd.
    Launchd,
    /// A file of Docker Compose.
    Compose,
    /// A job of Nomad.
    Nomad,
    /// Manifests of Kubernetes.
    K8s,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] = [Format::Systemd, Format::Launchd, Format::Compose, Format::Nomad, Format::K8s];

    /// What it is called on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Format::Systemd => "systemd",
            Format::Launchd => "launchd",
            Format::Compose => "compose",
            Format::Nomad => "nomad",
            Format::K8s => "k8s",
        }
    }

    /// What a file of it is, in words.
    pub fn noun(self) -> &'static str {
        match self {
            Format::Systemd => "a systemd unit",
            Format::Launchd => "a launchd property list",
            Format::Compose => "a Compose file",
            Format::Nomad => "a Nomad job",
            Format::K8s => "a Kubernetes manifest",
        }
    }

    /// Whether its processes run in containers.
    pub fn has_images(self) -> bool {
        matches!(self, Format::Compose | Format::K8s)
    }
}

/// A process as bgo runs it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The program (an absolute path) and its arguments.
    pub command: Vec<Raw>,
    /// The program as another machine would look it up: its bare name if `PATH` leads to it, else the path.
    pub word: Raw,
    /// The folder it runs in.
    pub cwd: Raw,
    /// The variables that are to go along.
    pub env: Vec<(Raw, Raw)>,
    /// Whether it is restarted when it ends, as far as `settings.restart_on` says.
    pub restarts: bool,
    /// The shortest run that does not count as a fast crash.
    pub min_uptime: Span,
    /// What is done about a fast crash.
    pub on_fast_crash: FastCrash,
    /// The time between two looks at what must be polled.
    pub interval: Span,
    /// The port that it was given.
    pub allocated_port: Option<u16>,
    /// Whether its command has ended, and what it has started goes on.
    pub is_detached: bool,
    /// How it is supervised.
    pub settings: Settings,
}

impl Process {
    /// A process with all defaults.
    pub fn new(name: &str, command: Vec<Raw>, cwd: Raw, settings: Settings) -> Process {
        let word = command.first().cloned().unwrap_or_default();
        Process {
            name: name.to_owned(),
            command,
            word,
            cwd,
            env: Vec::new(),
            restarts: false,
            min_uptime: MIN_UPTIME,
            on_fast_crash: FastCrash::default(),
            interval: INTERVAL,
            allocated_port: None,
            is_detached: false,
            settings,
        }
    }
}

/// What the files are to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// For the whole machine instead of one user (systemd, launchd).
    pub system: bool,
    /// As whom what names no user is to run where the other side runs as root; nobody if that is root itself.
    pub user: Option<String>,
    /// Names of units that are there already, and no export of bgo (systemd).
    pub units: Vec<String>,
    /// What all of them together are called. Default `bgo`.
    pub name: String,
    /// The task driver of Nomad. Default `raw_exec`.
    pub driver: String,
    /// Images of containers: of the process of that name, or of all that have none of their own.
    pub images: Vec<(Option<String>, String)>,
}

impl Default for Options {
    fn default() -> Options {
        let (name, driver) = ("bgo".to_owned(), "raw_exec".to_owned());
        Options { system: false, user: None, units: Vec::new(), name, driver, images: Vec::new() }
    }
}

/// Something that is not there as it is in bgo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The process.
    pub process: String,
    /// The setting, named as in JSON; or `env`, `cwd`, `command`, `name`.
    pub setting: &'static str,
    /// Whether it has a counterpart all the same, with a difference.
    pub is_mapped: bool,
    /// What is missing or different, and what to do about it.
    pub why: String,
}

impl Note {
    /// `--on-ready has no counterpart: …`, `--after: …`; names that are no flags stand as they are.
    pub fn text(&self) -> String {
        let flag = match self.setting {
            "env" | "name" | "cwd" | "command" => return format!("{}: {}", self.setting, self.why),
            "restart_on" => "restart on-failure".to_owned(),
            "tags" => "tag".to_owned(),
            setting => setting.replace('_', "-"),
        };
        format!("--{flag}{}: {}", if self.is_mapped { "" } else { " has no counterpart" }, self.why)
    }
}

/// What an export came to.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// The files.
    pub files: Vec<File>,
    /// What is not in them as it is in bgo, in the order of the processes.
    pub notes: Vec<Note>,
}

/// Describes `processes` for another supervisor.
///
/// # Errors
/// Something of a process cannot be written down in this format; an image is missing.
pub fn export(format: Format, processes: &[Process], options: &Options) -> Result<Exported> {
    let mut jobs = job::prepare(format, processes, options)?;
    let mut files: Vec<File> = match format {
        Format::Systemd => jobs.iter_mut().map(|job| systemd::file(job, options)).collect::<Result<_>>()?,
        Format::Launchd => jobs.iter_mut().map(|job| launchd::file(job, options)).collect(),
        Format::K8s => jobs.iter_mut().map(k8s::file).collect(),
        Format::Compose => vec![compose::file(&mut jobs)],
        Format::Nomad => nomad::files(&mut jobs, options),
    };
    for file in &mut files {
        let is_in = |job: &Job<'_>| job.is_private && file.processes.contains(&job.of.name);
        file.is_private = jobs.iter().any(is_in);
    }
    let notes = jobs.into_iter().flat_map(|job: Job<'_>| job.notes).collect();
    Ok(Exported { files, notes })
}
