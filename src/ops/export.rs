//! `export`: what is known about processes, for another supervisor, and the files of it.
//!
//! Why it exists: see `domain::export`. Invariants: nothing is started, and nothing of bgo's is written; of the files
//! either none is refused, or none is written.

use super::jobs::ProjectFile;
use super::preflight::{not_runnable, resolve};
use super::publish::{FOR_ALL, FOR_OWNER, publish};
use super::systemd;
use super::{Bgo, StartRequest};
use crate::domain::export::{EXPORTED, Process};
use crate::domain::jobs::Job;
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::record::{Record, Watch};
use crate::domain::settings::{Restart, Settings};
use crate::domain::state::State;
use crate::error::{Error, ErrorKind, Result, describe};
use crate::store::Environment;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What of a process is to go along.
#[derive(Clone, Copy, Debug)]
pub struct ExportOf {
    /// The whole environment, not only what `-e` has set.
    pub with_env: bool,
    /// Whether its program has to be on this machine.
    pub runs_here: bool,
}

/// Variables of a shell's own, which say nothing about what it starts.
const SHELLS_OWN: [&str; 4] = ["_", "OLDPWD", "PWD", "SHLVL"];

/// What the calling user is called, unless it is root.
pub fn invoking_user() -> Option<String> {
    (!systemd::is_system()).then(systemd::user)
}

/// Services of systemd that are there already, of the system or of its users, and were not written by an export: those
/// that come with the machine, and those where the files of an export go to.
pub fn other_units(system: bool) -> Vec<String> {
    let kind = if system { "system" } else { "user" };
    let own = match system {
        true => Some(PathBuf::from("/etc/systemd/system")),
        false => std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/systemd/user")),
    };
    let folders = ["/usr/lib/systemd", "/lib/systemd"].map(|folder| Path::new(folder).join(kind));
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let services = folders.into_iter().chain(own).flat_map(entries).filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        (name.ends_with(".service") && !is_export(&entry.path())).then_some(name)
    });
    services.collect()
}

/// Whether bgo has written the unit, for a process: its first line says so.
fn is_export(unit: &Path) -> bool {
    fs::read_to_string(unit).is_ok_and(|text| text.lines().next().is_some_and(|line| line.ends_with(EXPORTED)))
}

/// The registered process `name`. Those of the project at `root` go by the names of their jobs.
///
/// # Errors
/// Unknown name, unreadable record or environment.
pub fn process_to_export(bgo: &Bgo, name: &Name, root: Option<&Path>, of: ExportOf) -> Result<Process> {
    let mut record = bgo.record(name)?;
    let own = job_of(&record, root).unwrap_or(name.as_str()).to_owned();
    for needed in &mut record.spec.after {
        let other = Name::parse(needed).ok().and_then(|name| bgo.store.read(&name).ok().flatten());
        if let Some(job) = other.as_ref().and_then(|other| job_of(other, root)) {
            *needed = job.to_owned();
        }
    }
    let environment = bgo.store.environment(name)?.unwrap_or_default();
    let path = environment.get("PATH").map(OsString::from);
    let restarts = record.is_watched();
    let watch = record.watch.unwrap_or_default();
    let word = word(&record.command[0], &record.cwd, path.as_deref());
    let captured = if of.with_env { environment.captured } else { Vec::new() };
    Ok(Process {
        word,
        env: variables(captured, environment.set),
        restarts,
        min_uptime: watch.min_uptime,
        on_fast_crash: watch.on_fast_crash,
        interval: watch.interval,
        allocated_port: record.allocated_port,
        is_detached: record.state == State::Detached,
        ..Process::new(&own, record.command, record.cwd, record.spec)
    })
}

/// The job of the project at `root` that `record` is of.
fn job_of<'r>(record: &'r Record, root: Option<&Path>) -> Option<&'r str> {
    let project = record.project.as_ref()?;
    (Some(project.root.as_path()) == root).then_some(project.job.as_str())
}

/// All jobs of `project`.
///
/// # Errors
/// As [`job_to_export`].
pub fn jobs_to_export(project: &ProjectFile, of: ExportOf) -> Result<Vec<Process>> {
    project.file.jobs.iter().map(|job| job_to_export(project, job, of)).collect()
}

/// `job` as the file says, whether it was ever started or not.
///
/// # Errors
/// Its program is not found.
pub fn job_to_export(project: &ProjectFile, job: &Job, of: ExportOf) -> Result<Process> {
    let name = &job.name;
    let StartRequest { supervision, cwd, set, command, .. } = project.request(job, name.clone(), str::to_owned);
    let cwd = cwd.unwrap_or_default();
    let cwd = fs::canonicalize(&cwd).unwrap_or(cwd);
    let mut settings = Settings::default();
    settings.apply(&supervision.settings);
    let own_path = set.iter().rev().find(|(key, _)| key.as_bytes() == b"PATH").map(|(_, path)| OsString::from(path));
    let path = own_path.or_else(|| std::env::var_os("PATH"));
    // The file has no jobs without a program.
    let program = command.first().cloned().unwrap_or_default();
    let found = match resolve(&program, &cwd, path.as_deref()) {
        Ok(found) => Raw::from(found.as_path()),
        Err(_) if !of.runs_here => Raw::from(program.clone()),
        Err(e) => return Err(not_exportable(project, job, not_runnable(name.as_str(), &program, &e))),
    };
    let mut command: Vec<Raw> = command.into_iter().map(Raw::from).collect();
    command[0] = found;
    let mut watch = Watch::default();
    watch.apply(&supervision.watch);
    let is_path = program.as_encoded_bytes().contains(&b'/');
    Ok(Process {
        word: if is_path { command[0].clone() } else { Raw::from(program) },
        env: variables(if of.with_env { Environment::capture() } else { Vec::new() }, set),
        restarts: supervision.restart.is_some_and(|restart| restart != Restart::No),
        min_uptime: watch.min_uptime,
        on_fast_crash: watch.on_fast_crash,
        interval: watch.interval,
        ..Process::new(name.as_str(), command, Raw::from(cwd.as_path()), settings)
    })
}

fn not_exportable(project: &ProjectFile, job: &Job, error: Error) -> Error {
    error.of(format!("{}:{}: cannot export [jobs.{}]", project.path.display(), job.line, job.name))
}

/// The bare name of `program` where a look-up leads to it, else the path.
fn word(program: &Raw, cwd: &Raw, path: Option<&OsStr>) -> Raw {
    let bare = program.as_path().file_name().unwrap_or_default();
    let leads_there = resolve(bare, cwd.as_path(), path).is_ok_and(|found| found == program.as_path());
    if leads_there { Raw::from(bare.to_owned()) } else { program.clone() }
}

fn variables(captured: Vec<(Raw, Raw)>, set: Vec<(Raw, Raw)>) -> Vec<(Raw, Raw)> {
    let is_own = |key: &Raw| SHELLS_OWN.iter().any(|own| key.as_bytes() == own.as_bytes());
    let captured = captured.into_iter().filter(|(key, _)| !is_own(key) && Environment::is_passed_on(key));
    captured.chain(set).collect()
}

/// A file to write.
#[derive(Clone, Debug)]
pub struct ToWrite {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// Whether it is for the eyes of its owner alone.
    pub is_private: bool,
}

/// Writes files into `folder`, which is made if it is not there. What is there as it should be stays.
///
/// # Errors
/// One is there, with another content, and `force` is not given; a file cannot be written.
pub fn write_exported(folder: &Path, files: &[ToWrite], force: bool) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(|e| cannot(folder, &e))?;
    let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.name)).collect();
    // The same again, for fewer eyes, is no conflict.
    let may_replace = |path: &Path, text: &str| {
        force
            || fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == text.len() as u64)
                && fs::read(path).is_ok_and(|there| there == text.as_bytes())
    };
    let in_the_way = |path: &PathBuf, text: &str| path.symlink_metadata().is_ok() && !may_replace(path, text);
    if let Some((path, _)) = paths.iter().zip(files).find(|(path, file)| in_the_way(path, &file.text)) {
        return Err(exists(path));
    }
    for (path, file) in paths.iter().zip(files) {
        let mode = if file.is_private { FOR_OWNER } else { FOR_ALL };
        let replace = may_replace(path, &file.text);
        publish(path, file.text.as_bytes(), mode, replace).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists if !replace => exists(path),
            _ => cannot(path, &e),
        })?;
    }
    Ok(paths)
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::NeedsAnswer, format!("{} is there already", path.display()))
        .because("it says something else; nothing was written")
        .hint("look at it first; --force replaces it")
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).because(describe(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_at_once_leave_whole_files_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let export = &|writer: usize| {
            for round in 0..20 {
                let text = format!("{writer} {round}").repeat(1000);
                let file = ToWrite { name: "web.service".to_owned(), text, is_private: round % 2 == 0 };
                write_exported(folder.path(), &[file], true).unwrap();
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|writer| drop(scope.spawn(move || export(writer)))));
        let there = fs::read_to_string(folder.path().join("web.service")).unwrap();
        assert_eq!(there, there[..4].repeat(1000));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
