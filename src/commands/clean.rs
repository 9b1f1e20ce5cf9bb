//! `clean`

use super::output::Output;
use super::owners::Guard;
use super::select::{Selected, Tally};
use crate::cli::CleanArgs;
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::reply::{Action, Reply};

/// Forgets what is not running.
pub fn run(bgo: &Bgo, args: &CleanArgs, out: &Output) -> Result<ExitCode> {
    let guard = Guard::new(args.owners)?;
    let is_allowed = |name: &Name| !guard.allowed(bgo, out, vec![name.clone()]).is_empty();
    let cleaned = ops::clean(bgo, &is_allowed)?;
    if cleaned.removed.is_empty() && cleaned.failed.is_empty() {
        out.say("nothing to clean: everything runs");
    }
    let mut tally = Tally::of(out, &Selected::Listed(cleaned.removed.clone()));
    for name in &cleaned.removed {
        tally.add(name.as_str(), Ok(Reply::new(name, Action::Deleted).told(format!("deleted \"{name}\""))))?;
    }
    for (name, error) in cleaned.failed {
        tally.add(name.as_str(), Err(error))?;
    }
    Ok(tally.finish())
}
