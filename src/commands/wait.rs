//! `wait`

use super::output::{Output, known_name, name};
use super::select::{Selected, select};
use crate::cli::{WaitArgs, WaitFor};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::order::sort_by_key;
use crate::domain::outcome::{Exit, Outcome};
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, ExitCode, ExitStatus, Result};
use crate::ops::{self, Bgo, Goal, Pending, Reached, Step, Waiter, shell_status};
use crate::platform::SignalQueue;
use crate::view::batch::{Batch, BatchItem};
use crate::view::json::{self, JsonRow};
use crate::view::reply::{ReachedState, WaitReply};

/// Waits, says what got there as it does, and exits with the highest status (with `--any`: that of the first).
pub fn run(bgo: &Bgo, args: &WaitArgs, out: &Output) -> Result<ExitStatus> {
    let goal = match args.goal {
        WaitFor::Ready => Goal::Ready,
        WaitFor::Exit => Goal::Exit,
        WaitFor::Stopped => Goal::Stopped,
    };
    let (names, is_one) = names(bgo, args, out)?;
    // Before the live line, which is a thread: it must not be the one that a signal ends.
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))?;
    let mut waiter = Waiter::new(bgo, &names, goal, args.timeout.map(|timeout| timeout.0))?;
    note_absent(bgo, out, &names, goal)?;
    let mut highest = 0;
    let mut results: Vec<(Name, Result<Reached>)> = Vec::new();
    let mut interrupted = false;
    loop {
        let what = format!("waiting for {} {}", list(&waiter), aim(goal));
        let status = match out.awaiting(&what, || waiter.next(&signals))? {
            Step::Reached(name, Ok(reached)) => {
                out.say(&sentence(&name, &reached));
                let status = status(goal, &reached);
                results.push((name, Ok(reached)));
                status
            }
            Step::Reached(_, Err(error)) if names.len() == 1 => return Err(error),
            Step::Reached(name, Err(error)) => {
                let status = error.kind.exit_code().value();
                if !out.is_json() {
                    out.error(&error);
                }
                results.push((name, Err(error)));
                status
            }
            Step::Done => break,
            Step::TimedOut if out.is_json() && !is_one => {
                let late: Vec<Name> = waiter.pending().map(|pending| pending.name.clone()).collect();
                let error = timed_out(&waiter, goal, args.timeout);
                highest = error.kind.exit_code().value();
                results.extend(late.into_iter().map(|name| (name, Err(error.clone()))));
                break;
            }
            Step::TimedOut => return Err(timed_out(&waiter, goal, args.timeout)),
            Step::Interrupted => {
                out.after_interrupt();
                (highest, interrupted) = (ExitCode::Interrupted.value(), true);
                if is_one {
                    return Ok(ExitCode::Interrupted.into());
                }
                break;
            }
        };
        highest = if args.any { status } else { highest.max(status) };
        if args.any {
            break;
        }
    }
    if out.is_json() {
        // In the order of the names, whichever was first.
        sort_by_key(&mut results, |(name, _)| names.iter().position(|wanted| wanted == name));
        answer(bgo, out, &results, is_one, interrupted);
    }
    Ok(ExitStatus::PassedOn(highest))
}

/// Who is waited for, and whether it is one that was named.
fn names(bgo: &Bgo, args: &WaitArgs, out: &Output) -> Result<(Vec<Name>, bool)> {
    let typed = match select(bgo, out, &args.selector)? {
        Selected::Listed(members) => return Ok((members, false)),
        Selected::Typed(typed) => typed,
    };
    let mut names: Vec<Name> = Vec::new();
    for text in &typed {
        let name = if args.timeout.is_some() { name(text) } else { known_name(bgo, text) }?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok((names, typed.len() == 1))
}

/// Says whom somebody has to start first.
fn note_absent(bgo: &Bgo, out: &Output, names: &[Name], goal: Goal) -> Result<()> {
    for name in names {
        if !bgo.store.record_path(name).exists() {
            out.note(&format!("bgo: \"{name}\" is not registered yet; waiting for somebody to start it"));
        } else if goal == Goal::Ready && !ops::is_up(bgo, name)? {
            out.note(&format!("bgo: \"{name}\" is down; waiting for somebody to start it"));
        }
    }
    Ok(())
}

/// What became of each, and how it is now.
fn answer(bgo: &Bgo, out: &Output, results: &[(Name, Result<Reached>)], is_one: bool, interrupted: bool) {
    let rows: Vec<Option<Row>> = results.iter().map(|(name, _)| ops::snapshot_of(bgo, name).ok()).collect();
    let reply = |name: &Name, reached: &Reached, row| {
        let (state, end) = match reached {
            Reached::Ready => (ReachedState::Ready, None),
            Reached::Ended(exit) => (ReachedState::Ended, Some(exit.clone())),
            Reached::Down(exit) => (ReachedState::Down, Some(exit.clone())),
            Reached::Deleted(exit) => (ReachedState::Deleted, Some(exit.clone())),
        };
        WaitReply { name: name.to_string(), reached: state, end, process: Option::map(row, JsonRow::from) }
    };
    let replies = results.iter().zip(&rows).map(|((name, result), row)| {
        (name.as_str(), result.as_ref().map(|reached| reply(name, reached, row.as_ref())))
    });
    let batch = Batch::new(replies, interrupted);
    match batch.results.as_slice() {
        [BatchItem { data: Some(reply), .. }] if is_one => out.document(json::document(reply)),
        _ => out.document(batch.to_json()),
    }
}

fn status(goal: Goal, reached: &Reached) -> u8 {
    match reached {
        Reached::Ended(exit) | Reached::Deleted(exit) if goal == Goal::Exit => shell_status(exit.outcome()),
        Reached::Deleted(exit) if exit.outcome() != Outcome::Unknown => shell_status(exit.outcome()),
        _ => ExitCode::Done.value(),
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
