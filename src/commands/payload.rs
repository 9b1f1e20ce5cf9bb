//! `start`: of a name and a command, or of a payload.
//!
//! Why it exists: `--spec` starts what a document says, one process or many. Invariants: nothing is started of a payload
//! that is not understood as a whole; flags beside it are what holds where a spec says nothing; each process of an array
//! is told of once, as soon as it is known what came of it.

use super::input;
use super::output::Output;
use super::owners::Guard;
use super::start::{self, group_of_environment, perform};
use crate::cli::{StartArgs, StartFlags};
use crate::domain::payload::{self, Payload, PayloadProblem, PayloadSpec, Wait};
use crate::domain::raw::Raw;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{BatchStart, BatchStarted, Bgo, Reached, StartRequest, start_batch};
use crate::platform::SignalQueue;
use crate::view::batch::Batch;
use crate::view::reply::{Reply, Told};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::string::FromUtf8Error;
use std::time::Duration;

/// What is read.
const WHAT: &str = "the payload of --spec";

/// How many of an array are started at once, unless told otherwise.
const AT_ONCE: usize = 8;

/// Starts what the command line says.
pub fn run(bgo: &Bgo, args: StartArgs, out: &Output) -> Result<ExitCode> {
    let Some(spec) = args.spec else {
        return start::run(bgo, &args.name.unwrap_or_default(), args.flags, args.command, out);
    };
    let text = read(&spec)?;
    let supervision = args.flags.process.supervision();
    let Payload { specs, is_array } =
        payload::parse(&text, &supervision).map_err(|problems| not_understood(&problems))?;
    let group = group_of_environment()?;
    let items = specs.into_iter().map(|spec| item(spec, &args.flags, group.as_ref()));
    let items = items.collect::<Result<Vec<BatchStart>>>()?;
    match items.as_slice() {
        [one] if !is_array => perform(bgo, out, one),
        items => start_all(bgo, out, items, args.concurrency.map_or(AT_ONCE, usize::from)),
    }
}

/// The text of the payload: itself, or `@` and a path, or `-`.
fn read(spec: &OsStr) -> Result<String> {
    let bytes = match spec.as_bytes() {
        b"-" => input::of_stdin(WHAT)?,
        [b'@', path @ ..] => input::of_file(WHAT, Path::new(OsStr::from_bytes(path)))?,
        inline => inline.to_vec(),
    };
    let no_text =
        |e: FromUtf8Error| Error::new(ErrorKind::Usage, format!("{WHAT} is not understood")).because(e.utf8_error());
    String::from_utf8(bytes).map_err(no_text)
}

fn not_understood(problems: &[PayloadProblem]) -> Error {
    let hint = "bgo schema show spec prints what a payload may say";
    let what = format!("{WHAT} is not understood");
    match problems {
        [one] => Error::new(ErrorKind::Usage, what).because(one).hint(hint),
        all => {
            let mut error = Error::new(ErrorKind::Usage, what).because(format!("{} problems", all.len())).hint(hint);
            error.details = all.iter().map(|problem| format!("{problem}\n")).collect();
            error
        }
    }
}

/// The start that `spec` asks for; where it says nothing, `flags` do.
fn item(spec: PayloadSpec, flags: &StartFlags, group: Option<&String>) -> Result<BatchStart> {
    let PayloadSpec { name, command, cwd, env, supervision: given, start } = spec;
    let mut supervision = flags.process.supervision();
    supervision.overlay(given);
    let explicit = supervision.clone();
    let caller = Guard::starter(flags.owners, &explicit)?;
    if supervision.settings.group.is_none() {
        supervision.settings.group = group.cloned().map(Some);
    }
    let mut set = flags.process.env.clone();
    set.extend(env.iter().map(|(key, value)| (Raw::from(key.as_str()), Raw::from(value.as_str()))));
    let force = start.force.unwrap_or(flags.force);
    let if_not_running = start.if_not_running.unwrap_or(flags.if_not_running);
    let wait = match (start.wait, start.settle) {
        (Some(Wait::Within(timeout)), _) => Some(timeout),
        (Some(Wait::No), _) | (None, Some(_)) => None,
        (None, None) => flags.wait,
    };
    let settle = if wait.is_some() { Duration::ZERO } else { start.settle.unwrap_or(flags.settle).0 };
    let request = StartRequest {
        supervision,
        cwd: cwd.map(Into::into).or_else(|| flags.process.cwd.clone()),
        set,
        settle,
        if_not_running,
        only_same: Some(explicit),
        caller,
        force,
        ..StartRequest::new(name, command.into_iter().map(Into::into).collect())
    };
    Ok(BatchStart {
        request,
        fetch: start.fetch.unwrap_or(flags.fetch),
        after_timeout: start.after_timeout.unwrap_or(flags.after_timeout).0,
        wait: wait.map(|timeout| timeout.map(|timeout| timeout.0)),
    })
}

fn start_all(bgo: &Bgo, out: &Output, items: &[BatchStart], at_once: usize) -> Result<ExitCode> {
    bgo.store.ensure()?;
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]);
    let signals = signals.map_err(|e| Error::io("cannot wait", &e))?;
    let mut results: Vec<Option<Result<Reply>>> = items.iter().map(|_| None).collect();
    let interrupted = start_batch(bgo, items, at_once, &signals, &mut |index, result| {
        let result = result.map(|done| told(&items[index].request, &done));
        if !out.is_json() {
            match &result {
                Ok(told) => out.say(&told.line),
                Err(error) => out.error(error),
            }
        }
        results[index] = Some(result.map(|told| told.data));
    });
    let results = items
        .iter()
        .zip(&results)
        .filter_map(|(item, result)| Some((item.request.name.as_str(), result.as_ref()?.as_ref())));
    let batch = Batch::new(results, interrupted);
    let code = if batch.error_count == 0 { ExitCode::Done } else { ExitCode::Failed };
    if out.is_json() {
        out.document(batch.to_json());
    }
    if interrupted {
        out.after_interrupt();
        return Ok(ExitCode::Interrupted);
    }
    Ok(code)
}

/// What came of one of an array, with how its wait came out.
fn told(request: &StartRequest, done: &BatchStarted) -> Told {
    let mut told = start::told(request, &done.started);
    match &done.reached {
        None => {}
        Some(Reached::Ready) => {
            told.data.ready = Some(true);
            told.line.push_str("; it is ready");
        }
        Some(Reached::Ended(exit) | Reached::Down(exit) | Reached::Deleted(exit)) => {
            told.data.ready = Some(false);
            told.data.end = Some(exit.clone());
            told.line.push_str(&format!("; it ended with {exit}"));
        }
    }
    told
}
