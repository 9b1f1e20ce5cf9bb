//! When a watched process that died is restarted, and when bgo gives up.
//!
//! Why it exists: it is the one rule people argue about, so it stands alone. Invariant: a wait never exceeds
//! [`CAP`], and a run of at least `min_uptime` is always followed by a restart at once.

use super::duration::Span;
use super::outcome::Outcome;
use super::spec::{FastCrash, Policy};
use std::time::Duration;

/// The longest wait between two attempts.
pub const CAP: Duration = Duration::from_secs(8);
/// In `backoff` mode the fourth consecutive fast crash is the last.
pub const MAX_FAST_CRASHES: u32 = 4;

/// What follows the death of a watched process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again.
    Restart {
        /// After this wait.
        delay: Duration,
        /// Consecutive fast crashes so far, this one included.
        fast_crashes: u32,
    },
    /// Leave it down until a person or script asks for it again.
    GiveUp {
        /// For the record's `error_reason`.
        reason: String,
    },
}

/// Decides about a death after `uptime`, with `fast_crashes` consecutive fast crashes before it.
pub fn after_death(policy: &Policy, fast_crashes: u32, uptime: Duration, outcome: Outcome) -> Verdict {
    if uptime >= policy.min_uptime {
        return Verdict::Restart { delay: Duration::ZERO, fast_crashes: 0 };
    }
    let fast_crashes = fast_crashes.saturating_add(1);
    match policy.on_fast_crash {
        FastCrash::Stop => Verdict::GiveUp { reason: format!("fast-crash: {outcome} after {}", Span(uptime)) },
        FastCrash::Backoff if fast_crashes >= MAX_FAST_CRASHES => {
            Verdict::GiveUp { reason: format!("{fast_crashes} consecutive fast-crashes") }
        }
        FastCrash::Backoff | FastCrash::Retry => Verdict::Restart { delay: wait_after(fast_crashes), fast_crashes },
    }
}

/// 2, 4, 8, 8 … seconds after the first, second, third … consecutive fast crash.
fn wait_after(fast_crashes: u32) -> Duration {
    Duration::from_secs(2u64.saturating_pow(fast_crashes)).min(CAP)
}

#[cfg(test)]
mod tests {
    use super::super::signal::Signal;
    use super::*;

    fn policy(on_fast_crash: FastCrash) -> Policy {
        Policy {
            watch: true,
            min_uptime: Duration::from_secs(2),
            on_fast_crash,
            stop_signal: Signal::TERM,
            stop_timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn fast_crashes_wait_longer_and_then_end() {
        let die =
            |mode, before, secs| after_death(&policy(mode), before, Duration::from_secs_f64(secs), Outcome::Code(3));
        let again = |secs, fast_crashes| Verdict::Restart { delay: Duration::from_secs(secs), fast_crashes };
        use FastCrash::*;
        for (mode, before, uptime, verdict) in [
            (Backoff, 0, 1.9, again(2, 1)),
            (Backoff, 1, 0.0, again(4, 2)),
            (Backoff, 2, 0.0, again(8, 3)),
            (Backoff, 3, 0.0, Verdict::GiveUp { reason: "4 consecutive fast-crashes".into() }),
            (Backoff, 3, 2.0, again(0, 0)),
            (Retry, 3, 0.0, again(8, 4)),
            (Retry, 1_000_000, 0.0, again(8, 1_000_001)),
            (Stop, 0, 0.4, Verdict::GiveUp { reason: "fast-crash: exit code 3 after 400ms".into() }),
            (Stop, 0, 2.0, again(0, 0)),
        ] {
            assert_eq!(die(mode, before, uptime), verdict, "{mode} after {before}");
        }
    }
}
