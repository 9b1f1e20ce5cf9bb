//! Which lines are wanted, and what of them.
//!
//! Why it exists: `--grep`, `--level` and `--strip-ansi` mean the same wherever lines are shown. Invariant: a line that has
//! no level goes with the message before it.

use crate::domain::ansi;
use crate::domain::level::{Classifier, Level};
use crate::logs::Pattern;

/// Which lines, and what of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only lines that this is in.
    pub grep: Option<Pattern>,
    /// Only messages that are at least as bad. What has no level and no message before it counts as info.
    pub level: Option<Level>,
    /// Whether escape sequences are left out.
    pub strip_ansi: bool,
}

impl Filter {
    /// Whether some lines may not be wanted.
    pub fn selects(&self) -> bool {
        self.grep.is_some() || self.level.is_some()
    }

    /// Whether lines have to be looked at one by one.
    pub(super) fn is_by_line(&self) -> bool {
        self.selects() || self.strip_ansi
    }
}

/// A filter at work on the lines of one stream, in their order.
#[derive(Debug)]
pub(super) struct Sieve {
    filter: Filter,
    classifier: Classifier,
    level: Option<Level>,
}

impl Sieve {
    pub fn new(filter: Filter) -> Sieve {
        Sieve { filter, classifier: Classifier::default(), level: None }
    }

    /// Whether `line` is wanted; of one that is `torn` the beginning is not known.
    pub fn passes(&mut self, line: &[u8], torn: bool) -> bool {
        if let Some(wanted) = self.filter.level {
            let begun = self.classifier.take(&String::from_utf8_lossy(&ansi::strip(line)));
            self.level = begun.or(self.level);
            if self.level.unwrap_or(Level::Info) > wanted {
                return false;
            }
        }
        let grep = self.filter.grep.as_ref();
        grep.is_none_or(|pattern| if torn { pattern.is_in_rest(line) } else { pattern.is_in(line) })
    }
}
