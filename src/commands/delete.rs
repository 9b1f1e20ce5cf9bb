//! `delete`

use super::ask;
use super::output::{awaiting, each};
use crate::cli::DeleteArgs;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo};

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

fn confirm(name: &Name) -> Result<bool> {
    let refused =
        Error::new(ErrorKind::NeedsAnswer, format!("\"{name}\" is running, and there is no terminal to ask on"))
            .hint(format!("bgo delete {shell} --yes", shell = name.shell()));
    ask::confirm(&format!("\"{name}\" is running. Stop and delete it?"), refused)
}
