//! `status`: table, details, JSON, and the table that refreshes itself.

use super::output::{Output, known_name, print, print_error};
use super::select::common;
use crate::cli::StatusArgs;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, Common};
use crate::platform::{self, Interest, SignalQueue};
use crate::view::detail::{self, LogSizes};
use crate::view::style::Level;
use crate::view::{json, table};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

/// Time between two frames of `status -w`.
const INTERVAL: Duration = Duration::from_secs(2);

/// Shows what was asked for.
pub fn run(bgo: &Bgo, args: &StatusArgs, out: &Output) -> Result<ExitCode> {
    let level = match (args.plain, args.fancy) {
        (true, _) => Some(Level::Plain),
        (_, true) => Some(Level::Fancy),
        _ => None,
    };
    if args.watch {
        return refresh(bgo, args, out, level);
    }
    let wanted = match common(bgo, &args.selector) {
        Err(error) if args.json => return Ok(error_as_json(&error)),
        wanted => wanted?,
    };
    match (args.selector.names.as_slice(), args.json) {
        ([], false) if args.ports => {
            print(&table::render(&with_ports(rows(bgo, wanted.as_ref())?), &out.style(level)));
        }
        ([], false) => print(&table::render(&rows(bgo, wanted.as_ref())?, &out.style(level))),
        ([], true) => match rows(bgo, wanted.as_ref()) {
            Err(error) if wanted.is_some() => return Ok(error_as_json(&error)),
            rows => print(&json::rows(&with_ports(rows?))),
        },
        (names, false) => return details(bgo, names, out, level),
        ([name], true) => return one_as_json(bgo, name),
        (names, true) => return some_as_json(bgo, names),
    }
    Ok(ExitCode::Done)
}

/// All processes, or those that have `wanted` in common.
fn rows(bgo: &Bgo, wanted: Option<&Common>) -> Result<Vec<Row>> {
    let mut rows = ops::snapshot(bgo)?;
    let Some(common) = wanted else { return Ok(rows) };
    rows.retain(|row| common.has(row));
    // A group is what its members make it; a project is there before anything of it runs.
    if rows.is_empty() && matches!(common, Common::Group(_)) { Err(ops::nobody(bgo, common)) } else { Ok(rows) }
}

fn error_as_json(error: &Error) -> ExitCode {
    eprint!("{}", json::error(error));
    error.kind.exit_code()
}

/// Each of `names` in detail.
pub fn details(bgo: &Bgo, names: &[OsString], out: &Output, level: Option<Level>) -> Result<ExitCode> {
    let mut worst = ExitCode::Done;
    for (index, text) in names.iter().enumerate() {
        match known_row(bgo, text) {
            Ok(row) => {
                let gap = if index > 0 { "\n" } else { "" };
                print(&format!("{gap}{}", detail::render(&row, &sizes(&row), &out.style(level))));
            }
            Err(error) if names.len() == 1 => return Err(error),
            Err(error) => {
                print_error(&error);
                worst = worst.max(error.kind.exit_code());
            }
        }
    }
    Ok(worst)
}

/// One process, with its ports.
fn known_row(bgo: &Bgo, text: &OsString) -> Result<Row> {
    let [row] = with_ports([ops::snapshot_of(bgo, &known_name(bgo, text)?)?]);
    Ok(row)
}

fn with_ports<R: AsMut<[Row]>>(mut rows: R) -> R {
    ops::look_at_ports(rows.as_mut());
    rows
}

fn sizes(row: &Row) -> LogSizes {
    let size = |path: &std::path::Path| std::fs::metadata(path).ok().map(|m| m.len());
    LogSizes { out: size(&row.logs.out), err: size(&row.logs.err), watcher: size(&row.logs.watcher) }
}

/// As in bgo-cli 0.2.0, the answer about one name is one document on stdout in any case: about an unknown name it is
/// the error, and the exit status 1.
fn one_as_json(bgo: &Bgo, text: &OsString) -> Result<ExitCode> {
    match known_row(bgo, text) {
        Ok(row) => {
            print(&json::row(&row));
            Ok(ExitCode::Done)
        }
        Err(error) => {
            print(&json::error(&error));
            Ok(ExitCode::Failed)
        }
    }
}

fn some_as_json(bgo: &Bgo, names: &[OsString]) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for text in names {
        rows.push(known_row(bgo, text));
    }
    let mut worst = ExitCode::Done;
    for error in rows.iter().filter_map(|row| row.as_ref().err()) {
        worst = worst.max(error_as_json(error));
    }
    print(&json::rows(&rows.into_iter().flatten().collect::<Vec<_>>()));
    Ok(worst)
}

/// A frame every interval, until Ctrl-C. CPU is that since the frame before.
fn refresh(bgo: &Bgo, args: &StatusArgs, out: &Output, level: Option<Level>) -> Result<ExitCode> {
    let broken = |e: &std::io::Error| Error::io("cannot wait", e);
    let interval = args.interval.map_or(INTERVAL, |i| i.0);
    if interval.is_zero() {
        return Err(Error::new(ErrorKind::Usage, "--interval must be more than 0"));
    }
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| broken(&e))?;
    let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J\x1b[3J" } else { "" };
    let (names, wanted) = (&args.selector.names, common(bgo, &args.selector)?);
    let mut before = Frame::default();
    loop {
        let rows = if names.is_empty() { rows(bgo, wanted.as_ref()) } else { named_rows(bgo, names) };
        let mut rows = match rows {
            // A group that was there may come again.
            Err(error) if wanted.is_some() && error.kind == ErrorKind::NotFound && !before.at.is_zero() => Vec::new(),
            rows => rows?,
        };
        before = before.next(&mut rows);
        let rows = if args.ports { with_ports(rows) } else { rows };
        print(&format!("{clear}{}", table::render(&rows, &out.style(level))));
        let deadline = platform::boot_clock() + interval;
        // The end of the reader of a pipe is an end of this, too.
        let stdout = std::io::stdout();
        let fds = [(signals.as_fd(), Interest::Readable), (stdout.as_fd(), Interest::HangUp)];
        let ready = platform::wait(&fds, Some(deadline)).map_err(|e| broken(&e))?;
        if ready[0] {
            super::output::after_interrupt();
            return Ok(ExitCode::Interrupted);
        }
        if ready[1] {
            return Ok(ExitCode::Done);
        }
    }
}

fn named_rows(bgo: &Bgo, names: &[OsString]) -> Result<Vec<Row>> {
    names.iter().map(|text| ops::snapshot_of(bgo, &known_name(bgo, text)?)).collect()
}

/// CPU times at one moment, by pid.
#[derive(Debug, Default)]
struct Frame {
    at: Duration,
    cpu: HashMap<u32, Duration>,
}

impl Frame {
    /// Puts the CPU use since this frame into `rows`, and returns the frame they make.
    fn next(&self, rows: &mut [Row]) -> Frame {
        let at = platform::boot_clock();
        let elapsed = at.saturating_sub(self.at).as_secs_f64();
        let mut cpu = HashMap::new();
        for row in rows {
            let (Some(pid), Some(usage)) = (row.pid, row.usage.as_mut()) else { continue };
            cpu.insert(pid, usage.cpu);
            if let Some(before) = self.cpu.get(&pid) {
                usage.cpu_percent = 100.0 * usage.cpu.saturating_sub(*before).as_secs_f64() / elapsed;
            }
        }
        Frame { at, cpu }
    }
}
