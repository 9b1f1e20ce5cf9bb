//! Which processes, by whose they are, by their tags and by their folder.
//!
//! Why it exists: one finds its own among those of many. Invariant: what is asked for has to hold altogether; what a
//! record does not say does not hold.

use super::parent::Parent;
use super::record::Identity;
use std::fmt;
use std::path::{Path, PathBuf};

/// What has to hold of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// It has all these tags.
    pub tags: Vec<String>,
    /// It belongs to this owner.
    pub owner: Option<String>,
    /// It is the caller's.
    pub mine: Option<Mine>,
    /// It runs in this folder (an absolute path) or one below.
    pub cwd: Option<PathBuf>,
}

/// What makes a process the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mine {
    /// The caller's name is its owner.
    Owner(String),
    /// It has no owner, and one of these has started it: those that the caller descends from.
    StartedBy(Vec<Identity>),
}

/// What of a process is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// Its owner.
    pub owner: Option<&'a str>,
    /// Its tags.
    pub tags: &'a [String],
    /// Who called its `start`.
    pub parent: Option<&'a Parent>,
    /// Its folder.
    pub cwd: &'a Path,
}

impl Filter {
    /// Whether nothing has to hold.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether all of it holds.
    pub fn takes(&self, process: Traits<'_>) -> bool {
        let is_mine = |mine: &Mine| match mine {
            Mine::Owner(name) => process.owner == Some(name),
            Mine::StartedBy(ancestors) => {
                let started = |parent: &Parent| ancestors.iter().any(|ancestor| parent.is(ancestor));
                process.owner.is_none() && process.parent.is_some_and(started)
            }
        };
        self.tags.iter().all(|tag| process.tags.contains(tag))
            && self.owner.as_deref().is_none_or(|owner| process.owner == Some(owner))
            && self.mine.as_ref().is_none_or(is_mine)
            && self.cwd.as_ref().is_none_or(|folder| process.cwd.starts_with(folder))
    }
}

impl fmt::Display for Filter {
    /// `tag "ci", owner "claude", folder "/srv"`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.tags.iter().map(|tag| format!("tag \"{tag}\"")).collect();
        parts.extend(self.owner.as_ref().map(|owner| format!("owner \"{owner}\"")));
        parts.extend(self.mine.as_ref().map(|mine| match mine {
            Mine::Owner(owner) => format!("owner \"{owner}\" (BGO_OWNER)"),
            Mine::StartedBy(_) => "this shell or what started it".to_owned(),
        }));
        parts.extend(self.cwd.as_ref().map(|folder| format!("folder \"{}\"", folder.display())));
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(pid: u32, start_time: u64) -> Identity {
        Identity { pid, start_time, boot_id: "b".into() }
    }

    #[test]
    fn all_that_is_asked_for_has_to_hold() {
        let parent = Parent { pid: 7, start_time: 70, boot_id: "b".into(), program: None };
        let tags = ["ci".to_owned(), "db".to_owned()];
        let owned = Traits { owner: Some("ann"), tags: &tags, parent: Some(&parent), cwd: Path::new("/srv/shop/api") };
        let person = Traits { owner: None, ..owned };
        let none = Filter::default();
        let tag = |tags: &[&str]| Filter { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), ..none.clone() };
        let owner = |owner: &str| Filter { owner: Some(owner.to_owned()), ..none.clone() };
        let mine = |mine| Filter { mine: Some(mine), ..none.clone() };
        let cwd = |cwd: &str| Filter { cwd: Some(cwd.into()), ..none.clone() };
        for (filter, of_owned, of_person) in [
            (none.clone(), true, true),
            (tag(&["ci"]), true, true),
            (tag(&["db", "ci"]), true, true),
            (tag(&["ci", "web"]), false, false),
            (owner("ann"), true, false),
            (owner("bob"), false, false),
            (Filter { tags: vec!["web".into()], ..owner("ann") }, false, false),
            (mine(Mine::Owner("ann".into())), true, false),
            (mine(Mine::StartedBy(vec![caller(9, 90), caller(7, 70)])), false, true),
            (mine(Mine::StartedBy(vec![caller(7, 71)])), false, false),
            (mine(Mine::StartedBy(Vec::new())), false, false),
            (cwd("/srv/shop"), true, true),
            (cwd("/srv/sh"), false, false),
        ] {
            assert_eq!((filter.takes(owned), filter.takes(person)), (of_owned, of_person), "{filter}");
        }
    }
}
