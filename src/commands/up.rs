//! `up` and `down`: one line a job, or a table that lives until all are settled.

use super::logs_many::attach;
use super::output::{Output, after_interrupt, known_name, note, print, print_error, say};
use crate::cli::{DownArgs, UpArgs};
use crate::domain::name::Name;
use crate::domain::plan::Step;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::{ProjectFile, no_project};
use crate::ops::up::{Outcome, Progress, UpRequest, processes};
use crate::ops::{self, Bgo, StopRequest};
use crate::platform::{self, SignalQueue};
use crate::view::style::Style;
use crate::view::{json, json_jobs, progress};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How often the clocks of the live table move.
const FRAME: Duration = Duration::from_millis(100);

/// Brings up jobs of the project.
pub fn up(bgo: &Bgo, args: &UpArgs, out: &Output) -> Result<ExitCode> {
    if args.json {
        return or_json(up_as_json(bgo, args));
    }
    let project = bgo.the_project()?;
    warn(&project);
    let signals = interrupts()?;
    let is_live = io::stderr().is_terminal();
    let request = request(args, is_live.then_some(FRAME));
    let mut screen = Screen::new(out.style(None), is_live);
    let outcome = ops::up::up(bgo, &project, &request, &signals, &mut |jobs| screen.show(jobs, progress::came_up))?;
    screen.finish(&outcome, progress::came_up);
    for job in &outcome.aborted {
        match &job.error {
            None => say(&progress::went_down(job)),
            Some(error) => print_error(error),
        }
    }
    tell_of_others(bgo, &project);
    if outcome.interrupted {
        after_interrupt();
        if args.attach {
            stop_all(bgo, begun(&outcome), &signals, out)?;
        } else {
            note("bgo: no longer waiting; what was started goes on: bgo down stops it");
        }
        return Ok(ExitCode::Interrupted);
    }
    if !outcome.is_success() {
        return Ok(ExitCode::Failed);
    }
    if args.attach {
        let names = begun(&outcome);
        let stopped =
            attach(bgo, &names, out, signals, |signals| stop_all(bgo, names.clone(), signals, out).map(drop))?;
        return Ok(if stopped { ExitCode::Interrupted } else { ExitCode::Done });
    }
    Ok(ExitCode::Done)
}

/// The processes that this `up` has to do with.
fn begun(outcome: &Outcome) -> Vec<Name> {
    outcome.jobs.iter().filter(|job| job.begun.is_some()).map(|job| job.name.clone()).collect()
}

/// Stops these, each before what it needs, and tells of each.
fn stop_all(bgo: &Bgo, names: Vec<Name>, signals: &SignalQueue, out: &Output) -> Result<Outcome> {
    stop_with(bgo, names, &StopRequest::default(), signals, out)
}

fn stop_with(
    bgo: &Bgo,
    names: Vec<Name>,
    request: &StopRequest,
    signals: &SignalQueue,
    out: &Output,
) -> Result<Outcome> {
    let mut screen = Screen::new(out.style(None), io::stderr().is_terminal());
    let outcome = ops::up::down(bgo, names, request, signals, &mut |jobs| screen.show(jobs, progress::went_down))?;
    screen.finish(&outcome, progress::went_down);
    Ok(outcome)
}

fn up_as_json(bgo: &Bgo, args: &UpArgs) -> Result<ExitCode> {
    let project = bgo.the_project()?;
    let signals = interrupts()?;
    let outcome = ops::up::up(bgo, &project, &request(args, None), &signals, &mut |_| {})?;
    print(&json_jobs::batch(&outcome.jobs, outcome.interrupted));
    Ok(exit_code(&outcome))
}

fn request(args: &UpArgs, tick: Option<Duration>) -> UpRequest {
    UpRequest {
        names: args.names.clone(),
        force_recreate: args.force_recreate,
        no_deps: args.no_deps,
        after_timeout: args.after_timeout.0,
        abort_on_failure: args.abort_on_failure,
        tick,
    }
}

/// Stops jobs of the project: all that are registered, also those that its file no longer has.
pub fn down(bgo: &Bgo, args: &DownArgs, out: &Output) -> Result<ExitCode> {
    if args.json {
        return or_json(down_as_json(bgo, args));
    }
    let names = chosen(bgo, args)?;
    if names.is_empty() {
        say("nothing of this project is registered");
        return Ok(ExitCode::Done);
    }
    let signals = interrupts()?;
    let stop = StopRequest { timeout: args.timeout, ..StopRequest::default() };
    let outcome = stop_with(bgo, names, &stop, &signals, out)?;
    if outcome.interrupted {
        after_interrupt();
        note("bgo: interrupted: what was not stopped yet goes on");
    }
    Ok(exit_code(&outcome))
}

fn down_as_json(bgo: &Bgo, args: &DownArgs) -> Result<ExitCode> {
    let (names, signals) = (chosen(bgo, args)?, interrupts()?);
    let stop = StopRequest { timeout: args.timeout, ..StopRequest::default() };
    let outcome = ops::up::down(bgo, names, &stop, &signals, &mut |_| {})?;
    print(&json_jobs::batch(&outcome.jobs, outcome.interrupted));
    Ok(exit_code(&outcome))
}

/// The processes of the jobs that were named; without names all of the project.
fn chosen(bgo: &Bgo, args: &DownArgs) -> Result<Vec<Name>> {
    let root = bgo.project_root()?.ok_or_else(no_project)?;
    let of_project = processes(bgo, &root)?;
    if args.names.is_empty() {
        return Ok(of_project);
    }
    let one = |text| {
        let name = known_name(bgo, text)?;
        if of_project.contains(&name) {
            return Ok(name);
        }
        Err(Error::new(ErrorKind::NotFound, format!("nothing of this project is registered as \"{name}\""))
            .hint("bgo status --project lists what is"))
    };
    args.names.iter().map(|text| one(text)).collect()
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    match (outcome.interrupted, outcome.is_success()) {
        (true, _) => ExitCode::Interrupted,
        (false, true) => ExitCode::Done,
        (false, false) => ExitCode::Failed,
    }
}

/// A failure under `--json` is an object, too.
fn or_json(result: Result<ExitCode>) -> Result<ExitCode> {
    result.or_else(|error| {
        eprint!("{}", json::error(&error));
        Ok(error.kind.exit_code())
    })
}

fn interrupts() -> Result<SignalQueue> {
    SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))
}

fn warn(project: &ProjectFile) {
    for warning in &project.file.warnings {
        note(&format!("bgo: warning: {}:{warning}", project.path.display()));
    }
}

/// What runs for a job that the file no longer has is nobody's to stop unasked, and easily forgotten.
fn tell_of_others(bgo: &Bgo, project: &ProjectFile) {
    let names = processes(bgo, &project.root).unwrap_or_default();
    let known: Vec<Name> =
        project.file.jobs.iter().filter_map(|job| bgo.process_of(&project.root, job.name.as_str())).collect();
    for name in names.iter().filter(|name| !known.contains(name) && ops::is_up(bgo, name).unwrap_or(false)) {
        note(&format!("note: \"{name}\" runs, and the file no longer has such a job: bgo stop {}", name.shell()));
    }
}

/// Where the progress of jobs is shown: lines as they settle, and on a terminal a table of those under way.
struct Screen {
    style: Style,
    is_live: bool,
    /// How many lines of the table are on the terminal.
    drawn: usize,
    /// Which jobs have been told of.
    told: Vec<bool>,
}

impl Screen {
    fn new(style: Style, is_live: bool) -> Screen {
        Screen { style, is_live, drawn: 0, told: Vec::new() }
    }

    fn show(&mut self, jobs: &[Progress], line: fn(&Progress) -> String) {
        self.clear();
        self.tell(jobs, line);
        if !self.is_live {
            return;
        }
        let now = platform::boot_clock();
        let table = progress::table(jobs, now, &self.style);
        let _ = io::stderr().write_all(table.as_bytes());
        self.drawn = table.lines().count();
    }

    /// Says what has come of those that are settled, each once.
    fn tell(&mut self, jobs: &[Progress], line: fn(&Progress) -> String) {
        self.told.resize(jobs.len(), false);
        for (job, told) in jobs.iter().zip(&mut self.told) {
            if job.settled.is_none() || std::mem::replace(told, true) {
                continue;
            }
            match &job.error {
                Some(error) => print_error(error),
                None => say(&line(job)),
            }
        }
    }

    fn finish(&mut self, outcome: &Outcome, line: fn(&Progress) -> String) {
        self.clear();
        self.tell(&outcome.jobs, line);
        for job in outcome.jobs.iter().filter(|job| job.step == Step::Waiting && !outcome.interrupted) {
            note(&format!("bgo: \"{}\" was not started: another job failed", job.name));
        }
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            let _ = write!(io::stderr(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }
}
