//! Where the project of a folder is.
//!
//! Why it exists: inside a project its jobs need no names. Invariant: the search ends at the root of a repository, so a
//! file of somebody's home folder is not taken for that of a checkout in it.

use std::path::{Path, PathBuf};

/// The names that a project's file may have; in one folder the first counts.
pub const FILES: [&str; 2] = ["bgo.toml", "bgrun.toml"];

/// The file of the project that the folder `from` (an absolute path) is in: the nearest upwards, but none beyond the
/// first folder that holds `.git`. The folder that it is in is the project's root.
pub fn find_file(from: &Path) -> Option<PathBuf> {
    for folder in from.ancestors() {
        let file = FILES.iter().map(|name| folder.join(name)).find(|file| file.is_file());
        if file.is_some() || folder.join(".git").exists() {
            return file;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find_file;
    use std::fs;

    #[test]
    fn the_nearest_file_of_the_repository_counts() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("repository/a/b");
        fs::create_dir_all(&folder).unwrap();
        let put = |path: &str| {
            fs::write(home.path().join(path), "").unwrap();
            home.path().join(path)
        };
        let outer = put("bgo.toml");
        assert_eq!(find_file(&folder), Some(outer));
        fs::create_dir(home.path().join("repository/.git")).unwrap();
        assert_eq!(find_file(&folder), None);
        let root = put("repository/bgrun.toml");
        assert_eq!(find_file(&folder), Some(root));
        let root = put("repository/bgo.toml");
        assert_eq!(find_file(&folder), Some(root));
        let near = put("repository/a/bgrun.toml");
        assert_eq!(find_file(&folder), Some(near));
        fs::create_dir(folder.join("bgo.toml")).unwrap();
        assert!(find_file(&folder).unwrap().ends_with("a/bgrun.toml"), "a folder is no file");
    }
}
