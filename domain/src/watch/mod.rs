//! Rules that watch the system itself: what a look finds becomes an incident when it lasts, and the incident ends when
//! it is over for a while.
//!
//! Each look says of each thing that it is bad, well, or neither. Neither is what lies between the threshold and a
//! little below it, or what can't be told yet: it lets everything be as it was, so that nothing flaps.

mod back_ends;
mod limits;
mod processes;
mod queues;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::incident::{AlertRule, Raise, Severity};

pub use self::back_ends::{Credential, Renewal, of_credential, of_outbox, of_renewal};
pub use self::limits::Limits;
pub use self::processes::{Condition, Heard, Sign, Task, of_sign, of_task};
pub use self::queues::{QueueSeen, of_queue, unseen};

/// The rules of this family, by name: their incidents are opened and ended by looks alone.
pub const WATCHED: &[AlertRule] = &[
    AlertRule::CredentialsExpire,
    AlertRule::DrainLate,
    AlertRule::IntakeRefuses,
    AlertRule::MemberKeysUnavailable,
    AlertRule::NoConsumers,
    AlertRule::OutboxOld,
    AlertRule::QueueOld,
    AlertRule::ScheduleMissed,
    AlertRule::SpoolInUse,
    AlertRule::TokenNotRenewed,
];

/// The words of an incident that lasts are not older than that.
const REFRESHED_EVERY: TimeDelta = TimeDelta::minutes(5);
/// From this share of a threshold on downwards a thing is well again.
const WELL_BELOW: f64 = 0.8;

/// What a look found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The fingerprint of its incident: the rule and what it is about.
    pub fingerprint: String,
    /// How it is.
    pub state: State,
    /// For so long it has to be bad before it is told; nothing where the finding is a length of time itself.
    pub after: Duration,
}

/// How a thing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Well,
    /// Neither well nor bad, or not known: as before.
    Unclear,
    /// People have to know.
    Bad(Box<Raise>),
}

impl Sight {
    fn well(fingerprint: String) -> Self {
        Self { fingerprint, state: State::Well, after: Duration::ZERO }
    }

    fn unclear(fingerprint: String) -> Self {
        Self { fingerprint, state: State::Unclear, after: Duration::ZERO }
    }

    fn bad(raise: Raise) -> Self {
        Self {
            fingerprint: raise.fingerprint.clone(),
            state: State::Bad(Box::new(raise)),
            after: Duration::ZERO,
        }
    }

    fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// By a length of time: bad from the threshold on, well when it is clearly below.
    fn by_length(length: Duration, limit: Duration, raise: Raise) -> Self {
        if length >= limit {
            Self::bad(raise)
        } else if length < limit.mul_f64(WELL_BELOW) {
            Self::well(raise.fingerprint)
        } else {
            Self::unclear(raise.fingerprint)
        }
    }
}

/// An open incident, as far as a look goes by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOne {
    /// Its fingerprint.
    pub fingerprint: String,
    /// How bad it was at its worst.
    pub severity: Severity,
    /// Since when its words are what they are.
    pub last_seen: DateTime<Utc>,
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Incidents to open, and those that got worse.
    pub raises: Vec<Raise>,
    /// Open incidents that go on: what they say is to be what is so now. Nobody is told for that.
    pub refreshes: Vec<Raise>,
    /// Fingerprints of incidents that are over.
    pub resolves: Vec<String>,
}

/// What one process remembers from look to look. What is open stands in the store, so that a process that starts ends
/// what another one opened.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Since when each thing is bad (`true`) or well.
    since: BTreeMap<String, (bool, DateTime<Utc>)>,
}

impl Watcher {
    /// Judges a look. `open` are the open incidents of all that this look was to find; what is not there any more is
    /// well.
    pub fn judge(
        &mut self,
        sights: Vec<Sight>,
        open: &[OpenOne],
        well_for: Duration,
        now: DateTime<Utc>,
    ) -> Verdicts {
        let gone: Vec<Sight> = open
            .iter()
            .filter(|open| !sights.iter().any(|sight| sight.fingerprint == open.fingerprint))
            .map(|open| Sight::well(open.fingerprint.clone()))
            .collect();
        let mut verdicts = Verdicts::default();
        let mut since = BTreeMap::new();
        for sight in sights.into_iter().chain(gone) {
            let before = self.since.get(&sight.fingerprint).copied();
            let bad = match &sight.state {
                State::Bad(_) => true,
                State::Well => false,
                State::Unclear => {
                    since.extend(before.map(|before| (sight.fingerprint, before)));
                    continue;
                }
            };
            // A clock that was set back begins anew.
            let begun = before.filter(|(was, at)| *was == bad && *at <= now).map_or(now, |(_, at)| at);
            let lasts = (now - begun).to_std().unwrap_or_default();
            since.insert(sight.fingerprint.clone(), (bad, begun));
            let open = open.iter().find(|open| open.fingerprint == sight.fingerprint);
            match (sight.state, open) {
                (State::Bad(raise), None) if lasts >= sight.after => verdicts.raises.push(*raise),
                (State::Bad(raise), Some(open)) if raise.severity > open.severity => {
                    verdicts.raises.push(*raise);
                }
                (State::Bad(raise), Some(open)) if now - open.last_seen >= REFRESHED_EVERY => {
                    verdicts.refreshes.push(*raise);
                }
                (State::Well, Some(_)) if lasts >= well_for => verdicts.resolves.push(sight.fingerprint),
                _ => {}
            }
        }
        self.since = since;
        verdicts
    }
}

/// A length of time in words: two units at most.
fn words(length: Duration) -> String {
    let s = length.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests;
