//! The arguments of `skill`.

use clap::{Args, ValueEnum};
use std::ffi::OsString;

/// What is said below the help of `skill`.
pub const NOTES: &str = "\
The file goes to ~/.claude/skills/bgo/SKILL.md, $CODEX_HOME/skills (~/.codex/skills), $XDG_CONFIG_HOME/opencode/skills \
(~/.config/opencode/skills), or below a folder of your own; with --project to .claude/skills, .codex/skills or \
.opencode/skills of the current folder.";

// `skill`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SkillArgs {
    /// show the text, install it, or uninstall it
    #[arg(value_enum, value_name = "ACTION")]
    pub action: SkillAction,
    /// For whom: claude, codex, opencode; or a folder of skills
    #[arg(value_name = "AGENT|DIR", required_if_eq_any = [("action", "install"), ("action", "uninstall")])]
    pub target: Option<OsString>,
    /// Only for the project of the current folder
    #[arg(long)]
    pub project: bool,
    /// Also if the file there is not ours, or was edited
    #[arg(long)]
    pub force: bool,
}

/// What to do with the skill file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SkillAction {
    /// Print it
    Show,
    /// Write it
    Install,
    /// Remove it
    Uninstall,
}
