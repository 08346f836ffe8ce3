//! From an outcome to what happens with the message: attempts, the ladder of delays, age.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_schemas::{Code, Tier, Trail};

use crate::outcome::Outcome;

/// How often and how long a message is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after each failed attempt; after the last one the message is dead.
    pub ladder: Vec<Tier>,
    /// A message older than this, deferred time aside, is dead.
    pub max_age: Duration,
}

impl Default for RetryPolicy {
    /// 5 s, 30 s, 2 min, 10 min, then 1 h three times; 24 h of age.
    fn default() -> Self {
        let ladder = vec![Tier::S5, Tier::S30, Tier::M2, Tier::M10, Tier::H1, Tier::H1, Tier::H1];
        Self { ladder, max_age: Duration::from_secs(24 * 3600) }
    }
}

/// What happens with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Ack,
    /// It waits in this tier, with this past.
    Delay(Tier, Trail),
    /// It is dead, with this past.
    Dead(Trail),
}

impl RetryPolicy {
    /// Decides what happens with a message of this past after this outcome. `jitter` is in 0..1 and chooses, for
    /// a retry, between the ladder's tier and the next longer one (one in four waits longer), so that what failed
    /// together does not come back together.
    #[must_use]
    pub fn decide(&self, outcome: &Outcome, trail: &Trail, now: DateTime<Utc>, jitter: f64) -> Verdict {
        let mut trail = trail.clone();
        let first_seen = *trail.first_seen.get_or_insert(now);
        match outcome {
            Outcome::Done | Outcome::Duplicate => Verdict::Ack,
            Outcome::Reject { code, error } => dead(trail, *code, error),
            Outcome::Defer { until, why } => {
                if self.too_old(&trail, first_seen, now) {
                    return dead(trail, Code::Expired, &format!("deferred until it was too old: {why}"));
                }
                let wait = (*until - now).to_std().unwrap_or_default();
                trail.not_before = (*until > now).then_some(*until);
                trail.parked_at = Some(now);
                Verdict::Delay(Tier::covering(wait), trail)
            }
            Outcome::Retry { code, error, after } => {
                self.again(trail, first_seen, now, *code, error, *after, jitter)
            }
            Outcome::Unknown { error } => {
                self.again(trail, first_seen, now, Code::OutcomeUnknown, error, None, jitter)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `decide`, split for reading")]
    fn again(
        &self,
        mut trail: Trail,
        first_seen: DateTime<Utc>,
        now: DateTime<Utc>,
        code: Code,
        error: &str,
        after: Option<Duration>,
        jitter: f64,
    ) -> Verdict {
        let Some(step) = self.ladder.get(trail.attempts as usize).copied() else {
            let dead_code = if code == Code::OutcomeUnknown { code } else { Code::AttemptsExhausted };
            let error = format!("{code}: {error}");
            trail.attempts = trail.attempts.saturating_add(1);
            return dead(trail, dead_code, &error);
        };
        trail.attempts = trail.attempts.saturating_add(1);
        if self.too_old(&trail, first_seen, now) {
            return dead(trail, Code::Expired, &format!("{code}: {error}"));
        }
        let jittered = if jitter >= 0.75 { longer(step) } else { step };
        let tier = after.map_or(jittered, |wait| Tier::covering(wait).max(step));
        trail.not_before = after
            .filter(|wait| *wait > tier.duration())
            .and_then(|wait| chrono::Duration::from_std(wait).ok())
            .and_then(|wait| now.checked_add_signed(wait));
        trail.code = Some(code);
        trail.error = Some(error.to_owned());
        // From then on it waits in its queue for its turn, perhaps for a queue that is paused: that is nobody's failure.
        trail.parked_at = chrono::Duration::from_std(tier.duration()).ok().map(|waits| now + waits);
        Verdict::Delay(tier, trail)
    }

    fn too_old(&self, trail: &Trail, first_seen: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let age = (now - first_seen).to_std().unwrap_or_default();
        age.saturating_sub(Duration::from_millis(trail.deferred_ms)) > self.max_age
    }
}

/// The past of a message that has just come back: the time that it waited without having failed (deferred, or for its
/// turn in a queue that may have been paused) does not count to its age.
#[must_use]
pub fn unpark(mut trail: Trail, now: DateTime<Utc>) -> Trail {
    if let Some(parked_at) = trail.parked_at.take() {
        let waited = (now - parked_at).num_milliseconds().max(0);
        trail.deferred_ms = trail.deferred_ms.saturating_add(waited.unsigned_abs());
    }
    trail
}

/// The past of a message that is put off before any handler saw it, this copy having been delivered `unsettled` times
/// before. It costs no attempt, the time does not count to its age, and the count goes with it: its copy starts
/// without one.
#[must_use]
pub fn park(mut trail: Trail, unsettled: u32, now: DateTime<Utc>) -> Trail {
    trail.crashes = trail.crashes.saturating_add(unsettled);
    if trail.first_seen.is_some() {
        trail.parked_at.get_or_insert(now);
    }
    trail
}

fn longer(tier: Tier) -> Tier {
    Tier::ALL.iter().copied().find(|t| *t > tier).unwrap_or(tier)
}

fn dead(mut trail: Trail, code: Code, error: &str) -> Verdict {
    trail.code = Some(code);
    trail.error = Some(error.to_owned());
    trail.not_before = None;
    trail.parked_at = None;
    Verdict::Dead(trail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn failed(attempts: u32, jitter: f64) -> Verdict {
        let trail = Trail { attempts, first_seen: Some(now()), ..Trail::default() };
        RetryPolicy::default().decide(&Outcome::retry(Code::Timeout, "late"), &trail, now(), jitter)
    }

    #[test]
    fn the_ladder_is_climbed_and_ends() {
        let tiers = [Tier::S5, Tier::S30, Tier::M2, Tier::M10, Tier::H1, Tier::H1, Tier::H1];
        for (attempts, tier) in tiers.into_iter().enumerate() {
            let attempts = u32::try_from(attempts).unwrap();
            let Verdict::Delay(got, trail) = failed(attempts, 0.0) else {
                panic!("attempt {attempts} was the last")
            };
            assert_eq!((got, trail.attempts), (tier, attempts + 1));
        }
        let Verdict::Dead(trail) = failed(7, 0.0) else { panic!("the ladder has no end") };
        assert_eq!((trail.code, trail.attempts), (Some(Code::AttemptsExhausted), 8));
    }

    #[test]
    fn jitter_moves_a_retry_to_the_next_tier_and_never_to_a_shorter_one() {
        assert!(matches!(failed(0, 0.74), Verdict::Delay(Tier::S5, _)));
        assert!(matches!(failed(0, 0.75), Verdict::Delay(Tier::S30, _)));
        assert!(matches!(failed(6, 0.99), Verdict::Delay(Tier::H1, _)));
    }

    #[test]
    fn what_the_outside_system_asks_for_is_obeyed() {
        let retry = Outcome::Retry {
            code: Code::RateLimited,
            error: "429".into(),
            after: Some(Duration::from_secs(7200)),
        };
        let verdict = RetryPolicy::default().decide(&retry, &Trail::default(), now(), 0.0);
        let Verdict::Delay(tier, trail) = verdict else { panic!("{verdict:?}") };
        assert_eq!((tier, trail.not_before), (Tier::H1, Some(now() + Duration::from_secs(7200))));
    }

    #[test]
    fn a_deferral_costs_no_attempt_and_no_age() {
        let policy = RetryPolicy::default();
        let mut trail = Trail { first_seen: Some(now()), ..Trail::default() };
        let mut at = now();
        for _ in 0..100 {
            let until = at + Duration::from_secs(3600);
            let verdict = policy.decide(&Outcome::Defer { until, why: "paced" }, &trail, at, 0.0);
            let Verdict::Delay(Tier::H1, parked) = verdict else { panic!("{verdict:?}") };
            at = until;
            trail = unpark(parked, at);
        }
        assert_eq!(trail.attempts, 0);
        assert!(matches!(
            policy.decide(&Outcome::retry(Code::Timeout, "late"), &trail, at, 0.0),
            Verdict::Delay(Tier::S5, _)
        ));
    }

    #[test]
    fn the_time_in_a_queue_that_is_paused_does_not_count() {
        let policy = RetryPolicy::default();
        let trail = Trail { first_seen: Some(now()), ..Trail::default() };
        let failed = Outcome::retry(Code::Timeout, "late");
        let Verdict::Delay(Tier::S5, parked) = policy.decide(&failed, &trail, now(), 0.0) else { panic!() };
        let two_days_on = now() + Duration::from_secs(2 * 86_400);
        let back = unpark(parked.clone(), two_days_on);
        assert!(matches!(policy.decide(&failed, &back, two_days_on, 0.0), Verdict::Delay(Tier::S30, _)));
        assert_eq!(unpark(parked.clone(), now() + Duration::from_secs(5)).deferred_ms, 0, "the delay counts");
        assert_eq!(unpark(parked, now()).deferred_ms, 0, "a clock that is behind");
    }

    #[test]
    fn a_message_past_its_age_is_dead_as_expired() {
        let trail =
            Trail { attempts: 1, first_seen: Some(now() - Duration::from_secs(90_000)), ..Trail::default() };
        let verdict =
            RetryPolicy::default().decide(&Outcome::retry(Code::Timeout, "late"), &trail, now(), 0.0);
        assert!(matches!(verdict, Verdict::Dead(Trail { code: Some(Code::Expired), .. })));
    }
}
