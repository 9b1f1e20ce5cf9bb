//! Telling the desktop: one more command beside the process.
//!
//! Why it exists: who started something and went on to other work is to hear of its failure. `domain/notification.rs`
//! decides what is told and when; this runs notify-send or osascript as it runs checks, in the same bounds. Invariants:
//! nothing waits for it, and nothing is left of it; what was told is in the record with the fact that it tells of, so
//! that the next sidecar neither repeats it nor forgets it.
//!
//! It is told to the desktop of who runs bgo, also of a process that runs as another user: that one has not asked, and
//! seldom has a desktop. Its environment is the captured one, whose session may be gone by now; then that which there is.

use super::helper::Task;
use super::log::log;
use super::run::Supervisor;
use crate::domain::life::{End, Life};
use crate::domain::notification::{Message, Occasion, Trouble, occasion, well_from};
use crate::domain::raw::Raw;
use crate::domain::record::Record;
use crate::domain::session;
use crate::platform::{self, NOTIFIER};
use crate::store::Durability;
use std::time::{Duration, SystemTime};

/// How long showing a notification may take. Where no desktop answers, the bus gives up only after a while.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Tells of what the step from `before` has come to, if that is to be told.
    pub(super) fn note_occasion(&mut self, before: &Life) {
        if !self.policy.settings.notify {
            return self.notifications.settle();
        }
        match occasion(before, &self.machine, self.last_exit.as_ref(), &self.policy) {
            None => {}
            Some(Occasion::Settled) => self.notifications.settle(),
            // The command that has started it still listens, and tells of that.
            Some(Occasion::Trouble(Trouble::Ended, _)) if self.reports.is_some() => {}
            Some(Occasion::Trouble(trouble, why)) if self.machine.life == Life::Over(End::Exited) => {
                self.untold = Some((trouble, why));
            }
            Some(Occasion::Trouble(trouble, why)) => self.tell_trouble(trouble, &why),
        }
    }

    /// Tells of the end of a process that is not supervised any more, should its record be long in coming: on a full disk.
    pub(super) fn tell_untold(&mut self) {
        if self.pending.failure.is_some()
            && let Some((trouble, why)) = self.untold.take()
        {
            self.tell_trouble(trouble, &why);
        }
    }

    /// Tells of the end of a process that is not supervised any more, now that it was no part of a shutdown.
    pub(super) fn tell_late(&mut self) {
        let Some((trouble, why)) = self.untold.take() else { return };
        // Who has started it again meanwhile knows, or would take it for the end of what runs. Where that cannot be told, it
        // is better told once too often than never.
        let is_last = |record: Option<Record>| record.is_some_and(|record| record.run_id == self.run_id);
        if !self.store.lock(&self.name).and_then(|lock| lock.read()).map_or(true, is_last) {
            return;
        }
        self.tell_trouble(trouble, &why);
        let notified = self.notifications.to_record(platform::boot_clock());
        let written = self.store.lock(&self.name).and_then(|lock| match lock.read()? {
            Some(mut record) if record.run_id == self.run_id => {
                record.notified = notified;
                lock.write(&record, Durability::Atomic)
            }
            _ => Ok(()),
        });
        if let Err(e) = written {
            log(&format!("cannot note what the desktop was told: {e}"));
        }
        while !self.helpers.is_empty() && self.wait_once().is_ok() {}
    }

    fn tell_trouble(&mut self, trouble: Trouble, why: &str) {
        match self.notifications.trouble(SystemTime::now(), platform::boot_clock()) {
            Some(held_back) => self.tell_desktop(&Message::trouble(self.name.as_str(), trouble, why, held_back)),
            None => log("the desktop is not told again so soon"),
        }
    }

    /// When it is to be told that the process is well again.
    pub(super) fn recovery_due(&self) -> Option<Duration> {
        let wanted = self.policy.settings.notify && self.machine.leave_at.is_none();
        let well = well_from(&self.machine.life, &self.policy).filter(|_| wanted)?;
        self.notifications.recovery_at(well)
    }

    /// Tells that it is, once that is due.
    pub(super) fn mind_recovery(&mut self) {
        if self.recovery_due().is_some_and(|at| at <= platform::boot_clock()) {
            let held_back = self.notifications.recovered();
            self.tell_desktop(&Message::recovery(self.name.as_str(), held_back));
            self.publish(Durability::Atomic);
        }
    }

    fn tell_desktop(&mut self, message: &Message) {
        log(&format!("telling the desktop: {message}"));
        if let Err(why) = self.start_notifier(message) {
            log(&format!("cannot tell the desktop: {why}"));
        }
    }

    fn start_notifier(&mut self, message: &Message) -> Result<(), String> {
        let environment = self.store.environment(&self.name).map_err(|e| e.message())?.unwrap_or_default();
        // What was given to the process alone is not for this.
        let mut variables = environment.captured;
        session::renew(&mut variables, platform::effective_user(), |path| path.try_exists().unwrap_or(false));
        variables.push((Raw::from("BGO_SIDECAR"), Raw::from(self.name.as_str())));
        // The shell finds it on the PATH of that environment, and says in one line if it does not.
        let script = format!("exec {} \"$@\"", NOTIFIER.program());
        let told = NOTIFIER.arguments(message);
        let arguments: Vec<&[u8]> = ["/bin/sh", "-c", &script, "sh"]
            .into_iter()
            .chain(told.iter().map(String::as_str))
            .map(str::as_bytes)
            .collect();
        self.start_helper(Task::Notification, &arguments, variables, b"/", platform::Attributes::default(), TIMEOUT)
    }
}
