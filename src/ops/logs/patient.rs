//! Writing to standard output without getting stuck.
//!
//! Why it exists: a reader that does not go on (a pager, a paused terminal) would keep a follow from hearing Ctrl-C.
//! Invariant: while signals are waited for, no more is written at once than standard output has room for.

use crate::platform::{self, Interest, SignalQueue};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::rc::Rc;

/// How much is written at once: a pipe that says it has room has at least that much.
const AT_ONCE: usize = 2048;

/// Writes to what leads to standard output, and lets go (`WouldBlock`) when a signal comes while its reader does not go
/// on.
pub struct Patient<'a> {
    /// Where to.
    pub out: &'a mut dyn Write,
    /// The signals that end it. `None`: it waits for its reader whatever comes.
    pub signals: Option<Rc<SignalQueue>>,
}

impl std::fmt::Debug for Patient<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patient").field("signals", &self.signals).finish_non_exhaustive()
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(signals) = &self.signals {
            let stdout = io::stdout();
            let fds = [(signals.as_fd(), Interest::Readable), (stdout.as_fd(), Interest::Writable)];
            if platform::wait(&fds, None)? == [true, false] {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.out.write(&bytes[..bytes.len().min(AT_ONCE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
