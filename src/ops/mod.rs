//! What bgo can do, as a library: each function returns data or an [`Error`](crate::error::Error), prints nothing and
//! keeps no state of its own.
//!
//! Why it exists: the command line, the dashboard and other programs do the same things through the same code.
//! Invariant: a function returns only when what it reports is true: `stop` when all is gone, `start` when the command
//! runs.

mod awaited;
mod dependencies;
mod end;
mod failure;
mod fetch;
mod foreground;
mod growing;
mod legacy;
mod link;
pub mod logs;
mod output;
mod ports;
mod preflight;
mod recover;
mod remove;
mod rescue;
mod restart;
mod resurrect;
mod run;
mod settings;
mod signal;
mod snapshot;
mod start;
mod stop;
mod wait;
mod watched;

pub use dependencies::{AFTER_TIMEOUT, await_dependencies, check_after, restart_order, running_dependents, stop_order};
pub use fetch::{Fetched, fetch};
pub use foreground::{Foreground, ForegroundEnd, foreground};
pub use output::RunOutput;
pub use ports::{Freed, Holder, free_port, holders, look_at_ports};
pub use preflight::{is_executable_file, resolve};
pub use recover::names;
pub use remove::{Cleaned, clean, is_up, remove};
pub use restart::{RestartRequest, restart};
pub use resurrect::{Resurrected, resurrect};
pub use settings::{is_watched, pause, resume, set, unwatch, watch};
pub use signal::{Signalled, signal};
pub use snapshot::{snapshot, snapshot_of};
pub use start::{StartOutcome, StartRequest, Started, start};
pub use stop::{StopOutcome, StopRequest, stop};
pub use wait::{Goal, Pending, Reached, Run, Step, Waiter, shell_status};

use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, Result};
use crate::store::Store;
use std::path::PathBuf;

/// Where the state is and which program sidecars execute. Passed to every operation; there is no global state.
#[derive(Clone, Debug)]
pub struct Bgo {
    /// The state folder.
    pub store: Store,
    /// The bgo binary that sidecars execute.
    pub exe: PathBuf,
}

impl Bgo {
    /// A bgo whose state is in `home` (an absolute path), with sidecars that execute `exe`.
    pub fn new(home: impl Into<PathBuf>, exe: impl Into<PathBuf>) -> Bgo {
        Bgo { store: Store::open(home), exe: exe.into() }
    }

    /// The record of `name`, with all that is in it.
    fn record(&self, name: &Name) -> Result<Record> {
        self.store.read_whole(name)?.ok_or_else(|| self.not_found(name.as_str()))
    }

    /// "No such process", with the nearest name that there is.
    pub fn not_found(&self, name: &str) -> Error {
        let names = self.store.names().unwrap_or_default();
        let nearest = names
            .iter()
            .map(|known| (distance(name, known.as_str()), known))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, known)| is_near(*distance, name, known.as_str()));
        let hint = match (nearest, Name::parse(name)) {
            (Some((_, known)), _) => format!("did you mean \"{known}\"?"),
            (None, Ok(name)) => {
                format!("bgo status lists them; bgo {shell} -- COMMAND starts one", shell = name.shell())
            }
            (None, Err(_)) => "bgo status lists them".to_owned(),
        };
        Error::not_found(name).hint(hint)
    }
}

/// Whether a word was probably meant to be another: one letter in three may differ.
fn is_near(distance: usize, a: &str, b: &str) -> bool {
    let shorter = a.chars().count().min(b.chars().count());
    distance <= (shorter / 3).max(1) && distance < shorter
}

/// The word of `words` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = words.into_iter().map(|known| (distance(word, known), known)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, known)| is_near(*distance, word, known)).map(|(_, known)| known)
}

/// How many letters were mistyped between two words; two that changed places count as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let kept = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { kept };
                kept.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn near_names_are_near() {
        for (a, b, letters) in
            [("web", "web", 0), ("wbe", "web", 1), ("we", "web", 1), ("", "abc", 3), ("api", "db", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }
}
