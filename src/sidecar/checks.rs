//! Looking at the process: is it ready, is it healthy, how much memory has it.
//!
//! Why it exists: the machine decides when to look and what follows; this is the looking. Invariant: nothing here
//! blocks: what takes time is a helper, and its answer an event.

use super::attributes::Given;
use super::helper::Task;
use super::log::log;
use super::run::Supervisor;
use super::scan::Scanner;
use crate::domain::machine::Event;
use crate::domain::notice::{self, Notice};
use crate::domain::settings::{HealthCheck, ReadyWhen};
use crate::platform::{self, Listener, NotifySocket, ProcessHandle};
use std::path::Path;
use std::time::SystemTime;

/// How many notices are taken in at a time.
const NOTICES: usize = 64;

impl Supervisor {
    /// Looks whether the process is ready. What follows at once is an event.
    ///
    /// After a change of settings that may be while a look is under way, which then counts no more.
    pub(super) fn probe(&mut self) -> Option<Event> {
        self.drop_checks_for(Task::Ready);
        let settings = self.policy.settings.clone();
        let Some(when) = settings.ready_when() else { return Some(Event::Ready) };
        let timeout = settings.health_timeout.0;
        let started = match when {
            ReadyWhen::Text(_) | ReadyWhen::Regex(_) => return self.scan(when),
            ReadyWhen::Notify => return None,
            ReadyWhen::Port(port) => return Some(self.probe_port(port)),
            ReadyWhen::File(path) => return Some(self.probe_file(path.as_path())),
            ReadyWhen::Url(url) => self.start_get(Task::Ready, url, timeout),
            ReadyWhen::Cmd(command) => self.start_command(Task::Ready, command, Vec::new(), timeout),
        };
        started.err().map(Event::NotYet)
    }

    fn scan(&mut self, when: ReadyWhen<'_>) -> Option<Event> {
        match Scanner::new(when, &self.logs, self.logs_from) {
            Ok(scanner) => {
                self.scanner = scanner;
                self.scan_on()
            }
            Err(e) => Some(Event::NeverReady(format!("cannot look at its output: {e}"))),
        }
    }

    /// Looks at what the process has written since the last look.
    pub(super) fn scan_on(&mut self) -> Option<Event> {
        match self.scanner.as_mut()?.look() {
            Ok(false) => None,
            Ok(true) => {
                self.scanner = None;
                Some(Event::Ready)
            }
            Err(e) => {
                self.scanner = None;
                Some(Event::NeverReady(format!("cannot read its output: {}", crate::error::describe(&e))))
            }
        }
    }

    fn probe_port(&self, port: u16) -> Event {
        let tree = || -> Vec<u32> { self.whole_tree().iter().map(|process| process.pid).collect() };
        match platform::listener(port, &tree()) {
            Ok(Listener::Ours) => Event::Ready,
            Ok(Listener::Nobody) => Event::NotYet(format!("nothing listens on port {port}")),
            Ok(Listener::Stranger { pid, name }) => {
                let who = match (pid, name) {
                    (Some(pid), Some(name)) => format!("{name} (pid {pid})"),
                    (Some(pid), None) => format!("pid {pid}"),
                    _ => "a process of another user".to_owned(),
                };
                // One of ours may have taken it over while we looked at the tree.
                match pid {
                    Some(pid) if tree().contains(&pid) => Event::NotYet("it has only just begun to listen".to_owned()),
                    _ => Event::NeverReady(format!("port {port} is taken by {who}")),
                }
            }
            Err(e) => Event::NotYet(crate::error::describe(&e)),
        }
    }

    fn probe_file(&self, path: &Path) -> Event {
        let cwd = self.store.read(&self.name).ok().flatten().map(|record| record.cwd);
        let path = cwd.map_or_else(|| path.to_owned(), |cwd| cwd.as_path().join(path));
        let changed = std::fs::metadata(&path).and_then(|m| m.modified());
        let started = self.started_at.map_or(SystemTime::UNIX_EPOCH, |at| at.0);
        // Files are stamped by a coarse clock, which may be a tick of the kernel behind: up to 10 ms.
        let started = started.checked_sub(std::time::Duration::from_millis(10)).unwrap_or(started);
        match changed {
            Ok(at) if at >= started => Event::Ready,
            Ok(_) => Event::NotYet(format!("{} is older than the start", path.display())),
            Err(e) => Event::NotYet(format!("{}: {}", path.display(), crate::error::describe(&e))),
        }
    }

    /// Checks the health of the process.
    pub(super) fn check_health(&mut self) -> Option<Event> {
        let settings = self.policy.settings.clone();
        let timeout = settings.health_timeout.0;
        let started = match settings.health_check()? {
            HealthCheck::Port(port) => {
                let refused = platform::connects(port).err();
                return Some(Event::Checked(refused.map(|e| format!("port {port}: {}", crate::error::describe(&e)))));
            }
            HealthCheck::Url(url) => self.start_get(Task::Health, url, timeout),
            HealthCheck::Cmd(command) => self.start_command(Task::Health, command, Vec::new(), timeout),
        };
        self.note_unchecked(started.err())
    }

    /// A check that cannot be made (no process left to be had, no record to be read) is no reason to end anything. Said
    /// once, and not with every check.
    fn note_unchecked(&mut self, why: Option<String>) -> Option<Event> {
        if let Some(why) = why.as_ref().filter(|_| why != self.unchecked) {
            log(&format!("cannot check its health: {why}"));
        }
        self.unchecked = why;
        self.unchecked.is_some().then_some(Event::Unchecked)
    }

    /// Measures the memory of the whole tree.
    pub(super) fn measure(&self) -> Event {
        if !self.knows_all() {
            // What it has daemonised became an orphan of somebody else.
            return Event::Measured(self.whole_tree().iter().map(|process| process.rss_bytes).sum());
        }
        let leader = self.leader.as_ref().and_then(|l| platform::stat(l.identity.pid).ok().flatten());
        let inherited = self.sidecar.parent.then_some(self.sidecar.pid);
        let tree = platform::tree(leader.as_ref(), inherited, &self.run_id);
        Event::Measured(platform::usage(&tree).rss_bytes)
    }

    // ------------------------------------------------------------------------------------------ sd_notify

    /// Opens the socket that the process is to notify us by, if it was told of one.
    pub(super) fn listen(&mut self, owner: Option<u32>) -> std::io::Result<()> {
        if !self.policy.settings.uses_notify() {
            self.notify = None;
        } else if self.notify.is_none() {
            let fallback = format!("bgo-{}", self.run_id);
            self.notify = Some(NotifySocket::bind(&self.store.notify_path(&self.name), &fallback, owner)?);
        }
        Ok(())
    }

    /// Opens the socket that the running process was told of.
    pub(super) fn listen_again(&mut self) {
        let owner = self.given.as_ref().ok().and_then(Given::uid);
        if let Err(e) = self.listen(owner) {
            log(&format!("cannot hear notices: {}", crate::error::describe(&e)));
        }
    }

    /// Takes in what the process says of itself, or a good part of it: one that never stops talking must not keep us
    /// from anything else.
    pub(super) fn hear_notices(&mut self) {
        for _ in 0..NOTICES {
            let message = match self.notify.as_ref().map(NotifySocket::receive) {
                Some(Ok(Some(message))) => message,
                Some(Err(e)) => return log(&format!("cannot hear notices: {}", crate::error::describe(&e))),
                _ => return,
            };
            if !self.is_ours(message.pid) {
                self.note_stranger(message.pid);
                continue;
            }
            for notice in notice::parse(&message.text) {
                self.note(notice);
            }
        }
    }

    /// Each is mentioned once, and not more than a few: who can send can send without end.
    fn note_stranger(&mut self, pid: u32) {
        const MENTIONED: usize = 32;
        if self.strangers.len() < MENTIONED && self.strangers.insert(pid) {
            log(&format!("notices of pid={pid} are passed over: it is not part of the process"));
        }
    }

    fn is_ours(&self, pid: u32) -> bool {
        let leader = self.leader.as_ref().map(|leader| leader.identity.pid);
        let inherited = self.sidecar.parent && platform::is_within(pid, self.sidecar.pid);
        let descends = inherited || leader.is_some_and(|leader| platform::is_within(pid, leader));
        if descends || self.knows_all() {
            return descends && !platform::is_foreign(pid, &self.run_id);
        }
        // Orphans of a run that was taken up have other parents.
        self.whole_tree().iter().any(|process| process.pid == pid)
    }

    fn note(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Ready if !self.policy.settings.ready_when_notify => return,
            Notice::Ready => Event::Ready,
            Notice::Stopping => Event::Leaving,
            Notice::Beat => Event::Beat,
            Notice::Lifeless => Event::Lifeless,
            Notice::Extend(span) => Event::Extend(span),
            Notice::Status(text) => {
                self.status_changed |= self.status_text.as_deref() != Some(text.as_str());
                self.status_text = Some(text).filter(|text| !text.is_empty());
                return;
            }
            Notice::MainPid(pid) => return self.set_main(pid),
        };
        if event == Event::Leaving {
            log("it says that it is stopping");
        }
        self.events.push_back(event);
    }

    /// The process says that another of its own is the main one: that is whose end counts.
    fn set_main(&mut self, pid: u32) {
        let Some(leader) = self.leader.as_ref().filter(|leader| leader.identity.pid != pid) else { return };
        let since = leader.since;
        let stat = platform::stat(pid).ok().flatten().filter(|_| self.is_ours(pid));
        let identity = stat.map(|stat| stat.identity(&self.sidecar.boot_id));
        let opened = identity.and_then(|id| Some((ProcessHandle::open(&id).ok()??, id)));
        match opened {
            Some((handle, identity)) => {
                log(&format!("its main process is pid={pid} now"));
                self.leader = Some(super::run::Leader { identity, handle, child: false, since });
                self.status_changed = true;
            }
            None => log(&format!("MAINPID={pid} passed over: it is not part of the process")),
        }
    }
}
