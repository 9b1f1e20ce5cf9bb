//! Whether and what the desktop is told of a process: that it has failed, and that it is well again.
//!
//! Why it exists: a notification that comes too often is soon turned off, and one that is kept back may be the only one
//! that mattered. So there is one rule, apart from the machine that decides what happens to the process. Trouble is an
//! end that nobody asked for and that nothing follows: the process was given up, or ended badly without a restart. It is
//! over when the process is ready again, or has run as long as a run must to be no fast crash.
//!
//! Invariants (walked at random): between two troubles that are told lies at least [`QUIET`]; what was told last is
//! never better than the truth, because a trouble is held back only while the last word was of trouble, too. That is why
//! it is well again is told no sooner than [`QUIET`] after the trouble was, and only if it still is then.

use super::control::one_line;
use super::life::{End, Life, Moment};
use super::machine::Machine;
use super::outcome::Exit;
use super::run::{Readiness, Run};
use super::spec::Policy;
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime};

/// How long after a trouble was told the next is held back.
pub const QUIET: Duration = Duration::from_secs(60);

/// How long a text of a notification may be, in characters: more is shown nowhere.
const LONGEST: usize = 300;

/// What was told, as the record keeps it over the lives of sidecars; its `notified` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// When trouble was last told.
    pub at: Timestamp,
    /// Whether it is not over.
    #[serde(default)]
    pub troubled: bool,
    /// How many troubles since then were not told.
    #[serde(default)]
    pub held_back: u32,
}

/// What was told, and what of it still counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notifications {
    /// When trouble was last told, as the record says it.
    told: Option<Timestamp>,
    /// The same on the boot-time clock, if others are still held back for that.
    told_at: Option<Moment>,
    troubled: bool,
    held_back: u32,
}

impl Notifications {
    /// As the record has it; `wall_clock` and `now` are the same moment.
    pub fn of(notified: Option<&Notified>, wall_clock: SystemTime, now: Moment) -> Notifications {
        let Some(notified) = notified else { return Notifications::default() };
        // If the clock was set back since, nobody knows how long ago it was: better told too soon than never.
        let ago = wall_clock.duration_since(notified.at.0).ok().filter(|ago| *ago < QUIET);
        let told_at = ago.and_then(|ago| now.checked_sub(ago));
        let Notified { at, troubled, held_back } = *notified;
        Notifications { told: Some(at), told_at, troubled, held_back }
    }

    /// As the record is to have it; `None`: there is nothing to remember.
    pub fn to_record(&self, now: Moment) -> Option<Notified> {
        let at = self.told.filter(|_| self.troubled || self.is_quiet(now))?;
        Some(Notified { at, troubled: self.troubled, held_back: self.held_back })
    }

    /// Whether trouble is held back at present.
    fn is_quiet(&self, now: Moment) -> bool {
        self.told_at.is_some_and(|at| now < at.saturating_add(QUIET))
    }

    /// There is trouble. If it is to be told: how many others were not since the last that was. `wall_clock` and `now` are
    /// the same moment.
    pub fn trouble(&mut self, wall_clock: SystemTime, now: Moment) -> Option<u32> {
        self.troubled = true;
        if self.is_quiet(now) {
            self.held_back = self.held_back.saturating_add(1);
            return None;
        }
        (self.told, self.told_at) = (Some(Timestamp::of(wall_clock)), Some(now));
        Some(std::mem::take(&mut self.held_back))
    }

    /// When it is to be told that it is well again, which it is from `well` on; `None`: there was no trouble.
    pub fn recovery_at(&self, well: Moment) -> Option<Moment> {
        let quiet = self.told_at.map_or(Moment::ZERO, |at| at.saturating_add(QUIET));
        self.troubled.then_some(well.max(quiet))
    }

    /// It was told that it is well again. How many troubles were not told.
    pub fn recovered(&mut self) -> u32 {
        self.troubled = false;
        std::mem::take(&mut self.held_back)
    }

    /// Nothing is left to tell: it has ended well, or somebody has stopped it and knows.
    pub fn settle(&mut self) {
        (self.troubled, self.held_back) = (false, 0);
    }
}

/// How a process has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It was given up.
    Errored,
    /// It ended badly, and nothing is to start it again.
    Ended,
}

impl Trouble {
    /// The word for it that people are shown.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Errored => "errored",
            Trouble::Ended => "ended",
        }
    }
}

/// What a step of the supervisor means to who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It has failed, and nothing follows: how, and why.
    Trouble(Trouble, String),
    /// It has ended as it should.
    Settled,
}

/// What the step from `before` to `machine` means; `last` is the last end of a run.
pub fn occasion(before: &Life, machine: &Machine, last: Option<&Exit>, policy: &Policy) -> Option<Occasion> {
    let end = match (&machine.life, before) {
        // Who saved what breaks it sees that.
        (Life::Waiting { .. }, _) if machine.for_change => return None,
        (Life::Over(end) | Life::Waiting { end }, _) => end,
        _ => return None,
    };
    let is_told = match (before, end) {
        (_, End::Stopped | End::Expired(_)) => true,
        (Life::Over(_), _) => false,
        // That was told when the wait began, or the command that has asked for a start fails with it.
        (Life::Waiting { .. }, _) => false,
        // Somebody has called off what was to follow a death.
        (Life::Backoff { .. }, End::Exited) => false,
        _ => true,
    };
    if !is_told {
        return None;
    }
    match (end, last) {
        (End::Left, _) => None,
        (End::Stopped | End::Expired(_), _) => Some(Occasion::Settled),
        // The command that wanted it started has failed with that.
        (End::Errored(_), _) if !machine.ran => None,
        (End::Errored(reason), _) => Some(Occasion::Trouble(Trouble::Errored, reason.clone())),
        (End::Exited, Some(exit)) if exit.shutdown => None,
        (End::Exited, Some(exit)) if !policy.settings.is_success(exit.outcome()) => {
            Some(Occasion::Trouble(Trouble::Ended, exit.to_string()))
        }
        (End::Exited, _) => Some(Occasion::Settled),
    }
}

/// From when on the present run proves that it is well; `None`: it does not, or not yet.
pub fn well_from(life: &Life, policy: &Policy) -> Option<Moment> {
    let (Life::Up(run) | Life::Detached(run)) = life else { return None };
    let Run { paused: None, leaving: false, refused: false, failures: 0, .. } = run else { return None };
    match run.readiness {
        Readiness::Unasked => Some(run.since.saturating_add(policy.min_uptime)),
        Readiness::Ready => Some(run.since),
        Readiness::Awaited(_) | Readiness::Overdue(_) => None,
    }
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    title: String,
    body: String,
    is_trouble: bool,
}

impl Message {
    /// Of trouble of the process `name`: which, why, and how many others were not told.
    pub fn trouble(name: &str, trouble: Trouble, reason: &str, held_back: u32) -> Message {
        Message {
            title: plain(&format!("{name}: {}", trouble.word())),
            body: plain(&format!("{reason}{}", not_told(held_back, "earlier "))),
            is_trouble: true,
        }
    }

    /// That `name` is well again.
    pub fn recovery(name: &str, held_back: u32) -> Message {
        Message {
            title: plain(&format!("{name}: recovered")),
            body: plain(&format!("it runs again{}", not_told(held_back, ""))),
            is_trouble: false,
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.body)
    }
}

fn not_told(count: u32, when: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(" (1 {when}failure was not told)"),
        count => format!(" ({count} {when}failures were not told)"),
    }
}

/// `text` as one line without what a terminal, or a desktop, acts on.
fn plain(text: &str) -> String {
    let line = one_line(text.as_bytes(), " ");
    let kept: String = line.chars().take(LONGEST).collect();
    if kept.len() == line.len() { kept } else { format!("{kept}…") }
}

/// The program that shows notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notifier {
    /// notify-send of libnotify, on all freedesktop systems.
    NotifySend,
    /// AppleScript, on macOS.
    Osascript,
}

impl Notifier {
    /// What it is called.
    pub fn program(self) -> &'static str {
        match self {
            Notifier::NotifySend => "notify-send",
            Notifier::Osascript => "osascript",
        }
    }

    /// What it is told to show `message`.
    pub fn arguments(self, message: &Message) -> Vec<String> {
        let Message { title, body, is_trouble } = message;
        match self {
            Notifier::NotifySend => {
                let urgency = if *is_trouble { "critical" } else { "normal" };
                let flags = ["--app-name=bgo", &format!("--urgency={urgency}"), "--"].map(str::to_owned);
                flags.into_iter().chain([title.clone(), as_markup(body)]).collect()
            }
            // As arguments: what stood in the script itself would be run. The title begins with a name, so with no dash.
            Notifier::Osascript => [
                "-e",
                "on run argv",
                "-e",
                "display notification (item 2 of argv) with title (item 1 of argv)",
                "-e",
                "end run",
                title,
                body,
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}

/// `text` as the body of a freedesktop notification, which may have markup, and in which notify-send reads escapes as C
/// does.
fn as_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\\', "\\\\")
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
