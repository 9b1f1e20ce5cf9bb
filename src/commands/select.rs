//! The processes that a command line is about, and doing something with each of them.
//!
//! Why it exists: names, `--group`, `--project` and `--all` mean the same with every verb, and what came of each process
//! is told in one form. Invariants: a group or a project stands for the names of its members; what is told comes in the
//! order of the names, also where it was done at once.

use super::output::{awaiting, known_name, note, print_error, say};
use crate::cli::Selector;
use crate::domain::name::Name;
use crate::error::{ErrorKind, ExitCode, Result};
use crate::ops::jobs::no_project;
use crate::ops::{self, Bgo, Common};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// How many processes are stopped or restarted at once. Each takes a thread that waits.
const AT_ONCE: usize = 16;

/// Which processes.
#[derive(Clone, Debug)]
pub enum Selected {
    /// Those that somebody has typed the names of. Each counts, also one that is not registered.
    Typed(Vec<OsString>),
    /// Those that bgo has listed a moment ago. One that another command has deleted since needs nothing more.
    Listed(Vec<Name>),
}

/// The group or project that was asked for, if one was.
///
/// # Errors
/// `--project`, and the current folder is in none.
pub fn common<const REQUIRED: bool>(bgo: &Bgo, selector: &Selector<REQUIRED>) -> Result<Option<Common>> {
    if selector.project {
        let root = bgo.project_root()?;
        return root.map(|root| Some(Common::Project(root))).ok_or_else(no_project);
    }
    Ok(selector.group.clone().map(Common::Group))
}

/// The processes that `selector` is about.
///
/// # Errors
/// Nobody is in the group or project; the records cannot be listed.
pub fn select<const REQUIRED: bool>(bgo: &Bgo, selector: &Selector<REQUIRED>) -> Result<Selected> {
    let Some(common) = common(bgo, selector)? else { return Ok(Selected::Typed(selector.names.clone())) };
    bgo.store.check()?;
    let members = ops::members(bgo, &common)?;
    for (name, error) in &members.unreadable {
        note(&format!("bgo: cannot tell whether \"{name}\" is of {common}: {}", error.message()));
    }
    if members.names.is_empty() { Err(ops::nobody(bgo, &common)) } else { Ok(Selected::Listed(members.names)) }
}

/// Everything that runs or is about to. Says so if there is nothing.
///
/// # Errors
/// The records cannot be listed.
pub fn select_running(bgo: &Bgo) -> Result<Selected> {
    bgo.store.check()?;
    let names = ops::names(bgo)?;
    // One that is not ours to stop is not passed over: the stop says so.
    let is_up = |name: &Name| ops::is_up(bgo, name).unwrap_or_else(|e| e.kind == ErrorKind::Foreign);
    let names: Vec<Name> = names.into_iter().filter(is_up).collect();
    if names.is_empty() {
        say("nothing is running");
    }
    Ok(Selected::Listed(names))
}

/// Does `act` for each, one after the other, reports each, and exits with the worst.
///
/// Several names of which not one is registered are a usage error (2), as in bgo-cli 0.2.0: most likely the command
/// line was meant otherwise.
///
/// # Errors
/// What went wrong with the only one, or with all.
pub fn each(bgo: &Bgo, selected: &Selected, act: &mut dyn FnMut(&Name) -> Result<String>) -> Result<ExitCode> {
    // What is wrong with all of them is said once.
    bgo.store.check()?;
    let mut tally = Tally::of(selected);
    match selected {
        Selected::Typed(names) => {
            names.iter().try_for_each(|text| tally.add(known_name(bgo, text).and_then(|name| act(&name))))?;
        }
        Selected::Listed(names) => names.iter().try_for_each(|name| tally.add(act(name)))?,
    }
    Ok(tally.exit_code())
}

/// As [`each`], for what takes a while: shows what is awaited, `doing` it to whom. Those that were listed are done at
/// once, as ten processes that ignore their stop signal would take ten times its grace; typed names are done in their
/// order, which may have a meaning.
///
/// # Errors
/// As [`each`].
pub fn each_in_time(
    bgo: &Bgo,
    selected: &Selected,
    doing: &str,
    act: &(dyn Fn(&Name) -> Result<String> + Sync),
) -> Result<ExitCode> {
    let names = match selected {
        Selected::Listed(names) if names.len() > 1 => names,
        _ => return each(bgo, selected, &mut |name| awaiting(&format!("{doing} {name}"), || act(name))),
    };
    bgo.store.check()?;
    let mut tally = Tally::of(selected);
    let (next, done, news) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()), Condvar::new());
    let lock = || done.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        while let Some((index, name)) = names.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            let result = act(name);
            lock().insert(index, result);
            news.notify_one();
        }
    };
    std::thread::scope(|scope| {
        // Where there can be no more threads, fewer do it; without any, this one.
        let spawn = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, work).is_ok();
        let workers = (0..names.len().min(AT_ONCE)).take_while(spawn).count();
        for (index, name) in names.iter().enumerate() {
            let result = awaiting(&format!("{doing} {name}"), || {
                if workers == 0 {
                    return act(name);
                }
                let mut done = lock();
                loop {
                    match done.remove(&index) {
                        Some(result) => return result,
                        None => done = news.wait(done).unwrap_or_else(PoisonError::into_inner),
                    }
                }
            });
            tally.add(result)?;
        }
        Ok(tally.exit_code())
    })
}

/// What has come of several so far.
struct Tally {
    count: usize,
    is_listed: bool,
    unknown: usize,
    worst: ExitCode,
}

impl Tally {
    fn of(selected: &Selected) -> Tally {
        let (count, is_listed) = match selected {
            Selected::Typed(names) => (names.len(), false),
            Selected::Listed(names) => (names.len(), true),
        };
        Tally { count, is_listed, unknown: 0, worst: ExitCode::Done }
    }

    /// Tells of one; fails with what went wrong with the only one.
    fn add(&mut self, result: Result<String>) -> Result<()> {
        match result {
            Ok(line) => say(&line),
            Err(error) if self.is_listed && error.kind == ErrorKind::NotFound => {}
            Err(error) if self.count == 1 => return Err(error),
            Err(error) => {
                self.unknown += usize::from(error.kind == ErrorKind::NotFound);
                print_error(&error);
                self.worst = self.worst.max(error.kind.exit_code());
            }
        }
        Ok(())
    }

    fn exit_code(self) -> ExitCode {
        if self.unknown == self.count && self.count > 1 { ExitCode::Usage } else { self.worst }
    }
}
