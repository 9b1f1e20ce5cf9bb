//! `resurrect`

use super::output::{Output, known_name};
use super::select::{Selected, select};
use crate::cli::ResurrectArgs;
use crate::domain::name::Name;
use crate::domain::resurrection::{Decision, Reason};
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, ResurrectRequest, Resurrected, Resurrection};
use crate::platform::SignalQueue;
use crate::view::batch::Batch;
use crate::view::json;
use crate::view::json_resurrect::ResurrectReply;
use std::ffi::OsString;

/// What ends it.
const ENDING: [i32; 2] = [libc::SIGINT, libc::SIGTERM];

/// Brings back what was up and reports each that needed something; in JSON, or when asked, also those that did not.
pub fn run(bgo: &Bgo, args: &ResurrectArgs, out: &Output) -> Result<ExitCode> {
    let mut unknown = Vec::new();
    let names = match select(bgo, out, &args.selector)? {
        Selected::Typed(names) if names.is_empty() => None,
        Selected::Typed(names) => Some(known(bgo, &names, &mut unknown)?),
        Selected::Listed(names) => Some(names),
    };
    let is_one = args.selector.names.len() == 1;
    let is_named = !args.selector.names.is_empty();
    let request = ResurrectRequest { names, dry_run: args.dry_run, timeout: args.timeout.0 };
    let signals = SignalQueue::new(&ENDING).map_err(|e| Error::io("cannot wait", &e))?;
    let mut done = out.awaiting("resurrecting", || ops::resurrect(bgo, &request, &signals))?;
    if is_one && matches!(done.all.as_slice(), [(_, Err(_))]) {
        return done.all.pop().map_or(Ok(ExitCode::Done), |(_, done)| done.map(|_| ExitCode::Done));
    }
    if done.interrupted {
        out.after_interrupt();
    }
    match out.is_json() {
        true => tell_json(out, &done, &unknown, args.dry_run, is_one),
        false => tell(out, &done, &unknown, args, is_named),
    }
    let failed = !unknown.is_empty() || done.all.iter().any(|(_, done)| done.is_err());
    Ok(match (done.timed_out, done.interrupted, failed) {
        (true, ..) => ExitCode::TimedOut,
        (_, true, _) => ExitCode::Interrupted,
        (.., true) => ExitCode::Failed,
        _ => ExitCode::Done,
    })
}

/// Those of `typed` that are registered; the others are put into `unknown`.
fn known(bgo: &Bgo, typed: &[OsString], unknown: &mut Vec<(String, Error)>) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    for text in typed {
        match known_name(bgo, text) {
            Err(error) if typed.len() == 1 => return Err(error),
            Err(error) => unknown.push((text.to_string_lossy().into_owned(), error)),
            Ok(name) => names.push(name),
        }
    }
    Ok(names)
}

fn tell(out: &Output, done: &Resurrection, unknown: &[(String, Error)], args: &ResurrectArgs, is_named: bool) {
    let (mut told, mut interrupted) = (0, Vec::new());
    for (name, done) in &done.all {
        match done {
            Ok(done) => {
                let Some(line) = line(name, done, args, is_named) else { continue };
                out.say(&line);
            }
            Err(error) if error.kind == ErrorKind::Interrupted => interrupted.push(error),
            Err(error) => out.error(error),
        }
        told += 1;
    }
    match interrupted.as_slice() {
        [] => {}
        [one] => out.error(one),
        several => {
            let what = format!("{} processes were not brought back", several.len());
            let all = Error::new(ErrorKind::Interrupted, what).because("interrupted");
            out.error(&all.hint("bgo resurrect tries again"));
        }
    }
    unknown.iter().for_each(|(_, error)| out.error(error));
    if told == 0 && unknown.is_empty() {
        out.say("nothing to resurrect");
    }
}

/// What is said of one; `None`: nothing was done that need be told.
/// Of what was named the reason is told, too.
fn line(name: &Name, done: &Resurrected, args: &ResurrectArgs, is_named: bool) -> Option<String> {
    let pid = done.pid.unwrap_or_default();
    Some(match (&done.decision, args.dry_run) {
        (Decision::Start(reason), false) if done.pid.is_none() => {
            format!("resurrected \"{name}\", which ended at once and is to be started again: {reason}")
        }
        (Decision::Start(reason), false) => format!("resurrected \"{name}\" (pid {pid}): {reason}"),
        (Decision::Start(reason), true) => format!("would start \"{name}\": {reason}"),
        (Decision::Attach(Reason::LeftBehind(exit)), false) => {
            let how = exit.as_ref().map_or("unseen".to_owned(), |exit| format!("({exit})"));
            format!("\"{name}\" has ended {how}; what it left behind (pid {pid}) has a sidecar again")
        }
        (Decision::Attach(_), false) => format!("\"{name}\" still runs (pid {pid}); it has a sidecar again"),
        (Decision::Attach(reason), true) => format!("would give \"{name}\" (pid {pid}) a sidecar: {reason}"),
        (Decision::Leave(reason), false) if done.is_news => format!("\"{name}\" was left down: {reason}"),
        (Decision::Leave(_), false) if !args.verbose && !is_named => return None,
        (Decision::Leave(reason), false) => format!("\"{name}\" was left as it is: {reason}"),
        (Decision::Leave(reason), true) => format!("would leave \"{name}\" as it is: {reason}"),
    })
}

fn tell_json(out: &Output, done: &Resurrection, unknown: &[(String, Error)], dry_run: bool, is_one: bool) {
    let reply = |name, done: &Resurrected| ResurrectReply::new(name, &done.decision, done.pid, dry_run);
    if let ([(name, Ok(done))], true) = (done.all.as_slice(), is_one) {
        out.document(json::document(&reply(name.as_str(), done)));
        return;
    }
    let known =
        done.all.iter().map(|(name, done)| (name.as_str(), done.as_ref().map(|done| reply(name.as_str(), done))));
    let unknown = unknown.iter().map(|(text, error)| (text.as_str(), Err(error)));
    out.document(Batch::new(known.chain(unknown), done.interrupted).to_json());
}
