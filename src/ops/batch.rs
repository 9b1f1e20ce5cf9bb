//! Starting several processes at once.
//!
//! Why it exists: a thousand starts one after the other take as long as all their settle times together. Invariants: each
//! is started by the same [`start`] as one alone, so what was reported is on disk; one that needs another of the batch
//! is begun when that one has been started, and waits for it to be ready; one whose need has failed is not started;
//! each is reported once, also when the batch is interrupted.

use super::start::{StartOutcome, StartRequest, Started, start};
use super::wait::{Goal, Reached, Step, Waiter};
use super::{Bgo, Fetched, await_dependencies, check_after, fetch, is_left_alone};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, SignalQueue};
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One of several starts.
#[derive(Clone, Debug)]
pub struct BatchStart {
    /// What to start, and how.
    pub request: StartRequest,
    /// Whether its folder is brought up to date first.
    pub fetch: bool,
    /// How long what it needs may take to get ready.
    pub after_timeout: Duration,
    /// Whether it is waited for until it is ready or has ended well, and for how long at most.
    pub wait: Option<Option<Duration>>,
}

/// What a start of a batch came to.
#[derive(Clone, Debug)]
pub struct BatchStarted {
    /// The start itself.
    pub started: Started,
    /// What it was waited for, if it was.
    pub reached: Option<Reached>,
}

/// What the workers share.
struct Board {
    /// Which are begun.
    begun: Vec<bool>,
    /// Which are done, and whether well.
    done: Vec<Option<bool>>,
    /// What was not told yet.
    news: Vec<(usize, Result<BatchStarted>)>,
    interrupted: bool,
}

/// Starts all of `batch`, at most `at_once` at a time, and tells of each as soon as it is done. `true`: one of `signals`
/// has come, and those that had not begun were not started. Their names differ, and none waits for itself.
pub fn start_batch(
    bgo: &Bgo,
    batch: &[BatchStart],
    at_once: usize,
    signals: &SignalQueue,
    tell: &mut dyn FnMut(usize, Result<BatchStarted>),
) -> bool {
    let needs: Vec<Vec<usize>> = batch.iter().map(|item| needs_of(item, batch)).collect();
    let board =
        Board { begun: vec![false; batch.len()], done: vec![None; batch.len()], news: Vec::new(), interrupted: false };
    let (board, changed) = (Mutex::new(board), Condvar::new());
    let lock = || board.lock().unwrap_or_else(PoisonError::into_inner);
    let wait_for = |guard: MutexGuard<'_, Board>| drop(changed.wait(guard).unwrap_or_else(PoisonError::into_inner));
    let work = || {
        loop {
            let mut at = lock();
            let Some(index) = next(&at, &needs) else {
                if at.begun.iter().all(|begun| *begun) {
                    return;
                }
                // What is left needs what others are starting.
                wait_for(at);
                continue;
            };
            at.begun[index] = true;
            at.interrupted |= has_come(signals);
            let (interrupted, failed) = (at.interrupted, failed_need(&at, &needs[index]));
            drop(at);
            let result = match failed {
                _ if interrupted => Err(not_started(&batch[index].request.name)),
                Some(need) => Err(not_without(&batch[index].request.name, &batch[need].request.name)),
                None => start_one(bgo, &batch[index], signals),
            };
            let mut at = lock();
            at.interrupted |= matches!(&result, Err(error) if error.kind == ErrorKind::Interrupted);
            at.done[index] = Some(result.is_ok());
            at.news.push((index, result));
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        let spawn = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, work).is_ok();
        let workers = (0..at_once.clamp(1, batch.len().max(1))).take_while(spawn).count();
        if workers == 0 {
            // Where there can be no threads, this one does it.
            work();
        }
        let mut told = 0;
        while told < batch.len() {
            let mut at = lock();
            if at.news.is_empty() {
                wait_for(at);
                continue;
            }
            let news = std::mem::take(&mut at.news);
            drop(at);
            told += news.len();
            news.into_iter().for_each(|(index, result)| tell(index, result));
        }
    });
    lock().interrupted
}

/// Which of the batch `item` needs.
fn needs_of(item: &BatchStart, batch: &[BatchStart]) -> Vec<usize> {
    let after = item.request.supervision.settings.after.as_deref().unwrap_or_default();
    let position = |need: &String| batch.iter().position(|other| other.request.name.as_str() == need);
    after.iter().filter_map(position).collect()
}

/// The first that is not begun and whose needs are done.
fn next(board: &Board, needs: &[Vec<usize>]) -> Option<usize> {
    let is_due = |index: &usize| {
        !board.begun[*index] && (board.interrupted || needs[*index].iter().all(|need| board.done[*need].is_some()))
    };
    (0..board.begun.len()).find(is_due)
}

fn failed_need(board: &Board, needs: &[usize]) -> Option<usize> {
    needs.iter().copied().find(|need| board.done[*need] == Some(false))
}

/// Whether a signal waits. It is left there: all workers are to see it.
fn has_come(signals: &SignalQueue) -> bool {
    platform::wait(&[(signals.as_fd(), Interest::Readable)], Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
}

fn start_one(bgo: &Bgo, item: &BatchStart, signals: &SignalQueue) -> Result<BatchStarted> {
    let request = &item.request;
    let name = &request.name;
    let after = request.supervision.settings.after.as_deref().unwrap_or_default();
    // To ask for one that has no record yet means to look through all processes: only where it matters.
    if (item.fetch || !after.is_empty()) && !is_left_alone(bgo, request)? {
        check_after(bgo, name, after)?;
        if item.fetch && matches!(fetch(request, signals)?, Fetched::Interrupted) {
            return Err(not_started(name));
        }
        let needed: Vec<Name> = after.iter().filter_map(|text| Name::parse(text).ok()).collect();
        let what = format!("cannot start \"{name}\"");
        if !needed.is_empty() && !await_dependencies(bgo, &what, &needed, item.after_timeout, signals)? {
            return Err(not_started(name));
        }
    }
    let started = start(bgo, request)?;
    let reached = match item.wait {
        Some(timeout) if started.outcome == StartOutcome::Running => Some(wait(bgo, name, &started, timeout, signals)?),
        _ => None,
    };
    Ok(BatchStarted { started, reached })
}

/// Waits until what was started is ready, or has ended well.
fn wait(
    bgo: &Bgo,
    name: &Name,
    started: &Started,
    timeout: Option<Duration>,
    signals: &SignalQueue,
) -> Result<Reached> {
    let mut waiter = Waiter::of_run(bgo, name, started.run.clone(), Goal::Success, timeout)?;
    match waiter.next(signals)? {
        Step::Reached(_, reached) => reached,
        Step::TimedOut => {
            let mut error = Error::new(ErrorKind::TimedOut, format!("\"{name}\" is not done in time"));
            if let Some(pending) = waiter.pending().next() {
                error = error.because(format!("it is {}", pending.how()));
                error.details = pending.last_lines;
            }
            Err(error.hint(format!("it goes on; bgo wait {} waits on", name.shell())))
        }
        Step::Interrupted | Step::Done => Err(Error::new(ErrorKind::Interrupted, format!("\"{name}\" is not awaited"))
            .because("interrupted")
            .hint("it goes on")),
    }
}

fn not_started(name: &Name) -> Error {
    Error::new(ErrorKind::Interrupted, format!("\"{name}\" was not started")).because("interrupted")
}

fn not_without(name: &Name, need: &Name) -> Error {
    Error::new(ErrorKind::StartFailed, format!("cannot start \"{name}\""))
        .because(format!("it is after \"{need}\", which could not be started"))
}
