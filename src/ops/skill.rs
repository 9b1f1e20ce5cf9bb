//! The skill file: how an agent is taught to use bgo.
//!
//! Why it exists: agents read a folder of skills, each a short text, and use what they find there. Invariants: a file that
//! somebody else has written, or has changed, is neither replaced nor removed unasked; at no moment is there half a file.
//!
//! The last line of the file holds a hash of all before it. By that a file of an older bgo, which may be replaced, is told
//! from one that was edited.

use super::publish::publish;
use crate::domain::jobs::fnv1a;
use crate::error::{Error, ErrorKind, Result, describe};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const TEXT: &str = include_str!("skill.md");
const FOLDER: &str = "bgo";
const FILE: &str = "SKILL.md";

/// The text of the file.
pub fn skill_text() -> String {
    sealed(&format!("{TEXT}\n<!-- written by bgo {}", env!("CARGO_PKG_VERSION")))
}

/// Where the file is in a folder of skills.
pub fn skill_path(skills: &Path) -> PathBuf {
    skills.join(FOLDER).join(FILE)
}

/// What an installation, or its removal, has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkillDone {
    /// The file is there, and was not.
    Installed,
    /// The file has taken the place of another.
    Updated,
    /// It was there as it is.
    Unchanged,
    /// It is gone.
    Removed,
    /// It was not there.
    Absent,
}

/// Writes the file into the folder of skills `skills`, which is made if it is not there. With `force` also in place of one
/// that is not ours.
///
/// # Errors
/// The file there is not ours; it cannot be read or written.
pub fn install_skill(skills: &Path, force: bool) -> Result<SkillDone> {
    let path = skill_path(skills);
    let text = skill_text();
    let there = read(&path)?;
    match &there {
        Some(there) if *there == text.as_bytes() => return Ok(SkillDone::Unchanged),
        Some(there) if !force && !is_ours(there) => return Err(not_ours(&path, "written")),
        _ => {}
    }
    publish(&path, text.as_bytes()).map_err(|e| cannot("write", &path, &e))?;
    Ok(if there.is_some() { SkillDone::Updated } else { SkillDone::Installed })
}

/// Removes the file from the folder of skills `skills`, and its own folder if nothing else is in it. With `force` also one
/// that is not ours.
///
/// # Errors
/// The file there is not ours; it cannot be read or removed.
pub fn uninstall_skill(skills: &Path, force: bool) -> Result<SkillDone> {
    let path = skill_path(skills);
    let Some(there) = read(&path)? else { return Ok(SkillDone::Absent) };
    if !force && !is_ours(&there) {
        return Err(not_ours(&path, "removed"));
    }
    fs::remove_file(&path).map_err(|e| cannot("remove", &path, &e))?;
    // What else is in it is not ours.
    let _ = path.parent().map(fs::remove_dir);
    Ok(SkillDone::Removed)
}

/// What is there; a link that leads nowhere is something, too.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    // What is no file (a pipe, a folder) is somebody's, and reading it may take for ever.
    match fs::metadata(path).and_then(|there| if there.is_file() { fs::read(path) } else { Ok(Vec::new()) }) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.is_symlink() => Ok(Some(Vec::new())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        other => other.map(Some).map_err(|e| cannot("read", path, &e)),
    }
}

/// Whether a bgo, of whatever version, has written exactly this.
fn is_ours(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.rsplit_once(", ").is_some_and(|(before, _)| sealed(before) == text)
}

fn sealed(text: &str) -> String {
    format!("{text}, {:016x} -->\n", fnv1a(text.bytes()))
}

fn not_ours(path: &Path, done: &str) -> Error {
    // To try again does not help: somebody has to say that it may go.
    Error::new(ErrorKind::NeedsAnswer, format!("{} is not {done}", path.display()))
        .because("it was not written by bgo, or has been edited since")
        .hint("look at it first; --force does it all the same")
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).because(describe(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_short_and_has_its_front_matter() {
        let text = skill_text();
        assert!(text.lines().count() <= 80, "{}", text.lines().count());
        let front = text.strip_prefix("---\nname: bgo\ndescription: ").unwrap();
        let (description, rest) = front.split_once('\n').unwrap();
        // As much as agents take; and plain YAML, which has no `: ` or ` #` in it.
        assert!(description.len() <= 1024 && !description.contains(": ") && !description.contains(" #"));
        assert!(rest.starts_with("---\n"));
    }

    #[test]
    fn what_was_edited_is_not_ours() {
        let text = skill_text();
        assert!(is_ours(text.as_bytes()));
        assert!(is_ours(sealed("of an older\nversion").as_bytes()));
        for edited in [text.replace("bgo", "BGO"), format!("{text}\n"), String::new(), text.trim_end().to_owned()] {
            assert!(!is_ours(edited.as_bytes()));
        }
    }
}
