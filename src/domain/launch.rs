//! What a sidecar tells the command that launched it.
//!
//! Why it exists: `start` returns only when it knows whether the command runs, and if not, at which step and with
//! which errno. Invariant: every message is one line of at most a few hundred bytes, so that one write to a pipe is
//! atomic.

use super::outcome::Exit;
use std::fmt;

/// The step at which a launch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the record or the captured environment.
    Record,
    /// Opening the log files.
    Logs,
    /// Creating the new process.
    Fork,
    /// Setting up session, signals and descriptors of the new process.
    Setup,
    /// Entering the working directory.
    Chdir,
    /// Executing the program.
    Exec,
    /// Taking up a process that already runs.
    Attach,
    /// Setting the nice value of the new process.
    Nice,
    /// Setting its limit of open files.
    Nofile,
    /// Becoming the user it is to run as.
    User,
    /// Making the socket that it is to notify the sidecar by.
    Notify,
    /// Reading the files of variables.
    EnvFile,
    /// Finding a port for it.
    Port,
    /// Making the pipe that it is to read.
    Stdin,
}

const STAGES: [(Stage, &str); 14] = [
    (Stage::Record, "record"),
    (Stage::Logs, "logs"),
    (Stage::Fork, "fork"),
    (Stage::Setup, "setup"),
    (Stage::Chdir, "chdir"),
    (Stage::Exec, "exec"),
    (Stage::Attach, "attach"),
    (Stage::Nice, "nice"),
    (Stage::Nofile, "limit-nofile"),
    (Stage::User, "user"),
    (Stage::Notify, "notify socket"),
    (Stage::EnvFile, "env-file"),
    (Stage::Port, "allocate-port"),
    (Stage::Stdin, "stdin"),
];

impl Stage {
    /// The stage as a number that survives a pipe.
    pub fn index(self) -> u8 {
        self as u8
    }

    /// The inverse of [`Stage::index`].
    pub fn from_index(index: u8) -> Option<Stage> {
        STAGES.get(usize::from(index)).map(|(stage, _)| *stage)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STAGES[usize::from(self.index())].1)
    }
}

/// A launch that did not come to a running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchFailure {
    /// Where it failed.
    pub stage: Stage,
    /// The errno of the failing call.
    pub errno: i32,
}

impl LaunchFailure {
    /// Whether stage and errno say all there is to say.
    pub fn explains_itself(self) -> bool {
        matches!(self.stage, Stage::Chdir | Stage::Exec | Stage::Nice | Stage::Nofile | Stage::User)
    }

    /// Whether the same launch may succeed a little later.
    pub fn is_transient(self) -> bool {
        let shortage = matches!(self.errno, libc::EAGAIN | libc::ENOMEM | libc::ETXTBSY | libc::EMFILE | libc::ENFILE);
        shortage || self.errno == libc::EIO
    }
}

impl fmt::Display for LaunchFailure {
    /// `exec: Permission denied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, nix::errno::Errno::from_raw(self.errno).desc())
    }
}

/// One message of a sidecar to its launcher.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The process runs (or was found running and taken up) under this pid.
    Started(u32),
    /// There will be no process.
    Failed(LaunchFailure),
    /// Another command changed its mind before the launch: nothing was started.
    Superseded,
    /// The process that was started has ended.
    Ended(Exit),
}

impl Report {
    /// The message as a line.
    pub fn to_line(&self) -> String {
        match self {
            Report::Started(pid) => format!("started {pid}\n"),
            Report::Failed(failure) => format!("failed {} {}\n", failure.stage.index(), failure.errno),
            Report::Superseded => "superseded\n".to_owned(),
            Report::Ended(exit) => format!("ended {}\n", serde_json::to_string(exit).unwrap_or_default()),
        }
    }

    /// Reads one line (with or without its newline); `None` if it is not a message.
    pub fn parse(line: &str) -> Option<Report> {
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        match word {
            "started" => rest.parse().ok().map(Report::Started),
            "failed" => {
                let (stage, errno) = rest.split_once(' ')?;
                let stage = Stage::from_index(stage.parse().ok()?)?;
                Some(Report::Failed(LaunchFailure { stage, errno: errno.parse().ok()? }))
            }
            "superseded" => Some(Report::Superseded),
            "ended" => serde_json::from_str(rest).ok().map(Report::Ended),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::outcome::Outcome;
    use super::super::signal::Signal;
    use super::super::timestamp::Timestamp;
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn reports_survive_the_pipe() {
        let exit = Exit::new(Timestamp(std::time::SystemTime::UNIX_EPOCH), Outcome::Code(3), None);
        for report in [
            Report::Started(7),
            Report::Failed(LaunchFailure { stage: Stage::Exec, errno: 2 }),
            Report::Superseded,
            Report::Ended(exit),
        ] {
            assert_eq!(Report::parse(&report.to_line()), Some(report));
        }
        for bad in ["", "started", "started x", "failed 99 1", "failed 1", "nonsense 1"] {
            assert_eq!(Report::parse(bad), None, "{bad}");
        }
        for (index, (stage, _)) in STAGES.iter().enumerate() {
            assert_eq!(usize::from(stage.index()), index);
        }
    }

    /// Whatever ended a process and whatever was said about it.
    #[test]
    fn every_report_is_one_line_that_is_read_back() {
        for seed in 0..5000 {
            let mut dice = Dice::new(seed);
            let at = Timestamp(UNIX_EPOCH + Duration::from_micros(dice.sized() % 250_000_000_000_000_000));
            let outcome = match dice.below(3) {
                0 => Outcome::Code(i32::try_from(dice.below(256)).unwrap()),
                1 => {
                    let signal = Signal::from_number(1 + i32::try_from(dice.below(64)).unwrap()).unwrap();
                    Outcome::Signal { signal, oom: dice.below(2) == 0 }
                }
                _ => Outcome::Unknown,
            };
            let reason = (dice.below(2) == 0).then(|| dice.text(&["killed: ", "rss"], 20));
            let uptime = (dice.below(2) == 0).then(|| Duration::from_millis(dice.sized()));
            let exit = Exit { reason, shutdown: dice.below(2) == 0, ..Exit::new(at, outcome, uptime) };
            let failure = LaunchFailure { stage: STAGES[dice.index(STAGES.len())].0, errno: dice.any() as i32 };
            for report in [Report::Ended(exit), Report::Failed(failure), Report::Started(dice.any() as u32)] {
                let line = report.to_line();
                assert_eq!((line.matches('\n').count(), line.ends_with('\n')), (1, true), "{line:?}");
                assert_eq!(Report::parse(&line), Some(report), "{line:?}");
            }
            assert!(!failure.to_string().is_empty());
        }
    }

    #[test]
    fn no_line_is_too_odd_for_a_report() {
        let words = ["started ", "failed ", "superseded", "ended ", "0", "7", "-1", "99", " ", "{\"at\":", "}", "\n"];
        for seed in 0..10_000 {
            let text = Dice::new(seed).text(&words, 8);
            if let Some(report) = Report::parse(&text) {
                assert_eq!(Report::parse(&report.to_line()), Some(report), "{text:?}");
            }
        }
    }
}
