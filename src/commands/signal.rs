//! `signal`

use super::output::{known_name, say};
use crate::cli::SignalArgs;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};

/// Sends a signal and says who got it.
pub fn run(bgo: &Bgo, args: &SignalArgs) -> Result<ExitCode> {
    let name = known_name(bgo, &args.name)?;
    let signalled = ops::signal(bgo, &name, args.signal, args.all)?;
    say(&match signalled.pids.as_slice() {
        [pid] => format!("sent {} to \"{name}\" (pid {pid})", args.signal),
        pids => format!("sent {} to {} processes of \"{name}\"", args.signal, pids.len()),
    });
    Ok(ExitCode::Done)
}
