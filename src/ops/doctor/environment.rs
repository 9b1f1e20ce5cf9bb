//! The check of captured environments: what a restart, or a start at login, would not find any more.
//!
//! Why it exists: a process is started again with what was captured once, and that names programs, folders and sockets
//! that an upgrade or a logout has taken away. Invariants: what can still do no harm is only counted; no value of a
//! variable is told but folders of `PATH`.

use super::processes::lacks;
use super::{Finding, Found, Patient, count};
use crate::domain::captured::{differences, folders};
use crate::domain::finding::Severity;
use crate::domain::name::Name;
use crate::domain::order::sort;
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::domain::resurrection::comes_back;
use crate::domain::session;
use crate::error::ErrorKind;
use crate::ops::environment::given_otherwise;
use crate::ops::lease;
use crate::ops::preflight::{env_program, is_executable_file, resolve};
use crate::platform::NOTIFIER;
use crate::store::Environment;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const CHECK: &str = "environment";

/// What was captured still leads somewhere.
pub(super) fn environment(patient: &Patient<'_>, found: &mut Found) -> String {
    let (now, moment) = (Environment::capture(), lease::now().ok());
    let is_of_use =
        |record: &Record| moment.as_ref().is_some_and(|moment| comes_back(record, moment, lease::lives).is_some());
    let (mut looked_at, mut differing) = (0, 0);
    // What is down for good is started by somebody who then sees what is wrong.
    for (name, record) in patient.known().filter(|(_, record)| is_of_use(record)) {
        let environment = match patient.bgo.store.environment(name) {
            Ok(Some(environment)) => environment,
            Ok(None) => continue,
            Err(e) => {
                if e.kind == ErrorKind::Corrupt {
                    found.add(Finding::new(CHECK, Severity::Warning, e.message(), e.hint.clone()).of(name));
                }
                continue;
            }
        };
        looked_at += 1;
        let given = given_otherwise(&environment, &record.spec, record.cwd.as_path());
        let is_given = |key: &Raw| given.contains(key);
        differing += usize::from(!differences(&environment.captured, &now, is_given).is_empty());
        let notifier_path = path_of(&environment.captured).cloned();
        let captured: Vec<(Raw, Raw)> =
            environment.captured.into_iter().filter(|(key, _)| !given.contains(key)).collect();
        let of_one = One { name, record, captured: &captured, now: &now };
        of_one.program(found);
        if !is_given(&Raw::from("PATH")) {
            of_one.path(found);
        }
        of_one.session(found);
        of_one.notifier(notifier_path.as_ref(), found);
    }
    match (looked_at, differing) {
        (0, _) => "nothing is captured of what is to be up".to_owned(),
        (all, 0) => format!("{} as in this shell", count(all, "captured environment")),
        (all, some) => {
            format!("{}, {some} other than this shell's, which does no harm", count(all, "captured environment"))
        }
    }
}

/// One process, with what was captured and is given to it as it was.
struct One<'a> {
    name: &'a Name,
    record: &'a Record,
    captured: &'a [(Raw, Raw)],
    now: &'a [(Raw, Raw)],
}

impl One<'_> {
    fn add(&self, found: &mut Found, severity: Severity, message: String, hint: String) {
        found.add(Finding::new(CHECK, severity, message, hint).of(self.name));
    }

    /// The program is there: it was found once, and is started by its path.
    fn program(&self, found: &mut Found) {
        let program = self.record.command.first().map_or(Path::new(""), Raw::as_path);
        // What may not be looked at may be there.
        if !matches!(program.try_exists(), Ok(false)) {
            return self.files(found);
        }
        let there = program.file_name().and_then(|file| self.find(file, path_of(self.now)));
        let there = there.map_or_else(String::new, |there| format!("; this shell finds {}", there.display()));
        let message = format!("its program {} is gone{there}", program.display());
        let shell = self.name.shell();
        self.add(
            found,
            Severity::Warning,
            message,
            format!("bgo start {shell} --force -- COMMAND starts it by another"),
        );
    }

    /// So are its folder and its files of variables.
    fn files(&self, found: &mut Found) {
        let Some(cause) = lacks(self.name, self.record) else { return };
        let hint = format!("put it back, or bgo start {} --force -- COMMAND starts it without", self.name.shell());
        self.add(found, Severity::Warning, format!("it cannot be started again: {cause}"), hint);
    }

    /// What the captured `PATH` leads to is what this shell would take, and its folders are there.
    fn path(&self, found: &mut Found) {
        let Some(path) = path_of(self.captured) else { return };
        let (now, shell) = (path_of(self.now), self.name.shell());
        let program = self.record.command.first().map_or(Path::new(""), Raw::as_path);
        let update = format!("bgo restart {shell} --update-env takes this shell's");
        // A script that is run by `env PROGRAM` looks for that anew each time.
        if let Some(interpreter) = env_program(program) {
            let shown = interpreter.to_string_lossy();
            match (self.find(&interpreter, Some(path)), self.find(&interpreter, now)) {
                (None, there) => {
                    let there = there.map_or_else(String::new, |at| format!("; this shell's has {}", at.display()));
                    let message = format!("its program is run by \"{shown}\", which its captured PATH has not{there}");
                    self.add(found, Severity::Warning, message, update.clone());
                }
                (Some(is), Some(other)) if !is_same(&is, &other) => {
                    let (is, other) = (is.display(), other.display());
                    let message = format!("its captured PATH has {is} for \"{shown}\", this shell's {other}");
                    self.add(found, Severity::Note, message, update.clone());
                }
                _ => {}
            }
        }
        let file = program.file_name().unwrap_or_default();
        let by_path = self.find(file, Some(path)).is_some_and(|there| there == program);
        if let Some(other) = self.find(file, now).filter(|other| by_path && !is_same(program, other)) {
            let message = format!("it is started as {}, this shell finds {}", program.display(), other.display());
            let hint = format!("bgo start {shell} --force -- COMMAND starts what this shell finds");
            self.add(found, Severity::Note, message, hint);
        }
        let present = now.map(folders).unwrap_or_default();
        // One that this shell looks into, too, may never have been there.
        let is_gone = |folder: &String| {
            !present.contains(folder) && folder.starts_with('/') && matches!(Path::new(folder).try_exists(), Ok(false))
        };
        let gone: Vec<String> = folders(path).into_iter().filter(is_gone).collect();
        if !gone.is_empty() {
            self.add(found, Severity::Note, format!("gone from its captured PATH: {}", gone.join(", ")), update);
        }
    }

    /// What is to tell the desktop of it is there: that is looked for where the shell did.
    fn notifier(&self, path: Option<&Raw>, found: &mut Found) {
        if self.record.spec.notify && self.find(OsStr::new(NOTIFIER.program()), path).is_none() {
            let message = format!("--notify is set, and its captured PATH has no {}", NOTIFIER.program());
            let shell = self.name.shell();
            let hint = format!("install it (Debian: apt install libnotify-bin), or bgo set {shell} --unset notify");
            self.add(found, Severity::Warning, message, hint);
        }
    }

    /// The sockets of the session that it was captured in are there.
    fn session(&self, found: &mut Found) {
        let addresses = session::addresses(self.captured).into_iter();
        let gone = addresses.filter(|(_, path)| matches!(path.try_exists(), Ok(false))).map(|(key, _)| key.lossy());
        let mut gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return;
        }
        sort(&mut gone);
        let message =
            format!("what these lead to is gone, with the session they were captured in: {}", gone.join(", "));
        let hint = format!("bgo restart {} --update-env, from a shell that has them", self.name.shell());
        self.add(found, Severity::Note, message, hint);
    }

    fn find(&self, program: &OsStr, path: Option<&Raw>) -> Option<PathBuf> {
        let path = path.map(AsRef::as_ref);
        resolve(program, self.record.cwd.as_path(), path).ok().filter(|there| is_executable_file(there))
    }
}

fn path_of(variables: &[(Raw, Raw)]) -> Option<&Raw> {
    variables.iter().rfind(|(key, _)| key.as_bytes() == b"PATH").map(|(_, value)| value)
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
