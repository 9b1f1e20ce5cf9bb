//! The rules of notifications: a table of occasions, the throttle walked at random, and what is told.

use super::super::dice::Dice;
use super::super::outcome::Outcome;
use super::super::record::Record;
use super::super::settings::Settings;
use super::super::signal::Signal;
use super::super::spec::Spec;
use super::*;

fn at(secs: u64) -> Moment {
    Duration::from_secs(secs)
}

/// The same moment on both clocks.
fn moment(secs: u64) -> (SystemTime, Moment) {
    (wall(at(secs)), at(secs))
}

fn wall(now: Moment) -> SystemTime {
    SystemTime::UNIX_EPOCH + at(1_800_000_000) + now
}

fn trouble(told: &mut Notifications, secs: u64) -> Option<u32> {
    let (wall_clock, now) = moment(secs);
    told.trouble(wall_clock, now)
}

fn policy(settings: Settings) -> Policy {
    Record::new("web", Spec { command: vec!["true".into()], cwd: "/".into(), settings }).policy()
}

fn exit(outcome: Outcome) -> Exit {
    Exit::new(Timestamp(SystemTime::UNIX_EPOCH), outcome, Some(at(3)))
}

fn up() -> Life {
    Life::Up(Run::new(&policy(Settings::default()), at(0), at(0)))
}

fn machine(life: Life) -> Machine {
    Machine { life, ran: true, ..Machine::new() }
}

#[test]
fn trouble_is_an_end_that_nobody_asked_for_and_nothing_follows() {
    let (fine, bad) = (exit(Outcome::Code(0)), exit(Outcome::Code(3)));
    let killed = exit(Outcome::Signal { signal: Signal::KILL, oom: true });
    let trouble = |how, why: &str| Some(Occasion::Trouble(how, why.to_owned()));
    let over = Life::Over;
    let policy = policy(Settings::default());
    for (before, after, last, expected) in [
        (up(), over(End::Exited), &fine, Some(Occasion::Settled)),
        (up(), over(End::Exited), &bad, trouble(Trouble::Ended, "exit code 3 after 3s")),
        (up(), over(End::Exited), &killed, trouble(Trouble::Ended, "SIGKILL (out of memory) after 3s")),
        (up(), over(End::Exited), &Exit { shutdown: true, ..bad.clone() }, None),
        (up(), over(End::Errored("4 crashes".into())), &bad, trouble(Trouble::Errored, "4 crashes")),
        (up(), over(End::Stopped), &killed, Some(Occasion::Settled)),
        (up(), over(End::Expired("ttl".into())), &killed, Some(Occasion::Settled)),
        (up(), over(End::Left), &bad, None),
        (up(), Life::Backoff { until: at(9) }, &bad, None),
        (up(), Life::Starting { stop: None }, &bad, None),
        (up(), up(), &bad, None),
        (up(), Life::Waiting { end: End::Exited }, &bad, trouble(Trouble::Ended, "exit code 3 after 3s")),
        (up(), Life::Waiting { end: End::Errored("x".into()) }, &bad, trouble(Trouble::Errored, "x")),
        // It was told when the wait began, or somebody has called off what was to follow.
        (Life::Waiting { end: End::Errored("x".into()) }, over(End::Errored("x".into())), &bad, None),
        (Life::Waiting { end: End::Errored("x".into()) }, over(End::Stopped), &bad, Some(Occasion::Settled)),
        (Life::Backoff { until: at(9) }, over(End::Exited), &bad, None),
        (Life::Backoff { until: at(9) }, over(End::Stopped), &bad, Some(Occasion::Settled)),
        (Life::Backoff { until: at(9) }, over(End::Left), &bad, None),
        (Life::Backoff { until: at(9) }, over(End::Errored("gone".into())), &bad, trouble(Trouble::Errored, "gone")),
        (over(End::Errored("x".into())), over(End::Errored("x".into())), &bad, None),
    ] {
        let got = occasion(&before, &machine(after.clone()), Some(last), &policy);
        assert_eq!(got, expected, "{before:?} -> {after:?}");
    }
    // The command that started it has said so.
    let never_ran = Machine { ran: false, ..machine(over(End::Errored("x".into()))) };
    assert_eq!(occasion(&Life::default(), &never_ran, None, &policy), None);
    // Who saved what breaks it sees that.
    let saved = Machine { for_change: true, ..machine(Life::Waiting { end: End::Errored("x".into()) }) };
    assert_eq!(occasion(&up(), &saved, Some(&bad), &policy), None);
}

#[test]
fn it_is_well_again_when_ready_or_when_it_has_run_for_min_uptime() {
    let plain = policy(Settings::default());
    let asked = policy(Settings { ready_when: Some("up".into()), ..Settings::default() });
    assert_eq!(well_from(&Life::Up(Run::new(&plain, at(5), at(9))), &plain), Some(at(7)));
    let mut run = Run::new(&asked, at(5), at(5));
    assert_eq!(well_from(&Life::Up(run.clone()), &asked), None);
    run.set_ready(at(6));
    assert_eq!(well_from(&Life::Up(run.clone()), &asked), Some(at(5)));
    assert_eq!(well_from(&Life::Detached(run.clone()), &asked), Some(at(5)));
    let spoil: [fn(&mut Run); 3] = [|run| run.paused = Some(at(7)), |run| run.leaving = true, |run| run.failures = 1];
    for spoil in spoil {
        let mut run = run.clone();
        spoil(&mut run);
        assert_eq!(well_from(&Life::Up(run), &asked), None);
    }
    assert_eq!(well_from(&Life::Backoff { until: at(1) }, &plain), None);
}

#[test]
fn a_crash_loop_is_told_once_a_minute_with_what_was_held_back() {
    let mut told = Notifications::default();
    let troubles: Vec<(u64, u32)> =
        (100..300).step_by(10).filter_map(|now| Some((now, trouble(&mut told, now)?))).collect();
    assert_eq!(troubles, [(100, 0), (160, 5), (220, 5), (280, 5)]);
}

#[test]
fn recovery_is_told_only_after_trouble_and_not_too_soon() {
    let mut told = Notifications::default();
    assert_eq!(told.recovery_at(at(50)), None);
    trouble(&mut told, 100);
    assert_eq!(told.recovery_at(at(110)), Some(at(160)));
    assert_eq!(told.recovery_at(at(170)), Some(at(170)));
    assert_eq!(trouble(&mut told, 120), None);
    assert_eq!(told.recovered(), 1);
    assert_eq!(told.recovery_at(at(200)), None);
    // A stop, or a good end, says all.
    trouble(&mut told, 300);
    told.settle();
    assert_eq!(told.recovery_at(at(400)), None);
    assert_eq!(trouble(&mut told, 310), None, "though that is over, another minute has not passed");
    assert_eq!(told.recovery_at(at(320)), Some(at(360)), "the last word was of trouble");
}

#[test]
fn the_record_remembers_what_counts_and_when_it_was_told() {
    let mut told = Notifications::default();
    assert_eq!(told.to_record(at(100)), None);
    trouble(&mut told, 100);
    trouble(&mut told, 110);
    let record = told.to_record(at(120)).unwrap();
    assert_eq!(record, Notified { at: Timestamp(wall(at(100))), troubled: true, held_back: 1 });
    assert_eq!(told.to_record(at(7300)), Some(record.clone()), "however late it is written, it was told then");
    // Another sidecar, a little later, also after a reboot: the clock since boot begins anew.
    let noon = wall(at(120));
    assert_eq!(Notifications::of(Some(&record), noon + at(10), at(130)), told);
    for (wall_clock, now) in [(noon + at(10), at(5)), (noon + at(3600), at(9000)), (noon - at(3600), at(130))] {
        let later = Notifications::of(Some(&record), wall_clock, now);
        assert_eq!(later, Notifications { told_at: None, ..told.clone() });
        assert_eq!(later.recovery_at(now), Some(now));
        assert_eq!(later.to_record(now), Some(record.clone()));
    }
    told.settle();
    assert!(told.to_record(at(159)).is_some());
    assert_eq!(told.to_record(at(160)), None);
}

/// Whatever happens, and however often the sidecar is replaced: no flood, and the last word is never too good.
#[test]
fn no_flood_and_no_false_peace() {
    for seed in 0..3000 {
        let mut dice = Dice::new(seed);
        let mut told = Notifications::default();
        let mut now = at(1000);
        // What the desktop has last said (of trouble or not), and how it really is.
        let (mut said_trouble, mut is_trouble) = (false, false);
        let (mut troubles, mut well): (Vec<Moment>, Option<Moment>) = (Vec::new(), None);
        for _ in 0..60 {
            now += Duration::from_millis(dice.below(40_000));
            // What became due meanwhile.
            if let Some(due) = well.and_then(|from| told.recovery_at(from)).filter(|due| *due <= now) {
                assert!(said_trouble && !is_trouble, "seed {seed}: nothing to recover from at {due:?}");
                told.recovered();
                said_trouble = false;
            }
            match dice.below(6) {
                0 | 1 => {
                    (is_trouble, well) = (true, None);
                    if told.trouble(wall(now), now).is_some() {
                        assert!(troubles.last().is_none_or(|last| *last + QUIET <= now), "seed {seed}: a flood");
                        troubles.push(now);
                        said_trouble = true;
                    }
                }
                2 | 3 => {
                    is_trouble = false;
                    well = Some(now + Duration::from_millis(dice.below(5000)));
                }
                4 => {
                    (is_trouble, well) = (false, None);
                    told.settle();
                }
                _ => {
                    let record = told.to_record(now);
                    told = Notifications::of(record.as_ref(), wall(now), now);
                }
            }
            assert!(said_trouble || !is_trouble, "seed {seed}: trouble at {now:?}, and the last word was another");
        }
    }
}

#[test]
fn what_is_told_is_plain_text() {
    let message = Message::trouble("we\u{1b}[2Jb", Trouble::Errored, "not ready:\n<b>\"5\" & \\n\u{202e}</b>\u{7}", 2);
    assert_eq!(
        Notifier::NotifySend.arguments(&message),
        [
            "--app-name=bgo",
            "--urgency=critical",
            "--",
            "web: errored",
            "not ready: &lt;b&gt;\"5\" &amp; \\\\n &lt;/b&gt; (2 earlier failures were not told)"
        ]
    );
    let script = "display notification (item 2 of argv) with title (item 1 of argv)";
    assert_eq!(
        Notifier::Osascript.arguments(&Message::recovery("web", 1)),
        [
            "-e",
            "on run argv",
            "-e",
            script,
            "-e",
            "end run",
            "web: recovered",
            "it runs again (1 failure was not told)"
        ]
    );
    let long = Message::trouble("web", Trouble::Ended, &"é".repeat(1000), 0);
    assert_eq!(long.body, format!("{}…", "é".repeat(LONGEST)));
}
