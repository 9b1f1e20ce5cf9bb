//! When a process that died is restarted, and when bgo gives up.
//!
//! Why it exists: it is the one rule people argue about, so it stands alone. Invariants: a wait never exceeds
//! `backoff-max`; a run of at least `min-uptime` is followed by a restart at once; never more restarts than the limit
//! allows in any window.

use super::duration::Span;
use super::machine::Moment;
use super::settings::{RestartOn, Settings};
use super::spec::{FastCrash, Policy};
use std::time::Duration;

/// What past deaths have used up of the patience with a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Consecutive fast crashes so far.
    pub fast_crashes: u32,
    /// When the restarts were that count against the restart limit, oldest first; empty without one.
    pub restarts: Vec<Moment>,
    /// Decides by how much waits are shortened; any number to begin with.
    pub dice: u64,
}

/// A death that the policy has to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Death<'a> {
    /// How long the run lasted.
    pub uptime: Duration,
    /// Whether it ended with success.
    pub success: bool,
    /// Whether it counts as a fast crash however long it lasted: it never became ready.
    pub premature: bool,
    /// In words.
    pub cause: &'a str,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after this wait.
    Restart {
        /// How long.
        delay: Duration,
    },
    /// It did what it was for: leave it down.
    Done,
    /// Leave it down until a person or script asks for it again.
    GiveUp {
        /// For the record's `error_reason`.
        reason: String,
    },
}

impl Budget {
    /// All patience again: a person or script asked for a start.
    pub fn clear(&mut self) {
        self.fast_crashes = 0;
        self.restarts.clear();
    }

    /// Decides about `death` at `now`, and remembers it.
    pub fn after(&mut self, policy: &Policy, death: Death<'_>, now: Moment) -> Verdict {
        let settings = &policy.settings;
        if death.success && settings.restart_on == RestartOn::OnFailure {
            return Verdict::Done;
        }
        let fast = death.premature || death.uptime < policy.min_uptime;
        self.fast_crashes = if fast { self.fast_crashes.saturating_add(1) } else { 0 };
        if fast && policy.on_fast_crash == FastCrash::Stop {
            return Verdict::GiveUp { reason: format!("fast-crash: {} after {}", death.cause, Span(death.uptime)) };
        }
        if policy.on_fast_crash == FastCrash::Backoff && self.fast_crashes >= settings.max_fast_crashes && fast {
            let reason = match self.fast_crashes {
                1 => format!("fast-crash: {} after {}", death.cause, Span(death.uptime)),
                several => format!("{several} consecutive fast-crashes"),
            };
            return Verdict::GiveUp { reason };
        }
        if let Some(limit) = settings.restart_limit {
            self.restarts.retain(|&at| at.saturating_add(limit.within.0) > now);
            if self.restarts.len() >= limit.count as usize {
                let reason = format!("{} restarts within {} (--restart-limit {limit})", limit.count, limit.within);
                return Verdict::GiveUp { reason };
            }
            self.restarts.push(now);
        } else {
            self.restarts.clear();
        }
        Verdict::Restart { delay: if fast { self.wait(settings) } else { Duration::ZERO } }
    }

    /// 2, 4, 8, 8 … seconds after the first, second, third … consecutive fast crash, or as the settings say, less the
    /// jitter.
    fn wait(&mut self, settings: &Settings) -> Duration {
        let doublings = self.fast_crashes.saturating_sub(1).min(31);
        let wait = settings.backoff.0.saturating_mul(1 << doublings).min(settings.backoff_max.0);
        // Knuth's MMIX generator: enough to spread restarts, and the same in every test.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let roll = (self.dice >> 33) as f64 / f64::from(1u32 << 31);
        wait.mul_f64(1.0 - roll * f64::from(settings.backoff_jitter.0) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease::Term;
    use super::super::settings::Percent;
    use super::*;

    fn policy(on_fast_crash: FastCrash, settings: Settings) -> Policy {
        let min_uptime = Duration::from_secs(2);
        let (interval, term) = (Duration::from_secs(3), Term::default());
        Policy { wanted: true, watch: true, min_uptime, on_fast_crash, interval, settings, term }
    }

    fn death(secs: f64) -> Death<'static> {
        Death { uptime: Duration::from_secs_f64(secs), success: false, premature: false, cause: "exit code 3" }
    }

    fn again(secs: f64) -> Verdict {
        Verdict::Restart { delay: Duration::from_secs_f64(secs) }
    }

    fn give_up(reason: &str) -> Verdict {
        Verdict::GiveUp { reason: reason.into() }
    }

    #[test]
    fn fast_crashes_wait_longer_and_then_end() {
        use FastCrash::*;
        for (mode, before, uptime, verdict, after) in [
            (Backoff, 0, 1.9, again(2.0), 1),
            (Backoff, 1, 0.0, again(4.0), 2),
            (Backoff, 2, 0.0, again(8.0), 3),
            (Backoff, 3, 0.0, give_up("4 consecutive fast-crashes"), 4),
            (Backoff, 3, 2.0, again(0.0), 0),
            (Retry, 3, 0.0, again(8.0), 4),
            (Retry, 1_000_000, 0.0, again(8.0), 1_000_001),
            (Stop, 0, 0.4, give_up("fast-crash: exit code 3 after 400ms"), 1),
            (Stop, 0, 2.0, again(0.0), 0),
        ] {
            let mut budget = Budget { fast_crashes: before, ..Budget::default() };
            let policy = policy(mode, Settings::default());
            assert_eq!(budget.after(&policy, death(uptime), Duration::ZERO), verdict, "{mode} after {before}");
            assert_eq!(budget.fast_crashes, after, "{mode} after {before}");
        }
    }

    #[test]
    fn waits_begin_and_end_where_the_settings_say() {
        let settings =
            Settings { backoff: Span::secs(1), backoff_max: Span::secs(5), max_fast_crashes: 6, ..Settings::default() };
        let policy = policy(FastCrash::Backoff, settings);
        let mut budget = Budget::default();
        let verdicts: Vec<Verdict> = (0..6).map(|_| budget.after(&policy, death(0.0), Duration::ZERO)).collect();
        let expected =
            [again(1.0), again(2.0), again(4.0), again(5.0), again(5.0), give_up("6 consecutive fast-crashes")];
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn jitter_shortens_waits_by_no_more_than_its_share() {
        let settings = Settings { backoff_jitter: Percent(50), ..Settings::default() };
        let policy = policy(FastCrash::Retry, settings);
        let mut budget = Budget { dice: 7, ..Budget::default() };
        let mut seen = Vec::new();
        for _ in 0..1000 {
            budget.fast_crashes = 2;
            let Verdict::Restart { delay } = budget.after(&policy, death(0.0), Duration::ZERO) else { panic!() };
            seen.push(delay.as_secs_f64());
        }
        assert!(seen.iter().all(|wait| (4.0..=8.0).contains(wait)));
        assert!(seen.iter().any(|&wait| wait < 4.4) && seen.iter().any(|&wait| wait > 7.6));
    }

    #[test]
    fn a_restart_limit_counts_within_its_window() {
        let settings = Settings { restart_limit: Some("3/1m".parse().unwrap()), ..Settings::default() };
        let policy = policy(FastCrash::Backoff, settings);
        let mut budget = Budget::default();
        let at = |budget: &mut Budget, secs| budget.after(&policy, death(9.0), Duration::from_secs(secs));
        for secs in [100, 120, 140] {
            assert_eq!(at(&mut budget, secs), again(0.0));
        }
        let mut spent = budget.clone();
        assert_eq!(at(&mut spent, 159), give_up("3 restarts within 1m (--restart-limit 3/1m)"));
        assert_eq!(at(&mut budget, 160), again(0.0), "the first has left the window");
        spent.clear();
        assert_eq!(at(&mut spent, 159), again(0.0), "a person's start begins anew");
    }

    #[test]
    fn success_ends_it_only_where_failures_are_what_restarts() {
        let success = Death { success: true, ..death(9.0) };
        for (restart_on, verdict) in [(RestartOn::OnFailure, Verdict::Done), (RestartOn::Always, again(0.0))] {
            let policy = policy(FastCrash::Backoff, Settings { restart_on, ..Settings::default() });
            assert_eq!(Budget::default().after(&policy, success, Duration::ZERO), verdict);
        }
    }

    #[test]
    fn what_never_got_ready_crashed_fast_however_long_it_took() {
        let late = Death { premature: true, ..death(60.0) };
        let policy = policy(FastCrash::Backoff, Settings::default());
        assert_eq!(Budget::default().after(&policy, late, Duration::ZERO), again(2.0));
    }
}
