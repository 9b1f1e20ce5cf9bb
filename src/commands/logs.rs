//! `logs` and `follow`

use super::output::{Output, known_name};
use crate::cli::{FollowArgs, LogsArgs, Streams};
use crate::domain::row::Logs;
use crate::error::{Error, ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::style::Level;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

/// What to show.
#[derive(Debug)]
pub struct Wanted {
    name: OsString,
    lines: u64,
    follow: bool,
    streams: Streams,
    watcher: bool,
}

impl From<LogsArgs> for Wanted {
    fn from(args: LogsArgs) -> Wanted {
        Wanted { name: args.name, lines: args.lines, follow: args.follow, streams: args.streams, watcher: args.watcher }
    }
}

impl From<FollowArgs> for Wanted {
    fn from(args: FollowArgs) -> Wanted {
        Wanted { name: args.name, lines: args.lines, follow: true, streams: args.streams, watcher: args.watcher }
    }
}

/// Shows or follows logs. Logs without a record (of a start that failed, or kept by delete) are shown, too.
pub fn run(bgo: &Bgo, wanted: &Wanted, out: &Output) -> Result<ExitCode> {
    let name = known_name(bgo, &wanted.name)?;
    let usual = bgo.store.logs(&name);
    // A record that cannot be read has logs all the same.
    let logs = bgo.store.read(&name).ok().flatten().map_or(usual.clone(), |record| record.logs(usual));
    let known =
        bgo.store.record_path(&name).exists() || [&logs.out, &logs.err, &logs.watcher].iter().any(|p| p.exists());
    if !known {
        return Err(bgo.not_found(name.as_str()));
    }
    if wanted.follow {
        return follow(wanted, logs);
    }
    let mut stdout = io::stdout().lock();
    let shown = if wanted.watcher {
        ops::logs::tail(&logs.watcher, wanted.lines, &mut stdout)?
    } else {
        both(wanted, &logs, &mut stdout, out)?
    };
    finish(shown.and_then(|()| stdout.flush()))
}

/// Standard output first, then, under a rule, standard error.
fn both(wanted: &Wanted, logs: &Logs, stdout: &mut impl Write, out: &Output) -> Result<io::Result<()>> {
    if !wanted.streams.stderr
        && let failed @ Err(_) = ops::logs::tail(&logs.out, wanted.lines, stdout)?
    {
        return Ok(failed);
    }
    if logs.merged() || wanted.streams.stdout || (!wanted.streams.stderr && ops::logs::is_empty(&logs.err)) {
        return Ok(Ok(()));
    }
    if !wanted.streams.stderr {
        let line = if out.style(None).level == Level::Fancy { "───" } else { "---" };
        let gap = if ops::logs::is_empty(&logs.out) { "" } else { "\n" };
        if let failed @ Err(_) = writeln!(stdout, "{gap}{line} stderr {line}") {
            return Ok(failed);
        }
    }
    ops::logs::tail(&logs.err, wanted.lines, stdout)
}

fn follow(wanted: &Wanted, logs: Logs) -> Result<ExitCode> {
    let paths: Vec<PathBuf> = match (wanted.watcher, wanted.streams.stdout, wanted.streams.stderr) {
        (true, ..) => vec![logs.watcher],
        (_, true, _) => vec![logs.out],
        (_, _, true) => vec![logs.err],
        _ if logs.merged() => vec![logs.out],
        _ => vec![logs.out, logs.err],
    };
    match ops::logs::follow(&paths, wanted.lines, &mut io::stdout().lock())? {
        ops::logs::Followed::Interrupted => {
            super::output::after_interrupt();
            Ok(ExitCode::Interrupted)
        }
        ops::logs::Followed::Closed => Ok(ExitCode::Done),
    }
}

fn finish(written: io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("cannot write the log", &e)),
        _ => Ok(ExitCode::Done),
    }
}
