//! Which processes a verb is about: their names, a group, or the project of the current folder.
//!
//! Why it exists: all verbs that take several processes choose them alike. Invariant: it is exactly one of the ways (of
//! `status`: at most one). Names and a group together could mean either or both, so that is refused.

use clap::Args;
use std::ffi::OsString;

// Which processes. Verbs with more ways (`--all`) put these into the group of arguments `selection`.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "selection", required = REQUIRED, multiple = false)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct Selector<const REQUIRED: bool = true> {
    /// Names of the processes
    #[arg(value_name = "NAME")]
    pub names: Vec<OsString>,
    /// All processes of this group
    #[arg(long, visible_aliases = ["workspace", "filter"], value_name = "GROUP")]
    pub group: Option<String>,
    /// All processes of the project of this folder: that of the nearest bgo.toml
    #[arg(long)]
    pub project: bool,
}
