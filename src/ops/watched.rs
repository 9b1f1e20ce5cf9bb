//! One process as a wait keeps it in view: its handle, and what the last look at it saw.
//!
//! Why it exists: a descriptor of a process that has ended stays readable for ever. Invariant: what was seen to have
//! ended is not waited for again, and what was not is.

use crate::domain::outcome::Outcome;
use crate::domain::record::Identity;
use crate::platform::ProcessHandle;
use std::os::fd::{AsFd, BorrowedFd};

/// A process that is known by its identity, and whether it had ended at the last look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    identity: Option<Identity>,
    handle: Option<ProcessHandle>,
    ended: bool,
}

impl Watched {
    /// Opens the process `identity`; if it is gone there is nothing to be told by the kernel.
    pub fn of(identity: Identity) -> Watched {
        let handle = ProcessHandle::open(&identity).ok().flatten();
        Watched { identity: Some(identity), ended: handle.is_none(), handle }
    }

    /// Whether it is the process `identity`.
    pub fn is(&self, identity: &Identity) -> bool {
        self.identity.as_ref() == Some(identity)
    }

    /// Looks whether it has ended.
    pub fn look(&mut self) {
        self.ended |= self.handle.as_ref().is_none_or(ProcessHandle::has_ended);
    }

    /// Whether it lived at the last look.
    pub fn lives(&self) -> bool {
        self.handle.is_some() && !self.ended
    }

    /// What becomes readable at its end; nothing once that was seen.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().filter(|_| !self.ended).map(AsFd::as_fd)
    }

    /// How it ended, as the kernel tells.
    pub fn outcome(&self) -> Outcome {
        self.handle.as_ref().filter(|_| self.ended).map_or(Outcome::Unknown, ProcessHandle::outcome)
    }
}
