//! One run of a process: getting ready, staying healthy, keeping within its limits.
//!
//! Why it exists: everything that is due while a process runs is worked out here from the policy and a few moments,
//! for `machine.rs` to act on. Invariants: no check is due before it is ready but those that find out whether it is;
//! never two checks of a kind at once; while it is paused nothing is due; one that cannot be signalled is not ended
//! over and over.

use super::duration::Span;
use super::machine::{Action, Moment};
use super::record::State;
use super::settings::{OnReadyTimeout, ReadyWhen};
use super::size::{Size, measured};
use super::spec::Policy;
use std::time::Duration;

/// The wait after the first readiness check that fails; it doubles up to [`SLOWEST_PROBE`].
const FIRST_PROBE: Duration = Duration::from_millis(20);
/// How long a look at its readiness may take that needs nobody's answer.
const ONE_LOOK: Duration = Duration::from_millis(100);
/// The longest wait between two readiness checks.
const SLOWEST_PROBE: Duration = Duration::from_millis(500);

/// What is known of the present run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// When it started.
    pub since: Moment,
    /// Whether it is ready.
    pub readiness: Readiness,
    /// Failed health checks in a row.
    pub failures: u32,
    /// What the last check that failed (of readiness, then of health) said.
    pub failure: Option<String>,
    /// Since when it is paused.
    pub paused: Option<Moment>,
    /// It said that it is about to end.
    pub leaving: bool,
    /// The kernel refused to signal it.
    pub refused: bool,
    /// Its leader has ended, and well; what it left behind runs on.
    pub succeeded: bool,
    /// When it became ready, or what stands for that.
    ready_at: Moment,
    /// When the last health check began, and whether it is still under way.
    checked: Option<Moment>,
    checking: bool,
    /// Until when a new run has to say that it is alive; fixed when it starts, because it was told then.
    watchdog: Option<Duration>,
    beat: Moment,
    /// When its memory was last measured.
    measured: Moment,
    /// What of its files has changed while it was paused.
    pub changed: Option<String>,
    /// It asked for time until then.
    extended: Option<Moment>,
    /// The first look at its readiness has time until then.
    look_until: Option<Moment>,
    /// How long it was paused so far: that does not count.
    held: Duration,
}

/// Whether a run is ready.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// Nobody asked: it counts as ready.
    Unasked,
    /// Not yet.
    Awaited(Probing),
    /// Not in time; it is kept, and still checked on.
    Overdue(Probing),
    /// Yes.
    Ready,
}

/// When readiness is looked at again.
#[derive(Clone, Debug, PartialEq)]
pub struct Probing {
    /// The next time; `None` while a look is under way, and where the sidecar notices by itself.
    next: Option<Moment>,
    /// The wait after the next failure.
    wait: Duration,
}

/// Why supervision ends a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// In words: `killed: rss 612 MiB over --max-rss 500M`.
    pub reason: String,
    /// Whether its health checks failed.
    pub unhealthy: bool,
    /// Whether it never became ready: that is a fast crash, however long it took.
    pub premature: bool,
}

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// It has to end.
    End(Cause),
    /// It is time for a planned restart, for this reason.
    Restart(String),
    /// These checks, if any.
    Checks(Vec<Action>),
}

impl Cause {
    fn killed(why: String) -> Cause {
        Cause { reason: format!("killed: {why}"), unhealthy: false, premature: false }
    }

    /// It said itself that it is not well.
    pub fn lifeless() -> Cause {
        Cause::killed("it reported itself as failed (WATCHDOG=trigger)".to_owned())
    }

    /// Its lease is over. That is nobody's failure.
    pub fn lease_over(reason: String) -> Cause {
        Cause { reason, unhealthy: false, premature: false }
    }

    /// Its files have changed. That is nobody's failure.
    pub fn files_changed(reason: String) -> Cause {
        Cause { reason, unhealthy: false, premature: false }
    }

    /// It did not become ready.
    pub fn not_ready(why: String) -> Cause {
        Cause { reason: format!("not ready: {why}"), unhealthy: false, premature: true }
    }
}

impl Run {
    /// A run that began at `since`; `now`, its supervision begins.
    pub fn new(policy: &Policy, since: Moment, now: Moment) -> Run {
        let asked = policy.settings.ready_when().is_some();
        Run {
            since,
            readiness: if asked { Readiness::Awaited(Probing::at(now)) } else { Readiness::Unasked },
            failures: 0,
            failure: None,
            paused: None,
            leaving: false,
            refused: false,
            succeeded: false,
            ready_at: since,
            checked: None,
            checking: false,
            watchdog: policy.settings.watchdog.map(|span| span.0),
            beat: now,
            measured: now,
            changed: None,
            extended: None,
            look_until: None,
            held: Duration::ZERO,
        }
    }

    /// How it is doing, and why where that needs a word.
    pub fn state(&self, policy: &Policy) -> (State, Option<String>) {
        let waiting = || policy.settings.ready_when().map(|when| format!("waiting for {when}{}", self.because()));
        match (&self.readiness, self.paused, self.leaving) {
            (_, Some(_), _) => (State::Paused, None),
            (_, _, true) => (State::Stopping, Some("it says that it is stopping".to_owned())),
            (Readiness::Awaited(_), ..) => (State::Starting, waiting()),
            (Readiness::Overdue(_), ..) => (State::Running, Some(self.overdue(policy))),
            (Readiness::Unasked, ..) => (State::Running, None),
            (Readiness::Ready, ..) => (State::Ready, None),
        }
    }

    /// Whether the record would look the same for both.
    pub fn looks_like(&self, other: &Run) -> bool {
        let kind = std::mem::discriminant::<Readiness>;
        let facts = |run: &Run| (run.since, run.failures, run.paused.is_some(), run.leaving, run.refused);
        facts(self) == facts(other) && kind(&self.readiness) == kind(&other.readiness) && self.failure == other.failure
    }

    /// Whether readiness is still to come.
    pub fn is_awaited(&self) -> bool {
        matches!(self.readiness, Readiness::Awaited(_) | Readiness::Overdue(_))
    }

    /// It is ready. `false` if that is no news.
    pub fn set_ready(&mut self, now: Moment) -> bool {
        let news = self.is_awaited();
        if news {
            self.readiness = Readiness::Ready;
            self.failure = None;
            (self.ready_at, self.beat) = (now, now);
        }
        news
    }

    /// A look at its readiness was in vain.
    pub fn not_yet(&mut self, why: String, now: Moment) {
        self.failure = Some(why).filter(|_| self.is_awaited());
        if let Readiness::Awaited(probing) | Readiness::Overdue(probing) = &mut self.readiness {
            probing.next = Some(now.saturating_add(probing.wait));
            probing.wait = (probing.wait * 2).min(SLOWEST_PROBE);
        }
    }

    /// The settings have changed: how readiness is found out may have, too.
    pub fn look_again(&mut self, policy: &Policy, now: Moment) {
        if policy.settings.ready_when().is_none() {
            self.set_ready(now);
        }
        if policy.settings.health_check().is_none() && !self.is_awaited() {
            (self.failures, self.failure) = (0, None);
        }
        if let Readiness::Awaited(probing) | Readiness::Overdue(probing) = &mut self.readiness {
            *probing = Probing::at(now);
        }
    }

    /// A health check has ended. The cause, if that is one failure too many.
    pub fn checked(&mut self, policy: &Policy, failure: Option<String>) -> Option<Cause> {
        self.checking = false;
        if self.paused.is_some() || self.leaving || policy.settings.health_check().is_none() {
            return None;
        }
        self.failures = if failure.is_some() { self.failures.saturating_add(1) } else { 0 };
        self.failure = failure;
        let threshold = policy.settings.health_threshold;
        let why = self.failure.as_ref().filter(|_| self.failures >= threshold && !self.refused)?;
        let count = match threshold {
            1 => "a failed check".to_owned(),
            _ => format!("{} failed checks in a row", self.failures),
        };
        Some(Cause { reason: format!("unhealthy: {count}: {why}"), unhealthy: true, premature: false })
    }

    /// A health check could not be made, which says nothing about the process. The next is due as ever.
    pub fn unchecked(&mut self) {
        self.checking = false;
    }

    /// Its memory was measured. The cause, if that is too much.
    pub fn uses(&self, policy: &Policy, rss_bytes: u64) -> Option<Cause> {
        let Size(limit) = policy.settings.max_rss.filter(|_| !self.refused)?;
        let over = rss_bytes > limit;
        over.then(|| Cause::killed(format!("rss {} over --max-rss {}", measured(rss_bytes), Size(limit))))
    }

    /// Whether it has to say that it is alive.
    pub fn is_watched(&self) -> bool {
        self.watchdog.is_some()
    }

    /// It says that it is alive.
    pub fn beat(&mut self, now: Moment) {
        self.beat = now;
    }

    /// It asks that its time be not over before `span` from now.
    pub fn extend(&mut self, span: Duration, now: Moment) {
        self.extended = Some(now.saturating_add(span));
    }

    /// It goes on after a pause, which counts for nothing.
    pub fn resume(&mut self, now: Moment) {
        let Some(since) = self.paused.take() else { return };
        let pause = now.saturating_sub(since);
        self.held = self.held.saturating_add(pause);
        self.beat = self.beat.saturating_add(pause);
        self.checked = self.checked.map(|at| at.saturating_add(pause));
        self.measured = self.measured.saturating_add(pause);
    }

    // ------------------------------------------------------------------------------------------ what is due when

    /// The next moment at which something is due, if any.
    pub fn deadline(&self, policy: &Policy) -> Option<Moment> {
        if self.paused.is_some() {
            return None;
        }
        let ends = [self.ready_by(policy), self.alive_by(), self.ends_by(policy), self.restarts_at(policy)];
        let ends = ends.into_iter().filter(|_| !self.refused);
        ends.chain([self.probe_at(), self.check_at(policy), self.measure_at(policy)]).flatten().min()
    }

    /// What is due at `now`; the checks that are returned are under way from then on.
    pub fn due(&mut self, policy: &Policy, now: Moment) -> Due {
        if self.paused.is_some() {
            return Due::Checks(Vec::new());
        }
        let end = if self.refused { None } else { self.end_due(policy, now) };
        end.unwrap_or_else(|| Due::Checks(self.checks_due(policy, now)))
    }

    /// Which time limit is over, if any.
    fn end_due(&mut self, policy: &Policy, now: Moment) -> Option<Due> {
        let past = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        let settings = &policy.settings;
        if past(self.ready_by(policy)) && self.is_unseen() {
            let is_slow = settings.ready_when().is_some_and(ReadyWhen::takes_time);
            let look = if is_slow { settings.health_timeout.0 } else { ONE_LOOK };
            self.look_until = Some(now.saturating_add(look));
        }
        if past(self.ready_by(policy)) {
            match settings.on_ready_timeout {
                OnReadyTimeout::Keep => self.give_time(),
                OnReadyTimeout::Fail => {
                    return Some(Due::End(Cause { reason: self.overdue(policy), unhealthy: false, premature: true }));
                }
            }
        }
        if let Some(span) = self.watchdog.map(Span).filter(|_| past(self.alive_by())) {
            return Some(Due::End(Cause::killed(format!("no sign of life for {span} (--watchdog {span})"))));
        }
        if let Some(span) = settings.max_runtime.filter(|_| past(self.ends_by(policy))) {
            return Some(Due::End(Cause::killed(format!("ran longer than --max-runtime {span}"))));
        }
        let span = settings.restart_every.filter(|_| past(self.restarts_at(policy)))?;
        Some(Due::Restart(format!("planned restart (--restart-every {span})")))
    }

    fn checks_due(&mut self, policy: &Policy, now: Moment) -> Vec<Action> {
        let past = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        let mut checks = Vec::new();
        if past(self.probe_at()) {
            if let Readiness::Awaited(probing) | Readiness::Overdue(probing) = &mut self.readiness {
                probing.next = None;
            }
            checks.push(Action::Probe);
        }
        if past(self.check_at(policy)) {
            (self.checked, self.checking) = (Some(now), true);
            checks.push(Action::Check);
        }
        if past(self.measure_at(policy)) {
            self.measured = now;
            checks.push(Action::Measure);
        }
        checks
    }

    fn ready_by(&self, policy: &Policy) -> Option<Moment> {
        let timeout = policy.settings.ready_timeout.0;
        let awaited = matches!(self.readiness, Readiness::Awaited(_)) && !timeout.is_zero() && !self.leaving;
        awaited.then(|| self.after(timeout).max(self.look_until.unwrap_or_default()))
    }

    fn overdue(&self, policy: &Policy) -> String {
        let by = policy.settings.ready_when().map_or_else(String::new, |by| format!(" ({by})"));
        format!("not ready within {}{by}{}", policy.settings.ready_timeout, self.because())
    }

    fn because(&self) -> String {
        self.failure.as_ref().map_or_else(String::new, |why| format!(": {why}"))
    }

    /// Whether nobody has looked yet whether it is ready: on a busy machine, or while there was no sidecar, its time may
    /// be over before. It has the time of one look at least.
    fn is_unseen(&self) -> bool {
        let first = |probing: &Probing| probing.next.is_some() && probing.wait == FIRST_PROBE;
        matches!(&self.readiness, Readiness::Awaited(probing) if first(probing))
    }

    fn give_time(&mut self) {
        if let Readiness::Awaited(probing) = &self.readiness {
            self.readiness = Readiness::Overdue(probing.clone());
        }
    }

    fn alive_by(&self) -> Option<Moment> {
        let due = !self.is_awaited() && !self.leaving;
        self.watchdog.filter(|_| due).map(|span| self.beat.saturating_add(span))
    }

    fn ends_by(&self, policy: &Policy) -> Option<Moment> {
        policy.settings.max_runtime.map(|span| self.after(span.0))
    }

    fn restarts_at(&self, policy: &Policy) -> Option<Moment> {
        let every = policy.settings.restart_every.filter(|_| !self.leaving)?;
        Some(self.since.saturating_add(self.held).saturating_add(every.0))
    }

    fn probe_at(&self) -> Option<Moment> {
        match &self.readiness {
            Readiness::Awaited(probing) | Readiness::Overdue(probing) => probing.next,
            Readiness::Unasked | Readiness::Ready => None,
        }
    }

    fn check_at(&self, policy: &Policy) -> Option<Moment> {
        let settings = &policy.settings;
        settings.health_check()?;
        if self.is_awaited() || self.leaving || self.checking {
            return None;
        }
        let next = self.checked.unwrap_or(self.ready_at).saturating_add(settings.health_interval.0);
        Some(next.max(self.ready_at.saturating_add(settings.health_grace.0)))
    }

    fn measure_at(&self, policy: &Policy) -> Option<Moment> {
        policy.settings.max_rss.map(|_| self.measured.saturating_add(policy.interval))
    }

    /// `span` after the start, pauses not counted, but not before the time it asked for is over.
    fn after(&self, span: Duration) -> Moment {
        let own = self.since.saturating_add(self.held).saturating_add(span);
        self.extended.map_or(own, |extended| own.max(extended))
    }
}

impl Probing {
    fn at(now: Moment) -> Probing {
        Probing { next: Some(now), wait: FIRST_PROBE }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease::Term;
    use super::super::settings::Settings;
    use super::super::spec::FastCrash;
    use super::*;

    fn policy(settings: Settings) -> Policy {
        let (min_uptime, interval) = (Duration::from_secs(2), Duration::from_secs(3));
        let (on_fast_crash, term) = (FastCrash::Backoff, Term::default());
        Policy { wanted: true, watch: false, min_uptime, on_fast_crash, interval, settings, term }
    }

    fn at(secs: u64) -> Moment {
        Duration::from_secs(secs)
    }

    fn reason(due: Due) -> String {
        match due {
            Due::End(cause) => cause.reason,
            Due::Restart(reason) => reason,
            Due::Checks(checks) => format!("{checks:?}"),
        }
    }

    #[test]
    fn one_that_was_taken_up_late_is_looked_at_before_its_time_is_over() {
        let policy = policy(Settings { ready_when: Some("up".into()), ..Settings::default() });
        let mut run = Run::new(&policy, at(0), at(100));
        assert_eq!(run.due(&policy, at(100)), Due::Checks(vec![Action::Probe]));
        assert_eq!(run.deadline(&policy), Some(at(100) + ONE_LOOK));
        assert!(matches!(run.due(&policy, at(101)), Due::End(_)));
    }

    #[test]
    fn each_time_limit_is_due_at_its_moment_and_not_before() {
        let none = Settings::default();
        let seconds = Some(Span::secs(30));
        for (settings, due) in [
            (Settings { max_runtime: seconds, ..none.clone() }, "killed: ran longer than --max-runtime 30s"),
            (Settings { restart_every: seconds, ..none.clone() }, "planned restart (--restart-every 30s)"),
            (Settings { watchdog: seconds, ..none.clone() }, "killed: no sign of life for 30s (--watchdog 30s)"),
            (
                Settings { ready_when_notify: true, ready_timeout: Span::secs(30), ..none.clone() },
                "not ready within 30s (--ready-when-notify)",
            ),
            (Settings { health_port: Some(80), health_interval: Span::secs(30), ..none.clone() }, "[Check]"),
            (Settings { max_rss: Some(Size(1)), ..none.clone() }, "[Measure]"),
        ] {
            let mut policy = policy(settings);
            policy.interval = Duration::from_secs(30);
            let mut run = Run::new(&policy, at(100), at(100));
            assert!(matches!(run.due(&policy, at(100)), Due::Checks(_)));
            assert_eq!(run.deadline(&policy), Some(at(130)), "{due}");
            assert_eq!(run.due(&policy, at(129)), Due::Checks(vec![]), "{due}");
            assert_eq!(reason(run.due(&policy, at(130))), due);
        }
    }

    #[test]
    fn nothing_is_due_for_a_plain_process() {
        let policy = policy(Settings::default());
        let mut run = Run::new(&policy, at(1), at(1));
        assert_eq!((run.deadline(&policy), run.due(&policy, at(9_999_999))), (None, Due::Checks(vec![])));
    }

    #[test]
    fn readiness_is_looked_at_quickly_and_then_less_often() {
        let policy =
            policy(Settings { ready_when_port: Some(80), ready_timeout: Span::secs(0), ..Settings::default() });
        let mut run = Run::new(&policy, at(0), at(0));
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..8 {
            assert_eq!(run.due(&policy, now), Due::Checks(vec![Action::Probe]));
            assert_eq!(run.due(&policy, now), Due::Checks(vec![]), "one at a time");
            run.not_yet("nobody listens".into(), now);
            let next = run.deadline(&policy).unwrap();
            waits.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 500, 500, 500]);
        assert!(run.set_ready(now) && !run.set_ready(now));
        assert_eq!(run.deadline(&policy), None);
    }

    #[test]
    fn there_is_a_look_before_it_is_too_late() {
        let policy =
            policy(Settings { ready_when_port: Some(80), ready_timeout: Span::secs(1), ..Settings::default() });
        let mut run = Run::new(&policy, at(0), at(5));
        assert_eq!(run.due(&policy, at(5)), Due::Checks(vec![Action::Probe]));
        run.not_yet("nobody listens".into(), at(5));
        assert_eq!(reason(run.due(&policy, at(6))), "not ready within 1s (--ready-when-port 80): nobody listens");
    }

    #[test]
    fn health_is_checked_after_readiness_and_grace_once_an_interval() {
        let settings = Settings {
            ready_when_notify: true,
            health_port: Some(80),
            health_interval: Span::secs(10),
            health_grace: Span::secs(25),
            ready_timeout: Span::secs(0),
            ..Settings::default()
        };
        let policy = policy(settings);
        let mut run = Run::new(&policy, at(0), at(0));
        assert_eq!(run.due(&policy, at(0)), Due::Checks(vec![Action::Probe]));
        assert_eq!(run.deadline(&policy), None);
        run.set_ready(at(100));
        assert_eq!(run.deadline(&policy), Some(at(125)));
        assert_eq!(run.due(&policy, at(125)), Due::Checks(vec![Action::Check]));
        assert_eq!(run.deadline(&policy), None, "a slow check is not joined by another");
        assert_eq!(run.checked(&policy, None), None);
        assert_eq!(run.deadline(&policy), Some(at(135)));
    }

    #[test]
    fn failures_in_a_row_count_and_success_forgives_them() {
        let policy = policy(Settings { health_port: Some(80), ..Settings::default() });
        let mut run = Run::new(&policy, at(0), at(0));
        let bad = || Some("refused".to_owned());
        assert_eq!(run.checked(&policy, bad()), None);
        assert_eq!(run.checked(&policy, bad()), None);
        assert_eq!(run.checked(&policy, None), None);
        assert_eq!((run.failures, run.checked(&policy, bad()), run.checked(&policy, bad())), (0, None, None));
        let cause = run.checked(&policy, bad()).unwrap();
        assert_eq!((cause.reason.as_str(), cause.unhealthy), ("unhealthy: 3 failed checks in a row: refused", true));
    }

    #[test]
    fn memory_may_reach_its_limit_but_not_pass_it() {
        let policy = policy(Settings { max_rss: Some(Size(500 << 20)), ..Settings::default() });
        let run = Run::new(&policy, at(0), at(0));
        assert_eq!(run.uses(&policy, 500 << 20), None);
        let cause = run.uses(&policy, 612 << 20).unwrap();
        assert_eq!(cause.reason, "killed: rss 612 MiB over --max-rss 500M");
    }

    #[test]
    fn a_pause_counts_for_nothing() {
        let settings =
            Settings { max_runtime: Some(Span::secs(30)), watchdog: Some(Span::secs(50)), ..Settings::default() };
        let policy = policy(settings);
        let mut run = Run::new(&policy, at(0), at(0));
        run.paused = Some(at(10));
        assert_eq!((run.deadline(&policy), run.due(&policy, at(90))), (None, Due::Checks(vec![])));
        run.resume(at(100));
        assert_eq!(run.deadline(&policy), Some(at(120)));
    }

    #[test]
    fn a_process_can_ask_for_more_time() {
        let policy = policy(Settings { max_runtime: Some(Span::secs(30)), ..Settings::default() });
        let mut run = Run::new(&policy, at(0), at(0));
        run.extend(Duration::from_secs(5), at(10));
        assert_eq!(run.deadline(&policy), Some(at(30)), "never less than it has");
        run.extend(Duration::from_secs(25), at(20));
        assert_eq!(run.deadline(&policy), Some(at(45)));
    }

    #[test]
    fn one_that_is_late_may_be_kept_and_may_still_get_ready() {
        let settings = Settings {
            ready_when_notify: true,
            ready_timeout: Span::secs(5),
            on_ready_timeout: OnReadyTimeout::Keep,
            ..Settings::default()
        };
        let policy = policy(settings);
        let mut run = Run::new(&policy, at(0), at(0));
        run.due(&policy, at(0));
        assert_eq!(run.state(&policy), (State::Starting, Some("waiting for --ready-when-notify".into())));
        assert_eq!(run.due(&policy, at(5)), Due::Checks(vec![]));
        assert_eq!(run.state(&policy), (State::Running, Some("not ready within 5s (--ready-when-notify)".into())));
        assert_eq!(run.deadline(&policy), None);
        assert!(run.set_ready(at(9)));
        assert_eq!(run.state(&policy), (State::Ready, None));
    }

    #[test]
    fn what_cannot_be_signalled_is_not_ended_over_and_over() {
        let settings = Settings { max_runtime: Some(Span::secs(30)), max_rss: Some(Size(1)), ..Settings::default() };
        let policy = policy(settings);
        let mut run = Run::new(&policy, at(0), at(0));
        run.refused = true;
        assert_eq!(run.due(&policy, at(30)), Due::Checks(vec![Action::Measure]));
        assert_eq!((run.deadline(&policy), run.uses(&policy, 2)), (Some(at(33)), None));
    }
}
