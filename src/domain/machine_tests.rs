//! The state machine: a table of single steps, and random walks that hold its invariants.

use super::*;
use crate::domain::spec::FastCrash;

const GRACE: Grace = Grace { signal: Signal::TERM, timeout: Duration::from_secs(5) };
const FORCE: Grace = Grace { signal: Signal::KILL, timeout: Duration::ZERO };

fn policy(watch: bool) -> Policy {
    Policy {
        watch,
        min_uptime: Duration::from_secs(2),
        on_fast_crash: FastCrash::Backoff,
        stop_signal: Signal::TERM,
        stop_timeout: Duration::from_secs(5),
    }
}

fn at(secs: u64) -> Moment {
    Duration::from_secs(secs)
}

fn machine(life: Life) -> Machine {
    Machine { life, fast_crashes: 0, leave_at: None }
}

fn up() -> Life {
    Life::Up { since: at(0) }
}

fn stopping(then: Then, kill_at: Option<Moment>, was: Life) -> Life {
    Life::Stopping { then, kill_at, signal: Signal::TERM, was: Box::new(was) }
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
            Life::Up { since: at(3) },
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
        ("an end that leaves descendants", false, up(), died(true), 9, Life::Detached, vec![]),
        ("the last descendant", false, Life::Detached, Emptied, 9, Life::Over(End::Exited), quit()),
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
            stopping(respawn(true), Some(at(14)), Life::Detached),
            ask(),
        ),
        ("a stop", true, up(), Stop(GRACE), 9, stopping(Then::Down, Some(at(14)), up()), ask()),
        (
            "a forced stop",
            true,
            up(),
            Stop(FORCE),
            9,
            Life::Stopping { then: Then::Down, kill_at: None, signal: Signal::KILL, was: Box::new(up()) },
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
            stopping(Then::Down, Some(at(14)), Life::Detached),
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
            stopping(Then::Down, None, Life::Detached),
            Remaining,
            9,
            stopping(Then::Down, None, Life::Detached),
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
        ("the signal is refused", true, stopping(Then::Down, Some(at(14)), up()), SignalRefused, 9, up(), vec![]),
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
        (stopping(Then::Down, Some(at(7)), Life::Up { since: at(1) }), vec![Action::Signal(Signal::TERM)])
    );
}

#[test]
fn shutdown_leaves_the_process_alone_and_never_restarts() {
    let (m, actions) = step(&policy(true), machine(up()), Event::Terminate, at(10));
    assert_eq!((m.deadline(), actions), (Some(at(12)), vec![]));
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
        m.life = Life::Up { since: now };
        (m, _) = step(&policy(true), m, died(false), now);
        if let Life::Backoff { until } = m.life {
            waits.push((until - now).as_secs());
            now = until;
        }
    }
    assert_eq!(waits, [2, 4, 8]);
    assert_eq!(m.life, Life::Over(End::Errored("4 consecutive fast-crashes".into())));
}

/// A small linear congruential generator: the walk is the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The world outside the machine: what really runs.
#[derive(Default)]
struct World {
    leader: bool,
    descendants: u64,
    asked_down: bool,
    quit: bool,
}

impl World {
    /// Something that can happen now, given what runs.
    fn event(&mut self, dice: &mut Dice, life: &Life, now: Moment) -> Event {
        if matches!(life, Life::Starting { .. }) && !self.leader {
            if dice.below(5) == 0 {
                return Event::SpawnFailed { reason: "no".into(), transient: dice.below(2) == 0 };
            }
            self.leader = true;
            return Event::Spawned { at: now };
        }
        match dice.below(12) {
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
            _ => Event::Timer,
        }
    }
}

#[test]
fn random_walks_keep_the_invariants() {
    let mut ends = std::collections::BTreeMap::<&str, u32>::new();
    for seed in 0..4000 {
        let mut dice = Dice(seed);
        let mut world = World::default();
        let mut m = Machine::new();
        let mut now = at(1);
        let mut watch = seed % 3 != 0;
        for _ in 0..200 {
            now += Duration::from_millis(dice.below(3000));
            let event = world.event(&mut dice, &m.life, now);
            if event == Event::PolicyChanged {
                watch = !watch;
            }
            if m.leave_at.is_none() && !world.quit {
                match event {
                    Event::Stop(_) => world.asked_down = true,
                    Event::Restart(_) | Event::SignalRefused => world.asked_down = false,
                    _ => {}
                }
            }
            let leaving = m.leave_at.is_some();
            let (next, actions) = step(&policy(watch), m, event.clone(), now);
            m = next;
            assert!(!world.quit || actions.is_empty(), "seed {seed}: {actions:?} after the end");
            for action in &actions {
                match action {
                    Action::Spawn { .. } => {
                        assert!(!world.leader && world.descendants == 0, "seed {seed}: two at once after {event:?}");
                        assert!(!world.asked_down, "seed {seed}: started after a stop by {event:?}");
                        assert!(!leaving, "seed {seed}: started while leaving");
                    }
                    Action::Quit => world.quit = true,
                    Action::Signal(_) | Action::KillAll => {
                        assert!(world.leader || world.descendants > 0 || world.quit, "seed {seed}: nobody to signal")
                    }
                }
            }
            if let Life::Backoff { until } = m.life {
                assert!(until <= now + crate::domain::backoff::CAP, "seed {seed}: waits beyond the cap");
                assert!(!world.leader && world.descendants == 0, "seed {seed}: waits while something runs");
            }
            if let Life::Over(end) = &m.life {
                assert!(world.quit, "seed {seed}: over without quitting");
                let left = matches!(end, End::Left);
                assert!(left || (!world.leader && world.descendants == 0), "seed {seed}: {end:?} while something runs");
            }
        }
        let end = match m.life {
            Life::Over(End::Exited) => "exited",
            Life::Over(End::Stopped) => "stopped",
            Life::Over(End::Errored(_)) => "errored",
            Life::Over(End::Left) => "left",
            _ => "alive",
        };
        *ends.entry(end).or_default() += 1;
    }
    assert!(["exited", "stopped", "errored", "left"].iter().all(|end| ends.contains_key(end)), "{ends:?}");
}
