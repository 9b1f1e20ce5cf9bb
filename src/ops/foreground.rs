//! `run`: a command in the foreground, under a sidecar as any other.
//!
//! Why it exists: a script or a person wants the output and the exit status at once, and still the supervision, the logs
//! and the record. Invariants: every byte that the run writes comes out once and in order, each stream by itself, also
//! what is written last; whatever becomes of us, the process is its sidecar's. A request to end goes to the process, and
//! its end is what ends us.

use super::growing::{Growing, Turn, pump_until};
use super::output::RunOutput;
use super::start::{StartRequest, Started, start};
use super::stop::{StopRequest, stop};
use super::wait::{Goal, Reached, Run, Waiter};
use super::{Bgo, remove};
use crate::domain::name::{MAX_BYTES, Name};
use crate::domain::outcome::Exit;
use crate::error::{Error, ErrorKind, Result};
use crate::logs::LogReader;
use crate::platform::{self, Interest, SignalQueue};
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// How many names are tried before a command without a name is refused.
const NAMES: usize = 10_000;

/// What to run in the foreground.
#[derive(Clone, Debug)]
pub struct Foreground {
    /// The command, and how to start it; `settle` is not used.
    pub start: StartRequest,
    /// Whether record and logs are kept. If not, a suffix makes the name a free one, and they are removed at the end.
    pub keep: bool,
}

/// What a command in the foreground came to.
#[derive(Debug)]
pub struct ForegroundEnd {
    /// The name it ran under.
    pub name: Name,
    /// How it ended.
    pub exit: Exit,
    /// Why some of its output could not be passed on. A reader that went away is no reason.
    pub lost: Option<Error>,
}

/// Starts a command and stays with it until it is down for good: what it writes goes to `out` and `err`, SIGINT, SIGTERM
/// and SIGHUP stop it, and a further SIGINT kills it.
///
/// # Errors
/// It cannot be started, followed or stopped.
pub fn foreground(bgo: &Bgo, request: &Foreground, out: &mut dyn Write, err: &mut dyn Write) -> Result<ForegroundEnd> {
    // Before the start: from then on a Ctrl-C is for the process.
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]).map_err(|e| broken(&e))?;
    let (name, started) = begin(bgo, request)?;
    let run = started.run;
    let (run_id, RunOutput { logs, from }) = (run.id.clone(), run.output.clone());
    // Where both streams go into one log, both come out as standard output.
    let separate = !logs.merged();
    let mut streams = [Stream { to: out, open: true, lost: None }, Stream { to: err, open: separate, lost: None }];
    let source = |path: &PathBuf, begin| (path.clone(), LogReader::at(path, begin));
    let growing = Growing::new(vec![source(&logs.out, from[0]), source(&logs.err, from[1])]);
    let ended = growing.and_then(|mut growing| accompany(bgo, &name, run, &signals, &mut growing, &mut streams));
    let lost = streams.into_iter().find_map(|stream| stream.lost);
    if !request.keep {
        remove::remove_run(bgo, &name, Some(&run_id))?;
    }
    Ok(ForegroundEnd { name, exit: ended?, lost })
}

fn broken(error: &io::Error) -> Error {
    Error::io("cannot follow the process", error)
}

/// Starts it under its name, or under the first free one.
fn begin(bgo: &Bgo, request: &Foreground) -> Result<(Name, Started)> {
    let mut start_request = StartRequest { settle: Duration::ZERO, ..request.start.clone() };
    if request.keep {
        return start(bgo, &start_request).map(|started| (start_request.name, started));
    }
    start_request.unregistered = true;
    let base = request.start.name.clone();
    for name in (1..NAMES).filter_map(|number| numbered(&base, number)).filter(|name| !is_known(bgo, name)) {
        start_request.name = name.clone();
        match start(bgo, &start_request) {
            Ok(started) => return Ok((name, started)),
            // Another was faster.
            Err(e) if e.kind == ErrorKind::AlreadyRunning => {}
            Err(e) => {
                if bgo.store.root().exists() {
                    let _ = remove::remove_run(bgo, &name, None); // The failed start is what matters.
                }
                return Err(e);
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("no free name like \"{base}\"")).hint("bgo clean frees some"))
}

/// `web`, `web-2`, `web-3` …, cut to what a name may hold.
fn numbered(base: &Name, number: usize) -> Option<Name> {
    if number == 1 {
        return Some(base.clone());
    }
    let suffix = format!("-{number}");
    let room = MAX_BYTES - suffix.len();
    let kept: String =
        base.as_str().char_indices().filter(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c).collect();
    Name::parse(&format!("{kept}{suffix}")).ok()
}

/// Whether there is a record of this name, or logs that are not to be mixed up with ours.
fn is_known(bgo: &Bgo, name: &Name) -> bool {
    let logs = bgo.store.logs(name);
    [bgo.store.record_path(name), logs.out, logs.err, logs.watcher].iter().any(|path| path.exists())
}

/// Passes on output and signals until the run is down.
fn accompany(
    bgo: &Bgo,
    name: &Name,
    run: Run,
    signals: &SignalQueue,
    growing: &mut Growing,
    streams: &mut [Stream<'_>; 2],
) -> Result<Exit> {
    let mut waiter = Waiter::of_run(bgo, name, run, Goal::Stopped, None)?;
    // A reader that does not go on holds up whoever writes to it; a Ctrl-C must work all the same.
    std::thread::scope(|scope| {
        let (over, under_way) = io::pipe().map_err(|e| broken(&e))?;
        let (left, attending) = io::pipe().map_err(|e| broken(&e))?;
        let (unread, reader) = io::pipe().map_err(|e| broken(&e))?;
        let attendant = scope.spawn(move || {
            let attended = attend(bgo, name, signals, &over, &unread);
            drop(attending);
            attended
        });
        let exit = copy_until_down(&mut waiter, growing, streams, &left, reader)?;
        drop(under_way);
        let attended = attendant.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match exit {
            Some(exit) => Ok(exit),
            // Only a stop that failed ends it before the run.
            None => attended.map(|()| super::awaited::unseen()),
        }
    })
}

/// Copies the streams until the run is down, and then what is left. `None`: the other end of `left` was closed first.
/// `reader` is closed once nobody reads its stdout any more.
fn copy_until_down(
    waiter: &mut Waiter<'_>,
    growing: &mut Growing,
    streams: &mut [Stream<'_>; 2],
    left: &PipeReader,
    reader: PipeWriter,
) -> Result<Option<Exit>> {
    let mut reader = Some(reader);
    let turn = pump_until(Some(waiter), growing, &[(left.as_fd(), Interest::Readable)], |growing| {
        let [out, err] = &mut *streams;
        let more = out.pump(growing, 0) | err.pump(growing, 1);
        if !out.open {
            drop(reader.take());
        }
        Ok(more)
    })?;
    match turn {
        Turn::Other(_) => Ok(None),
        Turn::Reached(reached) => reached.map(|reached| Some(exit_of(reached))),
    }
}

/// Turns requests to end into stops, until the other end of `over` is closed. That nobody reads the output any more
/// (`unread` hangs up) is one, as SIGPIPE would be for a program in a pipe.
///
/// # Errors
/// A stop failed.
fn attend(bgo: &Bgo, name: &Name, signals: &SignalQueue, over: &PipeReader, unread: &PipeReader) -> Result<()> {
    std::thread::scope(|scope| {
        let mut stops: Vec<Stop<'_>> = Vec::new();
        let mut asked = false;
        loop {
            let mut fds = vec![(signals.as_fd(), Interest::Readable), (over.as_fd(), Interest::Readable)];
            // Once it has hung up there is nothing more to hear from it.
            fds.extend((!asked).then_some((unread.as_fd(), Interest::Readable)));
            let first = fds.len();
            fds.extend(stops.iter().map(|stop| (stop.over.as_fd(), Interest::Readable)));
            let ready = platform::wait(&fds, None).map_err(|e| broken(&e))?;
            if ready[1] {
                return Ok(());
            }
            let done = (0..stops.len()).rev().filter(|index| ready[first + index]).collect::<Vec<_>>();
            for index in done {
                stops.remove(index).result()?;
            }
            if !asked && ready[2] {
                stops.push(Stop::begin(scope, bgo, name, false).map_err(|e| broken(&e))?);
                asked = true;
            }
            for signal in signals.drain() {
                // At logout SIGTERM and SIGHUP may come together: only who insists by hand wants it killed.
                if !asked || signal == libc::SIGINT {
                    stops.push(Stop::begin(scope, bgo, name, asked).map_err(|e| broken(&e))?);
                }
                asked = true;
            }
        }
    })
}

fn exit_of(reached: Reached) -> Exit {
    match reached {
        Reached::Ended(exit) | Reached::Down(exit) | Reached::Deleted(exit) => exit,
        Reached::Ready => super::awaited::unseen(),
    }
}

/// A stop under way; a further signal may come meanwhile.
struct Stop<'scope> {
    thread: ScopedJoinHandle<'scope, Result<()>>,
    /// Hangs up when it is over.
    over: PipeReader,
}

impl<'scope> Stop<'scope> {
    fn begin<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        bgo: &'a Bgo,
        name: &'a Name,
        force: bool,
    ) -> io::Result<Stop<'scope>> {
        let (over, sender) = io::pipe()?;
        let thread = scope.spawn(move || {
            let stopped = stop(bgo, name, &StopRequest { force, ..StopRequest::default() });
            drop(sender);
            stopped.map(|_| ())
        });
        Ok(Stop { thread, over })
    }

    fn result(self) -> Result<()> {
        match self.thread.join() {
            // Whoever removed the record has stopped it before.
            Ok(Err(e)) if e.kind == ErrorKind::NotFound => Ok(()),
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Where one output of the run goes.
struct Stream<'a> {
    to: &'a mut dyn Write,
    /// Whether somebody still reads it.
    open: bool,
    lost: Option<Error>,
}

impl Stream<'_> {
    /// Copies a bounded part of what is new in the log with this index. Says whether there was anything.
    fn pump(&mut self, growing: &mut Growing, index: usize) -> bool {
        if !self.open {
            return false;
        }
        self.try_pump(growing, index).unwrap_or_else(|e| {
            self.open = false;
            self.lost = e.or(self.lost.take());
            false
        })
    }

    /// Fails with what is to be said about it, if anything.
    fn try_pump(&mut self, growing: &mut Growing, index: usize) -> std::result::Result<bool, Option<Error>> {
        let (bytes, lost) = growing.read(index).map_err(Some)?;
        if lost > 0 {
            let error = Error::new(ErrorKind::NotKept, "some of the output is missing");
            self.lost = Some(error.because(format!("{lost} bytes were rotated away before they could be passed on")));
        }
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Ok(()) => Ok(!bytes.is_empty()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(None),
            Err(e) => Err(Some(Error::io("cannot pass on the output", &e))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_and_never_too_long() {
        let name = |text: &str| Name::parse(text).unwrap();
        assert_eq!(numbered(&name("web"), 1), Some(name("web")));
        assert_eq!(numbered(&name("web"), 12), Some(name("web-12")));
        let long = numbered(&name(&"日".repeat(33)), 2).unwrap();
        assert_eq!(long.as_str(), format!("{}-2", "日".repeat(32)));
    }
}
