//! `clean`

use super::output::{print_error, say};
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};

/// Forgets what is not running.
pub fn run(bgo: &Bgo) -> Result<ExitCode> {
    let cleaned = ops::clean(bgo)?;
    for name in &cleaned.removed {
        say(&format!("deleted \"{name}\""));
    }
    for (_, error) in &cleaned.failed {
        print_error(error);
    }
    if cleaned.removed.is_empty() && cleaned.failed.is_empty() {
        say("nothing to clean: everything runs");
    }
    Ok(if cleaned.failed.is_empty() { ExitCode::Done } else { ExitCode::Failed })
}
