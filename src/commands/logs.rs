//! `logs` and `follow`

use super::logs_many;
use super::logs_read::{self, Form};
use super::output::{Output, known_name};
use crate::cli::{FollowArgs, LogPart, LogsArgs, OutputForm, ReadFlags, Selector, Streams};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::logs::Pattern;
use crate::ops::logs::{Filter, FollowRequest, Followed, LogRequest, Stream, Which};
use crate::ops::{self, Bgo};
use crate::view::style::Level;
use std::io::{self, Write};

/// What to show.
#[derive(Debug)]
pub struct Wanted {
    selector: Selector,
    lines: Option<u64>,
    part: LogPart,
    run: Option<i64>,
    which: Which,
    read: ReadFlags,
    /// Whether to go on, and if so, whether to end with the process.
    follow: Option<bool>,
}

impl From<LogsArgs> for Wanted {
    fn from(args: LogsArgs) -> Wanted {
        let LogsArgs { selector, part, run, read, .. } = args;
        let all = part.since_start || run.is_some() || part.all || part.grep.is_some() || part.level.is_some();
        let in_parts = read.head.is_some() || read.digest || read.since_cursor.is_some() || read.new.is_some();
        let is_whole = all || in_parts || read.output.is_some_and(|output| output != OutputForm::Inline);
        let lines = args.lines.or((!is_whole).then_some(50));
        let follow = args.follow.then_some(args.until_exit);
        Wanted { selector, lines, part, run, which: which(args.watcher, args.streams), read, follow }
    }
}

impl From<FollowArgs> for Wanted {
    fn from(args: FollowArgs) -> Wanted {
        let FollowArgs { selector, part, .. } = args;
        let lines = args.lines.or((!part.since_start && !part.all).then_some(10));
        let follow = Some(args.until_exit);
        let (which, read) = (which(args.watcher, args.streams), ReadFlags::default());
        Wanted { selector, lines, part, run: None, which, read, follow }
    }
}

fn which(watcher: bool, streams: Streams) -> Which {
    match (watcher, streams.stdout, streams.stderr) {
        (true, ..) => Which::Watcher,
        (_, true, false) => Which::Stdout,
        (_, false, true) => Which::Stderr,
        _ => Which::Both,
    }
}

/// Shows or follows logs. Logs without a record (of a start that failed, or kept by delete) are shown, too.
pub fn run(bgo: &Bgo, wanted: &Wanted, out: &Output) -> Result<ExitCode> {
    let grep = wanted.part.grep.as_deref().map(pattern).transpose()?;
    let run = wanted.run.or(wanted.part.since_start.then_some(0));
    let filter = Filter { grep, level: wanted.part.level, strip_ansi: wanted.part.strip_ansi };
    let request = LogRequest { which: wanted.which, run, lines: wanted.lines, filter };
    let (code, any) =
        match (wanted.selector.names.as_slice(), Form::of(wanted.follow, &wanted.read, wanted.lines, out)?) {
            (_, Form::Reply) => logs_read::run(bgo, &wanted.selector, &request, &wanted.read, out)?,
            ([name], Form::Bytes) => one(bgo, &known_name(bgo, name)?, &request, wanted.follow, out)?,
            // A group has the form of several also while it has one member: another may join it.
            _ => logs_many::run(bgo, &wanted.selector, &request, wanted.follow, out)?,
        };
    // As grep does it.
    let in_vain = request.filter.selects() && !any && code == ExitCode::Done;
    Ok(if in_vain { ExitCode::Failed } else { code })
}

/// Shows or follows the logs of one as they are. Says also whether there was anything.
fn one(bgo: &Bgo, name: &Name, request: &LogRequest, follows: Option<bool>, out: &Output) -> Result<(ExitCode, bool)> {
    let mut stdout = Shown { out: io::stdout().lock(), title: String::new(), any: false };
    let code = match follows {
        Some(until_exit) => follow(bgo, name, &FollowRequest { logs: request.clone(), until_exit }, out, &mut stdout)?,
        None => show(bgo, name, request, out, &mut stdout)?,
    };
    Ok((code, stdout.any))
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::regex(text).map_err(|why| {
        Error::new(ErrorKind::Usage, format!("--grep {text:?} cannot be understood"))
            .because(why)
            .hint("a backslash takes the meaning from a character: \\( \\[ \\. \\*")
    })
}

/// Standard output first, then, under a rule, standard error.
fn show(
    bgo: &Bgo,
    name: &Name,
    request: &LogRequest,
    out: &Output,
    stdout: &mut Shown<impl Write>,
) -> Result<ExitCode> {
    let selection = ops::logs::select(bgo, name, request)?;
    if selection.merged && request.which == Which::Stderr {
        out.note(&format!("bgo: both streams of \"{name}\" are in one log"));
    }
    for excerpt in &selection.excerpts {
        if excerpt.missing > 0 && request.lines.is_none() {
            let what = format!("the first {} bytes of that run are not kept any more", excerpt.missing);
            out.note(&format!("bgo: {}: {what}", described(excerpt.stream)));
        }
        if excerpt.stream == Stream::Stderr && selection.excerpts.len() > 1 {
            let line = if out.style(None).level == Level::Fancy { "───" } else { "---" };
            stdout.title = format!("{line} stderr {line}\n");
        }
        match excerpt.show(request, stdout)? {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::Done),
            written => written.map_err(|e| Error::io("cannot write the log", &e))?,
        }
    }
    match stdout.flush() {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("cannot write the log", &e)),
        _ => Ok(ExitCode::Done),
    }
}

fn follow(
    bgo: &Bgo,
    name: &Name,
    request: &FollowRequest,
    out: &Output,
    stdout: &mut Shown<impl Write>,
) -> Result<ExitCode> {
    let mut lost = |stream, bytes: u64| {
        out.note(&format!("bgo: {}: {bytes} bytes were rotated away before they could be shown", described(stream)));
    };
    match ops::logs::follow(bgo, name, request, stdout, &mut lost)? {
        Followed::Interrupted => {
            out.after_interrupt();
            return Ok(ExitCode::Interrupted);
        }
        Followed::Deleted => out.note(&format!("bgo: \"{name}\" was deleted")),
        Followed::Down => {}
        // Nobody reads what matched, if anything did.
        Followed::Closed => stdout.any = true,
    }
    Ok(ExitCode::Done)
}

pub(super) fn described(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "standard output",
        Stream::Stderr => "standard error",
        Stream::Watcher => "the watcher log",
    }
}

/// What is shown, with a title before what comes next, if anything does.
struct Shown<W> {
    out: W,
    title: String,
    any: bool,
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            if !self.title.is_empty() {
                let gap = if self.any { "\n" } else { "" };
                self.out.write_all(format!("{gap}{}", std::mem::take(&mut self.title)).as_bytes())?;
            }
            self.any = true;
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
