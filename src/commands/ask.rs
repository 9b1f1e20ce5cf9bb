//! Questions that are answered with yes or no.
//!
//! Why it exists: what cannot be taken back is asked about, the same way everywhere. Invariant: where nobody can answer
//! it is an error that names the flag, never a wait.

use super::output::Output;
use crate::error::{Error, Result};
use crate::platform::{self, Interest};
use crate::view::text::clean;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long an answer that is piped in may take.
const PIPED_ANSWER: Duration = Duration::from_secs(2);

/// Asks `question` on a terminal. Off it, an answer that is piped in counts (`yes | bgo rm web`); without one it is
/// refused, and so it is where the answer is JSON: nobody reads the question.
///
/// # Errors
/// `refused`, or the answer cannot be read.
pub fn confirm(out: &Output, question: &str, refused: Error) -> Result<bool> {
    if out.is_json() {
        return Err(refused);
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let _ = write!(io::stderr(), "{} [y/N] ", clean(question));
    } else {
        let deadline = platform::boot_clock() + PIPED_ANSWER;
        let ready = platform::wait(&[(stdin.as_fd(), Interest::Readable)], Some(deadline));
        if !ready.is_ok_and(|ready| ready[0]) {
            return Err(refused);
        }
    }
    let mut answer = String::new();
    match stdin.lock().read_line(&mut answer) {
        Ok(0) if !stdin.is_terminal() => Err(refused),
        Ok(0) => {
            out.note("");
            Ok(false)
        }
        Ok(_) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Err(e) => Err(Error::io("cannot read the answer", &e)),
    }
}
