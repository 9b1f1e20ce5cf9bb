//! `run`

use super::before::before_start;
use super::direct::derived_name;
use super::output::{name, note, print_error};
use super::start::request;
use crate::cli::RunArgs;
use crate::domain::name::Name;
use crate::domain::outcome::Outcome;
use crate::error::{ErrorKind, ExitCode, ExitStatus, Result};
use crate::ops::{self, Bgo, Foreground, shell_status};
use std::io;

/// The name of a command whose program's name cannot be one.
const NAMELESS: &str = "run";

/// Runs a command in the foreground and passes on how it ended. What fails here is told apart from what the command
/// itself exits with.
pub fn run(bgo: &Bgo, args: RunArgs) -> Result<ExitStatus> {
    match in_foreground(bgo, args) {
        Err(error) if error.kind != ErrorKind::Usage => {
            print_error(&error);
            Ok(ExitCode::NoStatus.into())
        }
        other => other,
    }
}

fn in_foreground(bgo: &Bgo, args: RunArgs) -> Result<ExitStatus> {
    let keep = args.name.is_some();
    let name = match &args.name {
        Some(text) => name(text)?,
        None => derived(&args)?,
    };
    let start = request(&name, args.process, args.command)?;
    if let Some(interrupted) = before_start(bgo, &start, false, ops::AFTER_TIMEOUT)? {
        return Ok(interrupted.into());
    }
    let ended = ops::foreground(bgo, &Foreground { start, keep }, &mut io::stdout(), &mut io::stderr())?;
    if let Some(lost) = &ended.lost {
        print_error(lost);
    }
    if let Some(reason) = &ended.exit.reason {
        note(&format!("bgo: \"{}\" was ended: {reason}", ended.name));
    }
    let outcome = ended.exit.outcome();
    if outcome == Outcome::Unknown {
        note(&format!("bgo: \"{}\" has ended; nobody could see how", ended.name));
    }
    Ok(ExitStatus::PassedOn(shell_status(outcome)))
}

fn derived(args: &RunArgs) -> Result<Name> {
    let program = args.command.first().map(|program| derived_name(program)).unwrap_or_default();
    match name(&program) {
        Ok(derived) => Ok(derived),
        Err(_) => name(NAMELESS.as_ref()),
    }
}
