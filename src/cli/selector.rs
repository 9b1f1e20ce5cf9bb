//! Which processes a verb is about: their names, or what they have in common.
//!
//! Why it exists: all verbs that take several processes choose them alike. Invariant: names stand alone, as names and a
//! group together could mean either or both; all else has to hold altogether. A verb that needs to know whom it is about
//! gets one of them at least.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

// Which processes. Verbs with more ways (`--all`) put these into the group of arguments `selection`.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "selection", required = REQUIRED, multiple = true)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct Selector<const REQUIRED: bool = true> {
    /// Names of the processes
    #[arg(value_name = "NAME", conflicts_with_all = ["group", "project", "tag", "owner", "mine", "cwd"])]
    pub names: Vec<OsString>,
    /// All processes of this group
    #[arg(long, visible_aliases = ["workspace", "filter"], value_name = "GROUP", conflicts_with = "project")]
    pub group: Option<String>,
    /// All processes of the project of this folder: that of the nearest bgo.toml
    #[arg(long)]
    pub project: bool,
    /// All processes with this tag; several: with each of them
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// All processes of this owner
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Your own: those of $BGO_OWNER; without that, those that this shell or what started it has started
    #[arg(long)]
    pub mine: bool,
    /// All processes that run in this folder or below
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
}

// Which processes to act on.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct Chosen {
    /// Which.
    #[command(flatten)]
    pub selector: Selector,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// Whose processes may be acted on.
#[derive(Clone, Copy, Debug, Default, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct Owners {
    /// Also those that belong to another owner than $BGO_OWNER
    #[arg(long)]
    pub any_owner: bool,
}
