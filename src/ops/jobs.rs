//! The jobs of a project: its file, and what a start of each asks for.
//!
//! Why it exists: `up`, `start`, `restart` and `check` read the same file the same way. Invariant: a file that others
//! could have put in the way is not obeyed.

use super::project::find_file;
use super::{Bgo, StartRequest, nearest};
use crate::domain::jobs::{Dialect, Job, JobFile, Problem, fnv1a, parse};
use crate::domain::name::Name;
use crate::domain::project::Project;
use crate::domain::raw::Raw;
use crate::domain::settings::{Change, Settings};
use crate::error::{Error, ErrorKind, Result, describe};
use crate::store::{read_env_files, why_not_ours};
use std::io;
use std::path::{Path, PathBuf};

/// How large a file of jobs may be: one that is larger is something else.
const MAX_FILE: u64 = 1 << 20;

/// The file of a project, read.
#[derive(Clone, Debug)]
pub struct ProjectFile {
    /// The file.
    pub path: PathBuf,
    /// The folder that it is in: the root of the project.
    pub root: PathBuf,
    /// What the project is called.
    pub name: String,
    /// What the file says.
    pub file: JobFile,
}

impl Bgo {
    /// The file of the project that the caller is in, or has named by `--config`; `None` outside of projects.
    ///
    /// # Errors
    /// The file that was named is none; the one that was found belongs to somebody else.
    pub fn project_file(&self) -> Result<Option<PathBuf>> {
        let Some(path) = &self.config else {
            // A folder that was removed is in no project.
            let Ok(here) = std::env::current_dir() else { return Ok(None) };
            return find_file(&here).map(|path| check_owner(&path).map(|()| path)).transpose();
        };
        // The folder is the root, also of a file that is a link: it is the same project when it is found from inside.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real = std::fs::metadata(path).and_then(|there| match path.file_name() {
            Some(name) if there.is_file() => Ok(std::fs::canonicalize(folder)?.join(name)),
            _ => Err(io::Error::other("it is no regular file")),
        });
        real.map(Some)
            .map_err(|e| Error::new(ErrorKind::Usage, format!("--config \"{}\"", path.display())).because(describe(&e)))
    }

    /// The project that the caller is in, read.
    ///
    /// # Errors
    /// As [`Bgo::project_file`]; the file cannot be read or understood.
    pub fn project(&self) -> Result<Option<ProjectFile>> {
        let Some(path) = self.project_file()? else { return Ok(None) };
        match read(&path)? {
            Ok(project) => Ok(Some(project)),
            Err(problems) => Err(not_understood(&path, &problems)),
        }
    }

    /// The same, where nothing can be done without one.
    ///
    /// # Errors
    /// As [`Bgo::project`]; there is none.
    pub fn the_project(&self) -> Result<ProjectFile> {
        self.project()?.ok_or_else(no_project)
    }

    /// The root of the project that the caller is in.
    ///
    /// # Errors
    /// As [`Bgo::project_file`].
    pub fn project_root(&self) -> Result<Option<PathBuf>> {
        Ok(self.project_file()?.as_deref().and_then(Path::parent).map(Path::to_owned))
    }
}

impl ProjectFile {
    /// The jobs that `names` are, in the order of the file; without names all.
    ///
    /// # Errors
    /// There is no such job.
    pub fn jobs(&self, names: &[String]) -> Result<Vec<&Job>> {
        for name in names {
            if self.file.job(name).is_none() {
                return Err(self.no_job(name));
            }
        }
        let is_chosen = |job: &&Job| names.is_empty() || names.iter().any(|name| name == job.name.as_str());
        Ok(self.file.jobs.iter().filter(is_chosen).collect())
    }

    fn no_job(&self, name: &str) -> Error {
        let jobs: Vec<&str> = self.file.jobs.iter().map(|job| job.name.as_str()).collect();
        let hint = match nearest(name, jobs.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("its jobs are {}", jobs.join(", ")),
        };
        Error::new(ErrorKind::NotFound, format!("{} has no job \"{name}\"", self.path.display())).hint(hint)
    }

    /// What a start of `job` as `name` asks for; `name_of` are the processes of the jobs that it needs.
    pub fn request(&self, job: &Job, name: Name, name_of: impl Fn(&str) -> String) -> StartRequest {
        let mut supervision = job.supervision.clone();
        if let Some(after) = &mut supervision.settings.after {
            after.iter_mut().for_each(|job| *job = name_of(job));
        }
        for file in supervision.settings.env_file.iter_mut().flatten() {
            *file = Raw::from(self.root.join(file.as_path()).as_path());
        }
        let cwd = job.cwd.as_ref().map_or_else(|| self.root.clone(), |cwd| self.root.join(cwd));
        let membership = self.membership(job, &supervision.settings, &cwd);
        StartRequest {
            supervision,
            cwd: Some(cwd),
            set: job.env.iter().map(|(key, value)| (Raw::from(key.as_str()), Raw::from(value.as_str()))).collect(),
            project: Some(membership),
            ..StartRequest::new(name, job.command.iter().map(Into::into).collect())
        }
    }

    /// What the record of the process of `job` says about it.
    fn membership(&self, job: &Job, settings: &Change, cwd: &Path) -> Project {
        let mut asked = Settings::default();
        asked.apply(settings);
        Project {
            root: Raw::from(self.root.as_path()),
            job: job.name.as_str().to_owned(),
            config: format!("{}{}", job.fingerprint, fingerprint_of_files(&asked, cwd)),
        }
    }
}

/// What the files of variables hold, as far as they can be read, as a text that changes with it.
fn fingerprint_of_files(settings: &Settings, cwd: &Path) -> String {
    let variables = read_env_files(settings, cwd).unwrap_or_default();
    if variables.is_empty() {
        return String::new();
    }
    let bytes = variables.iter().flat_map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
    format!("-{:016x}", fnv1a(bytes))
}

/// There is no project where one is needed.
pub fn no_project() -> Error {
    Error::new(ErrorKind::Usage, "there is no bgo.toml here")
        .because("none in this folder or above, up to the root of the repository")
        .hint("write one, cd into the project, or name it: --config PATH")
}

/// Reads the file of a project: what it says, or all that is wrong with it.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<std::result::Result<ProjectFile, Vec<Problem>>> {
    let cannot = |why: String| Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).because(why);
    let size = std::fs::metadata(path).map_err(|e| cannot(describe(&e)))?.len();
    if size > MAX_FILE {
        return Err(cannot(format!("it has {size} bytes; a file of jobs has at most {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| cannot(describe(&e)))?;
    let root = path.parent().unwrap_or(Path::new("/")).to_owned();
    let dialect = if path.file_name().is_some_and(|name| name == "bgrun.toml") { Dialect::Bgrun } else { Dialect::Bgo };
    Ok(parse(&text, dialect).map(|file| {
        let name = file.project.as_ref().map_or_else(|| folder_name(&root), Name::to_string);
        ProjectFile { path: path.to_owned(), root, name, file }
    }))
}

/// What a project is called that has no name: its folder, as far as that can be part of a name.
fn folder_name(root: &Path) -> String {
    let folder = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_fit = |c: &char| Name::parse(&format!("x{c}x")).is_ok();
    let kept: String = folder.trim_start_matches(['-', '.', ' ']).chars().filter(is_fit).collect();
    if kept.is_empty() { "project".to_owned() } else { kept }
}

fn not_understood(path: &Path, problems: &[Problem]) -> Error {
    let Some(first) = problems.first() else { return Error::new(ErrorKind::Usage, "the file is not understood") };
    let file = path.display();
    let mut error = Error::new(ErrorKind::Usage, format!("{file}:{first}")).hint(first.hint.clone());
    error.details = first.place.excerpt();
    if problems.len() > 1 {
        error.details.push_str(&format!("and {} more: bgo check shows all\n", problems.len() - 1));
    }
    error
}

/// Refuses a file that somebody else has put in the way: whoever can write it decides what is run.
fn check_owner(path: &Path) -> Result<()> {
    let why = why_not_ours(path)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot look at {}", path.display())).because(describe(&e)))?;
    why.map_or(Ok(()), |why| {
        Err(Error::new(ErrorKind::Foreign, format!("{} is not used", path.display()))
            .because(why)
            .hint(format!("read it first; then bgo --config '{}' … uses it all the same", path.display())))
    })
}
