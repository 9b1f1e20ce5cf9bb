//! `expect`

use super::logs_read::cursor;
use super::output::{Output, known_name};
use crate::cli::{ExpectArgs, From, OneStream};
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::logs::Pattern;
use crate::ops::expect::{Expectation, Expected, From as Place, InVain, expect};
use crate::ops::logs::Which;
use crate::ops::{Bgo, Reached};
use crate::platform::SignalQueue;
use crate::view::json;
use crate::view::json_logs::ExpectReply;

/// Waits for the text, and shows the line that it is in.
pub fn run(bgo: &Bgo, args: &ExpectArgs, out: &Output) -> Result<ExitCode> {
    let name = known_name(bgo, &args.name)?;
    let shell = name.shell().into_owned();
    let pattern = pattern(args)?;
    let from = match &args.from {
        From::Start => Place::Start,
        From::Now => Place::Now,
        From::Cursor(text) => Place::Cursor(cursor(text, &name, "--from")?),
    };
    let which = match args.stream {
        OneStream::Stdout => Which::Stdout,
        OneStream::Stderr => Which::Stderr,
        OneStream::Both => Which::Both,
    };
    // Before the live line, which is a thread: it must not be the one that a signal ends.
    let signals = SignalQueue::new(&[libc::SIGINT, libc::SIGTERM]).map_err(|e| Error::io("cannot wait", &e))?;
    let expectation = Expectation { pattern, from, which, timeout: args.timeout.map(|timeout| timeout.0) };
    let what = format!("waiting for {:?} in the output of \"{name}\"", args.pattern);
    let failed = |kind, cause: String, InVain { last_lines, missing }: InVain| {
        let mut error = Error::new(kind, format!("{:?} did not come in the output of \"{name}\"", args.pattern));
        error.details = last_lines;
        if missing == 0 {
            return error.because(cause).hint(format!("bgo logs {shell} shows its output"));
        }
        error
            .because(format!(
                "{cause}; {missing} bytes of its output are not kept any more, and it may have been in them"
            ))
            .hint(format!(
                "bgo logs {shell} --all shows what is kept; bgo set {shell} --log-keep N keeps more from now on"
            ))
    };
    match out.awaiting(&what, || expect(bgo, &name, &expectation, &signals))? {
        Expected::Matched(found) => {
            if !out.is_json() {
                out.say(&found.line);
                return Ok(ExitCode::Done);
            }
            out.document(json::line(&ExpectReply {
                name: name.to_string(),
                stream: found.stream.as_str(),
                line: found.line,
                unfinished: found.unfinished,
                matched: found.matched,
                at: found.at,
                cursor: found.cursor.to_string(),
            }));
            Ok(ExitCode::Done)
        }
        Expected::Ended(reached, in_vain) => {
            let how = match reached {
                Reached::Ready => "it is ready".to_owned(),
                Reached::Ended(exit) | Reached::Down(exit) => format!("it has ended: {exit}"),
                Reached::Deleted(_) => "it was deleted".to_owned(),
            };
            Err(failed(ErrorKind::NotRunning, how, in_vain))
        }
        Expected::TimedOut(in_vain) => {
            let timeout = args.timeout.map(|timeout| timeout.to_string()).unwrap_or_default();
            Err(failed(ErrorKind::TimedOut, format!("waited {timeout}"), in_vain))
        }
        Expected::Interrupted => {
            out.after_interrupt();
            Ok(ExitCode::Interrupted)
        }
    }
}

fn pattern(args: &ExpectArgs) -> Result<Pattern> {
    let bad = |why: String| {
        Error::new(ErrorKind::Usage, format!("PATTERN {:?} cannot be looked for", args.pattern)).because(why)
    };
    if args.pattern.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if !args.regex && args.pattern.contains('\n') {
        return Err(bad("it is more than a line".to_owned()).hint("wait for its last line, or for one after the other"));
    }
    if args.regex {
        return Pattern::regex(&args.pattern).map_err(|why| bad(why).hint("without --regex it is taken as it stands"));
    }
    Ok(Pattern::text(&args.pattern))
}
