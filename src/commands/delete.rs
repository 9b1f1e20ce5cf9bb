//! `delete`

use super::output::{awaiting, each, note};
use crate::cli::DeleteArgs;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::platform::{self, Interest};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long an answer that is piped in may take.
const PIPED_ANSWER: Duration = Duration::from_secs(2);

/// Deletes the names given, asking first about those that run.
pub fn run(bgo: &Bgo, args: &DeleteArgs) -> Result<ExitCode> {
    each(bgo, &args.names, |name| {
        let must_ask = !args.yes && ops::is_up(bgo, name).or_else(corrupt_is_to_be_asked_about)?;
        if must_ask && !confirm(name)? {
            return Ok(format!("\"{name}\" was left alone"));
        }
        awaiting(&format!("deleting {name}"), || ops::remove(bgo, name, args.keep_logs))?;
        Ok(format!("deleted \"{name}\""))
    })
}

fn corrupt_is_to_be_asked_about(error: Error) -> Result<bool> {
    if error.kind == ErrorKind::Corrupt { Ok(true) } else { Err(error) }
}

/// Asks on a terminal. Off it, an answer that is piped in counts (`yes | bgo rm web`); without one this is an error,
/// never a wait.
fn confirm(name: &Name) -> Result<bool> {
    let refuse = || {
        Error::new(ErrorKind::NeedsAnswer, format!("\"{name}\" is running, and there is no terminal to ask on"))
            .hint(format!("bgo delete {shell} --yes", shell = name.shell()))
    };
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let _ = write!(io::stderr(), "\"{name}\" is running. Stop and delete it? [y/N] ");
    } else {
        let deadline = platform::boot_clock() + PIPED_ANSWER;
        let ready = platform::wait(&[(stdin.as_fd(), Interest::Readable)], Some(deadline));
        if !ready.is_ok_and(|ready| ready[0]) {
            return Err(refuse());
        }
    }
    let mut answer = String::new();
    match stdin.lock().read_line(&mut answer) {
        Ok(0) if !stdin.is_terminal() => Err(refuse()),
        Ok(0) => {
            note("");
            Ok(false)
        }
        Ok(_) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(e) => Err(Error::io("cannot read the answer", &e)),
    }
}
