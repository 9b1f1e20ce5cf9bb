//! `watch` and `unwatch`

use super::output::each;
use crate::cli::{NameArgs, WatchArgs};
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo};

/// Turns watch mode on, or changes its settings.
pub fn watch(bgo: &Bgo, args: &WatchArgs) -> Result<ExitCode> {
    each(bgo, &args.names, |name| {
        let record = ops::watch(bgo, name, &args.settings.change(), args.reset)?;
        let watch = record.watch.unwrap_or_default();
        Ok(format!(
            "watching \"{name}\" (interval {}, min-uptime {}, on-fast-crash {})",
            watch.interval, watch.min_uptime, watch.on_fast_crash
        ))
    })
}

/// Turns watch mode off.
pub fn unwatch(bgo: &Bgo, args: &NameArgs) -> Result<ExitCode> {
    each(bgo, &args.names, |name| {
        let was = ops::is_watched(bgo, name)?;
        ops::unwatch(bgo, name)?;
        Ok(if was { format!("no longer watching \"{name}\"") } else { format!("\"{name}\" was not watched") })
    })
}
