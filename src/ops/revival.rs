//! `resurrect`: after a reboot, what was up is up again; what lost its sidecar gets a new one.
//!
//! Why it exists: at a login many processes come back at once, in the order of their needs, and one that hangs must not
//! keep the others down. Invariants: one `resurrect` of a state folder is at work at a time, and the next looks at what
//! that has left; nothing is started for the sake of what needs it, for exactly what was up comes back; whatever happens,
//! it returns when its time is over, with one result a process.
//!
//! Each process is seen to by a thread of its own (`resurrect.rs`), 16 at once; one that waits for what it needs does not
//! count among these. The threads are not joined: one that hangs in the kernel (a folder on a dead server) would hold us for ever.

use super::dependencies::await_dependencies;
use super::recover::{lost, recover};
use super::resurrect::{Resurrected, glance, is_ending, one};
use super::{Bgo, is_up};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::plan::Plan;
use crate::domain::resurrection::{Decision, Reason};
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, SignalQueue};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a `resurrect` may take, unless told otherwise. As long as a start waits for what it needs.
pub const RESURRECT_TIMEOUT: Duration = Duration::from_secs(120);
/// How many are started or attached to at once.
const AT_ONCE: usize = 16;
/// How many wait for others at once: each watches the records, of which the kernel allows a user some hundred.
const WAITING_AT_ONCE: usize = 32;
/// How much longer it is listened for those who notice by themselves that the time is over, and can say more.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What to bring back, and how.
#[derive(Clone, Debug)]
pub struct ResurrectRequest {
    /// Which; default: all.
    pub names: Option<Vec<Name>>,
    /// Only say what would be done: nothing is written, and nothing waited for.
    pub dry_run: bool,
    /// How long all of it may take. Default 120 s.
    pub timeout: Duration,
}

impl Default for ResurrectRequest {
    fn default() -> ResurrectRequest {
        ResurrectRequest { names: None, dry_run: false, timeout: RESURRECT_TIMEOUT }
    }
}

/// What a `resurrect` came to.
#[derive(Debug, Default)]
pub struct Resurrection {
    /// Each process and what came of it: in order of name, or as they were asked for.
    pub all: Vec<(Name, Result<Resurrected>)>,
    /// Whether the time was over before all were done.
    pub timed_out: bool,
    /// Whether it was interrupted before that.
    pub interrupted: bool,
}

/// Brings back what was up, each when what it needs is ready again. `signals` end it.
///
/// # Errors
/// The records cannot be listed; another `resurrect` is at work and does not get done in time, or the wait for it is
/// interrupted.
pub fn resurrect(bgo: &Bgo, request: &ResurrectRequest, signals: &SignalQueue) -> Result<Resurrection> {
    let deadline = platform::boot_clock().saturating_add(request.timeout);
    bgo.store.check()?;
    if request.dry_run {
        return preview(bgo, request);
    }
    let _turn = take_turn(bgo, request, deadline, signals)?;
    let mut recovered = BTreeMap::new();
    match &request.names {
        None => recovered.extend(recover(bgo, None)),
        Some(names) => {
            let lost = names.iter().filter(|name| !bgo.store.record_path(name).exists());
            lost.for_each(|name| recovered.extend(recover(bgo, Some(name))));
        }
    }
    let names = names(bgo, request, recovered.keys())?;
    let mut course = Course::new(bgo, names, recovered, deadline);
    let ended = course.run(signals)?;
    Ok(course.conclude(ended, request))
}

/// Those that are asked for; `also` are known to be there.
fn names<'n>(bgo: &Bgo, request: &ResurrectRequest, also: impl Iterator<Item = &'n Name>) -> Result<Vec<Name>> {
    let mut names = match &request.names {
        Some(names) => names.clone(),
        None => {
            let mut all = bgo.store.names()?;
            all.extend(also.cloned());
            all.sort_unstable();
            all
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// What would be done.
fn preview(bgo: &Bgo, request: &ResurrectRequest) -> Result<Resurrection> {
    let lost: BTreeMap<Name, Option<u32>> =
        lost(bgo, None).into_iter().map(|lost| (lost.name, lost.record.pid)).collect();
    let look = |name: Name| {
        let looked = match lost.get(&name) {
            Some(pid) => Ok(Resurrected::new(Decision::Attach(Reason::NoRecord), *pid)),
            None => glance(bgo, &name).map(|(_, looked)| looked),
        };
        let looked = looked.and_then(|looked| told_apart(&name, looked));
        (name, looked)
    };
    let all = names(bgo, request, lost.keys())?.into_iter().map(look).collect();
    Ok(Resurrection { all, ..Resurrection::default() }.of_known(request))
}

/// Of what may or may not run nobody can say that it is in order.
fn told_apart(name: &Name, done: Resurrected) -> Result<Resurrected> {
    match done.decision {
        Decision::Leave(Reason::Unproven(pid)) => Err(super::stop::unproven(name, pid)),
        _ => Ok(done),
    }
}

/// Waits until no other `resurrect` of this state folder is at work. The lock is on a folder, so it leaves no file
/// behind and needs no room on the disk.
fn take_turn(bgo: &Bgo, request: &ResurrectRequest, deadline: Duration, signals: &SignalQueue) -> Result<Option<File>> {
    // Without records there is nothing to be done twice, and nothing is to be made for that.
    let Some(folder) = bgo.store.turnstile() else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => return Ok(Some(folder)),
        Err(std::fs::TryLockError::WouldBlock) => {}
        // Where folders cannot be locked, the lock of each name still has each started once.
        Err(std::fs::TryLockError::Error(_)) => return Ok(None),
    }
    let broken = |e: &io::Error| Error::io("cannot wait for another bgo resurrect", e);
    // The same open file description: what the thread locks is locked for us. It ends with the process at the latest.
    let same = folder.try_clone().map_err(|e| broken(&e))?;
    let (locked, lock) = io::pipe().map_err(|e| broken(&e))?;
    let wait = move || {
        let _ = same.lock();
        drop(lock);
    };
    std::thread::Builder::new().spawn(wait).map_err(|e| broken(&e))?;
    let fds = [(signals.as_fd(), Interest::Readable), (locked.as_fd(), Interest::HangUp)];
    let ready = platform::wait(&fds, Some(deadline)).map_err(|e| broken(&e))?;
    match ready.as_slice() {
        [true, _] => Err(Error::new(ErrorKind::Interrupted, "nothing was resurrected").because("interrupted")),
        [_, true] => Ok(Some(folder)),
        _ => Err(Error::new(ErrorKind::TimedOut, "nothing was resurrected")
            .because(format!("another bgo resurrect has been at work for {}", Span(request.timeout)))
            .hint("--timeout TIME waits longer")),
    }
}

/// What a thread has to say about its process.
enum Word {
    /// It waits for what it needs.
    Waits,
    /// It is done.
    Done(Result<Resurrected>),
}

/// Another process that one needs.
#[derive(Clone, Debug)]
enum Need {
    /// It runs, or has just been started.
    Awaited(Name),
    /// It could not be brought back, for this reason.
    Failed(Name, String),
}

/// Why a course has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    AllDone,
    TimedOut,
    Interrupted,
}

/// All processes, under way.
struct Course {
    bgo: Arc<Bgo>,
    names: Vec<Name>,
    /// Those that each needs, in the list or not.
    needs: Vec<Vec<Name>>,
    plan: Plan,
    done: Vec<Option<Result<Resurrected>>>,
    /// Who waits for what it needs.
    waits: Vec<bool>,
    /// How many do.
    waiting: usize,
    /// How many threads are at work that have not waited.
    at_work: usize,
    deadline: Duration,
}

impl Course {
    fn new(bgo: &Bgo, names: Vec<Name>, mut recovered: BTreeMap<Name, Result<u32>>, deadline: Duration) -> Course {
        let after = |name: &Name| bgo.store.read(name).ok().flatten().map(|record| record.spec.after);
        let list: Vec<(String, Vec<String>)> =
            names.iter().map(|name| (name.to_string(), after(name).unwrap_or_default())).collect();
        let parsed = |(_, needs): &(String, Vec<String>)| needs.iter().filter_map(|n| Name::parse(n).ok()).collect();
        let attached = |pid| Resurrected::new(Decision::Attach(Reason::NoRecord), Some(pid));
        // One that ended while it was taken up has a record by now, and is looked at as any other.
        recovered.retain(|_, result| !matches!(result, Err(e) if e.kind == ErrorKind::Conflict));
        let done = names.iter().map(|name| recovered.remove(name).map(|result| result.map(attached))).collect();
        let needs = list.iter().map(parsed).collect();
        let (plan, waits) = (Plan::new(&list), vec![false; names.len()]);
        let bgo = Bgo { until: Some(deadline), ..bgo.clone() };
        Course { bgo: Arc::new(bgo), needs, plan, done, waits, waiting: 0, at_work: 0, deadline, names }
    }

    fn run(&mut self, signals: &SignalQueue) -> Result<Ended> {
        let broken = |e: &io::Error| Error::io("cannot wait", e);
        let (sender, words) = channel();
        let (mut heard, spoke) = io::pipe().map_err(|e| broken(&e))?;
        let mut due = VecDeque::new();
        let mut ended = Ended::AllDone;
        loop {
            if ended == Ended::AllDone {
                due.extend(self.plan.begin());
            }
            while self.at_work < AT_ONCE
                && self.waiting < WAITING_AT_ONCE
                && let Some(index) = due.pop_front()
            {
                self.begin(index, &sender, &spoke).map_err(|e| broken(&e))?;
            }
            // What was recovered is done before it is begun.
            if ended == Ended::AllDone && self.plan.is_settled() {
                return Ok(ended);
            }
            let now = platform::boot_clock();
            let over = self.deadline.saturating_add(LAST_WORDS);
            if ended == Ended::Interrupted && self.at_work == 0 {
                return Ok(ended);
            }
            if now >= over {
                return Ok(if ended == Ended::AllDone { Ended::TimedOut } else { ended });
            }
            let fds = [(heard.as_fd(), Interest::Readable), (signals.as_fd(), Interest::Readable)];
            let ready = platform::wait(&fds, Some(over)).map_err(|e| broken(&e))?;
            if ready[1] {
                signals.drain();
                if ended == Ended::Interrupted {
                    return Ok(ended);
                }
                // What is being started is told of; nothing more is begun.
                ended = Ended::Interrupted;
                due.clear();
            }
            if ready[0] {
                self.hear(&words, &mut heard).map_err(|e| broken(&e))?;
            }
        }
    }

    /// Has a thread see to the process at `index`; without threads, this one.
    fn begin(&mut self, index: usize, sender: &Sender<(usize, Word)>, spoke: &PipeWriter) -> io::Result<()> {
        if self.done[index].is_some() {
            self.plan.ready(index);
            return Ok(());
        }
        let (bgo, name, needs, deadline) =
            (Arc::clone(&self.bgo), self.names[index].clone(), self.needs_of(index), self.deadline);
        let (told, mut wakes) = (sender.clone(), spoke.try_clone()?);
        let mut say = move |word| {
            // Who listened may have returned: then nobody is interested any more.
            let _ = told.send((index, word));
            let _ = wakes.write_all(&[1]);
        };
        let work = move || {
            let done = revive(&bgo, &name, &needs, deadline, &mut || say(Word::Waits));
            say(Word::Done(done));
        };
        self.at_work += 1;
        let work = Arc::new(std::sync::Mutex::new(Some(work)));
        let mine = Arc::clone(&work);
        let run = move || {
            let work = mine.lock().ok().and_then(|mut work| work.take());
            work.into_iter().for_each(|mut work| work());
        };
        if std::thread::Builder::new().spawn(run.clone()).is_err() {
            run();
        }
        Ok(())
    }

    /// What the process at `index` needs and has to wait for. What is down because that was wished, or because it ended by
    /// itself, stays down, and what needs it was up without it.
    fn needs_of(&self, index: usize) -> Vec<Need> {
        let in_plan = self.plan.needs(index);
        let need = |name: &Name| match self.names.iter().position(|other| other == name) {
            Some(at) if in_plan.contains(&at) => match self.done[at].as_ref()? {
                Ok(done) => is_up_by(&done.decision).then(|| Need::Awaited(name.clone())),
                // What cannot be read keeps nobody else down.
                Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::Foreign | ErrorKind::NotFound) => None,
                Err(e) => Some(Need::Failed(name.clone(), e.message())),
            },
            // A circle is cut somewhere.
            Some(_) => None,
            None => is_up(&self.bgo, name).unwrap_or(false).then(|| Need::Awaited(name.clone())),
        };
        self.needs[index].iter().filter_map(need).collect()
    }

    fn hear(&mut self, words: &Receiver<(usize, Word)>, heard: &mut PipeReader) -> io::Result<()> {
        while let Ok((index, word)) = words.try_recv() {
            // A byte a word, written after it.
            heard.read_exact(&mut [0])?;
            match word {
                Word::Waits => {
                    self.waits[index] = true;
                    (self.at_work, self.waiting) = (self.at_work - 1, self.waiting + 1);
                }
                Word::Done(done) => {
                    let did_wait = usize::from(self.waits[index]);
                    (self.at_work, self.waiting) = (self.at_work + did_wait - 1, self.waiting - did_wait);
                    self.done[index] = Some(done.and_then(|done| told_apart(&self.names[index], done)));
                    self.plan.ready(index);
                }
            }
        }
        Ok(())
    }

    fn conclude(self, ended: Ended, request: &ResurrectRequest) -> Resurrection {
        let span = Span(request.timeout);
        let unfinished = |(index, name): (usize, &Name)| {
            let what = format!("\"{name}\" was not brought back");
            let begun = *self.plan.step(index) == crate::domain::plan::Step::Underway;
            let error = match (ended, begun) {
                (Ended::Interrupted, _) => Error::new(ErrorKind::Interrupted, what).because("interrupted"),
                (_, true) => Error::new(ErrorKind::TimedOut, what).because(format!("it is not done after {span}")),
                (_, false) => Error::new(ErrorKind::TimedOut, what).because(format!("the time of {span} was over")),
            };
            error.hint(format!("bgo resurrect {} tries again; --timeout TIME gives it longer", name.shell()))
        };
        let left: Vec<Error> = self.names.iter().enumerate().map(unfinished).collect();
        let results = self.done.into_iter().zip(left).map(|(done, left)| done.unwrap_or(Err(left)));
        let all: Vec<(Name, Result<Resurrected>)> = self.names.into_iter().zip(results).collect();
        let is_late = |(_, done): &(Name, Result<Resurrected>)| {
            done.as_ref().is_err_and(|e| e.kind == ErrorKind::TimedOut) && platform::boot_clock() >= self.deadline
        };
        let timed_out = ended == Ended::TimedOut || all.iter().any(is_late);
        Resurrection { timed_out, interrupted: ended == Ended::Interrupted, all }.of_known(request)
    }
}

impl Resurrection {
    /// Without those that another command has removed a moment ago.
    fn of_known(mut self, request: &ResurrectRequest) -> Resurrection {
        let is_gone = |done: &Result<Resurrected>| done.as_ref().is_err_and(|e| e.kind == ErrorKind::NotFound);
        self.all.retain(|(_, done)| request.names.is_some() || !is_gone(done));
        self
    }
}

/// Whether a process runs after that was done.
fn is_up_by(decision: &Decision) -> bool {
    match decision {
        Decision::Start(_) | Decision::Attach(_) => true,
        Decision::Leave(reason) => matches!(reason, Reason::Runs | Reason::BetweenRuns(_) | Reason::Busy),
    }
}

/// Sees to one process: what it needs, if it is to be started, then itself. `waits` is told that it waits for others.
fn revive(bgo: &Bgo, name: &Name, needs: &[Need], deadline: Duration, waits: &mut dyn FnMut()) -> Result<Resurrected> {
    if needs.is_empty() {
        return one(bgo, name);
    }
    is_ending(bgo, name)?;
    // Looked at without owning it: while it waits for others it can be stopped and started as ever.
    let (_, looked) = glance(bgo, name)?;
    if !matches!(looked.decision, Decision::Start(_)) {
        return one(bgo, name);
    }
    let what = format!("cannot start \"{name}\"");
    for need in needs {
        if let Need::Failed(need, cause) = need {
            return Err(Error::new(ErrorKind::StartFailed, what)
                .because(format!("it needs \"{need}\", which was not brought back: {cause}"))
                .hint(format!("bgo resurrect {} tries again", name.shell())));
        }
    }
    waits();
    let unheard = SignalQueue::new(&[]).map_err(|e| Error::io("cannot wait", &e))?;
    for need in needs {
        let Need::Awaited(need) = need else { continue };
        let left = deadline.saturating_sub(platform::boot_clock());
        await_dependencies(bgo, &what, std::slice::from_ref(need), left, &unheard).map_err(|error| {
            match error.kind {
                ErrorKind::TimedOut => Error {
                    cause: format!("it needs \"{need}\", which was not ready in time"),
                    hint: format!("bgo logs {} shows its output; --timeout TIME waits longer", need.shell()),
                    ..error
                },
                _ => error,
            }
        })?;
    }
    one(bgo, name)
}
