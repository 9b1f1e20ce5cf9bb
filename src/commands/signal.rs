//! `signal`

use super::output::{Output, known_name};
use super::owners::Guard;
use crate::cli::SignalArgs;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::reply::{Action, Reply};

/// Sends a signal and says who got it.
pub fn run(bgo: &Bgo, args: &SignalArgs, out: &Output) -> Result<ExitCode> {
    let name = known_name(bgo, &args.name)?;
    Guard::new(args.owners)?.check(bgo, &name)?;
    let signalled = ops::signal(bgo, &name, args.signal, args.all)?;
    let line = match signalled.pids.as_slice() {
        [pid] => format!("sent {} to \"{name}\" (pid {pid})", args.signal),
        pids => format!("sent {} to {} processes of \"{name}\"", args.signal, pids.len()),
    };
    out.reply(&Reply { pids: signalled.pids, ..Reply::new(&name, Action::Signalled) }.told(line));
    Ok(ExitCode::Done)
}
