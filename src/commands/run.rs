//! `run`

use super::before::before_start;
use super::direct::derived_name;
use super::output::{Output, name};
use super::owners::Guard;
use super::start::request;
use crate::cli::RunArgs;
use crate::domain::name::Name;
use crate::domain::outcome::Outcome;
use crate::error::{ErrorKind, ExitCode, ExitStatus, Result};
use crate::ops::{self, Bgo, Foreground, StartRequest, shell_status};
use crate::view::json;
use crate::view::reply::RunReply;
use std::collections::VecDeque;
use std::io::{self, Write};

/// How much of each stream is in a JSON answer, in bytes.
const TAIL: usize = 64 * 1024;
/// The name of a command whose program's name cannot be one.
const NAMELESS: &str = "run";

/// Runs a command in the foreground and passes on how it ended. What fails here is told apart from what the command
/// itself exits with.
pub fn run(bgo: &Bgo, args: RunArgs, out: &Output) -> Result<ExitStatus> {
    match in_foreground(bgo, args, out) {
        Err(error) if error.kind != ErrorKind::Usage => {
            out.error(&error);
            Ok(ExitCode::NoStatus.into())
        }
        other => other,
    }
}

fn in_foreground(bgo: &Bgo, args: RunArgs, out: &Output) -> Result<ExitStatus> {
    let keep = args.name.is_some();
    let name = match &args.name {
        Some(text) => name(text)?,
        None => derived(&args)?,
    };
    let caller = Guard::starter(args.owners, &args.process.supervision())?;
    let start = StartRequest { caller, ..request(&name, args.process, args.command)? };
    if let Some(interrupted) = before_start(bgo, out, &start, false, ops::AFTER_TIMEOUT)? {
        return Ok(interrupted.into());
    }
    let request = Foreground { start, keep };
    let (mut stdout, mut stderr) = (Tail::default(), Tail::default());
    let ended = match out.is_json() {
        true => ops::foreground(bgo, &request, &mut stdout, &mut stderr)?,
        false => ops::foreground(bgo, &request, &mut io::stdout(), &mut io::stderr())?,
    };
    if let Some(lost) = &ended.lost {
        out.note(&format!("bgo: {}", lost.message()));
    }
    if let Some(reason) = &ended.exit.reason {
        out.note(&format!("bgo: \"{}\" was ended: {reason}", ended.name));
    }
    let outcome = ended.exit.outcome();
    if outcome == Outcome::Unknown {
        out.note(&format!("bgo: \"{}\" has ended; nobody could see how", ended.name));
    }
    let exit_status = shell_status(outcome);
    if out.is_json() {
        let left_out_bytes = stdout.dropped + stderr.dropped;
        let (stdout, stderr) = (stdout.text(), stderr.text());
        let name = ended.name.to_string();
        out.document(json::document(&RunReply { name, end: ended.exit, exit_status, stdout, stderr, left_out_bytes }));
    }
    Ok(ExitStatus::PassedOn(exit_status))
}

/// The last of what was written, within bounds.
#[derive(Debug, Default)]
struct Tail {
    kept: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.kept.make_contiguous()).into_owned()
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend(bytes);
        let surplus = self.kept.len().saturating_sub(TAIL);
        self.kept.drain(..surplus);
        self.dropped += surplus as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn derived(args: &RunArgs) -> Result<Name> {
    let program = args.command.first().map(|program| derived_name(program)).unwrap_or_default();
    match name(&program) {
        Ok(derived) => Ok(derived),
        Err(_) => name(NAMELESS.as_ref()),
    }
}
