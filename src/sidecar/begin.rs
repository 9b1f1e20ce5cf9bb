//! How a sidecar begins: what it was handed, the record, the first process.
//!
//! Why it exists: between exec and the event loop lies the handshake with the launcher. Invariants: without the
//! ownership lock that its launcher held there is no sidecar; it does nothing before the launcher's wish is on disk;
//! one that was launched to take up a process never starts one.

use super::attributes::Given;
use super::environment::Unstarted;
use super::facts::Pending;
use super::launch::Purpose;
use super::log::log;
use super::perform::errno_of;
use super::run::{RETRY_FIRST, Supervisor, report};
use super::{ENTRY, EXE_FD, LOCK_FD, REPORT_FD, SCOPE_VARIABLE};
use crate::domain::launch::{LaunchFailure, Report, Stage};
use crate::domain::lease::Term;
use crate::domain::machine::{Event, Machine};
use crate::domain::name::Name;
use crate::domain::notification::Notifications;
use crate::domain::record::Sidecar;
use crate::domain::scope::arrival;
use crate::error::{Error, Result};
use crate::platform::{self, Interest, SignalQueue};
use crate::store::{Durability, Ownership, Store};
use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

/// Runs a sidecar: `arguments` are those after [`super::ENTRY`]. Returns the process's exit code.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    // Before anything else can have that number.
    drop(platform::make_private(EXE_FD));
    platform::set_process_name();
    let name = arguments.next().and_then(|n| Name::parse(n.to_str()?).ok());
    let run_id = arguments.next().and_then(|id| id.into_string().ok());
    let purpose = match arguments.next() {
        Some(word) if word == Purpose::Attach.word() => Purpose::Attach,
        _ => Purpose::Start,
    };
    let (Some(name), Some(run_id), Some(home)) = (name, run_id, std::env::var_os("BGO_HOME")) else {
        eprintln!("bgo: {} is for bgo itself", ENTRY);
        return 2;
    };
    let store = Store::open(home);
    let reports = platform::make_private(REPORT_FD).map(File::from);
    let ownership = platform::make_private(LOCK_FD)
        .and_then(|fd| Ownership::adopt(File::from(fd), &store.ownership_path(&name)).ok());
    let Some(ownership) = ownership else {
        eprintln!("bgo: {} is for bgo itself: the ownership lock was not handed over", ENTRY);
        return 2;
    };
    if let Ok(unit) = std::env::var(SCOPE_VARIABLE) {
        log(&arrival(&unit));
    }
    match Supervisor::begin(store, name, run_id.into(), purpose, reports, ownership) {
        Ok(Some(supervisor)) => supervisor.run(),
        Ok(None) => {}
        Err(e) => log(&format!("sidecar cannot work: {e}")),
    }
    0
}

impl Supervisor {
    /// Waits until the launching command has written its wish, then starts or takes up the process. `None` if there
    /// is nothing to do.
    fn begin(
        store: Store,
        name: Name,
        run_id: Box<str>,
        purpose: Purpose,
        mut reports: Option<File>,
        // Last, so dropped first: once the launcher sees the pipe closed, the name is free.
        ownership: Ownership,
    ) -> Result<Option<Supervisor>> {
        let mut broken = |e: std::io::Error| {
            fail_with(&mut reports, Stage::Setup, errno_of(&e));
            Error::io("the kernel refused", &e)
        };
        let signals = SignalQueue::new(&[libc::SIGHUP, libc::SIGTERM, libc::SIGCHLD]).map_err(&mut broken)?;
        let inherits = platform::become_subreaper();
        let identity = platform::own_identity().map_err(&mut broken)?;
        // The launching command holds the write lock until its wish is on disk.
        let record = match store.lock_after_launcher(&name).and_then(|lock| lock.read()) {
            Ok(Some(record)) if record.run_id == run_id && !called_off(reports.as_ref()) => record,
            Ok(_) => {
                report(&mut reports, &Report::Superseded);
                return Ok(None);
            }
            Err(e) => {
                fail_with(&mut reports, Stage::Record, libc::EIO);
                return Err(e);
            }
        };
        let (wall_clock, seed) = (SystemTime::now(), identity.start_time << 22 | u64::from(identity.pid));
        let sidecar = Sidecar {
            pid: identity.pid,
            start_time: identity.start_time,
            boot_id: identity.boot_id,
            version: env!("CARGO_PKG_VERSION").into(),
            parent: true,
        };
        let logs = record.logs(store.logs(&name));
        let mut supervisor = Supervisor {
            store,
            name,
            run_id,
            ownership: Some(ownership),
            machine: Machine { budget: record.budget(wall_clock, platform::boot_clock(), seed), ..Machine::new() },
            policy: record.policy(),
            leader: None,
            strays: Vec::new(),
            look_at: None,
            sidecar,
            inherits,
            signals,
            reports,
            ended: None,
            pending: Pending::default(),
            started_at: None,
            seen: record.seen,
            restart: record.answered,
            answered: record.answered,
            news: None,
            retry_at: None,
            retry_after: RETRY_FIRST,
            unsettled: false,
            refused: None,
            killed: false,
            oom_kills: None,
            given: Ok(Given::default()),
            helpers: Vec::new(),
            scanner: None,
            unchecked: None,
            notify: None,
            strangers: HashSet::new(),
            added: Vec::new(),
            allocated_port: record.allocated_port,
            logs,
            logs_from: [0, 0],
            rotator: None,
            compress_next: true,
            files: None,
            files_stale: false,
            ready_at: None,
            status_text: None,
            status_changed: false,
            last_exit: record.exits.last().cloned(),
            notifications: Notifications::of(record.notified.as_ref(), wall_clock, platform::boot_clock()),
            untold: None,
            until: None,
            refused_wish: record.refused,
            events: VecDeque::new(),
        };
        supervisor.watch_until(&Term::default());
        let launched = match purpose {
            Purpose::Start => supervisor.start_process(record, false, None),
            Purpose::Attach => match supervisor.take_up(&record) {
                Ok(event) => Ok(event),
                Err(e) => {
                    // It has ended meanwhile, or cannot be watched now; whoever launched us sees to that.
                    fail_with(&mut supervisor.reports, Stage::Attach, errno_of(&e));
                    return Ok(None);
                }
            },
        };
        supervisor.first_event(launched);
        Ok(Some(supervisor))
    }

    fn first_event(&mut self, launched: std::result::Result<Event, Unstarted>) {
        match launched {
            Ok(event) => {
                let pid = self.leader.as_ref().map_or(0, |l| l.identity.pid);
                self.handle(event);
                self.publish(Durability::Atomic);
                report(&mut self.reports, &Report::Started(pid));
                self.oom_kills = platform::oom_kills();
            }
            Err(unstarted) => {
                log(&format!("cannot start: {unstarted}"));
                self.handle(Event::SpawnFailed { reason: unstarted.to_string(), transient: false });
                self.publish(Durability::Atomic);
                report(&mut self.reports, &Report::Failed(unstarted.failure));
                // In this order: once the launcher sees the pipe closed, the name is free again.
                self.ownership = None;
                self.reports = None;
            }
        }
    }
}

/// Tells the launcher that there will be no process.
fn fail_with(reports: &mut Option<File>, stage: Stage, errno: i32) {
    report(reports, &Report::Failed(LaunchFailure { stage, errno }));
}

/// Whether the launcher has closed its end already.
fn called_off(pipe: Option<&File>) -> bool {
    let closed = |pipe: &File| platform::wait(&[(pipe.as_fd(), Interest::HangUp)], Some(Duration::ZERO));
    pipe.is_none_or(|pipe| closed(pipe).is_ok_and(|ready| ready[0]))
}
