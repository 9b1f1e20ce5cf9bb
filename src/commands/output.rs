//! Printing: results, errors, and the live line of a long wait; for a person, or as JSON.
//!
//! Why it exists: control characters, closed pipes and the form of an answer are handled once. Invariants: nothing that
//! came from a name, a command or a log reaches a terminal raw from here; with `--json` standard output has one document
//! and standard error nothing, or, of a failure, the one document that tells of it.

use crate::cli::Color;
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::Bgo;
use crate::platform;
use crate::view::json;
use crate::view::reply::Told;
use crate::view::style::{ColorChoice, Level, Style, Terminal};
use crate::view::text::clean;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a command answers.
#[derive(Debug)]
pub struct Output {
    color: Color,
    json: bool,
    /// What was said beside the result so far: in JSON it is a part of the one document.
    notes: Mutex<Vec<String>>,
    answered: OnceLock<()>,
    unwritten: OnceLock<Error>,
}

impl Output {
    /// With the colour that was asked for, or in JSON.
    pub fn new(color: Color, json: bool) -> Output {
        Output { color, json, notes: Mutex::default(), answered: OnceLock::new(), unwritten: OnceLock::new() }
    }

    /// Whether the answer is one JSON document.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes to standard output. A reader that has gone away has seen enough: that is not an error.
    pub fn print(&self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    /// The same for bytes, as they are.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let _ = self.answered.set(());
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                _ = self.unwritten.set(Error::io("cannot write the answer", &e))
            }
            _ => {}
        }
    }

    /// Whether there was an answer, or a part of it.
    pub fn has_answered(&self) -> bool {
        self.answered.get().is_some()
    }

    /// Why something of the answer could not be written, if that is so: what was asked for is done all the same.
    pub fn unwritten(&self) -> Option<&Error> {
        self.unwritten.get()
    }

    /// The result about one process.
    pub fn reply(&self, told: &Told) {
        if self.json { self.document(json::document(&told.data)) } else { self.say(&told.line) }
    }

    /// A JSON document as the whole answer, with what was noted.
    pub fn document(&self, text: String) {
        self.print(&json::with_notes(text, &self.taken_notes()));
    }

    /// As [`Output::document`], for who must know whether it was taken.
    ///
    /// # Errors
    /// Standard output cannot be written; a reader that has gone away, too.
    pub fn deliver(&self, text: String) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(json::with_notes(text, &self.taken_notes()).as_bytes()).and_then(|()| out.flush())
    }

    /// One line of result for a person; in JSON the document says it.
    pub fn say(&self, line: &str) {
        if !self.json {
            self.print(&format!("{}\n", clean(line)));
        }
    }

    /// One line beside the result.
    pub fn note(&self, line: &str) {
        if self.json {
            let told = line.strip_prefix("bgo: ").unwrap_or(line);
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(told.to_owned());
        } else {
            let _ = writeln!(io::stderr(), "{}", clean(line));
        }
    }

    /// An error as a person reads it: `bgo: what: why`, details, `hint: …`; or as JSON.
    pub fn error(&self, error: &Error) {
        let text = if self.json { json::error(error, &self.taken_notes()) } else { told(error) };
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn taken_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves the line on which the terminal has shown `^C`.
    pub fn after_interrupt(&self) {
        if !self.json && io::stderr().is_terminal() {
            let _ = io::stderr().write_all(b"\n");
        }
    }

    /// Runs `work`; if it takes a while and standard error is a terminal, shows what is awaited and for how long.
    pub fn awaiting<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let _live = (!self.json && io::stderr().is_terminal()).then(|| LiveLine::begin(what));
        work()
    }

    /// The style for standard output as it is now (a window may have been resized).
    pub fn style(&self, forced: Option<Level>) -> Style {
        let set = |key: &str| std::env::var(key).ok().filter(|v| !v.is_empty());
        let is_tty = io::stdout().is_terminal();
        let columns = set("COLUMNS").and_then(|c| c.parse().ok()).filter(|&c: &usize| c > 0);
        let terminal = Terminal {
            is_tty,
            width: if is_tty { platform::terminal_size().map(|(columns, _)| columns).or(columns) } else { columns },
            term: set("TERM"),
            // Python gives its children LC_CTYPE=C.UTF-8 whatever the terminal is; that says nothing.
            locale: set("LC_ALL").or_else(|| set("LC_CTYPE").filter(|l| !l.starts_with("C."))).or_else(|| set("LANG")),
            bgo_table: set("BGO_TABLE"),
            no_color: set("NO_COLOR").is_some(),
        };
        let choice = match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Style::choose(forced, choice, &terminal)
    }
}

/// An error for a person, as lines.
fn told(error: &Error) -> String {
    let mut text = format!("bgo: {}\n", clean(&error.message()));
    for line in error.details.lines() {
        text.push_str(&clean(line));
        text.push('\n');
    }
    if !error.hint.is_empty() {
        text.push_str(&format!("hint: {}\n", clean(&error.hint)));
    }
    text
}

/// Help and usage errors, as clap words them. An error quotes the command line, line breaks and all.
pub fn print_clap(error: &clap::Error, out: &Output) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        out.print(&format!("{}\n", text.trim_end()));
        return ExitCode::Done;
    }
    if out.is_json() {
        out.error(&usage(&text));
        return ExitCode::Usage;
    }
    let lines = text.lines().map(|line| format!("{}\n", clean(line)));
    let _ = io::stderr().write_all(lines.collect::<String>().as_bytes());
    ExitCode::Usage
}

/// What clap says, as an error: its first paragraph, and as a hint where help is.
fn usage(text: &str) -> Error {
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let verb = rest.split_once("Usage: bgo ").and_then(|(_, usage)| usage.split_whitespace().next());
    let is_verb = |verb: &&str| verb.starts_with(|c: char| c.is_ascii_lowercase());
    let help = verb.filter(is_verb).map_or_else(|| "bgo --help".to_owned(), |verb| format!("bgo help {verb}"));
    let mut error = Error::new(ErrorKind::Usage, message.trim_start_matches("error: ")).hint(help);
    error.details = rest.trim_end().to_owned();
    error
}

/// Checks a name from the command line.
pub fn name(text: &OsStr) -> Result<Name> {
    let shown = text.to_string_lossy();
    let bad = |why: String| {
        Error::new(ErrorKind::Usage, format!("\"{shown}\" cannot be a name"))
            .because(why)
            .hint("use letters, digits, . _ - @ + and inner spaces; for example: bgo web -- COMMAND")
    };
    let text = text.to_str().ok_or_else(|| bad("it is not valid UTF-8".to_owned()))?;
    Name::parse(text).map_err(|why| bad(why.to_string()))
}

/// The process that a name from the command line stands for: inside a project its job. What cannot be a name is not
/// registered either.
pub fn known_name(bgo: &Bgo, text: &OsStr) -> Result<Name> {
    let name = name(text).map_err(|_| bgo.not_found(&text.to_string_lossy()))?;
    bgo.resolve(&name)
}

/// A line that tells what is awaited; it is gone when this is dropped. Apart from [`Output::awaiting`], of which there is
/// one for each kind of work.
struct LiveLine {
    done: Option<Sender<()>>,
    drawer: Option<JoinHandle<()>>,
}

impl LiveLine {
    fn begin(what: &str) -> LiveLine {
        let (done, waiting) = channel::<()>();
        let what = clean(what).into_owned();
        let drawer = std::thread::Builder::new().spawn(move || draw(&what, &waiting));
        LiveLine { done: Some(done), drawer: drawer.ok() }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.done.take();
        self.drawer.take().map(JoinHandle::join);
    }
}

fn draw(what: &str, waiting: &Receiver<()>) {
    const QUIET: Duration = Duration::from_millis(300);
    const FRAME: Duration = Duration::from_millis(120);
    const FRAMES: [&str; 4] = ["|", "/", "-", "\\"];
    let begun = Instant::now();
    let mut next = QUIET;
    let mut shown = false;
    for frame in FRAMES.iter().cycle() {
        if waiting.recv_timeout(next) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        (next, shown) = (FRAME, true);
        let _ = write!(io::stderr(), "\r\x1b[K{frame} {what} ({}s)", begun.elapsed().as_secs());
    }
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}
