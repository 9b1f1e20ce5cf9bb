//! `up` and `down`: one line a job, or a table that lives until all are settled.

use super::logs_many::attach;
use super::output::{Output, known_name};
use super::owners::Guard;
use crate::cli::{DownArgs, UpArgs};
use crate::domain::name::Name;
use crate::domain::plan::Step;
use crate::domain::progress::Done;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::jobs::{ProjectFile, no_project};
use crate::ops::up::{Outcome, Progress, UpRequest};
use crate::ops::{self, Bgo, Common, StopRequest};
use crate::platform::{self, SignalQueue};
use crate::view::style::Style;
use crate::view::{json_jobs, progress};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How often the clocks of the live table move.
const FRAME: Duration = Duration::from_millis(100);

/// Brings up jobs of the project.
pub fn up(bgo: &Bgo, args: &UpArgs, out: &Output) -> Result<ExitCode> {
    if out.is_json() {
        return up_as_json(bgo, args, out);
    }
    let project = bgo.the_project()?;
    warn(out, &project);
    let signals = interrupts()?;
    let is_live = io::stderr().is_terminal();
    let request = request(args, is_live.then_some(FRAME))?;
    let mut screen = Screen::new(out, is_live);
    let outcome = ops::up::up(bgo, &project, &request, &signals, &mut |jobs| screen.show(jobs, progress::came_up))?;
    screen.finish(&outcome, progress::came_up);
    for job in &outcome.aborted {
        match &job.error {
            None if job.done == Some(Done::Stopped) => out.say(&progress::went_down(job)),
            None => {}
            Some(error) => out.error(error),
        }
    }
    tell_of_others(bgo, out, &project);
    if outcome.interrupted {
        out.after_interrupt();
        if args.attach {
            stop_all(bgo, begun(&outcome), &signals, out)?;
        } else {
            out.note("bgo: no longer waiting; what was started goes on: bgo down stops it");
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
        return Ok(if stopped { ExitCode::Interrupted } else { how_all_ended(bgo, out, &begun(&outcome)) });
    }
    Ok(ExitCode::Done)
}

/// Tells which of `names`, all of which are down, have ended badly.
fn how_all_ended(bgo: &Bgo, out: &Output, names: &[Name]) -> ExitCode {
    let mut code = ExitCode::Done;
    for row in names.iter().filter_map(|name| ops::snapshot_of(bgo, name).ok()) {
        if let Some(exit) = row.end.filter(|exit| exit.reason.is_some() || !row.settings.is_success(exit.outcome())) {
            out.note(&format!("bgo: \"{}\" failed: {exit}", row.name));
            code = ExitCode::Failed;
        }
    }
    code
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
    let mut screen = Screen::new(out, io::stderr().is_terminal());
    let outcome = ops::up::down(bgo, names, request, signals, &mut |jobs| screen.show(jobs, progress::went_down))?;
    screen.finish(&outcome, progress::went_down);
    Ok(outcome)
}

fn up_as_json(bgo: &Bgo, args: &UpArgs, out: &Output) -> Result<ExitCode> {
    if args.attach {
        return Err(Error::new(ErrorKind::Usage, "--attach follows for a person; with --json there is one answer")
            .hint("bgo up --json, then bgo follow --project --json"));
    }
    let project = bgo.the_project()?;
    warn(out, &project);
    let signals = interrupts()?;
    let outcome = ops::up::up(bgo, &project, &request(args, None)?, &signals, &mut |_| {})?;
    out.document(json_jobs::batch(&outcome.jobs, outcome.interrupted));
    Ok(exit_code(&outcome))
}

fn request(args: &UpArgs, tick: Option<Duration>) -> Result<UpRequest> {
    Ok(UpRequest {
        names: args.names.clone(),
        force_recreate: args.force_recreate,
        no_deps: args.no_deps,
        after_timeout: args.after_timeout.0,
        abort_on_failure: args.abort_on_failure,
        caller: Guard::new(args.owners)?.caller,
        tick,
    })
}

/// Stops jobs of the project: all that are registered, also those that its file no longer has.
pub fn down(bgo: &Bgo, args: &DownArgs, out: &Output) -> Result<ExitCode> {
    if out.is_json() {
        return down_as_json(bgo, args, out);
    }
    let names = chosen(bgo, out, args)?;
    if names.is_empty() {
        out.say("nothing of this project is registered");
        return Ok(ExitCode::Done);
    }
    let signals = interrupts()?;
    let stop = StopRequest { timeout: args.timeout, ..StopRequest::default() };
    let outcome = stop_with(bgo, names, &stop, &signals, out)?;
    let left: Vec<String> =
        outcome.jobs.iter().filter(|job| job.settled.is_none()).map(|job| format!("\"{}\"", job.name)).collect();
    if outcome.interrupted && !left.is_empty() {
        out.after_interrupt();
        out.note(&format!("bgo: interrupted: {} not stopped; bgo down stops the rest", were(&left)));
    }
    Ok(exit_code(&outcome))
}

fn down_as_json(bgo: &Bgo, args: &DownArgs, out: &Output) -> Result<ExitCode> {
    let (names, signals) = (chosen(bgo, out, args)?, interrupts()?);
    let stop = StopRequest { timeout: args.timeout, ..StopRequest::default() };
    let outcome = ops::up::down(bgo, names, &stop, &signals, &mut |_| {})?;
    out.document(json_jobs::batch(&outcome.jobs, outcome.interrupted));
    Ok(exit_code(&outcome))
}

/// The processes of the jobs that were named; without names all of the project.
fn chosen(bgo: &Bgo, out: &Output, args: &DownArgs) -> Result<Vec<Name>> {
    let root = bgo.project_root()?.ok_or_else(no_project)?;
    let members = ops::members(bgo, &Common::Project(root))?;
    for (name, error) in members.unreadable.iter().filter(|_| args.names.is_empty()) {
        out.note(&format!("bgo: cannot tell whether \"{name}\" is of this project: {}", error.message()));
    }
    let of_project = members.names;
    let guard = Guard::new(args.owners)?;
    if args.names.is_empty() {
        return Ok(guard.allowed(bgo, out, of_project));
    }
    let one = |text| {
        let name = known_name(bgo, text)?;
        if of_project.contains(&name) {
            return guard.check(bgo, &name).map(|()| name);
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

/// `"a" was`, `"a", "b" were`
fn were(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "was" } else { "were" })
}

fn interrupts() -> Result<SignalQueue> {
    SignalQueue::new(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]).map_err(|e| Error::io("cannot wait", &e))
}

fn warn(out: &Output, project: &ProjectFile) {
    for warning in &project.file.warnings {
        out.note(&format!("bgo: warning: {}:{warning}", project.path.display()));
    }
}

/// What runs for a job that the file no longer has is nobody's to stop unasked, and easily forgotten.
fn tell_of_others(bgo: &Bgo, out: &Output, project: &ProjectFile) {
    let members = ops::members(bgo, &Common::Project(project.root.clone()));
    let names = members.map(|members| members.names).unwrap_or_default();
    let known: Vec<Name> =
        project.file.jobs.iter().filter_map(|job| bgo.process_of(&project.root, job.name.as_str())).collect();
    for name in names.iter().filter(|name| !known.contains(name) && ops::is_up(bgo, name).unwrap_or(false)) {
        out.note(&format!("note: \"{name}\" runs, and the file no longer has such a job: bgo stop {}", name.shell()));
    }
}

/// Where the progress of jobs is shown: lines as they settle, and on a terminal a table of those under way.
struct Screen<'a> {
    out: &'a Output,
    style: Style,
    is_live: bool,
    /// How many lines of the table are on the terminal.
    drawn: usize,
    /// Of which jobs it was said what was done, and that they failed: one may be up first and fail then.
    told: Vec<(bool, bool)>,
}

impl<'a> Screen<'a> {
    fn new(out: &'a Output, is_live: bool) -> Screen<'a> {
        Screen { out, style: out.style(None), is_live, drawn: 0, told: Vec::new() }
    }

    fn show(&mut self, jobs: &[Progress], line: fn(&Progress) -> String) {
        self.clear();
        self.tell(jobs, line);
        if !self.is_live {
            return;
        }
        let now = platform::boot_clock();
        let rows = platform::terminal_size().map_or(24, |(_, rows)| rows);
        // One row is the cursor's; a table that scrolls cannot be drawn over.
        let table = progress::table(jobs, now, rows.saturating_sub(2).max(1), &self.style);
        let _ = io::stderr().write_all(table.as_bytes());
        self.drawn = table.lines().count();
    }

    /// Says what has come of those that are settled, each once.
    fn tell(&mut self, jobs: &[Progress], line: fn(&Progress) -> String) {
        self.told.resize(jobs.len(), (false, false));
        for (job, (said, failed)) in jobs.iter().zip(&mut self.told) {
            match &job.error {
                Some(error) if !std::mem::replace(failed, true) => self.out.error(error),
                None if job.settled.is_some() && !std::mem::replace(said, true) => self.out.say(&line(job)),
                _ => {}
            }
        }
    }

    fn finish(&mut self, outcome: &Outcome, line: fn(&Progress) -> String) {
        self.clear();
        self.tell(&outcome.jobs, line);
        for job in outcome.jobs.iter().filter(|job| job.step == Step::Waiting && !outcome.interrupted) {
            self.out.note(&format!("bgo: \"{}\" was not started: another job failed", job.name));
        }
    }

    fn clear(&mut self) {
        // Line by line: a multiplexer that is told to erase the whole screen keeps what was on it as history.
        let _ = io::stderr().write_all("\x1b[A\x1b[2K".repeat(self.drawn).as_bytes());
        self.drawn = 0;
    }
}
