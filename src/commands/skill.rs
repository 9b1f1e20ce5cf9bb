//! `skill`: the file that teaches an agent to use bgo.
//!
//! Why it exists: whoever sets up an agent should not have to know where it looks for skills. Invariant: a word that is no
//! agent is a folder that is there, so that a typing error makes no folder.

use super::output::Output;
use crate::cli::{SkillAction, SkillArgs};
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{FileDone, install_skill, nearest, skill_path, skill_text, uninstall_skill};
use crate::view::json_skill::{SkillDid, SkillReply};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// An agent, and where it looks for skills.
struct Agent {
    name: &'static str,
    /// The folder of its configuration: a variable that names it or the folder above, and what is below that; without the
    /// variable, what is below the home folder.
    variable: (&'static str, &'static str),
    home: &'static str,
    /// That of a project.
    project: &'static str,
}

/// All of these read a folder `skills` there. Codex has come to prefer `.agents/skills`, and reads its own as well, as
/// its older versions do.
const AGENTS: [Agent; 3] = [
    Agent { name: "claude", variable: ("CLAUDE_CONFIG_DIR", ""), home: ".claude", project: ".claude" },
    Agent { name: "codex", variable: ("CODEX_HOME", ""), home: ".codex", project: ".codex" },
    Agent {
        name: "opencode",
        variable: ("XDG_CONFIG_HOME", "opencode"),
        home: ".config/opencode",
        project: ".opencode",
    },
];

/// Shows, installs or removes the file.
pub fn run(args: &SkillArgs, out: &Output) -> Result<ExitCode> {
    let (act, target): (fn(&Path, bool) -> Result<FileDone>, _) = match (args.action, &args.target) {
        (SkillAction::Install, Some(target)) => (install_skill, target),
        (SkillAction::Uninstall, Some(target)) => (uninstall_skill, target),
        _ => return show(out),
    };
    let skills = skills(target, args.project)?;
    let done = act(&skills, args.force)?;
    let path = skill_path(&skills).display().to_string();
    let (action, line) = match done {
        FileDone::Installed => (SkillDid::Installed, format!("installed {path}")),
        FileDone::Updated => (SkillDid::Updated, format!("updated {path}")),
        FileDone::Unchanged => (SkillDid::Unchanged, format!("{path} is there already")),
        FileDone::Removed => (SkillDid::Removed, format!("removed {path}")),
        FileDone::Absent => (SkillDid::Absent, format!("{path} is not there")),
    };
    if out.is_json() {
        out.document(SkillReply { action, path: Some(path), text: None }.to_json());
    } else {
        out.say(&line);
    }
    Ok(ExitCode::Done)
}

fn show(out: &Output) -> Result<ExitCode> {
    let text = skill_text();
    if out.is_json() {
        out.document(SkillReply { action: SkillDid::Shown, path: None, text: Some(text) }.to_json());
    } else {
        out.print(&text);
    }
    Ok(ExitCode::Done)
}

/// The folder of skills that `target` means.
fn skills(target: &OsStr, project: bool) -> Result<PathBuf> {
    let usage = |what: String| Error::new(ErrorKind::Usage, what);
    let Some(agent) = AGENTS.iter().find(|agent| target == agent.name) else {
        let shown = target.to_string_lossy();
        if project {
            return Err(usage(format!("--project goes with an agent, and \"{shown}\" is none")).hint(known()));
        }
        if !Path::new(target).is_dir() {
            let near = nearest(&shown, AGENTS.iter().map(|agent| agent.name));
            let hint = near.map_or_else(known, |near| format!("did you mean {near}?"));
            return Err(usage(format!("\"{shown}\" is neither an agent nor a folder")).hint(hint));
        }
        return Ok(target.into());
    };
    if project {
        return Ok(Path::new(agent.project).join("skills"));
    }
    let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (variable, below) = agent.variable;
    let folder = set(variable).map(|folder| if below.is_empty() { folder } else { folder.join(below) });
    let folder = folder.or_else(|| Some(set("HOME")?.join(agent.home)));
    let unknown = || Error::new(ErrorKind::Io, "cannot tell your home folder").hint("set HOME, or name a folder");
    Ok(folder.ok_or_else(unknown)?.join("skills"))
}

fn known() -> String {
    format!("agents are {}; a folder has to be there", AGENTS.map(|agent| agent.name).join(", "))
}
