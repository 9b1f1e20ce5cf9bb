//! `wait`

use super::output::{after_interrupt, awaiting, known_name, name, note, print_error, say};
use super::select::{Selected, select};
use crate::cli::{WaitArgs, WaitFor};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::outcome::{Exit, Outcome};
use crate::error::{Error, ErrorKind, ExitCode, ExitStatus, Result};
use crate::ops::{self, Bgo, Goal, Pending, Reached, Step, Waiter, shell_status};
use crate::platform::SignalQueue;

/// Waits, says what got there as it does, and exits with the highest status (with `--any`: that of the first).
pub fn run(bgo: &Bgo, args: &WaitArgs) -> Result<ExitStatus> {
    let goal = match args.goal {
        WaitFor::Ready => Goal::Ready,
        WaitFor::Exit => Goal::Exit,
        WaitFor::Stopped => Goal::Stopped,
    };
    let mut names: Vec<Name> = Vec::new();
    match select(bgo, &args.selector)? {
        Selected::Listed(members) => names = members,
        Selected::Typed(typed) => {
            for text in &typed {
                let name = if args.timeout.is_some() { name(text) } else { known_name(bgo, text) }?;
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    // Before the live line, which is a thread: it must not be the one that a signal ends.
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))?;
    let mut waiter = Waiter::new(bgo, &names, goal, args.timeout.map(|timeout| timeout.0))?;
    for name in names.iter().filter(|name| !bgo.store.record_path(name).exists()) {
        note(&format!("bgo: \"{name}\" is not registered yet; waiting for somebody to start it"));
    }
    if goal == Goal::Ready {
        for name in names.iter().filter(|name| bgo.store.record_path(name).exists()) {
            if !ops::is_up(bgo, name)? {
                note(&format!("bgo: \"{name}\" is down; waiting for somebody to start it"));
            }
        }
    }
    let mut highest = 0;
    loop {
        let what = format!("waiting for {} {}", list(&waiter), aim(goal));
        let status = match awaiting(&what, || waiter.next(&signals))? {
            Step::Reached(name, Ok(reached)) => {
                say(&sentence(&name, &reached));
                status(goal, &reached)
            }
            Step::Reached(_, Err(error)) if names.len() == 1 => return Err(error),
            Step::Reached(_, Err(error)) => {
                print_error(&error);
                error.kind.exit_code() as u8
            }
            Step::Done => return Ok(ExitStatus::PassedOn(highest)),
            Step::TimedOut => return Err(timed_out(&waiter, goal, args.timeout)),
            Step::Interrupted => {
                after_interrupt();
                return Ok(ExitCode::Interrupted.into());
            }
        };
        highest = highest.max(status);
        if args.any {
            return Ok(ExitStatus::PassedOn(status));
        }
    }
}

fn status(goal: Goal, reached: &Reached) -> u8 {
    match reached {
        Reached::Ended(exit) | Reached::Deleted(exit) if goal == Goal::Exit => shell_status(exit.outcome()),
        Reached::Deleted(exit) if exit.outcome() != Outcome::Unknown => shell_status(exit.outcome()),
        _ => ExitCode::Done as u8,
    }
}

fn sentence(name: &Name, reached: &Reached) -> String {
    match reached {
        Reached::Ready => format!("\"{name}\" is ready"),
        Reached::Ended(exit) => format!("\"{name}\" {}", ended(exit)),
        Reached::Down(exit) if exit.outcome() == Outcome::Unknown => format!("\"{name}\" is down"),
        Reached::Down(exit) => format!("\"{name}\" is down; it {}", ended(exit)),
        Reached::Deleted(exit) => format!("\"{name}\" was stopped and deleted; it {}", ended(exit)),
    }
}

fn ended(exit: &Exit) -> String {
    match (exit.outcome(), &exit.reason) {
        (Outcome::Unknown, _) => "has ended; nobody could see how".to_owned(),
        (outcome, None) => format!("ended with {outcome}"),
        (outcome, Some(reason)) => format!("ended with {outcome} ({reason})"),
    }
}

fn aim(goal: Goal) -> &'static str {
    match goal {
        Goal::Ready | Goal::Success | Goal::Usable => "to be ready",
        Goal::Exit => "to end",
        Goal::Stopped => "to be down",
    }
}

fn list(waiter: &Waiter<'_>) -> String {
    waiter.pending().map(|pending| format!("\"{}\"", pending.name)).collect::<Vec<_>>().join(", ")
}

/// Names that never came are not found; else it is the time that was too short.
fn timed_out(waiter: &Waiter<'_>, goal: Goal, timeout: Option<Span>) -> Error {
    let after = timeout.map(|timeout| timeout.to_string()).unwrap_or_default();
    let pending: Vec<Pending<'_>> = waiter.pending().collect();
    let kind =
        if pending.iter().all(|pending| pending.state.is_none()) { ErrorKind::NotFound } else { ErrorKind::TimedOut };
    let stands = |pending: &Pending<'_>| match pending.state {
        Some(_) => format!("\"{}\" is {}", pending.name, pending.how()),
        None => format!("\"{}\" was never started", pending.name),
    };
    let cause = pending.iter().map(stands).collect::<Vec<_>>().join(", ");
    let hint = match pending.as_slice() {
        [Pending { name, state: Some(_), .. }] => {
            format!("bgo status {shell} shows how it is doing", shell = name.shell())
        }
        _ => "bgo status shows how they are doing".to_owned(),
    };
    Error::new(kind, format!("waited {after} for {} {}", list(waiter), aim(goal))).because(cause).hint(hint)
}
