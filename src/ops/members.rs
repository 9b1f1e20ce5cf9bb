//! The processes of a group or of a project.
//!
//! Why it exists: a verb is told of several at once. Invariant: what they belong to is what their records say; one that
//! cannot be read belongs to nothing, and is told of.

use super::{Bgo, nearest, recover};
use crate::domain::filter::{Filter, Traits};
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// What processes have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Common {
    /// Their group, by its name.
    Group(String),
    /// Their project, by its root: the absolute path of the folder of its file.
    Project(PathBuf),
    /// All that a filter takes, of those that have something else in common, or of all.
    Filtered(Filter, Option<Box<Common>>),
}

impl Common {
    /// Whether the process of `row` is one of them.
    pub fn has(&self, row: &Row) -> bool {
        let settings = &row.settings;
        let traits = Traits {
            owner: settings.owner.as_deref(),
            tags: &settings.tags,
            parent: row.parent.as_ref(),
            cwd: Path::new(&row.cwd),
        };
        self.is_of(row.group(), row.project.as_ref().map(|project| &project.root), traits)
    }

    /// Whether the process of `record` is one of them.
    pub fn has_record(&self, record: &Record) -> bool {
        let traits = Traits {
            owner: record.spec.owner.as_deref(),
            tags: &record.spec.tags,
            parent: record.parent.as_ref(),
            cwd: record.cwd.as_path(),
        };
        self.is_of(record.spec.group.as_deref(), record.project.as_ref().map(|project| &project.root), traits)
    }

    fn is_of(&self, of_group: Option<&str>, of_project: Option<&Raw>, traits: Traits<'_>) -> bool {
        match self {
            Common::Group(group) => of_group == Some(group),
            Common::Project(root) => of_project.is_some_and(|of| of.as_path() == root),
            Common::Filtered(filter, among) => {
                filter.takes(traits) && among.as_ref().is_none_or(|common| common.is_of(of_group, of_project, traits))
            }
        }
    }
}

impl std::fmt::Display for Common {
    /// `group "api"`, `the project "/srv/shop"`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Common::Group(group) => write!(f, "group \"{group}\""),
            Common::Project(root) => write!(f, "the project \"{}\"", root.display()),
            Common::Filtered(filter, None) => filter.fmt(f),
            Common::Filtered(filter, Some(among)) => write!(f, "{filter}, {among}"),
        }
    }
}

/// Who belongs together.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Their names, in order.
    pub names: Vec<Name>,
    /// Records that cannot be read, and why: whether they belong to them is not known.
    pub unreadable: Vec<(Name, Error)>,
}

/// The registered processes that have `common` in common; there may be none.
///
/// # Errors
/// The records cannot be listed.
pub fn members(bgo: &Bgo, common: &Common) -> Result<Members> {
    Ok(among(bgo, common, recover::names(bgo)?))
}

/// Which of `names` have `common` in common.
pub(super) fn among(bgo: &Bgo, common: &Common, names: Vec<Name>) -> Members {
    let mut found = Members::default();
    for name in names {
        match bgo.store.look(&name, None) {
            Ok(Some(record)) if common.has_record(&record) => found.names.push(name),
            Ok(_) => {}
            Err(e) => found.unreadable.push((name, e)),
        }
    }
    found
}

/// Nobody has `common` in common: an error that names the nearest group that there is.
pub fn nobody(bgo: &Bgo, common: &Common) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no process of {common}"));
    let Common::Group(group) = common else { return error.hint("bgo status lists all processes") };
    let names = bgo.store.names().unwrap_or_default();
    let records = names.iter().filter_map(|name| bgo.store.look(name, None).ok().flatten());
    let groups: Vec<String> = records.filter_map(|record| record.spec.group).collect();
    match nearest(group, groups.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None if groups.is_empty() => error.hint("bgo start --group NAME … puts a process into a group"),
        None => error.hint("bgo status --json tells the group of each process"),
    }
}
