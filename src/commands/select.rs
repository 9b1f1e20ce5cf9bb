//! The processes that a command line is about, and doing something with each of them.
//!
//! Why it exists: names, `--group`, `--project` and `--all` mean the same with every verb, and what came of each process
//! is told in one form. Invariants: a group or a project stands for the names of its members; what is told comes in the
//! order of the names, also where it was done at once.

use super::output::{Output, known_name};
use crate::cli::Selector;
use crate::domain::filter::{Filter, Mine};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::no_project;
use crate::ops::{self, Bgo, Common};
use crate::platform;
use crate::view::batch::Batch;
use crate::view::json;
use crate::view::reply::{Reply, Told};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
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

/// What those have in common that were asked for, if it was that.
///
/// # Errors
/// `--project`, and the current folder is in none.
pub fn common<const REQUIRED: bool>(bgo: &Bgo, selector: &Selector<REQUIRED>) -> Result<Option<Common>> {
    let common = match selector.project {
        true => Some(bgo.project_root()?.map(Common::Project).ok_or_else(no_project)?),
        false => selector.group.clone().map(Common::Group),
    };
    let filter = filter(selector)?;
    Ok(if filter.is_empty() { common } else { Some(Common::Filtered(filter, common.map(Box::new))) })
}

fn filter<const REQUIRED: bool>(selector: &Selector<REQUIRED>) -> Result<Filter> {
    let mine = || match ops::owner_of_environment()? {
        Some(owner) => Ok(Mine::Owner(owner)),
        None => Ok(Mine::StartedBy(platform::ancestors())),
    };
    let absolute = |folder: &PathBuf| {
        let real = std::fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        real.map_err(|e| Error::io(format!("cannot use {}", folder.display()), &e))
    };
    Ok(Filter {
        tags: selector.tag.clone(),
        owner: selector.owner.clone(),
        mine: if selector.mine { Some(mine()?) } else { None },
        cwd: selector.cwd.as_ref().map(absolute).transpose()?,
    })
}

/// The processes that `selector` is about.
///
/// # Errors
/// Nobody is in the group or project; the records cannot be listed.
pub fn select<const REQUIRED: bool>(bgo: &Bgo, out: &Output, selector: &Selector<REQUIRED>) -> Result<Selected> {
    let Some(common) = common(bgo, selector)? else { return Ok(Selected::Typed(selector.names.clone())) };
    bgo.store.check()?;
    let members = ops::members(bgo, &common)?;
    for (name, error) in &members.unreadable {
        out.note(&format!("bgo: cannot tell whether \"{name}\" is of {common}: {}", error.message()));
    }
    if members.names.is_empty() { Err(ops::nobody(bgo, &common)) } else { Ok(Selected::Listed(members.names)) }
}

/// Everything that runs or is about to. Says so if there is nothing.
///
/// # Errors
/// The records cannot be listed.
pub fn select_running(bgo: &Bgo, out: &Output) -> Result<Selected> {
    bgo.store.check()?;
    let names = ops::names(bgo)?;
    // One that is not ours to stop is not passed over: the stop says so.
    let is_up = |name: &Name| {
        ops::is_up(bgo, name).unwrap_or_else(|e| match e.kind {
            ErrorKind::Foreign => true,
            ErrorKind::Corrupt => ops::is_up_unread(bgo, name),
            _ => false,
        })
    };
    let names: Vec<Name> = names.into_iter().filter(is_up).collect();
    if names.is_empty() {
        out.say("nothing is running");
    }
    Ok(Selected::Listed(names))
}

/// Does `act` for each, one after the other, reports each, and exits with the worst.
///
/// # Errors
/// What went wrong with the only one, or with all.
pub fn each(
    bgo: &Bgo,
    out: &Output,
    selected: &Selected,
    act: &mut dyn FnMut(&Name) -> Result<Told>,
) -> Result<ExitCode> {
    let mut tally = Tally::of(out, selected);
    tally.each(bgo, selected, act)?;
    Ok(tally.finish())
}

/// As [`each`], for what takes a while: shows what is awaited, `doing` it to whom. Those that were listed are done at
/// once, as ten processes that ignore their stop signal would take ten times its grace; typed names are done in their
/// order, which may have a meaning.
///
/// # Errors
/// As [`each`].
pub fn each_in_time(
    bgo: &Bgo,
    out: &Output,
    selected: &Selected,
    doing: &str,
    act: &(dyn Fn(&Name) -> Result<Told> + Sync),
) -> Result<ExitCode> {
    let mut tally = Tally::of(out, selected);
    tally.each_in_time(bgo, selected, doing, act)?;
    Ok(tally.finish())
}

/// What has come of several so far.
///
/// For a person each is told of as it is done; in JSON all of them at the end: an object about one that was named, else a
/// batch, which also exits with 1 whatever failed.
#[derive(Debug)]
pub struct Tally<'a> {
    out: &'a Output,
    count: usize,
    is_listed: bool,
    /// Whether what goes wrong with one is all that is to be told.
    is_all_there_is: bool,
    unknown: usize,
    worst: ExitCode,
    results: Vec<(String, Result<Reply>)>,
}

impl<'a> Tally<'a> {
    /// Of those that were chosen.
    pub fn of(out: &'a Output, selected: &Selected) -> Tally<'a> {
        let (count, is_listed) = match selected {
            Selected::Typed(names) => (names.len(), false),
            Selected::Listed(names) => (names.len(), true),
        };
        let is_all_there_is = count == 1 && !is_listed;
        Tally { out, count, is_listed, is_all_there_is, unknown: 0, worst: ExitCode::Done, results: Vec::new() }
    }

    /// Does `act` for each, one after the other.
    ///
    /// # Errors
    /// What went wrong with the only one, or with all.
    pub fn each(&mut self, bgo: &Bgo, selected: &Selected, act: &mut dyn FnMut(&Name) -> Result<Told>) -> Result<()> {
        // What is wrong with all of them is said once.
        bgo.store.check()?;
        match selected {
            Selected::Typed(names) => names.iter().try_for_each(|text| {
                self.add(&text.to_string_lossy(), known_name(bgo, text).and_then(|name| act(&name)))
            }),
            Selected::Listed(names) => names.iter().try_for_each(|name| self.add(name.as_str(), act(name))),
        }
    }

    /// As [`each_in_time`].
    ///
    /// # Errors
    /// As [`Tally::each`].
    pub fn each_in_time(
        &mut self,
        bgo: &Bgo,
        selected: &Selected,
        doing: &str,
        act: &(dyn Fn(&Name) -> Result<Told> + Sync),
    ) -> Result<()> {
        let out = self.out;
        let names = match selected {
            Selected::Listed(names) if names.len() > 1 => names,
            _ => {
                return self.each(bgo, selected, &mut |name| out.awaiting(&format!("{doing} {name}"), || act(name)));
            }
        };
        bgo.store.check()?;
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
                let result = out.awaiting(&format!("{doing} {name}"), || {
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
                self.add(name.as_str(), result)?;
            }
            Ok(())
        })
    }

    /// That others may follow those that were chosen: what goes wrong with one of them is not all that is to be told.
    pub fn expect_more(&mut self) {
        self.is_all_there_is = false;
    }

    /// Tells of one; fails with what went wrong with the only one.
    ///
    /// # Errors
    /// As said.
    pub fn add(&mut self, name: &str, result: Result<Told>) -> Result<()> {
        let error = match result {
            Ok(told) => {
                self.out.say(&told.line);
                self.keep(name, Ok(told.data));
                return Ok(());
            }
            Err(error) => error,
        };
        if self.is_listed && error.kind == ErrorKind::NotFound {
            return Ok(());
        }
        if self.is_all_there_is {
            return Err(error);
        }
        self.unknown += usize::from(error.kind == ErrorKind::NotFound);
        self.worst = self.worst.max(error.kind.exit_code());
        if !self.out.is_json() {
            self.out.error(&error);
        }
        self.keep(name, Err(error));
        Ok(())
    }

    /// Keeps for the batch what a person is not told.
    pub fn keep(&mut self, name: &str, result: Result<Reply>) {
        if self.out.is_json() {
            self.results.push((name.to_owned(), result));
        }
    }

    /// Several names of which not one is registered are a usage error (2), as in bgo-cli 0.2.0: most likely the command
    /// line was meant otherwise.
    pub fn finish(self) -> ExitCode {
        if self.out.is_json() {
            return self.finish_json();
        }
        if self.unknown == self.count && self.count > 1 { ExitCode::Usage } else { self.worst }
    }

    fn finish_json(self) -> ExitCode {
        if let ([(_, Ok(reply))], false, 1) = (self.results.as_slice(), self.is_listed, self.count) {
            self.out.document(json::document(reply));
            return ExitCode::Done;
        }
        let results = self.results.iter().map(|(name, result)| (name.as_str(), result.as_ref()));
        self.out.document(Batch::new(results, false).to_json());
        self.worst.min(ExitCode::Failed)
    }
}
