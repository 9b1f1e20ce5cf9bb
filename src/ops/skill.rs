//! The skill file: how an agent is taught to use bgo.
//!
//! Why it exists: agents read a folder of skills, each a short text, and use what they find there. Invariant: it is
//! treated as what bgo writes for others ([`sealed`]), so that nobody's work is lost.

use super::sealed::{self, FileDone};
use crate::domain::seal;
use crate::error::Result;
use std::fs;
use std::path::{Path, PathBuf};

const TEXT: &str = include_str!("skill.md");
const FOLDER: &str = "bgo";
const FILE: &str = "SKILL.md";
/// What ends the comment that holds the seal.
const CLOSE: &str = " -->\n";

/// The text of the file.
pub fn skill_text() -> String {
    seal::sealed(&format!("{TEXT}\n<!-- written by bgo {}", env!("CARGO_PKG_VERSION")), CLOSE)
}

/// Where the file is in a folder of skills.
pub fn skill_path(skills: &Path) -> PathBuf {
    skills.join(FOLDER).join(FILE)
}

/// Writes the file into the folder of skills `skills`, which is made if it is not there. With `force` also in place of one
/// that is not ours.
///
/// # Errors
/// The file there is not ours; it cannot be read or written.
pub fn install_skill(skills: &Path, force: bool) -> Result<FileDone> {
    sealed::put(&skill_path(skills), &skill_text(), &is_ours, force)
}

/// Removes the file from the folder of skills `skills`, and its own folder if nothing else is in it. With `force` also one
/// that is not ours.
///
/// # Errors
/// The file there is not ours; it cannot be read or removed.
pub fn uninstall_skill(skills: &Path, force: bool) -> Result<FileDone> {
    let path = skill_path(skills);
    let done = sealed::remove(&path, &is_ours, force)?;
    if done == FileDone::Removed {
        // What else is in it is not ours.
        let _ = path.parent().map(fs::remove_dir);
    }
    Ok(done)
}

/// Whether a bgo, of whatever version, has written exactly this.
fn is_ours(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| seal::is_sealed(text, CLOSE))
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
        assert!(is_ours(seal::sealed("of an older\nversion", CLOSE).as_bytes()));
        for edited in [text.replace("bgo", "BGO"), format!("{text}\n"), String::new(), text.trim_end().to_owned()] {
            assert!(!is_ours(edited.as_bytes()));
        }
    }
}
