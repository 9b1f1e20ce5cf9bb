//! `status`: table, details, JSON, and the table that refreshes itself.

use super::output::{Output, known_name};
use super::select::common;
use crate::cli::StatusArgs;
use crate::domain::name::Name;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, CapturedEnvironment, Common};
use crate::platform::{self, Interest, SignalQueue};
use crate::view::batch::Batch;
use crate::view::detail::{self, LogSizes};
use crate::view::json::JsonRow;
use crate::view::style::{Level, Style};
use crate::view::{self, json, table};
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
    if args.watch && out.is_json() {
        return Err(Error::new(ErrorKind::Usage, "-w shows frames to a person; with --json there is one answer")
            .hint("bgo events --stream --json tells of each change"));
    }
    if args.watch {
        return refresh(bgo, args, out, level);
    }
    let wanted = common(bgo, &args.selector)?;
    match (args.selector.names.as_slice(), out.is_json()) {
        ([], is_json) => {
            let rows = rows(bgo, wanted.as_ref())?;
            let rows = if is_json || args.ports { with_ports(rows) } else { rows };
            out.print(&if is_json { json::rows(&rows) } else { table::render(&rows, &out.style(level)) });
            // The command is over: giving back the rows piece by piece would only make it longer.
            std::mem::forget(rows);
        }
        (names, _) => return details(bgo, names, out, level),
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

/// Each of `names` in detail.
pub fn details(bgo: &Bgo, names: &[OsString], out: &Output, level: Option<Level>) -> Result<ExitCode> {
    if out.is_json() {
        return Ok(details_as_json(bgo, names, out));
    }
    let mut worst = ExitCode::Done;
    for (index, text) in names.iter().enumerate() {
        match known_row(bgo, text) {
            Ok(row) => {
                let gap = if index > 0 { "\n" } else { "" };
                let style = out.style(level);
                out.print(&format!(
                    "{gap}{}{}",
                    detail::render(&row, &sizes(&row), &style),
                    captured(bgo, &row, &style)
                ));
            }
            Err(error) if names.len() == 1 => return Err(error),
            Err(error) => {
                out.error(&error);
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

/// In what the environment of one process differs; the list reads none, which would cost a file each.
fn captured_environment(bgo: &Bgo, row: &Row) -> Option<CapturedEnvironment> {
    ops::captured_environment(bgo, &Name::parse(&row.name).ok()?)
}

fn captured(bgo: &Bgo, row: &Row, style: &Style) -> String {
    let (Ok(name), Some(captured)) = (Name::parse(&row.name), captured_environment(bgo, row)) else {
        return String::new();
    };
    view::captured::block(&name, captured.at, &captured.differences, style)
}

fn sizes(row: &Row) -> LogSizes {
    let size = |path: &std::path::Path| std::fs::metadata(path).ok().map(|m| m.len());
    LogSizes { out: size(&row.logs.out), err: size(&row.logs.err), watcher: size(&row.logs.watcher) }
}

fn details_as_json(bgo: &Bgo, names: &[OsString], out: &Output) -> ExitCode {
    let rows: Vec<(String, Result<Row>)> =
        names.iter().map(|text| (text.to_string_lossy().into_owned(), known_row(bgo, text))).collect();
    match rows.as_slice() {
        [(_, Ok(row))] => {
            let captured = captured_environment(bgo, row);
            out.document(json::row(row, captured.as_ref().map(|it| (it.at, it.differences.as_slice()))));
        }
        // As in bgo-cli 0.2.0, the answer about one name is one document on stdout in any case: about an unknown name it
        // is the error, and the exit status 1.
        [(_, Err(error))] => {
            out.print(&json::error(error, &[]));
            return ExitCode::Failed;
        }
        rows => {
            let results = rows.iter().map(|(name, row)| (name.as_str(), row.as_ref().map(JsonRow::from)));
            let batch = Batch::new(results, false);
            out.document(batch.to_json());
            return if batch.error_count == 0 { ExitCode::Done } else { ExitCode::Failed };
        }
    }
    ExitCode::Done
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
        out.print(&format!("{clear}{}", table::render(&rows, &out.style(level))));
        let deadline = platform::boot_clock() + interval;
        // The end of the reader of a pipe is an end of this, too.
        let stdout = std::io::stdout();
        let fds = [(signals.as_fd(), Interest::Readable), (stdout.as_fd(), Interest::HangUp)];
        let ready = platform::wait(&fds, Some(deadline)).map_err(|e| broken(&e))?;
        if ready[0] {
            out.after_interrupt();
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
