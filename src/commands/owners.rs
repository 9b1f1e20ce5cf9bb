//! Whose processes a command may act on.
//!
//! Why it exists: agents that share a machine must not end each other's processes by mistake. Invariants: only a caller
//! that has a name (`BGO_OWNER`) is held back, so a person at a shell never is; what belongs to nobody is everybody's. It
//! keeps mistakes off, not attackers: `--any-owner` is for everyone to give.

use super::output::Output;
use super::select::Selected;
use crate::cli::Owners;
use crate::domain::name::Name;
use crate::domain::spec::Supervision;
use crate::error::Result;
use crate::ops::{self, Bgo};

/// What the caller may act on.
#[derive(Debug)]
pub struct Guard {
    /// The caller's name, where others' processes are to be left alone.
    pub caller: Option<String>,
}

impl Guard {
    /// For the caller.
    ///
    /// # Errors
    /// `BGO_OWNER` is not text.
    pub fn new(owners: Owners) -> Result<Guard> {
        Ok(Guard { caller: if owners.any_owner { None } else { ops::owner_of_environment()? } })
    }

    /// Who a start with the settings `given` is by, where others' processes are to be left alone: the caller, or without a
    /// name of its own the owner that it gives the process.
    ///
    /// # Errors
    /// `BGO_OWNER` is not text.
    pub fn starter(owners: Owners, given: &Supervision) -> Result<Option<String>> {
        let caller = Guard::new(owners)?.caller;
        Ok(caller.or_else(|| given.settings.owner.clone().flatten().filter(|_| !owners.any_owner)))
    }

    /// Checks that `name` is the caller's, or nobody's.
    ///
    /// # Errors
    /// It is another owner's.
    pub fn check(&self, bgo: &Bgo, name: &Name) -> Result<()> {
        self.caller.as_ref().map_or(Ok(()), |caller| ops::check_owner(bgo, name, caller))
    }

    /// Those of `names` that are the caller's, or nobody's; of the others it is noted that they were left alone.
    pub fn allowed(&self, bgo: &Bgo, out: &Output, names: Vec<Name>) -> Vec<Name> {
        let is_allowed = |name: &Name| match self.check(bgo, name) {
            Ok(()) => true,
            Err(error) => {
                out.note(&format!("bgo: {}: it was left alone; --any-owner includes it", error.what));
                false
            }
        };
        names.into_iter().filter(is_allowed).collect()
    }

    /// Without others' processes where bgo has listed them. A name that somebody has typed is for [`Guard::check`] to
    /// refuse.
    pub fn limit(&self, bgo: &Bgo, out: &Output, selected: Selected) -> Selected {
        match selected {
            Selected::Listed(names) => Selected::Listed(self.allowed(bgo, out, names)),
            typed @ Selected::Typed(_) => typed,
        }
    }
}
