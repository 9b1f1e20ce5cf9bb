//! What failed, why, and the command that helps.
//!
//! Why it exists: every command fails in one form, and the exit code follows from the kind of failure, in one place.
//! Invariant: messages are lower case, without a final period, and name the thing they are about.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Declares an enum with a word or number for each variant, and the list of all of them with their meanings.
macro_rules! listed {
    (@doc $($doc:literal)+) => {
        concat!($($doc),+)
    };
    ($(#[$meta:meta])* $name:ident: $type:ty { $($(#[doc = $doc:literal])+ $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        pub enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $name {
            /// Each, with what it means.
            pub const ALL: &[($name, &str)] = &[$(($name::$variant, listed!(@doc $($doc)+))),*];

            /// What it is called outside of the code.
            pub fn value(self) -> $type {
                match self { $($name::$variant => $value,)* }
            }
        }
    };
}

listed! {
    /// The exit status of a bgo command. The README lists these; a test holds the two together.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    ExitCode: u8 {
        /// Done.
        Done = 0,
        /// Failed.
        Failed = 1,
        /// The command line was wrong.
        Usage = 2,
        /// No such process.
        NotFound = 3,
        /// Timed out.
        TimedOut = 124,
        /// `wait` and `run` pass on the exit status of a process; this is for when they cannot: bgo itself failed, or nobody
        /// could see how the process ended.
        NoStatus = 125,
        /// Interrupted by Ctrl-C.
        Interrupted = 130,
    }
}

/// What a command exits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// A code of bgo's own.
    Own(ExitCode),
    /// That of a process, as a shell tells it: its exit code, or 128+n for signal n.
    PassedOn(u8),
}

impl ExitStatus {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            ExitStatus::Own(code) => code.value(),
            ExitStatus::PassedOn(status) => status,
        }
    }
}

impl From<ExitCode> for ExitStatus {
    fn from(code: ExitCode) -> ExitStatus {
        ExitStatus::Own(code)
    }
}

listed! {
    /// What kind of failure it was: decides the exit code and, in JSON, `type` and `retryable`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    ErrorKind: &'static str {
        /// The command line, a name or a value was wrong.
        Usage = "usage",
        /// No process of that name is registered.
        NotFound = "not_found",
        /// The process runs already.
        AlreadyRunning = "already_running",
        /// The process does not run, and the command needs one that does.
        NotRunning = "not_running",
        /// The command could not be started, or ended badly at once.
        StartFailed = "start_failed",
        /// The process would not end, or may not be signalled.
        StopFailed = "stop_failed",
        /// A record cannot be read.
        Corrupt = "corrupt",
        /// A file or folder of bgo's belongs to another user.
        Foreign = "foreign",
        /// A file could not be read or written.
        Io = "io",
        /// A question needs an answer and there is no terminal to ask on.
        NeedsAnswer = "needs_answer",
        /// It took longer than allowed.
        TimedOut = "timed_out",
        /// The process belongs to another owner than the caller (`BGO_OWNER`).
        OtherOwner = "other_owner",
        /// Another command changed the same process meanwhile.
        Conflict = "conflict",
        /// Output that was asked for is not known or not kept any more.
        NotKept = "not_kept",
        /// It was interrupted before it was done, by Ctrl-C or another request to end.
        Interrupted = "interrupted",
        /// The folder of a process could not be brought up to date.
        FetchFailed = "fetch_failed",
    }
}

impl ErrorKind {
    /// Whether the same command may succeed when simply tried again.
    pub fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::Conflict | ErrorKind::TimedOut | ErrorKind::Interrupted)
    }

    /// The exit status it leads to.
    pub fn exit_code(self) -> ExitCode {
        match self {
            ErrorKind::Usage => ExitCode::Usage,
            ErrorKind::NotFound => ExitCode::NotFound,
            ErrorKind::TimedOut => ExitCode::TimedOut,
            ErrorKind::Interrupted => ExitCode::Interrupted,
            _ => ExitCode::Failed,
        }
    }
}

/// A failed operation: a box, so that no result carries more than a pointer because it may be an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Failure>);

/// What is known of a failed operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What failed, about which thing: `cannot start "web"`.
    pub what: String,
    /// Why; empty where `what` says it all.
    pub cause: String,
    /// A command to type, or a sentence; empty if there is nothing to advise.
    pub hint: String,
    /// More lines for a person, such as the end of a log; empty normally.
    pub details: String,
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of `kind`: what failed.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Error {
        let (what, cause, hint, details) = (what.into(), String::new(), String::new(), String::new());
        Error(Box::new(Failure { kind, what, cause, hint, details }))
    }

    /// The same failure, said of something else.
    #[must_use]
    pub fn of(mut self, what: impl Into<String>) -> Error {
        self.what = what.into();
        self
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Error {
        self.cause = cause.to_string();
        self
    }

    /// Adds the command that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = hint.into();
        self
    }

    /// A failed system call on a file or folder.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Error {
        Error::new(ErrorKind::Io, what).because(describe(error))
    }

    /// Nothing of that name is registered.
    pub fn not_found(name: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("no process named \"{name}\""))
    }

    /// What failed and why, in one line.
    pub fn message(&self) -> String {
        if self.cause.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.cause) }
    }
}

impl Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// An I/O error as the system words it, without Rust's "(os error 2)".
pub fn describe(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}
