//! Which files are meant, and which of them count.
//!
//! Why it exists: what is given on the command line, the `.gitignore` files, and what bgo writes itself, in one place.
//! Invariants: what was given by name counts, whatever a `.gitignore` says of it; a folder that does not count is never
//! entered, nor is a symbolic link to one; bgo's own files never count.

use crate::domain::ignore::{BY_DEFAULT, Patterns};
use crate::domain::row::Logs;
use crate::domain::settings::Settings;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How much of a `.gitignore` is read.
const LONGEST: u64 = 1 << 20;

/// What is watched.
#[derive(Debug)]
pub(super) struct Scope {
    /// The files and folders that were given, as absolute paths.
    pub roots: Vec<PathBuf>,
    /// The folder of the process: names are shown, and lines of its own are meant, from there.
    cwd: PathBuf,
    /// Those lines, and those that hold unless another says something else.
    own: Patterns,
    default: Patterns,
    /// The state folder.
    home: PathBuf,
    logs: Vec<PathBuf>,
}

/// The lines of a `.gitignore`, and of those in the folders above.
#[derive(Debug)]
pub(super) struct Rules {
    folder: PathBuf,
    lines: Patterns,
    above: Option<Rc<Rules>>,
}

/// Something in a folder that counts.
#[derive(Debug)]
pub(super) struct Entry {
    pub path: PathBuf,
    pub is_folder: bool,
}

impl Scope {
    /// What `settings` ask for, for a process in the folder `cwd` that writes to `logs`.
    pub fn new(settings: &Settings, cwd: &Path, home: &Path, logs: &Logs) -> Scope {
        let cwd = real(cwd);
        let mut roots: Vec<PathBuf> = Vec::new();
        for given in &settings.watch_files {
            let root: PathBuf = cwd.join(given.as_path()).components().collect();
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        let own = Patterns::parse(settings.watch_ignore.join("\n").as_bytes());
        let mut scope =
            Scope { roots, cwd, own, default: Patterns::parse(BY_DEFAULT), home: real(home), logs: Vec::new() };
        scope.set_logs(logs);
        scope
    }

    /// From now on the process writes to `logs`.
    pub fn set_logs(&mut self, logs: &Logs) {
        self.logs = [&logs.out, &logs.err, &logs.watcher].map(|log| real_place(log)).to_vec();
    }

    /// The roots as a person reads them.
    pub fn shown_roots(&self) -> String {
        self.roots.iter().map(|root| self.shown(root)).collect::<Vec<_>>().join(", ")
    }

    /// What has changed, so many files in all, in words: `files changed: src/app.py (and 12 more)`.
    pub fn told(&self, first: &Path, count: usize) -> String {
        let first = self.shown(first);
        if count < 2 {
            return format!("files changed: {first}");
        }
        format!("files changed: {first} (and {} more)", count - 1)
    }

    fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.cwd) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
            Ok(inside) => inside.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }

    /// Whether `path`, in a folder with these rules, counts.
    pub fn counts(&self, path: &Path, is_folder: bool, rules: Option<&Rc<Rules>>) -> bool {
        let name = path.file_name().unwrap_or_default();
        if name == ".git" || path == self.home || self.is_log(path) {
            return false;
        }
        let said = |lines: &Patterns, folder: &Path| {
            // A line with a slash says nothing about what is elsewhere.
            let inside = path.strip_prefix(folder).map_or(Path::new(name), |inside| inside);
            lines.leave_out(inside.as_os_str().as_bytes(), is_folder)
        };
        let mut verdict = said(&self.own, &self.cwd);
        let mut next = rules;
        while let (None, Some(rules)) = (verdict, next) {
            verdict = said(&rules.lines, &rules.folder);
            next = rules.above.as_ref();
        }
        !verdict.or_else(|| said(&self.default, path.parent().unwrap_or(path))).unwrap_or(false)
    }

    /// Whether it is a log of the process, or what rotation makes of one.
    fn is_log(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.logs.iter().any(|log| {
            let of_log = log.file_name().unwrap_or_default().as_bytes();
            let rest = name.strip_prefix(of_log).or_else(|| name.strip_prefix(b".")?.strip_prefix(of_log));
            path.parent() == log.parent() && rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
        })
    }

    /// The rules in `folder`, where those of the folders above are `above`.
    pub fn rules_in(&self, folder: &Path, above: Option<Rc<Rules>>) -> Option<Rc<Rules>> {
        match lines_of(&folder.join(".gitignore")) {
            Some(lines) => Some(Rc::new(Rules { folder: folder.to_owned(), lines, above })),
            None => above,
        }
    }

    /// The folders above `root` whose rules hold in it, the outermost first: those of its repository.
    pub fn folders_above(root: &Path) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = root.ancestors().map(Path::to_owned).collect();
        let Some(top) = folders.iter().position(|folder| folder.join(".git").exists()) else { return Vec::new() };
        folders.truncate(top + 1);
        folders.remove(0);
        folders.reverse();
        folders
    }

    /// The rules that hold in `root` because of the folders above.
    pub fn rules_above(&self, root: &Path) -> Option<Rc<Rules>> {
        let folders = Scope::folders_above(root);
        let top = folders.first().map_or(root, PathBuf::as_path);
        let exclude = lines_of(&top.join(".git/info/exclude"));
        let first = exclude.map(|lines| Rc::new(Rules { folder: top.to_owned(), lines, above: None }));
        folders.iter().fold(first, |above, folder| self.rules_in(folder, above))
    }

    /// What in `folder` counts. What cannot be read has nothing in it.
    pub fn entries(&self, folder: &Path, rules: Option<&Rc<Rules>>) -> Vec<Entry> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let entries = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let is_folder = entry.file_type().ok()?.is_dir();
            Some(Entry { path: entry.path(), is_folder })
        });
        entries.filter(|entry| self.counts(&entry.path, entry.is_folder, rules)).collect()
    }
}

/// The lines of a regular file, if there are any.
fn lines_of(path: &Path) -> Option<Patterns> {
    // Opening anything else might wait for ever.
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut text)).ok()?;
    Some(Patterns::parse(&text)).filter(|lines| !lines.is_empty())
}

/// `path` without symbolic links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Where a name is: `path` with the symbolic links on the way to it followed, and itself not.
pub(super) fn real_place(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => path.to_owned(),
    }
}
