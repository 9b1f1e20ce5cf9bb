//! The process that ours is to run until the end of (`--until-pid`).
//!
//! Why it exists: a crashed agent tells nobody. Invariant: its end wakes us up by its own handle, of a checked identity:
//! nothing is polled, and a process that has its pid later is never taken for it.

use super::log::log;
use super::run::Supervisor;
use crate::domain::lease::Term;
use crate::platform::ProcessHandle;

impl Supervisor {
    /// Watches the process that the policy says; `before` is what was watched until now.
    pub(super) fn watch_until(&mut self, before: &Term) {
        if self.policy.term.until == before.until {
            self.policy.term.vanished = before.vanished;
            if before.vanished || self.until.is_some() || before.until.is_none() {
                return;
            }
        }
        let opened = self.policy.term.until.as_ref().map(ProcessHandle::open).transpose();
        match opened {
            Ok(opened) => {
                self.until = opened.flatten();
                self.policy.term.vanished = self.policy.term.until.is_some() && self.until.is_none();
                if self.policy.term.vanished {
                    log("the process of --until-pid has ended already");
                }
            }
            // Out of descriptors, most likely: it has not ended for that.
            Err(e) => {
                log(&format!("cannot watch the process of --until-pid: {}", crate::error::describe(&e)));
                self.until = None;
                self.retry_later();
            }
        }
    }

    /// Looks whether it has ended.
    pub(super) fn mind_until(&mut self) {
        if self.until.take_if(|until| until.has_ended()).is_some() {
            log("the process of --until-pid has ended");
            self.policy.term.vanished = true;
        }
    }
}
