//! `wait`: until processes are ready, have ended, or are down for good.
//!
//! Why it exists: scripts start things in an order, and ask how they ended. Invariant: nothing is missed and nothing is
//! polled: the folder of records is watched before the first record is read, and one poll(2) waits for a change of it,
//! the end of a sidecar or of a process, a signal, and the deadline. The one exception is a name that is held by a
//! starter that has not registered itself.

use super::Bgo;
use super::awaited::{Awaited, Look};
use super::output::RunOutput;
use crate::domain::name::Name;
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::record::State;
use crate::error::{Error, ExitCode, Result};
use crate::platform::{self, FileWatch, Interest, SignalQueue};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It is ready; without a readiness check, it runs. What is down is waited for, too.
    Ready,
    /// The process has ended; watch mode may start it again.
    Exit,
    /// It is down and stays down.
    Stopped,
    /// A start has come to its good end: it is ready, or, without a readiness check, has ended with 0. The first bad
    /// end is a failure.
    Success,
    /// Others may use it: it is ready, without a readiness check it runs, and a oneshot has ended well. The first bad
    /// end is a failure.
    Usable,
}

/// One run, from its start to when it is down for good, restarts included.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its run id.
    pub id: Box<str>,
    /// The last end before it.
    pub earlier: Option<Exit>,
    /// What it writes.
    pub output: RunOutput,
}

/// What was waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Reached {
    /// It is ready.
    Ready,
    /// It has ended so.
    Ended(Exit),
    /// It is down; its last run ended so.
    Down(Exit),
    /// It is gone with its record; it ended so.
    Deleted(Exit),
}

/// One step of a wait.
#[derive(Debug)]
pub enum Step {
    /// This one has got there, or never will.
    Reached(Name, Result<Reached>),
    /// All have been reported.
    Done,
    /// The time is over; [`Waiter::pending`] tells what is left.
    TimedOut,
    /// Ctrl-C, or another request to end.
    Interrupted,
}

/// What has not got where it was awaited.
#[derive(Debug)]
pub struct Pending<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Its state; `None`: it is not registered.
    pub state: Option<State>,
    /// Why, where the state alone does not say it.
    pub reason: Option<&'a str>,
    /// The last lines of both logs since the wait began, each under a title; empty if there are none.
    pub last_lines: String,
}

impl Pending<'_> {
    /// `starting: waiting for --ready-when-port 80: nothing listens on port 80`.
    pub fn how(&self) -> String {
        match (self.state, self.reason) {
            (None, _) => "not registered".to_owned(),
            (Some(state), None) => state.to_string(),
            (Some(state), Some(reason)) => format!("{state}: {reason}"),
        }
    }
}

/// A wait for some processes.
#[derive(Debug)]
pub struct Waiter<'a> {
    bgo: &'a Bgo,
    goal: Goal,
    changes: FileWatch,
    pending: Vec<Awaited>,
    /// Whether a name that is not registered may still come.
    may_come: bool,
    deadline: Option<Duration>,
    /// When to look again without having been told to.
    again: Option<Duration>,
}

impl<'a> Waiter<'a> {
    /// Waits for all of `names`, for `timeout` at most. Names that are not registered are waited for only with a timeout.
    ///
    /// # Errors
    /// Unknown name, or the records cannot be watched.
    pub fn new(bgo: &'a Bgo, names: &[Name], goal: Goal, timeout: Option<Duration>) -> Result<Waiter<'a>> {
        if timeout.is_some() {
            // There must be a folder to watch. Where there is one, whose it is does not matter to who only looks.
            if !bgo.store.procs_dir().exists() {
                bgo.store.ensure()?;
            }
        } else {
            let unknown = names.iter().find(|name| !bgo.store.record_path(name).exists());
            unknown.map_or(Ok(()), |name| Err(bgo.not_found(name.as_str())))?;
        }
        let pending = names.iter().cloned().map(Awaited::new).collect();
        Waiter::over(bgo, pending, goal, timeout)
    }

    /// Waits for `run` of `name` alone: what is started under that name later is another's.
    ///
    /// # Errors
    /// The records cannot be watched.
    pub fn of_run(bgo: &'a Bgo, name: &Name, run: Run, goal: Goal, timeout: Option<Duration>) -> Result<Waiter<'a>> {
        Waiter::over(bgo, vec![Awaited::run(name.clone(), run)], goal, timeout)
    }

    fn over(bgo: &'a Bgo, pending: Vec<Awaited>, goal: Goal, timeout: Option<Duration>) -> Result<Waiter<'a>> {
        let changes = FileWatch::new(&[&bgo.store.procs_dir()]).map_err(|e| broken(&e))?;
        let deadline = timeout.map(|timeout| platform::boot_clock().saturating_add(timeout));
        Ok(Waiter { bgo, goal, changes, pending, may_come: timeout.is_some(), deadline, again: None })
    }

    /// Waits for the runs that [`Waiter::add_run`] adds, each alone.
    ///
    /// # Errors
    /// The records cannot be watched.
    pub(super) fn of_runs(bgo: &'a Bgo, goal: Goal) -> Result<Waiter<'a>> {
        Waiter::over(bgo, Vec::new(), goal, None)
    }

    /// Waits for `run` of `name`, too.
    pub(super) fn add_run(&mut self, name: &Name, run: Run) {
        self.pending.push(Awaited::run(name.clone(), run));
    }

    /// No longer waits for `name`.
    pub(super) fn forget(&mut self, name: &Name) {
        self.pending.retain(|awaited| awaited.name != *name);
    }

    /// Waits for `name`, too.
    pub(super) fn add(&mut self, name: Name) {
        self.pending.push(Awaited::new(name));
    }

    /// What has not got there, as it was at the last look.
    pub fn pending(&self) -> impl Iterator<Item = Pending<'_>> {
        self.pending.iter().map(Awaited::pending)
    }

    /// The next that gets there, waiting for it. `signals` end the wait.
    ///
    /// # Errors
    /// The wait itself failed.
    pub fn next(&mut self, signals: &SignalQueue) -> Result<Step> {
        loop {
            if self.pending.is_empty() {
                return Ok(Step::Done);
            }
            if let Some((name, reached)) = self.look() {
                return Ok(Step::Reached(name, reached));
            }
            if self.deadline.is_some_and(|at| at <= platform::boot_clock()) {
                return Ok(Step::TimedOut);
            }
            let mut fds = vec![(signals.as_fd(), Interest::Readable)];
            fds.extend(self.fds().map(|fd| (fd, Interest::Readable)));
            let ready = platform::wait(&fds, self.until()).map_err(|e| broken(&e))?;
            if ready[0] {
                return Ok(Step::Interrupted);
            }
        }
    }

    /// One that has got there by now, without waiting.
    pub(super) fn look(&mut self) -> Option<(Name, Result<Reached>)> {
        self.changes.drain();
        self.again = None;
        for index in 0..self.pending.len() {
            let awaited = &mut self.pending[index];
            let reached = match awaited.look(self.bgo, self.goal) {
                Ok(Look::Pending(again)) => {
                    self.again = [self.again, again].into_iter().flatten().min();
                    continue;
                }
                Ok(Look::Missing) if self.may_come => continue,
                Ok(Look::Missing) => Err(self.bgo.not_found(awaited.name.as_str())),
                Ok(Look::Done(reached)) => reached,
                Err(e) => Err(e),
            };
            return Some((self.pending.remove(index).name, reached));
        }
        None
    }

    /// What becomes readable when it is worth to look again.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.changes.as_fd()).chain(self.pending.iter().flat_map(Awaited::fds))
    }

    /// When to look again at the latest.
    pub(super) fn until(&self) -> Option<Duration> {
        [self.deadline, self.again].into_iter().flatten().min()
    }
}

fn broken(error: &std::io::Error) -> Error {
    Error::io("cannot wait", error)
}

/// The exit status by which a shell tells this outcome: the code, 128+n for a signal, 125 if nobody could see it.
pub fn shell_status(outcome: Outcome) -> u8 {
    let status = match outcome {
        Outcome::Code(code) => u8::try_from(code).ok(),
        Outcome::Signal { signal, .. } => u8::try_from(128 + signal.number()).ok(),
        Outcome::Unknown => None,
    };
    status.unwrap_or(ExitCode::NoStatus.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signal::Signal;

    #[test]
    fn outcomes_are_told_as_a_shell_tells_them() {
        let killed = Outcome::Signal { signal: Signal::KILL, oom: false };
        for (outcome, status) in
            [(Outcome::Code(0), 0), (Outcome::Code(255), 255), (killed, 137), (Outcome::Unknown, 125)]
        {
            assert_eq!(shell_status(outcome), status, "{outcome}");
        }
    }
}
