//! `logs` and `follow` of several processes: each line behind the name of its process.
//!
//! Why it exists: lines of different processes stand next to each other and must be told apart: `web | …` is standard
//! output, `web ! …` standard error. With `--json` a line is an object. Invariant: what reaches standard output is whole
//! lines.

use super::logs::described;
use super::logs_read::cut;
use super::output::{Output, known_name};
use super::select::{Selected, common, select};
use crate::cli::Selector;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::logs::{
    Filter, FollowAll, FollowRequest, Followed, LogRequest, Patient, Selection, Stream, Told, Which, Who,
};
use crate::ops::{self, Bgo};
use crate::platform::SignalQueue;
use crate::view::json_logs::{StreamLine, stream_line};
use crate::view::style::Style;
use crate::view::text::{cells, pad};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::rc::Rc;

/// How much is gathered before it is written.
const AT_ONCE: usize = 64 * 1024;

/// Shows or follows the logs of several. `follow` is whether to go on, and if so, whether to end with the processes. Says
/// also whether any line was shown.
pub fn run(
    bgo: &Bgo,
    selector: &Selector,
    request: &LogRequest,
    follow: Option<bool>,
    out: &Output,
) -> Result<(ExitCode, bool)> {
    let mut errors = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    match select(bgo, out, selector)? {
        Selected::Listed(members) => names = members,
        Selected::Typed(typed) => {
            for text in &typed {
                match known_name(bgo, text) {
                    Ok(name) if names.contains(&name) => {}
                    Ok(name) => names.push(name),
                    Err(error) if follow.is_some() => return Err(error),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    let Some(until_exit) = follow else { return show_all(bgo, &names, request, out, errors) };
    let who = common(bgo, selector)?.map_or_else(|| Who::Names(names.clone()), Who::Common);
    let request = FollowRequest { logs: request.clone(), until_exit };
    let lines = Lines::new(&names, out);
    follow_all(FollowAll::new(bgo, who, request)?, lines)
}

/// Shows what there is of each that there is something of, and tells of the `errors` about others.
fn show_all(
    bgo: &Bgo,
    names: &[Name],
    request: &LogRequest,
    out: &Output,
    mut errors: Vec<Error>,
) -> Result<(ExitCode, bool)> {
    let mut selections = Vec::new();
    for name in names {
        match ops::logs::select(bgo, name, request) {
            Ok(selection) => selections.push((name.clone(), selection)),
            Err(error) => errors.push(error),
        }
    }
    errors.iter().for_each(|error| out.error(error));
    let mut code = errors.iter().map(|error| error.kind.exit_code()).max().unwrap_or(ExitCode::Done);
    // As elsewhere: most likely the command line was meant otherwise.
    if selections.is_empty() && errors.len() > 1 && errors.iter().all(|error| error.kind == ErrorKind::NotFound) {
        code = ExitCode::Usage;
    }
    let names: Vec<Name> = selections.iter().map(|(name, _)| name.clone()).collect();
    let mut lines = Lines::new(&names, out);
    let mut shown = || {
        for (name, selection) in &selections {
            code = code.max(show(name, selection, request, &mut lines)?);
        }
        written(lines.flush(&mut io::stdout().lock()))
    };
    match shown() {
        Err(Unshown::Failed(error)) => Err(error),
        Err(Unshown::Closed) => Ok((ExitCode::Done, true)),
        Ok(()) => Ok((code, lines.any)),
    }
}

/// Why no more can be shown.
enum Unshown {
    /// Nobody reads it any more: that is no failure.
    Closed,
    Failed(Error),
}

fn written(result: io::Result<()>) -> std::result::Result<(), Unshown> {
    result.map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Unshown::Closed,
        _ => Unshown::Failed(Error::io("cannot write the log", &e)),
    })
}

/// Shows what there is of one. A log that cannot be read is told of, and gives the code.
fn show(
    name: &Name,
    selection: &Selection,
    request: &LogRequest,
    lines: &mut Lines<'_>,
) -> std::result::Result<ExitCode, Unshown> {
    if selection.merged && request.which == Which::Stderr {
        lines.out.note(&format!("bgo: both streams of \"{name}\" are in one log"));
    }
    let mut stdout = io::stdout().lock();
    for excerpt in &selection.excerpts {
        if excerpt.missing > 0 && request.lines.is_none() {
            let what = format!("the first {} bytes of that run are not kept any more", excerpt.missing);
            lines.out.note(&format!("bgo: {} of \"{name}\": {what}", described(excerpt.stream)));
        }
        let shown = excerpt.show_lines(request, &mut |line, torn| {
            lines.push(name, excerpt.stream, line, torn);
            if lines.ready.len() < AT_ONCE { Ok(()) } else { lines.flush(&mut stdout) }
        });
        match shown {
            Ok(result) => written(result)?,
            Err(error) => {
                lines.out.error(&error);
                return Ok(error.kind.exit_code());
            }
        }
    }
    Ok(ExitCode::Done)
}

/// Follows what the present runs of `names` write until all are down for good, or until `signals`: then `stop` is called,
/// and what they write on their way down is shown, too. Says whether that was so.
///
/// # Errors
/// The logs cannot be followed; the stop failed.
pub fn attach(
    bgo: &Bgo,
    names: &[Name],
    out: &Output,
    signals: SignalQueue,
    stop: impl FnOnce(&SignalQueue) -> Result<()>,
) -> Result<bool> {
    let logs = LogRequest { which: Which::Both, run: Some(0), lines: None, filter: Filter::default() };
    let request = FollowRequest { logs, until_exit: true };
    let mut all = FollowAll::new(bgo, Who::Names(names.to_vec()), request)?;
    let mut lines = Lines::new(names, out);
    let mut stdout = io::stdout().lock();
    let signals = Rc::new(signals);
    let mut patient = Patient { out: &mut stdout, signals: Some(Rc::clone(&signals)) };
    let followed = all.go_on(&[signals.as_fd()], &mut |told| lines.take(told, &mut patient))?;
    if followed != Followed::Interrupted {
        return Ok(false);
    }
    signals.drain();
    out.after_interrupt();
    stop(&signals)?;
    // All are down, so this ends by itself.
    all.go_on(&[signals.as_fd()], &mut |told| lines.take(told, &mut patient))?;
    Ok(true)
}

fn follow_all(mut all: FollowAll<'_>, mut lines: Lines<'_>) -> Result<(ExitCode, bool)> {
    let mut stdout = io::stdout().lock();
    let mut out = Patient { out: &mut stdout, signals: None };
    // Until signals are queued, Ctrl-C ends us in the middle of a long search.
    let mut followed = all.catch_up(&mut |told| lines.take(told, &mut out))?;
    if followed.is_none() {
        let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM])
            .map_err(|e| Error::io("cannot follow the logs", &e))
            .map(Rc::new)?;
        out.signals = Some(Rc::clone(&signals));
        followed = Some(all.go_on(&[signals.as_fd()], &mut |told| lines.take(told, &mut out))?);
    }
    Ok(match followed {
        Some(Followed::Interrupted) => {
            lines.out.after_interrupt();
            (ExitCode::Interrupted, lines.any)
        }
        // Nobody reads what matched, if anything did.
        Some(Followed::Closed) => (ExitCode::Done, true),
        _ => (ExitCode::Done, lines.any),
    })
}

/// Lines behind the names of their processes, gathered to be written together.
struct Lines<'a> {
    out: &'a Output,
    style: Style,
    /// In the order in which they came, which tells the colour of each.
    names: Vec<Name>,
    width: usize,
    ready: Vec<u8>,
    /// How many lines there were, in JSON.
    count: u64,
    /// Whether there was any.
    any: bool,
}

impl<'a> Lines<'a> {
    fn new(names: &[Name], out: &'a Output) -> Lines<'a> {
        let width = names.iter().map(|name| cells(name.as_str())).max().unwrap_or(0);
        Lines { out, style: out.style(None), names: names.to_vec(), width, ready: Vec::new(), count: 0, any: false }
    }

    fn take(&mut self, told: Told<'_>, out: &mut dyn Write) -> io::Result<()> {
        match told {
            Told::Line { name, stream, line, torn } => {
                self.push(name, stream, line, torn);
                if self.ready.len() < AT_ONCE { Ok(()) } else { self.flush(out) }
            }
            Told::Pause => self.flush(out),
            Told::Lost { name, stream, bytes } if self.out.is_json() => {
                let stream = Some(stream.as_str());
                self.push_json(&StreamLine {
                    name: name.to_string(),
                    stream,
                    lost_bytes: Some(bytes),
                    ..StreamLine::default()
                });
                Ok(())
            }
            Told::Deleted(name) if self.out.is_json() => {
                self.push_json(&StreamLine { name: name.to_string(), deleted: true, ..StreamLine::default() });
                self.flush(out)
            }
            Told::Lost { name, stream, bytes } => {
                let stream = described(stream);
                self.out.note(&format!(
                    "bgo: {stream} of \"{name}\": {bytes} bytes were rotated away before they could be shown"
                ));
                Ok(())
            }
            Told::Deleted(name) => {
                self.out.note(&format!("bgo: \"{name}\" was deleted"));
                Ok(())
            }
        }
    }

    fn push_json(&mut self, line: &StreamLine) {
        self.ready.extend_from_slice(stream_line(line).as_bytes());
    }

    fn push(&mut self, name: &Name, stream: Stream, line: &[u8], continued: bool) {
        if self.out.is_json() {
            (self.any, self.count) = (true, self.count + 1);
            let (text, truncated) = cut(line.strip_suffix(b"\n").unwrap_or(line));
            let (stream, n, text) = (Some(stream.as_str()), Some(self.count), Some(text));
            return self.push_json(&StreamLine {
                name: name.to_string(),
                stream,
                n,
                text,
                truncated,
                continued,
                ..StreamLine::default()
            });
        }
        let index = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.width = self.width.max(cells(name.as_str()));
            self.names.push(name.clone());
            self.names.len() - 1
        });
        let name = self.style.hue(index, pad(name.as_str(), self.width));
        let prefix = match stream {
            Stream::Stderr => format!("{name} {} ", self.style.bad("!")),
            Stream::Stdout | Stream::Watcher => format!("{name} {} ", self.style.hue(index, "|")),
        };
        self.ready.extend_from_slice(prefix.as_bytes());
        self.ready.extend_from_slice(line);
        self.any = true;
    }

    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.ready.is_empty() {
            return Ok(());
        }
        let ready = std::mem::take(&mut self.ready);
        out.write_all(&ready)?;
        out.flush()
    }
}
