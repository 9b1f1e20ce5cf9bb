//! Users by name.
//!
//! Why it exists: a process that runs as another user needs that user's groups, home and shell, too. Invariant: an
//! account comes from the user database; nothing about it is guessed.

use std::path::PathBuf;

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

/// The user with whose rights this process acts.
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The user who has started this process.
pub fn real_user() -> u32 {
    nix::unistd::getuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::super::account;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = account("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid, &*root.name), (0, 0, "root"));
        assert!(root.groups.contains(&0) && root.home.is_absolute() && root.shell.is_absolute(), "{root:?}");
        assert_eq!(account("0").unwrap(), Some(root));
        let nobody = account("nobody").unwrap().unwrap();
        assert!(nobody.groups.contains(&nobody.gid), "{nobody:?}");
        for unknown in ["", "no-such-user", "-x", "4000000000", "-1", "99999999999", "a:b", "a\0b", "root\n"] {
            assert_eq!(account(unknown).unwrap(), None, "{unknown}");
        }
    }
}
