//! How a command failed that was started, in words.
//!
//! Why it exists: `start`, `restart` and the commands that wait say the same about a bad end. Invariant: each error names
//! a command that helps.

use crate::domain::name::Name;
use crate::domain::record::{Record, State};
use crate::domain::spec::FastCrash;
use crate::error::{Error, ErrorKind};

/// What helps after a bad end. `watched` is what watch mode does about a fast crash.
pub(super) fn hint(name: &Name, watched: Option<FastCrash>) -> String {
    let shell = name.shell();
    match watched {
        Some(FastCrash::Stop) => gave_up(name, "--on-fast-crash stop"),
        Some(_) => {
            format!("watch mode tries again; bgo stop {shell} ends that, bgo status {shell} shows how it is doing")
        }
        None => format!("bgo logs {shell} shows its output, bgo status {shell} how it ended"),
    }
}

/// What helps after a bad end that was the last: `why`.
pub(super) fn gave_up(name: &Name, why: &str) -> String {
    format!("watch mode gave up ({why}); bgo restart {shell} tries again", shell = name.shell())
}

/// What helps after a bad end of one that is started again when one of its files changes.
pub(super) fn waits_for_change(name: &Name) -> String {
    let shell = name.shell();
    format!(
        "it is started again when one of its files changes; bgo stop {shell} ends that, bgo logs {shell} shows its output"
    )
}

/// The failure of a run that was waited for: it `how` ("failed"). `goes_on`: it is started again.
pub(super) fn ended_badly(name: &Name, how: &str, record: &Record, goes_on: bool) -> Error {
    let shell = name.shell();
    let hint = if goes_on && record.state == State::Waiting {
        waits_for_change(name)
    } else if goes_on && record.is_watched() {
        hint(name, Some(FastCrash::Retry))
    } else if record.state == State::Errored {
        format!("bgo restart {shell} tries again; bgo logs {shell} shows its output")
    } else {
        hint(name, None)
    };
    Error::new(ErrorKind::StartFailed, format!("\"{name}\" {how}")).hint(hint)
}
