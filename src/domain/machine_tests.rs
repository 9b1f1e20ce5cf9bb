//! The state machine: a table of single steps, and random walks that hold its invariants.

use super::*;
use crate::domain::dice::Dice;
use crate::domain::duration::Span;
use crate::domain::lease::Term;
use crate::domain::record::Identity;
use crate::domain::run::Readiness;
use crate::domain::settings::{OnReadyTimeout, RestartOn, Settings};
use crate::domain::signal::Signal;
use crate::domain::size::Size;
use crate::domain::spec::FastCrash;

const GRACE: Grace = Grace { signal: Signal::TERM, timeout: Duration::from_secs(5) };
const FORCE: Grace = Grace { signal: Signal::KILL, timeout: Duration::ZERO };

fn policy(watch: bool) -> Policy {
    supervised(watch, Settings::default())
}

fn supervised(watch: bool, settings: Settings) -> Policy {
    let (min_uptime, interval) = (Duration::from_secs(2), Duration::from_secs(3));
    let (on_fast_crash, term) = (FastCrash::Backoff, Term::default());
    Policy { wanted: true, watch, min_uptime, on_fast_crash, interval, settings, term }
}

fn at(secs: u64) -> Moment {
    Duration::from_secs(secs)
}

fn machine(life: Life) -> Machine {
    Machine { life, ran: true, ..Machine::default() }
}

fn run() -> Run {
    Run::new(&policy(false), at(0), at(0))
}

fn up() -> Life {
    Life::Up(run())
}

fn refused() -> Run {
    let mut run = run();
    run.refused = true;
    run
}

fn detached() -> Life {
    Life::Detached(run())
}

fn stopping(then: Then, kill_at: Option<Moment>, was: Life) -> Life {
    Life::Stopping { then, why: None, kill_at, signal: Signal::TERM, was: Box::new(was) }
}

fn died(descendants: bool) -> Event {
    Event::Exited { outcome: Outcome::Code(1), descendants }
}

fn respawn(counted: bool) -> Then {
    Then::Respawn { delay: Duration::ZERO, counted }
}

#[test]
fn single_steps() {
    use Event::*;
    let errored = |reason: &str| Life::Over(End::Errored(reason.into()));
    let quit = || vec![Action::Quit];
    let ask = || vec![Action::Signal(Signal::TERM)];
    for (what, watch, life, event, now, then, actions) in [
        (
            "a first start",
            false,
            Life::Starting { stop: None },
            Spawned { at: at(3) },
            3,
            Life::Up(Run::new(&policy(false), at(3), at(3))),
            vec![],
        ),
        (
            "a restart that may succeed later",
            true,
            Life::Starting { stop: None },
            SpawnFailed { reason: "no".into(), transient: true },
            3,
            Life::Backoff { until: at(5) },
            vec![],
        ),
        (
            "a failed start",
            true,
            Life::Starting { stop: None },
            SpawnFailed { reason: "no".into(), transient: false },
            3,
            errored("no"),
            quit(),
        ),
        ("an unwatched end", false, up(), died(false), 9, Life::Over(End::Exited), quit()),
        ("an end that leaves descendants", false, up(), died(true), 9, detached(), vec![]),
        ("the last descendant", false, detached(), Emptied, 9, Life::Over(End::Exited), quit()),
        (
            "a watched end after long",
            true,
            up(),
            died(false),
            9,
            Life::Starting { stop: None },
            vec![Action::Spawn { counted: true }],
        ),
        ("a watched fast crash", true, up(), died(false), 1, Life::Backoff { until: at(3) }, vec![]),
        (
            "a watched end ends the rest first",
            true,
            up(),
            died(true),
            9,
            stopping(respawn(true), Some(at(14)), detached()),
            ask(),
        ),
        ("a stop", true, up(), Stop(GRACE), 9, stopping(Then::Down, Some(at(14)), up()), ask()),
        (
            "a forced stop",
            true,
            up(),
            Stop(FORCE),
            9,
            Life::Stopping { then: Then::Down, why: None, kill_at: None, signal: Signal::KILL, was: Box::new(up()) },
            vec![Action::KillAll],
        ),
        ("a restart", false, up(), Restart(GRACE), 9, stopping(respawn(false), Some(at(14)), up()), ask()),
        (
            "a stopped process ends",
            true,
            stopping(Then::Down, Some(at(14)), up()),
            died(false),
            9,
            Life::Over(End::Stopped),
            quit(),
        ),
        (
            "a restarted process ends",
            false,
            stopping(respawn(false), Some(at(14)), up()),
            died(false),
            9,
            Life::Starting { stop: None },
            vec![Action::Spawn { counted: false }],
        ),
        (
            "what outlives the group is asked too",
            false,
            stopping(Then::Down, Some(at(14)), up()),
            died(true),
            9,
            stopping(Then::Down, Some(at(14)), detached()),
            ask(),
        ),
        (
            "the grace is over",
            false,
            stopping(Then::Down, Some(at(14)), up()),
            Timer,
            14,
            stopping(Then::Down, None, up()),
            vec![Action::KillAll],
        ),
        (
            "the grace is not over",
            false,
            stopping(Then::Down, Some(at(14)), up()),
            Timer,
            13,
            stopping(Then::Down, Some(at(14)), up()),
            vec![],
        ),
        (
            "forked while being killed",
            false,
            stopping(Then::Down, None, detached()),
            Remaining,
            9,
            stopping(Then::Down, None, detached()),
            vec![Action::KillAll],
        ),
        (
            "a stop beats a restart in flight",
            true,
            stopping(respawn(false), Some(at(14)), up()),
            Stop(GRACE),
            10,
            stopping(Then::Down, Some(at(15)), up()),
            ask(),
        ),
        (
            "a later restart beats a stop",
            true,
            stopping(Then::Down, Some(at(14)), up()),
            Restart(GRACE),
            10,
            stopping(respawn(false), Some(at(14)), up()),
            vec![],
        ),
        (
            "the signal is refused",
            true,
            stopping(Then::Down, Some(at(14)), up()),
            SignalRefused,
            9,
            Life::Up(refused()),
            vec![],
        ),
        (
            "the wait is over",
            true,
            Life::Backoff { until: at(9) },
            Timer,
            9,
            Life::Starting { stop: None },
            vec![Action::Spawn { counted: true }],
        ),
        (
            "the wait is not over",
            true,
            Life::Backoff { until: at(9) },
            Timer,
            8,
            Life::Backoff { until: at(9) },
            vec![],
        ),
        (
            "a stop during the wait",
            true,
            Life::Backoff { until: at(9) },
            Stop(GRACE),
            8,
            Life::Over(End::Stopped),
            quit(),
        ),
        (
            "a restart during the wait",
            true,
            Life::Backoff { until: at(9) },
            Restart(GRACE),
            8,
            Life::Starting { stop: None },
            vec![Action::Spawn { counted: false }],
        ),
        (
            "unwatched during the wait",
            false,
            Life::Backoff { until: at(9) },
            PolicyChanged,
            8,
            Life::Over(End::Exited),
            quit(),
        ),
        ("shutdown during the wait", true, Life::Backoff { until: at(9) }, Terminate, 8, Life::Over(End::Left), quit()),
        ("another sidecar has it", true, up(), HandedOver, 8, Life::Over(End::Left), quit()),
        ("nothing follows the end", true, Life::Over(End::Exited), Restart(GRACE), 8, Life::Over(End::Exited), vec![]),
    ] {
        let (after, done) = step(&policy(watch), machine(life), event, at(now));
        assert_eq!((after.life, done), (then, actions), "{what}");
    }
}

#[test]
fn a_stop_that_comes_while_starting_is_kept() {
    let (m, actions) = step(&policy(true), Machine::new(), Event::Stop(GRACE), at(1));
    assert_eq!(actions, []);
    let (m, actions) = step(&policy(true), m, Event::Spawned { at: at(1) }, at(2));
    assert_eq!(
        (m.life, actions),
        (
            stopping(Then::Down, Some(at(7)), Life::Up(Run::new(&policy(true), at(1), at(2)))),
            vec![Action::Signal(Signal::TERM)]
        )
    );
}

#[test]
fn shutdown_leaves_the_process_alone_and_never_restarts() {
    let (m, actions) = step(&policy(true), machine(up()), Event::Terminate, at(10));
    assert_eq!((m.deadline(&policy(true)), actions), (Some(at(12)), vec![]));
    let (ended, actions) = step(&policy(true), m.clone(), died(false), at(11));
    assert_eq!((ended.life, actions), (Life::Over(End::Exited), vec![Action::Quit]));
    let (left, actions) = step(&policy(true), m, Event::Timer, at(12));
    assert_eq!((left.life, actions), (Life::Over(End::Left), vec![Action::Quit]));
}

#[test]
fn the_fourth_fast_crash_in_a_row_is_the_last() {
    let mut m = machine(up());
    let mut waits = Vec::new();
    let mut now = at(100);
    while !matches!(m.life, Life::Over(_)) {
        m.life = Life::Up(Run::new(&policy(true), now, now));
        (m, _) = step(&policy(true), m, died(false), now);
        if let Life::Backoff { until } = m.life {
            waits.push((until - now).as_secs());
            now = until;
        }
    }
    assert_eq!(waits, [2, 4, 8]);
    assert_eq!(m.life, Life::Over(End::Errored("4 consecutive fast-crashes".into())));
}

#[test]
fn what_supervision_ends_is_restarted_or_errored_as_the_policy_says() {
    let limit = || Settings { max_runtime: Some(Span::secs(30)), ..Settings::default() };
    for (watch, then) in [
        (true, Life::Starting { stop: None }),
        (false, Life::Over(End::Errored("killed: ran longer than --max-runtime 30s".into()))),
    ] {
        let policy = supervised(watch, limit());
        let (m, actions) = step(&policy, machine(up()), Event::Timer, at(30));
        assert_eq!(actions, [Action::Signal(Signal::TERM)]);
        let (m, _) = step(&policy, m, Event::Exited { outcome: Outcome::Code(0), descendants: false }, at(31));
        assert_eq!(m.life, then, "also if it then ends with 0");
    }
}

#[test]
fn a_planned_restart_is_no_crash() {
    let policy = supervised(false, Settings { restart_every: Some(Span::secs(30)), ..Settings::default() });
    let (m, actions) = step(&policy, machine(up()), Event::Timer, at(30));
    assert_eq!(actions, [Action::Signal(Signal::TERM)]);
    let (m, actions) = step(&policy, m, died(false), at(31));
    assert_eq!((actions, m.budget.fast_crashes), (vec![Action::Spawn { counted: false }], 0));
}

#[test]
fn one_that_never_gets_ready_ends_after_its_last_fast_crash_and_says_why() {
    let settings = Settings { ready_when_notify: true, max_fast_crashes: 2, ..Settings::default() };
    let policy = supervised(true, settings);
    let mut m = machine(Life::Starting { stop: None });
    let mut now = at(0);
    for _ in 0..2 {
        (m, _) = step(&policy, m, Event::Spawned { at: now }, now);
        (m, _) = step(&policy, m, Event::Timer, now);
        now += at(60);
        (m, _) = step(&policy, m, Event::Timer, now);
        assert!(matches!(m.life, Life::Stopping { .. }), "{:?}", m.life);
        (m, _) = step(&policy, m, died(false), now);
        if let Life::Backoff { until } = m.life {
            (m, _) = step(&policy, m, Event::Timer, until);
            now = until;
        }
    }
    let reason = "2 consecutive fast-crashes, the last: not ready within 1m (--ready-when-notify)";
    assert_eq!(m.life, Life::Over(End::Errored(reason.into())));
}

#[test]
fn failures_restart_and_success_does_not_where_that_was_asked_for() {
    let policy = supervised(true, Settings { restart_on: RestartOn::OnFailure, ..Settings::default() });
    let end = |outcome, descendants| step(&policy, machine(up()), Event::Exited { outcome, descendants }, at(9));
    assert_eq!(end(Outcome::Code(0), false).0.life, Life::Over(End::Exited));
    // What a leader that ended well left behind ends well, too.
    let (m, _) = end(Outcome::Code(0), true);
    assert!(matches!(m.life, Life::Detached(_)));
    assert_eq!(step(&policy, m.clone(), Event::Emptied, at(10)).0.life, Life::Over(End::Exited));
    let always = supervised(true, Settings::default());
    assert_eq!(step(&always, m, Event::Emptied, at(10)).1, [Action::Spawn { counted: true }]);
    assert_eq!(end(Outcome::Code(1), false).1, [Action::Spawn { counted: true }]);
}

#[test]
fn a_pause_holds_every_deadline_and_a_stop_ends_what_is_paused() {
    let policy = supervised(true, Settings { max_runtime: Some(Span::secs(30)), ..Settings::default() });
    let (m, actions) = step(&policy, machine(up()), Event::Pause, at(10));
    assert_eq!((actions, m.deadline(&policy)), (vec![Action::Pause], None));
    assert_eq!(step(&policy, m.clone(), Event::Pause, at(11)).1, []);
    let (stopping, actions) = step(&policy, m.clone(), Event::Stop(GRACE), at(11));
    assert_eq!(actions, [Action::Resume, Action::Signal(Signal::TERM)]);
    let (refused, _) = step(&policy, stopping, Event::SignalRefused, at(11));
    assert!(matches!(refused.life, Life::Up(run) if run.paused.is_none()), "it was woken up");
    let taken_up = Event::TakenUp { at: at(0), ready: false, paused: true, left: None };
    let (fresh, _) = step(&policy, machine(Life::default()), taken_up, at(11));
    assert_eq!(step(&policy, fresh, Event::Resume, at(12)).1, [Action::Resume]);
    let (m, actions) = step(&policy, m, Event::Resume, at(110));
    assert_eq!((actions, m.deadline(&policy)), (vec![Action::Resume], Some(at(130))));
}

#[test]
fn what_was_left_behind_is_taken_up_as_it_was() {
    let restarts = supervised(true, Settings::default());
    let taken = |policy: &Policy, code: i32, ending: bool| {
        let left = Some(Left { outcome: Outcome::Code(code), ending });
        let event = Event::TakenUp { at: at(0), ready: false, paused: false, left };
        step(policy, machine(Life::default()), event, at(60))
    };
    let (m, actions) = taken(&restarts, 1, false);
    assert_eq!((matches!(m.life, Life::Detached(_)), actions), (true, vec![]), "nobody has asked for its end");
    assert_eq!(step(&restarts, m, Event::Emptied, at(61)).1, [Action::Spawn { counted: true }]);
    let (m, actions) = taken(&restarts, 1, true);
    assert_eq!(actions, [Action::Signal(Signal::TERM)]);
    assert_eq!(step(&restarts, m, Event::Emptied, at(61)).1, [Action::Spawn { counted: true }]);
    // No hook: it ran when the end was seen.
    let hook = supervised(false, Settings { on_exit: Some("true".into()), ..Settings::default() });
    assert_eq!(taken(&hook, 0, true).1, []);
}

#[test]
fn what_cannot_be_held_goes_on_and_what_somebody_else_held_is_woken_up() {
    let policy = supervised(false, Settings::default());
    assert_eq!(step(&policy, machine(up()), Event::Resume, at(3)).1, [Action::Resume]);
    let (paused, _) = step(&policy, machine(up()), Event::Pause, at(3));
    let (m, actions) = step(&policy, paused, Event::SignalRefused, at(3));
    assert_eq!(actions, [Action::Resume]);
    assert!(matches!(m.life, Life::Up(run) if run.paused.is_none()));
}

#[test]
fn a_start_that_failed_for_want_of_something_is_not_tried_again_at_once() {
    let mut policy = supervised(true, Settings { backoff: Span::secs(0), ..Settings::default() });
    policy.on_fast_crash = FastCrash::Retry;
    let failed = Event::SpawnFailed { reason: "no".into(), transient: true };
    let (m, actions) = step(&policy, Machine::new(), failed, at(3));
    assert_eq!((actions, m.life), (vec![], Life::Backoff { until: at(3) + Duration::from_millis(500) }));
}

#[test]
fn a_check_that_cannot_be_made_counts_for_nothing() {
    let policy = supervised(false, Settings { health_port: Some(80), health_threshold: 1, ..Settings::default() });
    let (m, actions) = step(&policy, machine(up()), Event::Timer, at(10));
    assert_eq!(actions, [Action::Check]);
    let (m, actions) = step(&policy, m, Event::Unchecked, at(10));
    assert_eq!((actions, m.deadline(&policy)), (vec![], Some(at(20))), "the next is due as ever");
    assert!(matches!(m.life, Life::Up(run) if run.failures == 0));
}

#[test]
fn hooks_run_when_it_ends_is_ready_and_is_given_up() {
    let command = || Some("true".to_owned());
    let settings = Settings {
        on_exit: command(),
        on_ready: command(),
        on_errored: command(),
        ready_when_notify: true,
        ..Settings::default()
    };
    let policy = supervised(true, Settings { max_fast_crashes: 1, ..settings });
    let (m, _) = step(&policy, Machine::new(), Event::Spawned { at: at(0) }, at(0));
    let (m, actions) = step(&policy, m, Event::Ready, at(1));
    assert_eq!(actions, [Action::Hook(Hook::Ready)]);
    assert_eq!(step(&policy, m.clone(), Event::Ready, at(1)).1, [], "once a run");
    let (_, actions) = step(&policy, m, died(false), at(1));
    assert_eq!(actions, [Action::Hook(Hook::Exit), Action::Hook(Hook::Errored), Action::Quit]);
    let failed = Event::SpawnFailed { reason: "no".into(), transient: false };
    assert_eq!(step(&policy, Machine::new(), failed, at(0)).1, [Action::Quit], "the starter hears of it anyway");
}

/// A policy that watches files.
fn watching(watch: bool, settings: Settings) -> Policy {
    supervised(watch, Settings { watch_files: vec![".".into()], ..settings })
}

fn change() -> Event {
    Event::FilesChanged("files changed: a".into())
}

#[test]
fn changes_of_files() {
    let waiting = |end: End| Life::Waiting { end };
    let starting = || Life::Starting { stop: None };
    let spawn = || vec![Action::Spawn { counted: false }];
    let errored = || End::Errored("no".into());
    let ending = |was: Life| Life::Stopping {
        then: Then::Renew,
        why: Some(Cause::files_changed("files changed: a".into())),
        kill_at: Some(at(14)),
        signal: Signal::TERM,
        was: Box::new(was),
    };
    let later = Then::Respawn { delay: at(4), counted: true };
    let ask = || vec![Action::Signal(Signal::TERM)];
    let quit = || vec![Action::Quit];
    for (what, life, event, then, actions) in [
        ("what runs is restarted", up(), change(), ending(up()), ask()),
        ("and what it left behind", detached(), change(), ending(detached()), ask()),
        ("and is not when it cannot be signalled", Life::Up(refused()), change(), Life::Up(refused()), vec![]),
        ("once it is gone", ending(up()), died(false), starting(), spawn()),
        ("what waits is started", waiting(End::Exited), change(), starting(), spawn()),
        ("what failed is, too", waiting(errored()), change(), starting(), spawn()),
        ("and so is what waits for a retry", Life::Backoff { until: at(99) }, change(), starting(), spawn()),
        (
            "what supervision is ending is started again at once",
            stopping(later, Some(at(14)), up()),
            change(),
            stopping(Then::Renew, Some(at(14)), up()),
            vec![],
        ),
        (
            "what is being stopped stays down",
            stopping(Then::Down, Some(at(14)), up()),
            change(),
            stopping(Then::Down, Some(at(14)), up()),
            vec![],
        ),
        (
            "what is being restarted sees the change",
            stopping(respawn(false), Some(at(14)), up()),
            change(),
            stopping(respawn(false), Some(at(14)), up()),
            vec![],
        ),
        ("an end waits for a change", up(), died(false), waiting(End::Exited), vec![]),
        ("and so does that of what it left behind", detached(), Event::Emptied, waiting(End::Exited), vec![]),
        (
            "and a program that is missing while it is built",
            starting(),
            Event::SpawnFailed { reason: "no".into(), transient: false },
            waiting(errored()),
            vec![],
        ),
        (
            "what fails for want of something is tried again",
            starting(),
            Event::SpawnFailed { reason: "no".into(), transient: true },
            Life::Backoff { until: at(11) },
            vec![],
        ),
        ("a stop ends the wait", waiting(errored()), Event::Stop(GRACE), Life::Over(End::Stopped), quit()),
        ("a restart does, too", waiting(errored()), Event::Restart(GRACE), starting(), spawn()),
        ("a shutdown leaves the wish", waiting(errored()), Event::Terminate, Life::Over(End::Left), quit()),
        ("other events do not", waiting(errored()), Event::Timer, waiting(errored()), vec![]),
    ] {
        let (after, done) = step(&watching(false, Settings::default()), machine(life), event, at(9));
        assert_eq!((after.life, done), (then, actions), "{what}");
    }
    let unwatched = policy(false);
    let (after, done) = step(&unwatched, machine(waiting(errored())), Event::PolicyChanged, at(9));
    assert_eq!((after.life, done), (Life::Over(errored()), quit()), "it ends as it would have ended");
    let (after, done) = step(&unwatched, machine(up()), change(), at(9));
    assert_eq!((after.life, done), (up(), vec![]), "a change that was on its way when that was turned off");
    let failed = Event::SpawnFailed { reason: "no".into(), transient: false };
    let (after, _) = step(&watching(false, Settings::default()), Machine::new(), failed, at(9));
    assert_eq!(after.life, Life::Over(errored()), "the starter hears of a first start that fails");
}

#[test]
fn a_broken_save_waits_for_the_next_and_costs_no_patience() {
    let policy = watching(true, Settings { restart_limit: Some("3/1m".parse().unwrap()), ..Settings::default() });
    let mut m = machine(up());
    m.budget.fast_crashes = 3;
    let patience = m.budget.clone();
    for now in [10, 20, 30, 40, 50] {
        (m, _) = step(&policy, m, change(), at(now));
        if m.life != (Life::Starting { stop: None }) {
            (m, _) = step(&policy, m, died(false), at(now));
        }
        (m, _) = step(&policy, m, Event::Spawned { at: at(now) }, at(now));
        (m, _) = step(&policy, m, died(false), at(now + 1));
        assert_eq!(m.life, Life::Waiting { end: End::Errored("exit code 1".into()) });
        assert_eq!(m.budget, patience);
    }
    // The save that mends it; a crash after that is one as any other.
    (m, _) = step(&policy, m, change(), at(60));
    (m, _) = step(&policy, m, Event::Spawned { at: at(60) }, at(60));
    let (m, actions) = step(&policy, m, died(false), at(70));
    assert_eq!((actions, m.budget.fast_crashes), (vec![Action::Spawn { counted: true }], 0));
    let (m, _) = step(&policy, m, Event::Spawned { at: at(70) }, at(70));
    let (m, _) = step(&policy, m, died(false), at(71));
    assert_eq!(m.life, Life::Backoff { until: at(73) });
    // What the policy gives up waits for a change, too.
    let spent = Machine { budget: patience, ..machine(up()) };
    let (m, _) = step(&policy, spent, died(false), at(1));
    assert_eq!(m.life, Life::Waiting { end: End::Errored("4 consecutive fast-crashes".into()) });
}

#[test]
fn a_change_while_it_is_paused_counts_once_it_goes_on() {
    for (watch_signal, last) in [(None, Signal::TERM), (Some(Signal::HUP), Signal::HUP)] {
        let policy = watching(false, Settings { watch_signal, ..Settings::default() });
        let (m, _) = step(&policy, machine(up()), Event::Pause, at(3));
        let (m, actions) = step(&policy, m, change(), at(4));
        assert_eq!((actions, m.answer(&policy)), (vec![], Answer::Later));
        let (m, actions) = step(&policy, m, Event::Resume, at(5));
        let told = if watch_signal.is_some() { Action::Tell(last) } else { Action::Signal(last) };
        assert_eq!(actions, [Action::Resume, told]);
        assert_eq!(matches!(m.life, Life::Up(_)), watch_signal.is_some());
    }
}

/// The world outside the machine: what really runs.
#[derive(Default)]
struct World {
    leader: bool,
    descendants: u64,
    asked_down: bool,
    quit: bool,
    checking: bool,
}

impl World {
    /// Something that can happen now, given what runs.
    fn event(&mut self, dice: &mut Dice, life: &Life, now: Moment) -> Event {
        if matches!(life, Life::Starting { .. }) && !self.leader {
            if dice.below(5) == 0 {
                return Event::SpawnFailed { reason: "no".into(), transient: dice.below(2) == 0 };
            }
            self.leader = true;
            return if dice.below(5) == 0 {
                let left = Left { outcome: Outcome::Code(dice.below(3) as i32), ending: dice.below(2) == 0 };
                let left = Some(left).filter(|_| dice.below(3) == 0);
                self.leader = left.is_none();
                self.descendants = if left.is_some() { 1 + dice.below(2) } else { self.descendants };
                Event::TakenUp { at: now, ready: dice.below(2) == 0, paused: dice.below(4) == 0, left }
            } else {
                Event::Spawned { at: now }
            };
        }
        match dice.below(26) {
            0 => Event::Stop(if dice.below(4) == 0 { FORCE } else { GRACE }),
            1 => Event::Restart(GRACE),
            2 => Event::PolicyChanged,
            3 if dice.below(20) == 0 => Event::Terminate,
            4 if dice.below(30) == 0 => Event::SignalRefused,
            5..=8 if self.leader => {
                self.leader = false;
                self.descendants = dice.below(3);
                Event::Exited { outcome: Outcome::Code(dice.below(3) as i32), descendants: self.descendants > 0 }
            }
            5..=8 if self.descendants > 0 => {
                self.descendants -= 1;
                if self.descendants > 0 { Event::Remaining } else { Event::Emptied }
            }
            9 => Event::Ready,
            10 => Event::NotYet("no".into()),
            11 if dice.below(10) == 0 => Event::NeverReady("no".into()),
            12 | 13 if self.checking => {
                self.checking = false;
                if dice.below(4) == 0 {
                    Event::Unchecked
                } else {
                    Event::Checked((dice.below(3) > 0).then(|| "bad".into()))
                }
            }
            14 => Event::Measured(dice.below(120)),
            15 => Event::Beat,
            16 if dice.below(10) == 0 => Event::Lifeless,
            17 => Event::Extend(Duration::from_secs(dice.below(20))),
            18 if dice.below(10) == 0 => Event::Leaving,
            19 => Event::Pause,
            20 => Event::Resume,
            21 | 22 => change(),
            _ => Event::Timer,
        }
    }
}

/// Settings as the seed has it: with and without each kind of supervision.
fn any_settings(dice: &mut Dice) -> Settings {
    let mut some = |value: Span| (dice.below(3) == 0).then_some(value);
    let (max_runtime, restart_every, watchdog) = (some(Span::secs(60)), some(Span::secs(90)), some(Span::secs(20)));
    let command = || Some("true".to_owned());
    Settings {
        max_runtime,
        restart_every,
        watchdog,
        watch_files: if dice.below(2) == 0 { vec![".".into()] } else { Vec::new() },
        watch_signal: (dice.below(4) == 0).then_some(Signal::HUP),
        restart_on: if dice.below(2) == 0 { RestartOn::OnFailure } else { RestartOn::Always },
        restart_limit: (dice.below(4) == 0).then(|| "3/1m".parse().unwrap()),
        backoff_jitter: crate::domain::settings::Percent(dice.below(101) as u8),
        ready_when_notify: dice.below(2) == 0,
        ready_timeout: Span::secs(dice.below(3) * 15),
        on_ready_timeout: if dice.below(2) == 0 { OnReadyTimeout::Fail } else { OnReadyTimeout::Keep },
        health_port: (dice.below(2) == 0).then_some(80),
        health_interval: Span::secs(5),
        health_threshold: 2,
        max_rss: (dice.below(2) == 0).then_some(Size(100)),
        on_exit: command(),
        on_ready: command(),
        on_errored: command(),
        ..Settings::default()
    }
}

/// A lease as the seed has it, most of them none.
fn any_term(dice: &mut Dice, now: Moment) -> Term {
    let until = || Some(Identity { pid: 7, start_time: 7, boot_id: "b".into() });
    match dice.below(4) {
        0 => Term { expires: Some(now + Duration::from_secs(dice.below(200))), ..Term::default() },
        1 => Term { until: until(), ..Term::default() },
        _ => Term::default(),
    }
}

/// What is expected of a life when the lease is over, at a wake-up 9 s after the start.
#[test]
fn a_lease_that_is_over_ends_whatever_there_is() {
    let ttl = Settings { ttl: Some(Span::secs(8)), ..Settings::default() };
    let leased = |expires: Option<Moment>| {
        let term = Term { expires, until: None, vanished: expires.is_none() };
        Policy { term, ..supervised(true, ttl.clone()) }
    };
    let reason = "its ttl of 8s is over".to_owned();
    let expire = || Then::Expire { reason: reason.clone() };
    let ending = |then, kill_at, was: Life| Life::Stopping {
        then,
        why: Some(Cause::lease_over(reason.clone())),
        kill_at,
        signal: Signal::TERM,
        was: Box::new(was),
    };
    let paused = || {
        let mut run = run();
        run.paused = Some(at(2));
        Life::Up(run)
    };
    let mut woken = run();
    woken.paused = Some(at(2));
    woken.resume(at(9));
    let over = || Life::Over(End::Expired(reason.clone()));
    let ask = || vec![Action::Signal(Signal::TERM)];
    let (timer, restart) = (Event::Timer, Event::Restart(GRACE));
    for (what, life, event, then, actions) in [
        ("it runs", up(), timer.clone(), ending(expire(), Some(at(14)), up()), ask()),
        ("the leader has ended", detached(), timer.clone(), ending(expire(), Some(at(14)), detached()), ask()),
        (
            "it is paused",
            paused(),
            timer.clone(),
            ending(expire(), Some(at(14)), Life::Up(woken)),
            vec![Action::Resume, Action::Signal(Signal::TERM)],
        ),
        ("it cannot be signalled", Life::Up(refused()), timer.clone(), Life::Up(refused()), vec![]),
        ("it waits in a backoff", Life::Backoff { until: at(9) }, timer.clone(), over(), vec![Action::Quit]),
        ("it waits for a change", Life::Waiting { end: End::Exited }, timer.clone(), over(), vec![Action::Quit]),
        ("a change comes then", Life::Backoff { until: at(99) }, change(), over(), vec![Action::Quit]),
        (
            "it is being restarted",
            stopping(respawn(true), Some(at(14)), up()),
            timer.clone(),
            stopping(expire(), Some(at(14)), up()),
            vec![],
        ),
        (
            "it is being stopped",
            stopping(Then::Down, Some(at(14)), up()),
            timer.clone(),
            stopping(Then::Down, Some(at(14)), up()),
            vec![],
        ),
        ("its restart is due", stopping(respawn(true), Some(at(14)), up()), died(false), over(), vec![Action::Quit]),
        ("it is gone", ending(expire(), Some(at(14)), up()), died(false), over(), vec![Action::Quit]),
        ("it dies by itself", up(), died(false), Life::Over(End::Exited), vec![Action::Quit]),
        ("its last descendant ends", detached(), Event::Emptied, Life::Over(End::Exited), vec![Action::Quit]),
        (
            "somebody restarts it just then",
            Life::Backoff { until: at(99) },
            restart,
            Life::Starting { stop: None },
            vec![Action::Spawn { counted: false }],
        ),
    ] {
        let (m, done) = step(&leased(Some(at(8))), machine(life), event, at(9));
        assert_eq!((&m.life, &done), (&then, &actions), "{what}");
    }
    let gone = leased(None);
    assert_eq!(machine(up()).deadline(&gone), Some(Moment::ZERO));
    let (m, _) = step(&gone, machine(up()), Event::Timer, at(9));
    assert!(matches!(m.life, Life::Stopping { then: Then::Expire { .. }, .. }));
    assert_eq!(machine(paused()).deadline(&leased(Some(at(8)))), Some(at(8)), "a pause is no way out");
    let leaving = Machine { leave_at: Some(at(20)), ..machine(up()) };
    assert_eq!(leaving.deadline(&gone), Some(at(20)), "a shutdown ends it anyway, and resurrect looks at the lease");
}

#[test]
fn random_walks_keep_the_invariants() {
    let mut ends = std::collections::BTreeMap::<&str, u32>::new();
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..4000 {
        let mut dice = Dice::new(seed);
        let mut world = World::default();
        let mut m = Machine::new();
        let mut now = at(1);
        let mut policy = supervised(seed % 3 != 0, any_settings(&mut dice));
        policy.term = any_term(&mut dice, now);
        for _ in 0..200 {
            now += Duration::from_millis(dice.below(3000));
            let event = world.event(&mut dice, &m.life, now);
            if event == Event::PolicyChanged {
                policy = supervised(!policy.watch, any_settings(&mut dice));
                policy.term = any_term(&mut dice, now);
            }
            policy.term.vanished |= policy.term.until.is_some() && dice.below(60) == 0;
            let outlived = policy.outlived(now).is_some();
            if m.leave_at.is_none() && !world.quit {
                match event {
                    Event::Stop(_) => world.asked_down = true,
                    Event::Restart(_) | Event::SignalRefused => world.asked_down = false,
                    _ => {}
                }
            }
            let before = m.clone();
            let answer = m.answer(&policy);
            let leaving = before.leave_at.is_some();
            let (next, actions) = step(&policy, m, event.clone(), now);
            m = next;
            let something = world.leader || world.descendants > 0;
            assert!(!world.quit || actions.is_empty(), "seed {seed}: {actions:?} after the end");
            for action in &actions {
                match action {
                    Action::Spawn { .. } => {
                        assert!(!something, "seed {seed}: two at once after {event:?}");
                        assert!(!world.asked_down, "seed {seed}: started after a stop by {event:?}");
                        assert!(!leaving, "seed {seed}: started while leaving");
                        let is_asked = matches!(event, Event::Restart(_));
                        assert!(!outlived || is_asked, "seed {seed}: started after its lease by {event:?}");
                        world.checking = false;
                    }
                    Action::Quit => world.quit = true,
                    Action::Signal(_) | Action::KillAll | Action::Pause | Action::Resume => {
                        assert!(something || world.quit, "seed {seed}: nobody to signal")
                    }
                    Action::Probe | Action::Check | Action::Measure => {
                        let (Life::Up(run) | Life::Detached(run)) = &m.life else { panic!("seed {seed}: {action:?}") };
                        assert!(something && run.paused.is_none(), "seed {seed}: looks at nothing after {event:?}");
                        assert_eq!(*action == Action::Probe, run.is_awaited() && *action == Action::Probe);
                        if *action == Action::Check {
                            assert!(!run.is_awaited(), "seed {seed}: checked before it is ready");
                            assert!(!world.checking, "seed {seed}: two checks at once");
                            world.checking = true;
                        }
                    }
                    Action::Tell(_) => assert!(something, "seed {seed}: nobody to tell"),
                    Action::Hook(Hook::Exit) => {
                        assert!(matches!(event, Event::Exited { .. }), "seed {seed}: no exit for the hook")
                    }
                    Action::Hook(Hook::Ready) => assert_eq!(event, Event::Ready, "seed {seed}"),
                    Action::Hook(Hook::Errored) => {
                        let gives_up = actions.contains(&Action::Quit) || matches!(m.life, Life::Waiting { .. });
                        assert!(gives_up, "seed {seed}");
                    }
                }
                *seen.entry(format!("{action:?}").split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            if event == Event::Timer {
                let again = m.deadline(&policy);
                assert!(
                    again.is_none_or(|at| at > now),
                    "seed {seed}: {again:?} at {now:?} is due again: {:?}",
                    m.life
                );
            }
            if let Event::FilesChanged(_) = event {
                assert_eq!(m.budget, before.budget, "seed {seed}: a change costs patience");
                if outlived && !leaving {
                    assert!(!matches!(m.life, Life::Backoff { .. } | Life::Waiting { .. }), "seed {seed}: waits on");
                    continue;
                }
                let as_before = m.life == before.life && actions.is_empty();
                assert!(answer != Answer::Nothing || as_before, "seed {seed}: {actions:?}");
                let told = matches!(actions[..], [Action::Tell(_)]);
                assert_eq!(matches!(answer, Answer::Tell(_)), told, "seed {seed}: {answer:?}");
                let down = !something && answer == Answer::Start;
                assert_eq!(down, matches!(actions[..], [Action::Spawn { counted: false }]), "seed {seed}: {answer:?}");
            }
            if let Life::Waiting { .. } = m.life {
                assert!(!something, "seed {seed}: waits while something runs");
                assert!(policy.watches_files(), "seed {seed}: waits for nothing");
                let lease = if policy.term.vanished { Some(Moment::ZERO) } else { policy.term.expires };
                assert_eq!(m.deadline(&policy), lease, "seed {seed}: only a change or the lease ends the wait");
            }
            if let Life::Backoff { until } = m.life {
                assert!(until <= now + policy.settings.backoff_max.0, "seed {seed}: waits beyond the cap");
                assert!(!something, "seed {seed}: waits while something runs");
            }
            if let (Life::Up(run), Life::Up(was)) = (&m.life, &before.life) {
                let paused = was.paused.is_some() && run.paused.is_some();
                assert!(!paused || run.readiness == was.readiness || event != Event::Timer, "seed {seed}");
                assert!(was.readiness != Readiness::Ready || run.readiness == Readiness::Ready, "seed {seed}: unready");
            }
            if let Life::Over(end) = &m.life {
                assert!(world.quit, "seed {seed}: over without quitting");
                let left = matches!(end, End::Left);
                assert!(left || !something, "seed {seed}: {end:?} while something runs");
            }
        }
        let end = match m.life {
            Life::Over(End::Exited) => "exited",
            Life::Over(End::Stopped) => "stopped",
            Life::Over(End::Expired(_)) => "expired",
            Life::Over(End::Errored(_)) => "errored",
            Life::Over(End::Left) => "left",
            _ => "alive",
        };
        *ends.entry(end).or_default() += 1;
    }
    assert!(["exited", "stopped", "expired", "errored", "left"].iter().all(|end| ends.contains_key(end)), "{ends:?}");
    for action in [
        "Spawn",
        "Signal(Signal(15))",
        "Tell(Signal(1))",
        "KillAll",
        "Pause",
        "Resume",
        "Probe",
        "Check",
        "Measure",
        "Hook(Ready)",
        "Quit",
    ] {
        assert!(seen.contains_key(action), "no walk came to {action}: {seen:?}");
    }
}
