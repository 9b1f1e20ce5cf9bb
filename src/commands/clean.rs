//! `clean`

use super::output::Output;
use super::select::{Selected, Tally};
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::reply::{Action, Reply};

/// Forgets what is not running.
pub fn run(bgo: &Bgo, out: &Output) -> Result<ExitCode> {
    let cleaned = ops::clean(bgo)?;
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
