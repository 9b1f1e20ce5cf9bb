//! Jobs on their way up or down.
//!
//! Why it exists: `up` waits long, and whoever looks wants to know for whom. Invariant: a job that is settled is told of
//! in one line, whose words say what was done and what came of it.

use super::style::{Paint, Style};
use super::text::clean;
use crate::domain::duration::Span;
use crate::domain::order::sort_by_key;
use crate::domain::plan::Step;
use crate::domain::progress::{Done, Progress};
use std::time::Duration;

/// `started "db" (pid 12), ready after 0.4s`
pub fn came_up(job: &Progress) -> String {
    let (name, pid) = (&job.name, job.pid.unwrap_or_default());
    let what = match job.done {
        Some(Done::Unchanged) => return format!("\"{name}\" runs already (pid {pid})"),
        Some(Done::Recreated) => format!("restarted \"{name}\" (pid {pid})"),
        _ => format!("started \"{name}\" (pid {pid})"),
    };
    let took = job.begun.zip(job.settled).map(|(begun, settled)| settled.saturating_sub(begun)).unwrap_or_default();
    let took = tenths(took);
    match &job.end {
        None if job.awaits_readiness => format!("{what}, ready after {took}"),
        None => what,
        Some(exit) => format!("{what}, ended with {exit}"),
    }
}

/// `stopped "db" (pid 12)`
pub fn went_down(job: &Progress) -> String {
    let name = &job.name;
    match (job.done, job.pid) {
        (Some(Done::Stopped), Some(pid)) => format!("stopped \"{name}\" (pid {pid})"),
        (Some(Done::Stopped), None) => format!("stopped \"{name}\""),
        _ => format!("\"{name}\" was not running"),
    }
}

/// The jobs that are not settled, a line each and `rows` at most; `now` is on the boot-time clock.
pub fn table(jobs: &[Progress], now: Duration, rows: usize, style: &Style) -> String {
    let width = jobs.iter().map(|job| job.name.as_str().chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    // Those under way tell more than those that wait for them.
    let mut open: Vec<&Progress> = jobs.iter().filter(|job| job.settled.is_none()).collect();
    sort_by_key(&mut open, |job| job.step == Step::Waiting);
    let shown = if open.len() > rows { rows - 1 } else { open.len() };
    for job in &open[..shown] {
        let since = job.begun.map(|begun| tenths(now.saturating_sub(begun))).unwrap_or_default();
        let (paint, how) = match (&job.step, job.done) {
            (Step::Waiting, _) => (Paint::Dim, format!("waits for {}", job.waits_for.join(", "))),
            (_, None) => (Paint::Warn, format!("{since:>6}  under way")),
            (_, Some(_)) => (Paint::Warn, format!("{since:>6}  started, not ready yet")),
        };
        let line = format!("{:width$}  {how}", job.name.as_str());
        text.push_str(&style.paint(paint, style.fit_line(&clean(&line))).to_string());
        text.push('\n');
    }
    if shown < open.len() {
        text.push_str(&format!("and {} more\n", open.len() - shown));
    }
    text
}

/// A time as far as it matters to whoever waits.
fn tenths(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Span(Duration::from_millis(if millis < 1000 { millis } else { millis / 100 * 100 })).to_string()
}
