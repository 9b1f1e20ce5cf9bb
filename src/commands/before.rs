//! What comes before a start: `--fetch` and `--after`.
//!
//! Why it exists: both may take minutes, and whoever waits sees what for and may end it. Invariant: until they are done
//! nothing is stopped or registered, and of a process that is to be left alone nothing is fetched.

use super::output::Output;
use crate::domain::name::Name;
use crate::error::{Error, ExitCode, Result};
use crate::ops::{self, Bgo, Fetched, StartRequest};
use crate::platform::{self, SignalQueue};
use std::time::Duration;

/// What ends a wait.
const ENDING: [i32; 2] = [libc::SIGINT, libc::SIGTERM];

/// Does what `request` and its flags want done first. `Some`: that was interrupted, and nothing is to be started.
pub fn before_start(
    bgo: &Bgo,
    out: &Output,
    request: &StartRequest,
    fetch: bool,
    within: Duration,
) -> Result<Option<ExitCode>> {
    let after = request.supervision.settings.after.as_deref().unwrap_or_default();
    if !fetch && after.is_empty() || ops::is_left_alone(bgo, request)? {
        return Ok(None);
    }
    ops::check_after(bgo, &request.name, after)?;
    let done = pull(out, request, fetch)?
        && await_ready(bgo, out, &format!("cannot start \"{}\"", request.name), &names(after), within)?;
    if !done {
        out.after_interrupt();
        out.note(&format!("bgo: \"{}\" was not started", request.name));
    }
    Ok((!done).then_some(ExitCode::Interrupted))
}

fn names(texts: &[String]) -> Vec<Name> {
    texts.iter().filter_map(|text| Name::parse(text).ok()).collect()
}

fn pull(out: &Output, request: &StartRequest, fetch: bool) -> Result<bool> {
    if !fetch {
        return Ok(true);
    }
    let what = format!("git pull for {}", request.name);
    queued(|signals| match out.awaiting(&what, || ops::fetch(request, signals))? {
        Fetched::Done(said) => {
            said.lines().for_each(|line| out.note(line));
            Ok(true)
        }
        Fetched::Interrupted => Ok(false),
    })
}

/// Waits until all of `needed` are ready; `false`: that was interrupted.
pub fn await_ready(bgo: &Bgo, out: &Output, what: &str, needed: &[Name], within: Duration) -> Result<bool> {
    if needed.is_empty() {
        return Ok(true);
    }
    let list = needed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let shown = format!("waiting for {list} to be ready");
    queued(|signals| out.awaiting(&shown, || ops::await_dependencies(bgo, what, needed, within, signals)))
}

/// Does `work` with signals queued that end it (it says `false` then); afterwards they act as before.
fn queued(work: impl FnOnce(&SignalQueue) -> Result<bool>) -> Result<bool> {
    let broken = |e: &std::io::Error| Error::io("cannot wait", e);
    let signals = SignalQueue::new(&ENDING).map_err(|e| broken(&e))?;
    let done = work(&signals);
    if matches!(done, Ok(false)) {
        // What has ended the work must not end us, too.
        signals.drain();
    }
    platform::let_through(&ENDING).map_err(|e| broken(&e))?;
    done
}
