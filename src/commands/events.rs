//! `events`
//!
//! Why it exists: one JSON object a line, for who reacts to what happens. Invariant: what a process has written before
//! it ended stands before its end, as far as it was read by then.

use super::output::{Output, known_name, name};
use super::select::common;
use crate::cli::EventsArgs;
use crate::domain::event::{Data, Event, Kind};
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::events::{Cursor, Events, Since, Told, Whose};
use crate::ops::logs::{Filter, FollowAll, FollowRequest, Followed, LogRequest, Stream, Told as Written, Which, Who};
use crate::ops::{Bgo, nobody};
use crate::platform::{self, Interest, SignalQueue};
use crate::view::json_events::{event, event_line, events};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

/// Tells what has happened, and with `--stream` what happens.
pub fn run(bgo: &Bgo, args: &EventsArgs, out: &Output) -> Result<ExitCode> {
    let since = match args.since.as_deref() {
        Some("0") => Since::Start,
        Some(text) => Since::Cursor(Cursor::parse(text)?),
        None if args.stream => Since::Now,
        None => Since::Start,
    };
    let whose = whose(bgo, args, out)?;
    if args.stream { stream(bgo, args, whose, &since, out) } else { past(bgo, whose, &since, out) }
}

fn whose(bgo: &Bgo, args: &EventsArgs, out: &Output) -> Result<Whose> {
    if let Some(common) = common(bgo, &args.selector)? {
        let is_any = bgo.store.names()?.iter().any(|name| {
            let record = bgo.store.look(name, None).ok().flatten();
            record.is_some_and(|record| common.has_record(&record))
        });
        return if is_any || args.stream { Ok(Whose::Common(common)) } else { Err(nobody(bgo, &common)) };
    }
    if args.selector.names.is_empty() {
        return Ok(Whose::All);
    }
    let mut names: Vec<Name> = Vec::new();
    for text in &args.selector.names {
        let name = if args.stream { name(text).and_then(|name| bgo.resolve(&name)) } else { known_name(bgo, text) }?;
        if args.stream && !bgo.store.record_path(&name).exists() {
            out.note(&format!("bgo: \"{name}\" is not registered yet; waiting for somebody to start it"));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Whose::Names(names))
}

fn past(bgo: &Bgo, whose: Whose, since: &Since, out: &Output) -> Result<ExitCode> {
    let mut reader = Events::past(bgo, whose, since)?;
    let told = reader.take()?;
    if out.is_json() {
        let lines = told.iter().map(|told| event(told.name.as_ref().map(Name::as_str), &told.event, None)).collect();
        out.document(events(lines, reader.cursor().to_string()));
    } else {
        out.print(&told.iter().map(line).collect::<String>());
    }
    Ok(ExitCode::Done)
}

fn line(told: &Told) -> String {
    let cursor = told.name.as_ref().map(|name| Cursor::after(name, &told.event).to_string());
    event_line(&event(told.name.as_ref().map(Name::as_str), &told.event, cursor))
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot follow the events", error)
}

fn stream(bgo: &Bgo, args: &EventsArgs, whose: Whose, since: &Since, out: &Output) -> Result<ExitCode> {
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| broken(&e))?;
    let until = args.timeout.map(|time| platform::boot_clock().saturating_add(time.0));
    let who = match &whose {
        Whose::All => Who::All,
        Whose::Names(names) => Who::Later(names.clone()),
        Whose::Common(common) => Who::Common(common.clone()),
    };
    let mut logs = if args.logs { Some(Logs::begin(bgo, who)?) } else { None };
    let mut reader = Events::follow(bgo, whose, since)?;
    if args.until_exit {
        reader.until_exit()?;
    }
    loop {
        let is_over = reader.is_over()?;
        if let Some(logs) = &mut logs {
            // What was written before what is about to be told.
            logs.catch_up()?;
        }
        let told = reader.take()?;
        let text: String = told.iter().map(line).collect();
        let mut stdout = io::stdout().lock();
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            return Ok(ExitCode::Done); // Nobody reads on.
        }
        drop(stdout);
        if is_over {
            return Ok(ExitCode::Done);
        }
        let mut stops = vec![signals.as_fd()];
        stops.extend(reader.fds());
        let due = [until, reader.until()].into_iter().flatten().min();
        let (ready, closed) = match &mut logs {
            Some(logs) => logs.wait(&stops, due)?,
            None => wait(&stops, due)?,
        };
        if closed {
            return Ok(ExitCode::Done);
        }
        if ready {
            out.after_interrupt();
            return Ok(ExitCode::Interrupted);
        }
        if let Some(time) = args.timeout.filter(|_| until.is_some_and(|until| until <= platform::boot_clock())) {
            return Err(Error::new(ErrorKind::TimedOut, format!("followed the events for {time}")));
        }
    }
}

/// Waits for one of `stops`, the first of which are the signals. Says whether it is that, and whether nobody reads what
/// is told any more.
fn wait(stops: &[BorrowedFd<'_>], until: Option<Duration>) -> Result<(bool, bool)> {
    let stdout = io::stdout();
    let mut fds = vec![(stdout.as_fd(), Interest::HangUp)];
    fds.extend(stops.iter().map(|fd| (*fd, Interest::Readable)));
    let ready = platform::wait(&fds, until).map_err(|e| broken(&e))?;
    Ok((ready[1], ready[0]))
}

/// The lines that they write.
struct Logs<'a> {
    bgo: &'a Bgo,
    who: Who,
    /// `None` while all have been deleted.
    follow: Option<FollowAll<'a>>,
}

impl<'a> Logs<'a> {
    fn begin(bgo: &'a Bgo, who: Who) -> Result<Logs<'a>> {
        let follow = Some(follow_all(bgo, who.clone(), None)?);
        Ok(Logs { bgo, who, follow })
    }

    /// Tells what is written by now.
    fn catch_up(&mut self) -> Result<()> {
        if self.follow.is_none() {
            self.follow = Some(follow_all(self.bgo, self.who.clone(), Some(0))?);
        }
        self.go_on(&[], Some(Duration::ZERO)).map(drop)
    }

    /// As [`wait`]; what is written meanwhile is told.
    fn wait(&mut self, stops: &[BorrowedFd<'_>], until: Option<Duration>) -> Result<(bool, bool)> {
        match self.go_on(stops, until)? {
            Some(Followed::Closed) => Ok((false, true)),
            Some(Followed::Interrupted) => wait(stops, Some(Duration::ZERO)),
            // All have been deleted, which is an event.
            _ => wait(stops, until),
        }
    }

    fn go_on(&mut self, stops: &[BorrowedFd<'_>], until: Option<Duration>) -> Result<Option<Followed>> {
        let Some(follow) = &mut self.follow else { return Ok(None) };
        follow.return_at(until);
        let mut ready = String::new();
        let mut tell = |told: Written<'_>| {
            match told {
                Written::Line { name, stream, line, .. } => ready.push_str(&log_line(name, stream, line)),
                Written::Lost { name, stream, bytes } => {
                    let data = Data { stream: Some(word(stream)), bytes: Some(bytes), ..Data::default() };
                    ready.push_str(&written(name, Kind::Lost, data));
                }
                Written::Deleted(_) => {}
                Written::Pause => return flush(&mut ready),
            }
            if ready.len() < AT_ONCE { Ok(()) } else { flush(&mut ready) }
        };
        let followed = follow.go_on(stops, &mut tell)?;
        if followed == Followed::Deleted {
            self.follow = None;
        }
        Ok(Some(followed))
    }
}

/// How much is gathered before it is written.
const AT_ONCE: usize = 64 * 1024;

fn flush(ready: &mut String) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(std::mem::take(ready).as_bytes()).and_then(|()| stdout.flush())
}

fn follow_all(bgo: &Bgo, who: Who, run: Option<i64>) -> Result<FollowAll<'_>> {
    let logs = LogRequest { which: Which::Both, run, lines: run.is_none().then_some(0), filter: Filter::default() };
    FollowAll::new(bgo, who, FollowRequest { logs, until_exit: false })
}

fn word(stream: Stream) -> String {
    if stream == Stream::Stderr { "stderr" } else { "stdout" }.to_owned()
}

fn log_line(name: &Name, stream: Stream, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
    written(name, Kind::Log, Data { stream: Some(word(stream)), text: Some(text), ..Data::default() })
}

/// What has no number, as it is no event of the record.
fn written(name: &Name, kind: Kind, data: Data) -> String {
    let told = Event { registration: Box::default(), sequence: 0, time: Timestamp::of(SystemTime::now()), kind, data };
    event_line(&event(Some(name.as_str()), &told, None))
}
