//! `up` and `down`: the jobs of a project, each when its time has come.
//!
//! Why it exists: starting is quick and getting ready is slow, so many jobs get ready at once while one thread decides who
//! is next (`domain::plan`). Invariants: a job is started only when all that it needs is ready, or has ended well; what
//! runs unchanged is left alone; every job that was asked for is reported, with the reason where it is not up.

use super::dependencies::AFTER_TIMEOUT;
use super::failure::ended_badly;
use super::jobs::ProjectFile;
use super::output::RunOutput;
use super::start::{StartOutcome, start};
use super::stop::{StopOutcome, StopRequest, stop};
use super::wait::{Goal, Reached, Run, Waiter};
use super::{Bgo, StartRequest};
use crate::domain::graph::Graph;
use crate::domain::jobs::Job;
use crate::domain::name::Name;
use crate::domain::plan::{Plan, Step};
pub use crate::domain::progress::{Done, Progress};
use crate::domain::project::Project;
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, SignalQueue};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

/// What to bring up, and how.
#[derive(Clone, Debug)]
pub struct UpRequest {
    /// Names of jobs; empty: all.
    pub names: Vec<String>,
    /// Whether what runs unchanged is restarted, too.
    pub force_recreate: bool,
    /// Whether what these jobs need is left as it is.
    pub no_deps: bool,
    /// How long a job may take to get ready while others wait for it. Default 120 s.
    pub after_timeout: Duration,
    /// Whether the first failure stops what was started.
    pub abort_on_failure: bool,
    /// Who asks, where the jobs of other owners are not to be started or replaced. Default: anybody's may be.
    pub caller: Option<String>,
    /// How often to be called back while nothing happens, for a clock that runs.
    pub tick: Option<Duration>,
}

/// What an `up` or a `down` came to.
#[derive(Debug)]
pub struct Outcome {
    /// All jobs, in the order of the file.
    pub jobs: Vec<Progress>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// What was stopped again because of a failure.
    pub aborted: Vec<Progress>,
}

impl Outcome {
    /// Whether all jobs got where they should.
    pub fn is_success(&self) -> bool {
        !self.interrupted && self.jobs.iter().all(|job| job.step == Step::Ready)
    }
}

/// Is told how far the jobs are: at each change, and at each tick.
pub type Tell<'t> = dyn FnMut(&[Progress]) + 't;

/// Starts or stops the job at an index; for a start: whether something it needs was restarted just now.
type Act<'a> = dyn Fn(usize, bool) -> Word + Sync + 'a;

/// What a thread has to say about its job.
enum Word {
    /// A start came to this.
    Up(Result<(Done, u32, Run)>),
    /// A stop came to this.
    Down(Result<StopOutcome>),
}

/// Brings up jobs of `project` and what they need. Returns when all are ready, or one has failed and the rest is settled.
///
/// # Errors
/// There is no such job; the records cannot be watched. What goes wrong with a job is in the outcome.
pub fn up(
    bgo: &Bgo,
    project: &ProjectFile,
    request: &UpRequest,
    signals: &SignalQueue,
    tell: &mut Tell<'_>,
) -> Result<Outcome> {
    let jobs = with_needs(project, request)?;
    let named: Vec<(&Job, Name)> =
        jobs.iter().map(|job| Ok((*job, project.process_name(bgo, job)?))).collect::<Result<_>>()?;
    let name_of = |job: &str| {
        let planned = named.iter().find(|(other, _)| other.name.as_str() == job).map(|(_, name)| name.to_string());
        planned.unwrap_or_else(|| project.name_of(bgo, job))
    };
    let start = |(job, name): &(&Job, Name)| StartRequest {
        caller: request.caller.clone(),
        ..project.request(job, name.clone(), name_of)
    };
    let requests: Vec<StartRequest> = named.iter().map(start).collect();
    let list: Vec<(String, Vec<String>)> =
        jobs.iter().map(|job| (job.name.to_string(), job.after().to_vec())).collect();
    bgo.store.ensure()?; // There must be a folder to watch.
    let waiter = Waiter::of_runs(bgo, Goal::Usable)?;
    let progress = |(job, name): &(&Job, Name)| {
        let settings = &job.supervision.settings;
        let awaits_readiness = settings.awaits_readiness() || settings.oneshot == Some(true);
        Progress { awaits_readiness, ..Progress::new(job.name.as_str(), name.clone()) }
    };
    let jobs = named.iter().map(progress).collect();
    let mut ascent = Course { jobs, plan: Plan::new(&list), request, waiter: Some(waiter), failed: false };
    let interrupted = ascent.run(
        signals,
        tell,
        &|index, needs_restarted| {
            let follows = requests[index].supervision.settings.restart_with_dependency == Some(true);
            let forced = request.force_recreate || (follows && needs_restarted);
            Word::Up(start_job(bgo, &requests[index], forced))
        },
        None,
    )?;
    let mut jobs = ascent.jobs;
    if !interrupted {
        jobs.iter_mut().for_each(|job| look_again(bgo, job));
        tell(&jobs);
    }
    let mut aborted = Vec::new();
    let failed = jobs.iter().any(|job| job.error.is_some());
    if request.abort_on_failure && failed && !interrupted {
        let started = |job: &&Progress| matches!(job.done, Some(Done::Started | Done::Recreated));
        let names: Vec<Name> = jobs.iter().filter(started).map(|job| job.name.clone()).collect();
        let down = down(bgo, names, &StopRequest::default(), signals, &mut |_| {})?;
        aborted = down.jobs;
    }
    Ok(Outcome { jobs, interrupted, aborted })
}

/// A job that only had to run may have died since, while others were waited for.
fn look_again(bgo: &Bgo, job: &mut Progress) {
    if job.step != Step::Ready || job.end.is_some() || super::is_up(bgo, &job.name).unwrap_or(true) {
        return;
    }
    let Ok(Some(record)) = bgo.store.read(&job.name) else { return };
    let Some(exit) = record.exits.last().cloned() else { return };
    if exit.reason.is_none() && record.spec.is_success(exit.outcome()) {
        job.end = Some(exit);
        return;
    }
    job.step = Step::Failed;
    let logs = RunOutput {
        from: record.logs.as_ref().map_or([0, 0], |output| output.from),
        logs: record.logs(bgo.store.logs(&job.name)),
    };
    let mut error = ended_badly(&job.name, "ended soon after it was started", &record, false).because(exit);
    error.details = logs.last_lines();
    job.error = Some(error);
}

/// The jobs that are asked for, and unless told otherwise what they need, in the order of the file.
fn with_needs<'p>(project: &'p ProjectFile, request: &UpRequest) -> Result<Vec<&'p Job>> {
    let chosen = project.jobs(&request.names)?;
    if request.no_deps {
        return Ok(chosen);
    }
    let list: Vec<(String, Vec<String>)> =
        project.file.jobs.iter().map(|job| (job.name.to_string(), job.after().to_vec())).collect();
    let roots: Vec<&str> = chosen.iter().map(|job| job.name.as_str()).collect();
    let mut all: Vec<String> = Graph::new(&list).needs(&roots).into_iter().map(str::to_owned).collect();
    all.extend(roots.into_iter().map(str::to_owned));
    project.jobs(&all)
}

/// What a start of each job of `project` would be refused for, as far as that can be known before: settings that
/// cannot be had here, folders and programs that are not there.
pub fn verify(bgo: &Bgo, project: &ProjectFile) -> Vec<Error> {
    let refused = |job: &Job| {
        let name = project.process_name(bgo, job).ok()?;
        let mut request = project.request(job, name, str::to_owned);
        // Its order is known to be good; that of the records is about to be another.
        request.supervision.settings.after = None;
        let mut error = super::start::spec(bgo, &request).err()?;
        error.what = format!("{}:{}: [jobs.{}]: {}", project.path.display(), job.line, job.name, error.what);
        Some(error)
    };
    project.file.jobs.iter().filter_map(refused).collect()
}

/// Starts a job, unless it runs as the file says.
fn start_job(bgo: &Bgo, request: &StartRequest, force_recreate: bool) -> Result<(Done, u32, Run)> {
    // In this order: what another command has just started is as it wanted it, and that is known once it is up.
    let is_up = super::is_up(bgo, &request.name).unwrap_or(false);
    let record = bgo.store.read(&request.name)?.filter(|_| is_up);
    // What waits for its restart is started now.
    let is_waiting = record.as_ref().is_some_and(|record| record.state.is_between_runs());
    let config = |project: &Project| project.config.clone();
    let is_as_written = |record: Record| record.project.as_ref().map(config) == request.project.as_ref().map(config);
    let run = record.as_ref().map(|record| record.run_id.clone());
    let replaces = record.is_some_and(|record| is_waiting || force_recreate || !is_as_written(record));
    let replaced_run = run.filter(|_| replaces);
    let request = StartRequest { if_not_running: !replaces, force: replaces, replaced_run, ..request.clone() };
    let started = start(bgo, &request)?;
    let done = match started.outcome {
        StartOutcome::AlreadyRunning => Done::Unchanged,
        _ if replaces && !is_waiting => Done::Recreated,
        _ => Done::Started,
    };
    Ok((done, started.pid, started.run))
}

/// Stops processes, each after what needs it, and waits for all.
///
/// # Errors
/// The stops cannot be waited for. What goes wrong with one is in the outcome.
pub fn down(
    bgo: &Bgo,
    names: Vec<Name>,
    request: &StopRequest,
    signals: &SignalQueue,
    tell: &mut Tell<'_>,
) -> Result<Outcome> {
    let record = |name: &Name| bgo.store.read(name).ok().flatten();
    let list: Vec<(String, Vec<String>)> = names
        .iter()
        .map(|name| (name.to_string(), record(name).map(|record| record.spec.after).unwrap_or_default()))
        .collect();
    let job = |name: &Name| record(name).and_then(|record| record.project).map(|project| project.job);
    let jobs = names.iter().map(|name| Progress::new(&job(name).unwrap_or_else(|| name.to_string()), name.clone()));
    let nothing = UpRequest { tick: Some(TICK), ..UpRequest::default() };
    let mut descent = Course {
        jobs: jobs.collect(),
        plan: Plan::new(&list).reversed(),
        request: &nothing,
        waiter: None,
        failed: false,
    };
    let kill = |index: usize| _ = stop(bgo, &names[index], &StopRequest { force: true, ..StopRequest::default() });
    let halt = |index: usize, _| Word::Down(stop(bgo, &names[index], request));
    let interrupted = descent.run(signals, tell, &halt, Some(&kill))?;
    Ok(Outcome { jobs: descent.jobs, interrupted, aborted: Vec::new() })
}

const TICK: Duration = Duration::from_millis(100);

impl Default for UpRequest {
    fn default() -> UpRequest {
        UpRequest {
            names: Vec::new(),
            force_recreate: false,
            no_deps: false,
            after_timeout: AFTER_TIMEOUT,
            abort_on_failure: false,
            caller: None,
            tick: None,
        }
    }
}

/// Jobs under way.
struct Course<'c> {
    jobs: Vec<Progress>,
    plan: Plan,
    request: &'c UpRequest,
    /// What is started is waited for; what is stopped needs no more.
    waiter: Option<Waiter<'c>>,
    failed: bool,
}

impl Course<'_> {
    /// Runs until all are settled; says whether it was interrupted. `act` starts or stops a job, in a thread of its own. An
    /// interrupt begins no more jobs, and the second does `kill` to those under way.
    fn run(
        &mut self,
        signals: &SignalQueue,
        tell: &mut Tell<'_>,
        act: &Act<'_>,
        kill: Option<&(dyn Fn(usize) + Sync)>,
    ) -> Result<bool> {
        let (sender, words) = channel();
        let (mut heard, spoke) = io::pipe().map_err(|e| broken(&e))?;
        std::thread::scope(|scope| {
            let mut interrupts = 0;
            loop {
                for index in self.plan.begin() {
                    self.jobs[index].begun = Some(platform::boot_clock());
                    let spoke = spoke.try_clone().map_err(|e| broken(&e))?;
                    let restarted = |need: &usize| self.jobs[*need].done == Some(Done::Recreated);
                    let needs_restarted = self.plan.needs(index).iter().any(restarted);
                    speak(scope, index, needs_restarted, act, sender.clone(), spoke);
                }
                self.note_steps();
                tell(&self.jobs);
                let speaking = self.jobs.iter().any(|job| job.begun.is_some() && !self.has_spoken(job));
                let called_off = interrupts > 0 || (self.failed && self.request.abort_on_failure);
                if self.plan.is_settled() || (called_off && !speaking) {
                    return Ok(interrupts > 0);
                }
                if self.wait(signals, &heard)? {
                    interrupts += 1;
                    self.plan.halt();
                    if let Some(kill) = kill.filter(|_| interrupts > 1) {
                        let underway = (0..self.jobs.len()).filter(|job| *self.plan.step(*job) == Step::Underway);
                        // What comes of it those hear who stop it.
                        underway.for_each(|job| _ = scope.spawn(move || kill(job)));
                    }
                }
                self.hear(&words, &mut heard)?;
                self.look();
                self.mind_time();
            }
        })
    }

    /// Whether the thread of a job is done.
    fn has_spoken(&self, job: &Progress) -> bool {
        job.done.is_some() || job.error.is_some()
    }

    /// Blocks until something may have changed; says whether a signal came.
    fn wait(&mut self, signals: &SignalQueue, heard: &PipeReader) -> Result<bool> {
        let now = platform::boot_clock();
        let ticks = self.request.tick.map(|tick| now + tick);
        let looks = self.waiter.as_ref().and_then(Waiter::until);
        let due = self.awaited().filter_map(|(_, begun)| Some(begun? + self.request.after_timeout)).min();
        let mut fds = vec![(signals.as_fd(), Interest::Readable), (heard.as_fd(), Interest::Readable)];
        fds.extend(self.waiter.iter().flat_map(Waiter::fds).map(|fd| (fd, Interest::Readable)));
        let until = [ticks, looks, due].into_iter().flatten().min();
        let ready = platform::wait(&fds, until).map_err(|e| broken(&e))?;
        if ready[0] {
            signals.drain();
        }
        Ok(ready[0])
    }

    /// Jobs under way that others wait for.
    fn awaited(&self) -> impl Iterator<Item = (usize, Option<Duration>)> {
        let awaited = |(index, _): &(usize, &Progress)| {
            self.waiter.is_some() && *self.plan.step(*index) == Step::Underway && self.plan.is_awaited(*index)
        };
        self.jobs.iter().enumerate().filter(awaited).map(|(index, job)| (index, job.begun))
    }

    /// Takes in what the threads have to say.
    fn hear(&mut self, words: &Receiver<(usize, Word)>, heard: &mut PipeReader) -> Result<()> {
        while let Ok((index, word)) = words.try_recv() {
            // A byte a word, written after it.
            heard.read_exact(&mut [0]).map_err(|e| broken(&e))?;
            match word {
                Word::Up(Ok((done, pid, run))) => {
                    let job = &mut self.jobs[index];
                    (job.done, job.pid) = (Some(done), Some(pid));
                    if let Some(waiter) = &mut self.waiter {
                        waiter.add_run(&job.name, run);
                    }
                }
                Word::Down(Ok(stopped)) => {
                    let job = &mut self.jobs[index];
                    (job.done, job.pid) = match stopped {
                        StopOutcome::Stopped(pid) | StopOutcome::Unsaved(pid) => (Some(Done::Stopped), pid),
                        StopOutcome::AlreadyDown => (Some(Done::WasDown), None),
                    };
                    self.arrive(index);
                }
                // What has been deleted meanwhile is down.
                Word::Down(Err(error)) if error.kind == ErrorKind::NotFound => {
                    self.jobs[index].done = Some(Done::WasDown);
                    self.arrive(index);
                }
                Word::Up(Err(error)) | Word::Down(Err(error)) => self.fail(index, error),
            }
        }
        Ok(())
    }

    /// Looks who is ready.
    fn look(&mut self) {
        while let Some((name, reached)) = self.waiter.as_mut().and_then(Waiter::look) {
            let Some(index) = self.jobs.iter().position(|job| job.name == name) else { continue };
            match reached {
                Ok(reached) => {
                    self.jobs[index].end = match reached {
                        Reached::Ready => None,
                        Reached::Ended(exit) | Reached::Down(exit) | Reached::Deleted(exit) => Some(exit),
                    };
                    self.arrive(index);
                }
                Err(error) => self.fail(index, error),
            }
        }
    }

    /// Gives up on those that others have waited for long enough.
    fn mind_time(&mut self) {
        let (now, patience) = (platform::boot_clock(), self.request.after_timeout);
        let is_over = |(_, begun): &(usize, Option<Duration>)| begun.is_some_and(|begun| begun + patience <= now);
        let over: Vec<usize> = self.awaited().filter(is_over).map(|(index, _)| index).collect();
        for index in over {
            let job = &self.jobs[index];
            // One whose start is still going on answers for itself.
            if !self.has_spoken(job) {
                continue;
            }
            let pending = self.waiter.iter().flat_map(Waiter::pending).find(|pending| *pending.name == job.name);
            let how = pending.as_ref().map(super::Pending::how).unwrap_or_default();
            let mut error = Error::new(
                ErrorKind::TimedOut,
                format!("\"{}\" is not ready after {}", job.name, crate::domain::duration::Span(patience)),
            )
            .because(how)
            .hint(format!("it goes on; bgo logs {} shows its output; --after-timeout waits longer", job.name.shell()));
            error.details = pending.map(|pending| pending.last_lines).unwrap_or_default();
            let name = job.name.clone();
            if let Some(waiter) = &mut self.waiter {
                waiter.forget(&name);
            }
            self.fail(index, error);
        }
    }

    fn arrive(&mut self, index: usize) {
        self.plan.ready(index);
        self.jobs[index].settled = Some(platform::boot_clock());
    }

    fn fail(&mut self, index: usize, error: Error) {
        let now = platform::boot_clock();
        self.jobs[index].settled = Some(now);
        self.jobs[index].error = Some(error);
        self.failed = true;
        // A stop that failed does not keep the rest up.
        if self.waiter.is_none() {
            self.plan.ready(index);
            return;
        }
        for skipped in self.plan.failed(index) {
            let Step::Skipped(cause) = self.plan.step(skipped) else { continue };
            let name = self.jobs[skipped].name.clone();
            let error =
                Error::new(ErrorKind::StartFailed, format!("\"{name}\" was not started")).because(self.why_not(cause));
            (self.jobs[skipped].error, self.jobs[skipped].settled) = (Some(error), Some(now));
        }
        if self.request.abort_on_failure {
            self.plan.halt();
        }
    }

    /// Why a job cannot be started that needs the job `cause`.
    fn why_not(&self, cause: &str) -> String {
        let failed = self.jobs.iter().enumerate().find(|(index, job)| {
            // One that was skipped itself has no reason of its own.
            job.job == cause && *self.plan.step(*index) == Step::Failed
        });
        match failed.and_then(|(_, job)| job.error.as_ref()) {
            Some(error) => format!("it needs \"{cause}\": {}", error.message()),
            None => format!("it needs \"{cause}\", which was not"),
        }
    }

    fn note_steps(&mut self) {
        for (index, job) in self.jobs.iter_mut().enumerate() {
            // A stop that failed has let the others go on, and failed all the same.
            let failed = job.error.is_some() && *self.plan.step(index) == Step::Ready;
            job.step = if failed { Step::Failed } else { self.plan.step(index).clone() };
            job.waits_for = self.plan.waits_for(index).into_iter().map(str::to_owned).collect();
        }
    }
}

/// Lets a thread do what a job needs, and speak of it.
fn speak<'scope>(
    scope: &'scope Scope<'scope, '_>,
    index: usize,
    needs_restarted: bool,
    act: &'scope Act<'_>,
    sender: Sender<(usize, Word)>,
    mut spoke: PipeWriter,
) {
    scope.spawn(move || {
        let word = act(index, needs_restarted);
        // Whoever listened is gone only with its scope, and that waits for us.
        let _ = sender.send((index, word));
        let _ = spoke.write_all(&[1]);
    });
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot wait", error)
}
