//! What the writes of a life tell.

use super::*;
use crate::domain::outcome::Outcome;
use crate::domain::record::{self, Ask, Health, Identity};
use crate::domain::settings::Settings;
use crate::domain::spec::Spec;
use std::time::{Duration, SystemTime};

fn at(second: u64) -> Timestamp {
    Timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
}

fn record() -> Record {
    let spec = Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings: Settings::default() };
    Record { run_id: "r1".into(), ..Record::new("web", spec) }
}

fn running(pid: u32) -> Record {
    let mut record = record();
    record.state = State::Running;
    record.set_process(&Identity { pid, start_time: u64::from(pid), boot_id: "b".into() });
    record
}

fn end(record: &mut Record, second: u64, code: i32, state: State) {
    record.push_exit(Exit::new(at(second), Outcome::Code(code), None));
    record.set_down(state, at(second));
}

fn told(before: &Record, after: &Record) -> Vec<Kind> {
    transitions(Some(&Mark::of(before)), after, at(99)).into_iter().map(|(_, kind, _)| kind).collect()
}

#[test]
fn a_life_is_told_step_by_step() {
    use Kind::*;
    let kinds = |found: Vec<(Timestamp, Kind, Data)>| found.into_iter().map(|(_, kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(kinds(transitions(None, &record(), at(0))), [Registered]);
    assert_eq!(kinds(transitions(None, &running(1), at(0))), [Registered, Started]);
    assert_eq!(told(&record(), &running(1)), [Started]);
    assert_eq!(told(&running(1), &running(1)), []);
    let mut ready = running(1);
    (ready.state, ready.ready) = (State::Ready, Some(record::Ready { at: Some(at(3)) }));
    assert_eq!(told(&running(1), &ready), [Ready]);
    assert_eq!(told(&ready, &ready), []);
    for (state, expected) in [
        (State::Exited, vec![Exited]),
        (State::Stopped, vec![Exited, Stopped]),
        (State::Errored, vec![Exited, Errored]),
        (State::Backoff, vec![Exited, Restarting]),
        (State::Waiting, vec![Exited, Waiting]),
        (State::Detached, vec![Exited, Detached]),
    ] {
        let mut after = running(1);
        end(&mut after, 5, 1, state);
        assert_eq!(told(&running(1), &after), expected, "{state}");
        assert_eq!(told(&after, &after), []);
        let mut again = running(2);
        again.exits = after.exits.clone();
        let expected = if state == State::Waiting { vec![Restarting, Started] } else { vec![Started] };
        assert_eq!(told(&after, &again), expected, "{state}");
    }
    let mut next = running(2);
    next.push_exit(Exit::new(at(5), Outcome::Code(1), None));
    assert_eq!(told(&running(1), &next), [Exited, Restarting, Started]);
    assert_eq!(told(&running(1), &Record { run_id: "r2".into(), ..next }), [Exited, Started]);
}

#[test]
fn what_is_between_is_told_too() {
    use Kind::*;
    let state = |state| Record { state, ..running(1) };
    assert_eq!(told(&state(State::Running), &state(State::Paused)), [Paused]);
    assert_eq!(told(&state(State::Paused), &state(State::Ready)), [Resumed]);
    assert_eq!(told(&state(State::Paused), &state(State::Stopping)), []);
    assert_eq!(told(&state(State::Running), &state(State::Unhealthy)), [Unhealthy]);
    let failing = Record { health: Some(Health { failures: 1, reason: "no".into() }), ..running(1) };
    assert_eq!(told(&running(1), &failing), [Failing]);
    assert_eq!(told(&failing, &failing), []);
    assert_eq!(told(&failing, &running(1)), [Healthy]);
    let mut left = record();
    left.state = State::Detached;
    let over = Record { state: State::Exited, ..left.clone() };
    assert_eq!(told(&left, &over), [Ended]);
}

#[test]
fn starts_and_ends_take_turns_whatever_was_written_between() {
    use Kind::*;
    // Three ends came at once, when the disk had room again.
    let mut after = record();
    for second in 1..=3 {
        end(&mut after, second, 1, State::Errored);
    }
    let expected = [Exited, Started, Exited, Started, Exited, Errored];
    assert_eq!(told(&running(1), &after), expected);
    assert_eq!(told(&record(), &after)[..2], [Started, Exited]);
    // Nobody saw the end of an orphan.
    let mut anew = record();
    anew.run_id = "r2".into();
    assert_eq!(told(&running(1), &anew), [Exited]);
    assert_eq!(told(&running(1), &Record { run_id: "r2".into(), ..running(2) }), [Exited, Started]);
}

#[test]
fn an_end_is_told_once_also_when_the_oldest_are_dropped() {
    let mut before = record();
    let mut count = 0;
    for second in 0..40 {
        let mut after = before.clone();
        after.push_exit(Exit::new(at(second / 2), Outcome::Code((second % 2) as i32), None));
        count += told(&before, &after).iter().filter(|kind| **kind == Kind::Exited).count();
        // Fields of an end that change later make it no other.
        after.exits.iter_mut().for_each(|exit| exit.shutdown = true);
        before = after;
    }
    assert_eq!(count, 40);
}

#[test]
fn a_start_that_was_taken_back_has_not_been() {
    let mut previous = running(1);
    end(&mut previous, 5, 1, State::Errored);
    let mut starting = Record { run_id: "r2".into(), state: State::Starting, exits: Vec::new(), ..previous.clone() };
    starting.wish(Ask::Settings, None);
    assert_eq!(told(&previous, &starting), []);
    assert_eq!(told(&starting, &previous), []);
}

#[test]
fn a_process_of_bgo_020_that_is_proven_later_has_not_started_anew() {
    let mut old = record();
    (old.schema, old.pid, old.status) = (0, Some(7), crate::domain::record::Status::Running);
    assert_eq!(told(&old, &running(7)), []);
    assert_eq!(told(&old, &Record { run_id: "r2".into(), ..running(8) }), [Kind::Exited, Kind::Started]);
}

#[test]
fn events_are_bounded() {
    let mut long = record();
    long.command = vec!["x".repeat(1000).as_str().into(); 100];
    long.state = State::Errored;
    long.reason = Some("é".repeat(10_000));
    let registered = transitions(None, &long, at(0));
    assert_eq!(registered[0].2.command.as_ref().map(Vec::len), Some(2));
    let errored = transitions(Some(&Mark::of(&record())), &long, at(0));
    assert!(serde_json::to_string(&errored[0].2).unwrap().len() < 2000);
}
