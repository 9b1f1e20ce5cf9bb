//! `resurrect`: after a reboot, what was up is up again; what lost its sidecar gets a new one.
//!
//! Why it exists: at a login many processes come back at once, in the order of their needs, and one that hangs must not
//! keep the others down. Invariants: one `resurrect` of a state folder is at work at a time, and the next looks at what
//! that has left; what was down stays down whoever needs it, for exactly what was up comes back; whatever happens,
//! it returns when its time is over, with one result a process.
//!
//! Each process is seen to by a thread of its own (`resurrect.rs`), 16 at once. One that waits for what it needs has none:
//! what is needed is waited for once, whoever needs it, and keeps nobody down who does not. One whose first moments are
//! watched does not count among the 16. The threads are not joined: one that hangs in the kernel (a folder on a dead
//! server) would hold us for ever.

use super::dependencies::await_dependencies;
use super::patience::{Interruption, Patience};
use super::recover::{Lost, lost, recover_found};
use super::resurrect::{Resurrected, glance, is_ending, one, with_needs};
use super::turn::take_turn;
use super::{Bgo, is_up};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::plan::Plan;
use crate::domain::record::Want;
use crate::domain::resurrection::{Decision, Reason};
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, SignalQueue};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a `resurrect` may take, unless told otherwise. As long as a start waits for what it needs.
pub const RESURRECT_TIMEOUT: Duration = Duration::from_secs(120);
/// How many are started or attached to at once.
const AT_ONCE: usize = 16;
/// How many needs are waited for at once: each wait watches the records, of which the kernel allows a user some hundred.
const AWAITED_AT_ONCE: usize = 64;
/// How much longer it is listened for those who notice by themselves that the time is over, and can say more.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What to bring back, and how.
#[derive(Clone, Debug)]
pub struct ResurrectRequest {
    /// Which, and with them what they need and was up; default: all.
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
    let _turn = take_turn(bgo, request.timeout, deadline, signals)?;
    let lost = match &request.names {
        Some(names) if names.iter().all(|name| bgo.store.record_path(name).exists()) => Vec::new(),
        _ => lost(bgo, None),
    };
    let lost: BTreeMap<Name, Lost> = lost.into_iter().map(|lost| (lost.name.clone(), lost)).collect();
    let names = names(bgo, request, lost.keys())?;
    let mut course = Course::new(bgo, names, lost, deadline)?;
    let ended = course.run(signals)?;
    Ok(course.conclude(ended, request))
}

/// Those that are asked for; `also` are known to be there.
fn names<'n>(bgo: &Bgo, request: &ResurrectRequest, also: impl Iterator<Item = &'n Name>) -> Result<Vec<Name>> {
    let mut names = match &request.names {
        Some(names) => with_needs(bgo, names),
        None => {
            let mut all = bgo.store.names()?;
            all.extend(also.cloned());
            all.sort_unstable();
            all
        }
    };
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// What would be done.
fn preview(bgo: &Bgo, request: &ResurrectRequest) -> Result<Resurrection> {
    let lost: BTreeMap<Name, Option<u32>> =
        lost(bgo, None).into_iter().map(|lost| (lost.name, lost.record.pid)).collect();
    let look = |name: Name| {
        let looked = match lost.get(&name) {
            Some(pid) => Ok(Resurrected::new(Decision::Attach(Reason::NoRecord), *pid, Want::Up)),
            None => glance(bgo, &name),
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

/// What a thread has to say.
enum Word {
    /// This process waits for these.
    Waits(usize, Vec<Name>),
    /// This one is started, and its first moments are watched.
    Settles(usize),
    /// This one is done.
    Done(usize, Result<Resurrected>),
    /// This one that others need is ready, or will not be.
    Needed(Name, Result<()>),
}

/// Where a process stands that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// It has not been begun.
    Due,
    /// A thread sees to it.
    AtWork,
    /// It waits for these to be ready.
    Waits(Vec<Name>),
    /// All that it needs is ready.
    Served,
    /// It is started, and its first moments are watched.
    Settles,
}

/// How a thread is heard.
#[derive(Debug)]
struct Voice {
    words: Sender<Word>,
    /// A byte a word, written after it.
    wakes: PipeWriter,
}

impl Voice {
    fn try_clone(&self) -> io::Result<Voice> {
        Ok(Voice { words: self.words.clone(), wakes: self.wakes.try_clone()? })
    }

    /// Who listened may have returned: then nobody is interested any more.
    fn say(&mut self, word: Word) {
        let _ = self.words.send(word);
        let _ = self.wakes.write_all(&[1]);
    }
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
    /// What runs without a record, until it is begun.
    lost: BTreeMap<Name, Lost>,
    done: Vec<Option<Result<Resurrected>>>,
    phases: Vec<Phase>,
    /// What may be begun, in that order.
    due: VecDeque<usize>,
    /// What some wait for, and who is waited for at the moment.
    awaited: VecDeque<Name>,
    watched: BTreeSet<Name>,
    deadline: Duration,
    interruption: Interruption,
}

impl Course {
    fn new(bgo: &Bgo, names: Vec<Name>, lost: BTreeMap<Name, Lost>, deadline: Duration) -> Result<Course> {
        let after = |name: &Name| bgo.store.read(name).ok().flatten().map(|record| record.spec.after);
        let list: Vec<(String, Vec<String>)> =
            names.iter().map(|name| (name.to_string(), after(name).unwrap_or_default())).collect();
        let parsed = |(_, needs): &(String, Vec<String>)| needs.iter().filter_map(|n| Name::parse(n).ok()).collect();
        let done = names.iter().map(|_| None).collect();
        let needs = list.iter().map(parsed).collect();
        let (plan, phases) = (Plan::new(&list), vec![Phase::Due; names.len()]);
        let (due, awaited, watched) = (VecDeque::new(), VecDeque::new(), BTreeSet::new());
        let (patience, interruption) = Patience::new(deadline).map_err(|e| Error::io("cannot wait", &e))?;
        let bgo = Arc::new(Bgo { patience: Some(Arc::new(patience)), ..bgo.clone() });
        Ok(Course { bgo, needs, plan, lost, done, phases, due, awaited, watched, deadline, names, interruption })
    }

    fn run(&mut self, signals: &SignalQueue) -> Result<Ended> {
        let broken = |e: &io::Error| Error::io("cannot wait", e);
        let (sender, words) = channel();
        let (mut heard, spoke) = io::pipe().map_err(|e| broken(&e))?;
        let voice = Voice { words: sender, wakes: spoke };
        let mut ended = Ended::AllDone;
        loop {
            if ended == Ended::AllDone {
                self.due.extend(self.plan.begin());
                self.begin_all(&voice).map_err(|e| broken(&e))?;
            }
            if ended == Ended::AllDone && self.plan.is_settled() {
                return Ok(ended);
            }
            let now = platform::boot_clock();
            let over = self.deadline.saturating_add(LAST_WORDS);
            if ended == Ended::Interrupted && self.at_work() == 0 && !self.phases.contains(&Phase::Settles) {
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
                self.interruption.tell();
            }
            if ready[0] {
                self.hear(&words, &mut heard).map_err(|e| broken(&e))?;
            }
        }
    }

    fn at_work(&self) -> usize {
        self.phases.iter().filter(|phase| **phase == Phase::AtWork).count()
    }

    /// Begins what may be begun, as far as there is room.
    fn begin_all(&mut self, voice: &Voice) -> io::Result<()> {
        while self.at_work() < AT_ONCE
            && let Some(index) = self.due.pop_front()
        {
            self.begin(index, voice.try_clone()?);
        }
        while self.watched.len() < AWAITED_AT_ONCE
            && let Some(need) = self.awaited.pop_front()
        {
            self.watch(need, voice.try_clone()?);
        }
        Ok(())
    }

    /// Has a thread see to the process at `index`.
    fn begin(&mut self, index: usize, mut voice: Voice) {
        let needs = if self.phases[index] == Phase::Served { Vec::new() } else { self.needs_of(index) };
        let (bgo, name) = (Arc::clone(&self.bgo), self.names[index].clone());
        let lost = self.lost.remove(&name);
        self.phases[index] = Phase::AtWork;
        in_thread(move || {
            if let Some(done) = lost.and_then(|lost| recovered(&bgo, &lost)) {
                return voice.say(Word::Done(index, done));
            }
            match awaited(&bgo, &name, &needs) {
                Ok(needs) if needs.is_empty() => {
                    let done = one(&bgo, &name, &mut || voice.say(Word::Settles(index)));
                    voice.say(Word::Done(index, done));
                }
                Ok(needs) => voice.say(Word::Waits(index, needs)),
                Err(error) => voice.say(Word::Done(index, Err(error))),
            }
        });
    }

    /// Has a thread wait until `need` is ready.
    fn watch(&mut self, need: Name, mut voice: Voice) {
        let (bgo, deadline) = (Arc::clone(&self.bgo), self.deadline);
        self.watched.insert(need.clone());
        in_thread(move || {
            let ready = await_need(&bgo, &need, deadline);
            voice.say(Word::Needed(need, ready));
        });
    }

    /// What the process at `index` needs and has to wait for. What is down because that was wished, or because it ended by
    /// itself, stays down, and what needs it was up without it.
    fn needs_of(&self, index: usize) -> Vec<Need> {
        let in_plan = self.plan.needs(index);
        let need = |name: &Name| match self.names.iter().position(|other| other == name) {
            Some(at) if in_plan.contains(&at) => match self.done[at].as_ref()? {
                Ok(done) => done.is_up.then(|| Need::Awaited(name.clone())),
                // What cannot be read keeps nobody else down.
                Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::Foreign | ErrorKind::NotFound) => None,
                Err(e) => Some(Need::Failed(name.clone(), e.message())),
            },
            // A circle is cut somewhere.
            Some(_) => None,
            None => stays_up(&self.bgo, name).then(|| Need::Awaited(name.clone())),
        };
        self.needs[index].iter().filter_map(need).collect()
    }

    fn hear(&mut self, words: &Receiver<Word>, heard: &mut PipeReader) -> io::Result<()> {
        while let Ok(word) = words.try_recv() {
            heard.read_exact(&mut [0])?;
            match word {
                Word::Waits(index, needs) => {
                    for need in &needs {
                        if !self.watched.contains(need) && !self.awaited.contains(need) {
                            self.awaited.push_back(need.clone());
                        }
                    }
                    self.phases[index] = Phase::Waits(needs);
                }
                Word::Settles(index) => self.phases[index] = Phase::Settles,
                Word::Done(index, done) => self.finish(index, done),
                Word::Needed(need, ready) => {
                    self.watched.remove(&need);
                    (0..self.names.len()).for_each(|index| self.served(index, &need, &ready));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, index: usize, done: Result<Resurrected>) {
        self.done[index] = Some(done.and_then(|done| told_apart(&self.names[index], done)));
        self.phases[index] = Phase::Due;
        self.plan.ready(index);
    }

    /// Tells the process at `index`, should it wait for `need`, that this is ready, or why it is not.
    fn served(&mut self, index: usize, need: &Name, ready: &Result<()>) {
        let Phase::Waits(needs) = &mut self.phases[index] else { return };
        let Some(at) = needs.iter().position(|name| name == need) else { return };
        match ready {
            Ok(()) => {
                needs.remove(at);
                if needs.is_empty() {
                    self.phases[index] = Phase::Served;
                    self.due.push_back(index);
                }
            }
            Err(e) => {
                let error = e.clone().of(format!("cannot start \"{}\"", self.names[index]));
                self.finish(index, Err(error));
            }
        }
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
            let longer = if error.kind == ErrorKind::TimedOut { "; --timeout TIME gives it longer" } else { "" };
            error.hint(format!("bgo resurrect {} tries again{longer}", name.shell()))
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

/// Whether `name` runs, or is about to, and is meant to: what is being stopped is down in a moment.
fn stays_up(bgo: &Bgo, name: &Name) -> bool {
    let is_wanted = bgo.store.read(name).ok().flatten().is_some_and(|record| record.want == Want::Up);
    is_wanted && is_up(bgo, name).unwrap_or(false)
}

/// Does `work` in a thread; without threads, in this one.
fn in_thread(work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(std::sync::Mutex::new(Some(work)));
    let mine = Arc::clone(&work);
    let run = move || {
        let work = mine.lock().ok().and_then(|mut work| work.take());
        work.into_iter().for_each(|work| work());
    };
    if std::thread::Builder::new().spawn(run.clone()).is_err() {
        run();
    }
}

/// Gives what runs without a record one again. `None`: it ended while it was taken up, or another command was faster; it has
/// a record by now, and is looked at as any other.
fn recovered(bgo: &Bgo, lost: &Lost) -> Option<Result<Resurrected>> {
    match recover_found(bgo, lost)? {
        Err(e) if e.kind == ErrorKind::Conflict => None,
        done => Some(done.map(|pid| Resurrected::new(Decision::Attach(Reason::NoRecord), Some(pid), Want::Up))),
    }
}

/// Those of `needs` that `name` has to wait for: none, unless it is to be started.
///
/// # Errors
/// Its record cannot be read, it could not be started, or one of its needs could not be brought back.
fn awaited(bgo: &Bgo, name: &Name, needs: &[Need]) -> Result<Vec<Name>> {
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    is_ending(bgo, name)?;
    // Looked at without owning it: while it waits for others it can be stopped and started as ever.
    let looked = glance(bgo, name)?;
    if !matches!(looked.decision, Decision::Start(_)) {
        return Ok(Vec::new());
    }
    let ready = |need: &Need| match need {
        Need::Awaited(need) => Ok(need.clone()),
        Need::Failed(need, cause) => {
            let failed = Error::new(ErrorKind::StartFailed, format!("cannot start \"{name}\""));
            Err(failed
                .because(format!("it needs \"{need}\", which was not brought back: {cause}"))
                .hint(format!("bgo resurrect {} tries again", name.shell())))
        }
    };
    needs.iter().map(ready).collect()
}

/// Waits until `need` is ready.
///
/// # Errors
/// It will not be, or not in time. Who needs it is to be named.
fn await_need(bgo: &Bgo, need: &Name, deadline: Duration) -> Result<()> {
    let unheard = SignalQueue::new(&[]).map_err(|e| Error::io("cannot wait", &e))?;
    let left = deadline.saturating_sub(platform::boot_clock());
    await_dependencies(bgo, "cannot wait", std::slice::from_ref(need), left, &unheard).map(drop).map_err(|error| {
        match error.kind {
            ErrorKind::TimedOut => error
                .because(format!("it needs \"{need}\", which was not ready in time"))
                .hint(format!("bgo logs {} shows its output; --timeout TIME waits longer", need.shell())),
            _ => error,
        }
    })
}
