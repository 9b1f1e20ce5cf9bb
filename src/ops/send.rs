//! `send`: writing to the standard input of a process.
//!
//! Why it exists: a REPL, or a server with a console, is driven from a shell or by a program. Invariants: what is reported
//! as sent is in the pipe; a send never waits longer than it may, and says how much was taken; what several send at once
//! does not interleave.

use super::signal::not_running;
use super::{Bgo, is_up};
use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest};
use crate::store::lock_input;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a send may take, unless told otherwise.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes.
    pub bytes: usize,
    /// Whether the input was ended after them.
    pub eof: bool,
}

/// Writes `bytes` to the standard input of `name`, and with `eof` ends it after them, within `timeout`.
///
/// # Errors
/// It does not run, was not started with `--stdin`, reads no more, or its input was ended before;
/// [`ErrorKind::TimedOut`], if nothing was taken in that time; [`ErrorKind::Io`], if a part was. Once it was tried, `details`
/// say how many bytes were taken: `taken_bytes: 65536`.
pub fn send(bgo: &Bgo, name: &Name, bytes: &[u8], eof: bool, timeout: Duration) -> Result<Sent> {
    let record = bgo.record_of_running(name)?;
    if !is_up(bgo, name)? {
        return Err(not_running(name, &record));
    }
    let deadline = platform::boot_clock().saturating_add(timeout);
    let broken = |e: &io::Error| Error::io(cannot(name), e);
    let path = bgo.store.stdin_path(name);
    if !path.try_exists().map_err(|e| broken(&e))? {
        return Err(without_input(name, &record));
    }
    let Some(pipe) = bgo.store.open_input(&path)? else {
        return Err(nobody_reads(name, &record));
    };
    if !lock_input(&pipe, timeout).map_err(|e| broken(&e))? {
        let error = Error::new(ErrorKind::TimedOut, cannot(name))
            .because(format!("another send has been at it for {}", Span(timeout)))
            .hint("--timeout TIME waits longer");
        return Err(having_taken(0, error));
    }
    // Only now: another may have ended the input meanwhile.
    let Some(mut end) = bgo.store.open_input(&bgo.store.eof_path(name))? else {
        return Err(ended(name));
    };
    // A start makes the pipe that is read first, and then this one: if the first is still in its place, both are of the
    // run that was meant.
    if !is_at(&pipe, &path) {
        return Err(Error::new(ErrorKind::Conflict, cannot(name))
            .because("it was started anew meanwhile")
            .hint("send it again, if it is for the new run, too"));
    }
    let taken = write(&pipe, bytes, deadline).map_err(|e| broken(&e))?;
    match taken {
        Taken::All => {}
        Taken::Part(count) => return Err(too_slow(name, count, bytes.len(), timeout)),
        Taken::NobodyReads(count) => {
            let why = format!("nobody reads any more: {count} of {} bytes were taken", bytes.len());
            return Err(having_taken(count, nobody_reads(name, &record).because(why)));
        }
    }
    if eof {
        drop(pipe);
        end.write_all(b"e").map_err(|e| broken(&e))?;
        // Once its keeper is gone, the end is there.
        let gone = platform::wait(&[(end.as_fd(), Interest::HangUp)], Some(deadline)).map_err(|e| broken(&e))?;
        if !gone.contains(&true) {
            let error = Error::new(too_late(bytes.len()), format!("cannot end the input of \"{name}\""))
                .because(format!("its keeper has not answered for {}", Span(timeout)))
                .hint(format!("bgo send {} --eof tries again", name.shell()));
            return Err(having_taken(bytes.len(), error));
        }
    }
    Ok(Sent { bytes: bytes.len(), eof })
}

fn is_at(pipe: &File, path: &Path) -> bool {
    let key = |there: std::fs::Metadata| (there.dev(), there.ino());
    let opened = pipe.metadata().map(key).ok();
    opened.is_some() && opened == path.symlink_metadata().map(key).ok()
}

/// How much of what was to be written was taken.
enum Taken {
    All,
    /// So much, until the time was over.
    Part(usize),
    /// So much, until nobody read any more.
    NobodyReads(usize),
}

fn write(mut pipe: &File, bytes: &[u8], deadline: Duration) -> io::Result<Taken> {
    let mut written = 0;
    while written < bytes.len() {
        match pipe.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(Taken::NobodyReads(written)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if !platform::wait(&[(pipe.as_fd(), Interest::Writable)], Some(deadline))?.contains(&true) {
                    return Ok(Taken::Part(written));
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(Taken::All)
}

fn cannot(name: &Name) -> String {
    format!("cannot send to \"{name}\"")
}

fn without_input(name: &Name, record: &Record) -> Error {
    let shell = name.shell();
    let error = Error::new(ErrorKind::NotRunning, cannot(name));
    if record.spec.stdin {
        return error.because("it is to have an input from its next start on").hint(format!("bgo restart {shell}"));
    }
    error
        .because("it was not started with --stdin: its input is /dev/null")
        .hint(format!("bgo set {shell} --stdin && bgo restart {shell}"))
}

fn nobody_reads(name: &Name, record: &Record) -> Error {
    if !record.spec.stdin {
        return without_input(name, record);
    }
    Error::new(ErrorKind::NotRunning, cannot(name))
        .because("nobody reads: it has closed its standard input")
        .hint(format!("bgo restart {} opens it anew", name.shell()))
}

fn ended(name: &Name) -> Error {
    Error::new(ErrorKind::NotRunning, cannot(name))
        .because("its input has been ended: by --eof, or with what kept it open")
        .hint(format!("bgo restart {} opens it anew", name.shell()))
}

fn too_slow(name: &Name, taken: usize, all: usize, timeout: Duration) -> Error {
    let error =
        Error::new(too_late(taken), format!("\"{name}\" has taken {taken} of {all} bytes in {}", Span(timeout)))
            .because("it does not read its input")
            .hint(format!("bgo logs {} shows what it does; --timeout TIME waits longer", name.shell()));
    having_taken(taken, error)
}

/// The same command once more would send again what was taken.
fn too_late(taken: usize) -> ErrorKind {
    if taken == 0 { ErrorKind::TimedOut } else { ErrorKind::Io }
}

/// With what a program needs in order to go on where this send has ended.
fn having_taken(taken: usize, mut error: Error) -> Error {
    error.details = format!("taken_bytes: {taken}");
    error
}
