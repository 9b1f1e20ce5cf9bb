//! What `resurrect` does about one process: looking, deciding, doing.
//!
//! Why it exists: it runs at login, unattended, and whoever reads what it did must be able to believe it. Invariants: what
//! is decided (`domain::resurrection`) is decided while the name is owned, on the record as it is then, so nothing is
//! started that runs; a stop that comes between that and the start (`run::begin` finds its wish) has it decided anew; what
//! is told as started runs, or is to be started again; a look alone writes nothing.

use super::end::{self, Orphan};
use super::lease;
use super::link::{Awaited, Link, a_moment, own};
use super::output::RunOutput;
use super::preflight::{check_command, check_env_files, check_logs};
use super::start::{SETTLE, conclude};
use super::{Bgo, Run, legacy, run, scope};
use crate::domain::name::Name;
use crate::domain::record::{Record, State, Status, Want};
use crate::domain::resurrection::{Decision, Presence, Reason, comes_back, decide};
use crate::error::{Error, ErrorKind, Result};
use crate::platform;
use crate::store::{Durability, Ownership};
use std::time::Duration;

/// How long a sidecar may take to write down an end.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// How long another command may be at work on what is to be up.
const BUSY_FOR: Duration = Duration::from_secs(2);

/// How often it is looked anew at one that changes meanwhile.
const ATTEMPTS: u32 = 3;

/// What was done about a process, or with a dry run would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Resurrected {
    /// What, and why.
    pub decision: Decision,
    /// The process that was started, or runs. `None` of one that was started: it has ended at once, and its sidecar is to
    /// start it again.
    pub pid: Option<u32>,
    /// Whether it is up after that, or about to be, and meant to stay so: what is being stopped is not.
    pub is_up: bool,
    /// Whether it was written down just now that it stays down: its lease is over.
    pub is_news: bool,
}

impl Resurrected {
    /// `want` is what is wished of it; of one that another command is at work on, whether it is up is to be found out.
    pub(super) fn new(decision: Decision, pid: Option<u32>, want: Want) -> Resurrected {
        let is_up = match &decision {
            Decision::Start(_) => true,
            Decision::Attach(_) | Decision::Leave(Reason::Runs | Reason::BetweenRuns(_)) => want == Want::Up,
            Decision::Leave(_) => false,
        };
        Resurrected { decision, pid, is_up, is_news: false }
    }
}

/// Looks what would be done about `name`, and whether that would work. Nothing is written.
///
/// # Errors
/// Its record cannot be read, or it could not be started.
pub(super) fn glance(bgo: &Bgo, name: &Name) -> Result<Resurrected> {
    let (record, looked) = look(bgo, name)?;
    if matches!(looked.decision, Decision::Start(_)) {
        check(bgo, name, &record)?;
    }
    Ok(looked)
}

/// Looks what would be done about `name`. Nothing is written.
fn look(bgo: &Bgo, name: &Name) -> Result<(Record, Resurrected)> {
    let record = bgo.record(name)?;
    let found = if Link::of(&record).lives() { None } else { Some(end::find(&record, &bgo.store.logs(name))?) };
    let presence = found.as_ref().map_or(Presence::Supervised, |found| presence(&record, found));
    let decision = decide(&record, presence, lease::outlived(&record)?, &lease::now()?);
    let pid = match found {
        Some(Orphan::Running(running)) => running.first().map(|process| process.pid),
        Some(_) => None,
        None => record.pid.filter(|_| record.status == Status::Running),
    };
    let looked = Resurrected::new(decision, pid, record.want);
    Ok((record, looked))
}

/// `names`, and after them what those that are to be started need, directly or through others, and is to be started, too.
/// What cannot be read needs nothing.
pub(super) fn with_needs(bgo: &Bgo, names: &[Name]) -> Vec<Name> {
    let starts = |name: &Name| {
        let looked = look(bgo, name).ok().filter(|(_, looked)| matches!(looked.decision, Decision::Start(_)));
        looked.map(|(record, _)| record.spec.after)
    };
    let mut all = names.to_vec();
    // What each needs; of those that were taken along that is known already.
    let mut open: Vec<Vec<String>> = names.iter().filter_map(starts).collect();
    while let Some(needs) = open.pop() {
        for need in needs.iter().filter_map(|need| Name::parse(need).ok()) {
            if !all.contains(&need)
                && let Some(needs) = starts(&need)
            {
                all.push(need);
                open.push(needs);
            }
        }
    }
    all
}

/// Does what is to be done about `name`. `settles` is told that it was started, and that its first moments are watched.
///
/// # Errors
/// Its record cannot be read, or it cannot be started or attached to; the wish that it be up stays. It was started and
/// ended badly at once.
pub(super) fn one(bgo: &Bgo, name: &Name, settles: &mut dyn FnMut()) -> Result<Resurrected> {
    let mut attempts = 1..ATTEMPTS;
    let until = platform::boot_clock().saturating_add(BUSY_FOR);
    loop {
        match look_and_do(bgo, name, settles) {
            Ok(done) if done.decision == Decision::Leave(Reason::Busy) => {
                let record = bgo.record(name)?;
                let runs = !matches!(end::find(&record, &bgo.store.logs(name))?, Orphan::None);
                if runs || comes_back(&record, &lease::now()?, lease::lives).is_none() {
                    return Ok(Resurrected { is_up: runs && record.want == Want::Up, ..done });
                }
                if platform::boot_clock() >= until {
                    return Err(Error::new(ErrorKind::Conflict, format!("\"{name}\" was not brought back"))
                        .because(Reason::Busy)
                        .hint(format!("bgo resurrect {} tries again", name.shell())));
                }
                a_moment();
            }
            // It has ended while a sidecar was about to take it up, as what was asked to end a moment ago does, or another
            // command was faster: what is to be done is another thing by now.
            Err(e) if e.kind == ErrorKind::Conflict && attempts.next().is_some() => {}
            done => return done,
        }
    }
}

fn look_and_do(bgo: &Bgo, name: &Name, settles: &mut dyn FnMut()) -> Result<Resurrected> {
    // One that cannot be read is reported, whoever owns it.
    bgo.record(name)?;
    let mut taken = own(bgo, name)?;
    if taken.is_none() && is_ending(bgo, name)? {
        taken = own(bgo, name)?;
    }
    let Some(ownership) = taken else {
        // A live sidecar has everything in hand, unless somebody holds it.
        let record = bgo.record(name)?;
        let sidecar = Link::of(&record);
        sidecar.wake();
        let presence = if sidecar.lives() { Presence::Supervised } else { Presence::Busy };
        let decision = decide(&record, presence, None, &lease::now()?);
        let pid = record.pid.filter(|_| record.status == Status::Running);
        return Ok(Resurrected::new(decision, pid, record.want));
    };
    let record = bgo.record(name)?;
    let found = end::find(&record, &bgo.store.logs(name))?;
    let decision = decide(&record, presence(&record, &found), lease::outlived(&record)?, &lease::now()?);
    let mut done = Resurrected::new(decision, None, record.want);
    match (&done.decision, found) {
        (Decision::Attach(_), Orphan::Running(running)) => {
            done.pid = Some(attach(bgo, name, &ownership, &running)?);
        }
        (Decision::Start(_), _) => done.pid = start(bgo, name, ownership, record, settles)?,
        (Decision::Leave(Reason::LeaseOver(reason)), _) => {
            done.is_news = lease::note_outlived(bgo, name, &record.run_id, reason)?;
        }
        _ => {}
    }
    Ok(done)
}

fn presence(record: &Record, found: &Orphan) -> Presence {
    match found {
        Orphan::Running(running) if end::is_left_behind(record, running) => Presence::LeftBehind,
        Orphan::Running(_) => Presence::Orphaned,
        Orphan::Unproven(pid) => Presence::Unproven(*pid),
        Orphan::None => Presence::Absent,
    }
}

/// Whether the process has just ended, with a sidecar that lives but will not restart it. Waits until that has written
/// down the end: only then can it be told whether it is to be brought back.
pub(super) fn is_ending(bgo: &Bgo, name: &Name) -> Result<bool> {
    let record = bgo.record(name)?;
    let Some(process) = record.process().filter(|_| !record.is_watched()) else { return Ok(false) };
    let ended = platform::running(&process).is_ok_and(|running| running.is_none());
    if !ended {
        return Ok(false);
    }
    let written = Link::of(&record).wait(bgo, name, WRITTEN_WITHIN, |now| {
        Ok(now.is_none_or(|now| now.process().as_ref() != Some(&process)).then_some(()))
    })?;
    Ok(!matches!(written, Awaited::TimedOut))
}

/// Checks what can be known before it is tried.
fn check(bgo: &Bgo, name: &Name, record: &Record) -> Result<()> {
    check_command(name.as_str(), &record.command, &record.cwd)?;
    check_logs(name.as_str(), &record.spec, &record.cwd, bgo.store.root())?;
    check_env_files(name.as_str(), &record.spec, record.cwd.as_path())?;
    scope::plan(name, &record.spec).map(drop)
}

/// Starts it. Returns the process; `None`: it has ended at once, and its sidecar is to start it again.
fn start(
    bgo: &Bgo,
    name: &Name,
    ownership: Ownership,
    mut record: Record,
    settles: &mut dyn FnMut(),
) -> Result<Option<u32>> {
    check(bgo, name, &record)?;
    bgo.store.ensure()?;
    bgo.store.environment(name)?;
    legacy::take_over(bgo, name, &mut record, &[])?;
    let (settings, earlier) = (record.spec.clone(), record.exits.last().cloned());
    let watched = record.watch.as_ref().filter(|watch| watch.enabled).map(|watch| watch.on_fast_crash);
    let output = RunOutput::from_now(record.spec.logs(bgo.store.logs(name), &record.cwd));
    let mut begun = run::begin(bgo, name, ownership, record, None)?;
    settles();
    let end = run::settle(&mut begun, SETTLE)?;
    let (pid, run) = (begun.pid, Run { id: begun.run_id.clone(), earlier, output });
    let error = match conclude(name, pid, end, &settings, watched, run) {
        Ok(started) => return Ok(Some(started.pid)),
        Err(e) => e,
    };
    // Its sidecar writes down what comes of an end before it tells of the end.
    let Some(now) = bgo.store.read(name)?.filter(|now| now.run_id == begun.run_id) else { return Err(error) };
    let process = now.process().filter(|process| platform::running(process).is_ok_and(|found| found.is_some()));
    if now.state == State::Backoff || process.is_some() {
        // It was in the hands of watch mode, and is again.
        return Ok(process.map(|process| process.pid));
    }
    let shell = name.shell();
    Err(match now.state {
        // That is no failure: it is decided anew, and left down.
        State::Stopped if now.want == Want::Down => run::stopped_meanwhile(name),
        State::Waiting => error,
        _ => error.hint(format!("bgo restart {shell} tries again; bgo logs {shell} shows its output")),
    })
}

/// Gives the processes `running` (the first leads, unless they are what it left behind) of a dead sidecar a new one.
///
/// # Errors
/// The record cannot be written or the sidecar not started.
pub(super) fn attach(bgo: &Bgo, name: &Name, ownership: &Ownership, running: &[platform::ProcStat]) -> Result<u32> {
    let lock = bgo.store.lock(name)?;
    let mut record = lock.read()?.ok_or_else(|| bgo.not_found(name.as_str()))?;
    legacy::take_over(bgo, name, &mut record, running)?;
    let boot_id = platform::boot_id().map_err(|e| Error::io("cannot read the boot id", &e))?;
    // Where it has ended, the record goes on to say which it was: so the sidecar learns of its end.
    if let Some(leader) = running.first().filter(|_| !end::is_left_behind(&record, running)) {
        record.set_process(&leader.identity(&boot_id));
        record.started_at = end::started_at(leader.pid).or(record.started_at);
    }
    lock.write(&record, Durability::Durable)?;
    drop(lock);
    let begun = run::attach(bgo, name, ownership, &record)?;
    Ok(running.first().map_or(begun.pid, |first| first.pid))
}
