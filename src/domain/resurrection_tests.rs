//! What is brought back, and what is not: each case, and random lives against the rule told in other words.

use super::super::dice::Dice;
use super::super::duration::Span;
use super::super::outcome::Outcome;
use super::super::record::{Identity, Sidecar, Status};
use super::super::settings::Settings;
use super::super::signal::Signal;
use super::super::spec::Spec;
use super::super::timestamp::Timestamp;
use super::*;
use std::time::{Duration, SystemTime};

fn now(boot_id: &str) -> Now {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    Now { wall, boot: Duration::from_secs(1000), boot_id: boot_id.into() }
}

fn exit(outcome: Outcome) -> Exit {
    Exit::new(Timestamp(SystemTime::UNIX_EPOCH), outcome, None)
}

/// A record of a process that last ran in the boot "a".
fn record(autostart: Autostart, want: Want, state: State, last: Option<Exit>) -> Record {
    let settings = Settings { autostart, ..Settings::default() };
    let mut record = Record::new("web", Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings });
    (record.want, record.state) = (want, state);
    record.exits.extend(last);
    record.boot_id = Some("a".into());
    record
}

const KILL: Outcome = Outcome::Signal { signal: Signal::KILL, oom: false };
const OOM: Outcome = Outcome::Signal { signal: Signal::KILL, oom: true };
const ALL: [Autostart; 3] = [Autostart::Never, Autostart::UnlessStopped, Autostart::Always];

#[test]
fn what_was_up_comes_back_and_what_was_not_as_its_policy_says() {
    use State::*;
    use Want::{Down, Up};
    let shutdown = Exit { shutdown: true, ..exit(Outcome::Code(0)) };
    // In the same boot, and in the next, unless the policy is `never`. `!`: it is left down, also if that is `always`;
    // `+`: in the next boot `always` has it started.
    for (want, state, last, same, next) in [
        (Up, Running, None, "gone_with_sidecar", "was_up"),
        (Up, Starting, None, "gone_with_sidecar", "was_up"),
        (Up, Detached, Some(exit(Outcome::Code(0))), "gone_with_sidecar", "was_up"),
        (Up, Paused, None, "gone_with_sidecar", "was_up"),
        (Up, Unhealthy, None, "gone_with_sidecar", "was_up"),
        (Up, Backoff, Some(exit(Outcome::Code(1))), "gone_with_sidecar", "was_up"),
        (Up, Waiting, Some(exit(Outcome::Code(1))), "gone_with_sidecar", "was_up"),
        (Up, Unknown, None, "gone_with_sidecar", "was_up"),
        (Up, Exited, Some(exit(KILL)), "was_ended", "was_ended"),
        (Up, Exited, Some(exit(Outcome::Unknown)), "was_ended", "was_ended"),
        (Up, Exited, None, "was_ended", "was_ended"),
        (Up, Exited, Some(shutdown), "was_ended", "was_ended"),
        (Up, Exited, Some(exit(Outcome::Code(0))), "!ended", "+ended"),
        (Up, Exited, Some(exit(Outcome::Code(1))), "!ended", "+ended"),
        (Up, Exited, Some(exit(OOM)), "!ended", "+ended"),
        (Up, Errored, Some(exit(Outcome::Code(1))), "!errored", "+errored"),
        (Up, Stopped, Some(exit(Outcome::Code(0))), "was_ended", "was_ended"),
        (Down, Stopped, None, "!stopped", "+stopped"),
        (Down, Running, None, "!stopped", "+stopped"),
        (Down, Exited, Some(exit(Outcome::Code(0))), "!stopped", "+stopped"),
    ] {
        for (boot, expected) in [("a", same), ("b", next)] {
            for policy in ALL {
                let record = record(policy, want, state, last.clone());
                let decision = decide(&record, Presence::Absent, None, &now(boot));
                let (starts, word) = match (policy, expected.chars().next()) {
                    (Autostart::Never, _) => (false, "policy_never"),
                    (Autostart::Always, Some('+')) => (true, "policy_always"),
                    (_, Some('+' | '!')) => (false, &expected[1..]),
                    _ => (true, expected),
                };
                let told = match &decision {
                    Decision::Start(reason) => (true, reason.value()),
                    Decision::Leave(reason) => (false, reason.value()),
                    Decision::Attach(_) => panic!("{decision:?}"),
                };
                assert_eq!(told, (starts, word), "{policy} {want:?} {state:?} {last:?} in {boot}");
            }
        }
    }
}

#[test]
fn what_runs_is_never_started() {
    for policy in ALL {
        for (presence, state, expected) in [
            (Presence::Supervised, State::Running, Decision::Leave(Reason::Runs)),
            (Presence::Supervised, State::Backoff, Decision::Leave(Reason::BetweenRuns(State::Backoff))),
            (Presence::Orphaned, State::Running, Decision::Attach(Reason::NoSidecar)),
            (Presence::LeftBehind, State::Running, Decision::Attach(Reason::LeftBehind(None))),
            (Presence::Busy, State::Starting, Decision::Leave(Reason::Busy)),
        ] {
            let record = record(policy, Want::Up, state, None);
            assert_eq!(decide(&record, presence, None, &now("b")), expected, "{policy} {presence:?}");
        }
    }
}

#[test]
fn that_its_end_was_seen_is_told_as_long_as_that_is_so() {
    let last = exit(Outcome::Code(3));
    let mut detached = record(Autostart::UnlessStopped, Want::Up, State::Detached, Some(last.clone()));
    let why = |record: &Record| match decide(record, Presence::LeftBehind, None, &now("a")) {
        Decision::Attach(Reason::LeftBehind(seen)) => seen,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&detached), None, "nothing of it ran");
    detached.status = Status::Running;
    assert_eq!(why(&detached), Some(last));
    detached.set_process(&Identity { pid: 7, start_time: 7, boot_id: "a".into() });
    assert_eq!(why(&detached), None, "that was the end of an earlier one");
    let unseen = exit(Outcome::Unknown);
    (detached.identity, detached.exits) = (None, vec![unseen]);
    assert_eq!(why(&detached), None);
}

#[test]
fn what_may_run_is_not_started_and_what_was_down_anyway_is_no_question() {
    let up = record(Autostart::UnlessStopped, Want::Up, State::Running, None);
    let decision = decide(&up, Presence::Unproven(7), None, &now("a"));
    assert_eq!(decision, Decision::Leave(Reason::Unproven(7)));
    let down = record(Autostart::UnlessStopped, Want::Down, State::Stopped, None);
    assert_eq!(decide(&down, Presence::Unproven(7), None, &now("a")), Decision::Leave(Reason::Stopped(None)));
}

#[test]
fn a_lease_that_is_over_keeps_down_what_would_come_back() {
    let over = || Some("its ttl of 1h is over".to_owned());
    for (policy, want, expected) in [
        (Autostart::UnlessStopped, Want::Up, "lease_over"),
        (Autostart::Always, Want::Down, "lease_over"),
        (Autostart::UnlessStopped, Want::Down, "stopped"),
        (Autostart::Never, Want::Up, "policy_never"),
    ] {
        let record = record(policy, want, State::Running, None);
        match decide(&record, Presence::Absent, over(), &now("b")) {
            Decision::Leave(reason) => assert_eq!(reason.value(), expected, "{policy} {want:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_lease_keeps_down_is_not_said_to_come_back() {
    let lives = |_: &Identity| panic!("nobody has to be asked for");
    let mut up = record(Autostart::UnlessStopped, Want::Up, State::Running, None);
    assert_eq!(comes_back(&up, &now("b"), lives), Some(Reason::WasUp));
    up.spec.ttl = Some(Span::secs(60));
    up.grant(true, None, &now("b"));
    assert_eq!(comes_back(&up, &now("b"), lives), Some(Reason::WasUp));
    let late = Now { boot: Duration::from_secs(1060), ..now("b") };
    assert_eq!(comes_back(&up, &late, lives), None);
    up.spec.ttl = None;
    up.spec.until_pid = Some(7);
    up.grant(true, Some(Identity { pid: 7, start_time: 1, boot_id: "b".into() }), &now("b"));
    assert_eq!(comes_back(&up, &late, |_| true), Some(Reason::WasUp));
    assert_eq!(comes_back(&up, &late, |_| false), None);
    // What is down anyway asks for nothing.
    up.want = Want::Down;
    assert_eq!(comes_back(&up, &late, lives), None);
}

#[test]
fn only_what_a_shutdown_has_ended_is_said_to_be_ended_by_one() {
    let killed = exit(KILL);
    let shutdown = Exit { shutdown: true, ..killed.clone() };
    assert_eq!(Reason::WasEnded(Some(killed)).to_string(), "it was up and was ended (SIGKILL)");
    assert_eq!(Reason::WasEnded(Some(shutdown)).to_string(), "a logout or shutdown ended it (SIGKILL)");
}

#[test]
fn a_record_that_does_not_name_its_boot_is_judged_by_the_clock() {
    // The machine is up since second 999,000.
    for (seconds, came_up) in [(998_999, true), (999_001, false)] {
        let mut old = record(Autostart::Always, Want::Down, State::Stopped, None);
        old.boot_id = None;
        old.stopped_at = Some(Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        assert_eq!(old.machine_came_up_since(&now("a")), came_up, "{seconds}");
    }
    let mut never_ran = record(Autostart::Always, Want::Down, State::Stopped, None);
    never_ran.boot_id = None;
    assert!(!never_ran.machine_came_up_since(&now("a")));
}

/// A life with boots, starts, stops, ends, losses of the sidecar and looks of `resurrect`, and what was the case in truth.
struct Walk {
    record: Record,
    boot: u32,
    runs: bool,
    has_sidecar: bool,
    /// Whether it is to come back, were its policy `unless-stopped`.
    was_up: bool,
    /// Whether it has run or was stopped in this boot.
    at_work: bool,
}

impl Walk {
    fn moment(&self) -> Now {
        now(&self.boot.to_string())
    }

    fn start(&mut self) {
        let identity = Identity { pid: 7, start_time: 1, boot_id: self.moment().boot_id };
        self.record.begin_anew();
        (self.record.want, self.record.state) = (Want::Up, State::Running);
        self.record.set_process(&identity);
        self.attach();
        (self.runs, self.was_up, self.at_work) = (true, true, true);
    }

    fn attach(&mut self) {
        self.record.sidecar =
            Some(Sidecar { pid: 6, start_time: 1, boot_id: self.moment().boot_id, version: "1".into(), parent: true });
        self.has_sidecar = true;
    }

    fn end(&mut self, state: State, last: Exit, was_up: bool) {
        self.record.set_down(state, last.at);
        self.record.exits = vec![last];
        (self.runs, self.has_sidecar, self.was_up) = (false, false, was_up);
    }

    fn happen(&mut self, event: u64) {
        match event {
            0 => {
                // Power is cut, and comes again.
                (self.runs, self.has_sidecar, self.at_work) = (false, false, false);
                self.boot += 1;
            }
            1 if !self.runs => self.start(),
            2 => {
                self.record.want = Want::Down;
                if self.runs {
                    self.end(State::Stopped, exit(KILL), false);
                } else {
                    self.record.boot_id = Some(self.moment().boot_id);
                    self.record.set_down(State::Stopped, Timestamp(SystemTime::UNIX_EPOCH));
                    self.record.boot_id = Some(self.moment().boot_id);
                }
                (self.was_up, self.at_work) = (false, true);
            }
            3 if self.runs && self.has_sidecar => self.end(State::Exited, exit(Outcome::Code(1)), false),
            4 if self.runs && self.has_sidecar => self.end(State::Errored, exit(Outcome::Code(1)), false),
            5 if self.runs && self.has_sidecar => self.end(State::Exited, exit(KILL), true),
            6 => self.has_sidecar = false,
            7 if !self.has_sidecar => self.runs = false,
            _ => {}
        }
    }

    fn presence(&self) -> Presence {
        match (self.runs, self.has_sidecar) {
            (true, true) => Presence::Supervised,
            (true, false) => Presence::Orphaned,
            (false, _) => Presence::Absent,
        }
    }
}

#[test]
fn in_any_life_exactly_what_was_up_comes_back_and_a_second_look_changes_nothing() {
    for seed in 0..3000 {
        let mut dice = Dice::new(seed);
        let policy = ALL[dice.index(3)];
        let record = record(policy, Want::Up, State::Starting, None);
        let mut walk = Walk { record, boot: 0, runs: false, has_sidecar: false, was_up: false, at_work: false };
        walk.start();
        for step in 0..30 {
            let event = dice.below(10);
            walk.happen(event);
            if event < 8 {
                continue;
            }
            let decision = decide(&walk.record, walk.presence(), None, &walk.moment());
            let came_up = policy == Autostart::Always && !walk.at_work;
            let starts = !walk.runs && policy != Autostart::Never && (walk.was_up || came_up);
            let what = format!("seed {seed} step {step}: {decision:?} of {:?}", walk.record);
            assert_eq!(matches!(decision, Decision::Start(_)), starts, "{what}");
            assert_eq!(matches!(decision, Decision::Attach(_)), walk.runs && !walk.has_sidecar, "{what}");
            match decision {
                Decision::Start(_) => walk.start(),
                Decision::Attach(_) => walk.attach(),
                Decision::Leave(_) => {}
            }
            let again = decide(&walk.record, walk.presence(), None, &walk.moment());
            assert!(matches!(again, Decision::Leave(_)), "{what}, then {again:?}");
        }
    }
}
