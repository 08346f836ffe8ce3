//! A process that accepts events tells of itself: that its spool is in use, that it turns requests away, that it can't
//! fetch the keys of members' tokens.
//!
//! An intake never opens the store, so it says so by a message, again and again while it lasts, straight to the broker
//! and beside the path on which events are accepted. While the broker is away nobody hears it, as nobody would hear of
//! the alert: that is told by Prometheus. When it is back and all is well, nothing is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_api::member_tokens::KeyHealth;
use forebay_domain::NewOutbox;
use forebay_domain::watch::Condition;
use forebay_queue::{Broker, Link, Message, Outgoing};
use forebay_schemas::events::{ProcessSign, ProcessSigns};
use forebay_schemas::{Queue, Route};
use forebay_spool::Spool;

use crate::compose::System;
use crate::roles::Running;

/// What a request is answered that is turned away …
const REFUSALS: [&str; 2] = ["429", "503"];
/// … and one that is taken.
const ACCEPTED: [&str; 1] = ["202"];
/// So long after a refusal requests are refused still, unless one was accepted: there may come but few.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// Longest wait for the broker to take what is said.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is known of a process from inside.
pub(crate) struct Inside {
    /// `intake` or `api`.
    pub(crate) role: &'static str,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) spool: Option<Arc<Spool>>,
    pub(crate) keys: Option<KeyHealth>,
}

/// Since when each condition lasts.
type Since = BTreeMap<(Condition, String), DateTime<Utc>>;

/// Whether requests are turned away, by how many were answered what.
#[derive(Debug)]
struct Refusing {
    before: (u64, u64),
    last: Option<DateTime<Utc>>,
    /// Since it began.
    refused: u64,
}

impl Refusing {
    fn new(refused: u64, accepted: u64) -> Self {
        Self { before: (refused, accepted), last: None, refused: 0 }
    }

    /// A look at the counters. It is over when nothing was refused for that long, or something was accepted and nothing
    /// refused since the last look.
    fn look(&mut self, refused: u64, accepted: u64, refused_for: Duration, now: DateTime<Utc>) -> bool {
        let (new, taken) = (refused - self.before.0, accepted > self.before.1);
        self.before = (refused, accepted);
        let lasts = self.last.is_some_and(|last| (now - last).to_std().is_ok_and(|ago| ago <= refused_for));
        if new > 0 {
            self.refused = if self.last.is_some() { self.refused + new } else { new };
            self.last = Some(now);
        } else if taken || !lasts {
            self.last = None;
        }
        self.last.is_some()
    }
}

impl System {
    /// Tells of this process until the stop.
    pub(crate) fn run_reporting(&self, running: &Running, inside: Inside) {
        let (system, stop) = (self.clone(), running.stop.clone());
        running.tasks.spawn(async move {
            let every = system.config.alerts.limits.look_every();
            let (mut since, mut said) = (Since::new(), false);
            let mut refusing = Refusing::new(system.answered(&REFUSALS), system.answered(&ACCEPTED));
            loop {
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    () = stop.cancelled() => break,
                }
                let signs = system.signs(&inside, &mut since, &mut refusing);
                let lasts = !signs.is_empty();
                // That it is over is said once; else there is nothing to say.
                if (lasts || said) && matches!(inside.broker.link(), Link::Up) {
                    said = !system.say(&inside, signs).await || lasts;
                }
            }
        });
    }

    /// How many requests were answered by one of these.
    fn answered(&self, by: &[&str]) -> u64 {
        by.iter().map(|status| self.metrics.intake_requests.with_label_values(&[*status]).get()).sum()
    }

    fn signs(&self, inside: &Inside, since: &mut Since, refusing: &mut Refusing) -> Vec<ProcessSign> {
        let now = self.clock.now();
        let mut lasting: Vec<(Condition, String, String)> = Vec::new();
        let waiting = inside.spool.as_ref().map_or(0, |spool| spool.waiting());
        if waiting > 0 {
            lasting.push((Condition::SpoolInUse, String::new(), format!("{waiting} events wait")));
        }
        // One refusal alone is none that lasts.
        let half = Duration::try_from_secs_f64(self.config.alerts.limits.intake_refuses_s / 2.0);
        let refused_for = half.unwrap_or(REFUSED_FOR).min(REFUSED_FOR);
        let (refused, accepted) = (self.answered(&REFUSALS), self.answered(&ACCEPTED));
        if refusing.look(refused, accepted, refused_for, now) {
            let detail = format!("{} requests since it began", refusing.refused);
            lasting.push((Condition::IntakeRefuses, String::new(), detail));
        }
        for (issuer, why) in inside.keys.iter().flat_map(KeyHealth::failing) {
            lasting.push((Condition::MemberKeysUnavailable, issuer, why));
        }
        since
            .retain(|(condition, subject), _| lasting.iter().any(|(c, s, _)| c == condition && s == subject));
        let sign = |(condition, subject, detail): (Condition, String, String)| {
            let since = *since.entry((condition, subject.clone())).or_insert(now);
            ProcessSign { condition: condition.as_str().to_owned(), subject, since, detail }
        };
        lasting.into_iter().map(sign).collect()
    }

    /// Whether it was heard.
    async fn say(&self, inside: &Inside, signs: Vec<ProcessSign>) -> bool {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (now, route) = (self.clock.now(), Route::Work(Queue::Notices));
        let said = ProcessSigns { process: format!("{}@{host}", inside.role), said_at: now, signs };
        let event = NewOutbox::command(self.ids.next().to_string(), route.clone(), now, &said).event;
        let message = Message {
            id: event.id.clone(),
            kind: event.kind.clone(),
            timestamp: Some(now),
            headers: Default::default(),
            body: event.encode().into(),
        };
        let publisher = inside.broker.publisher();
        let publishing = publisher.publish(vec![Outgoing { route, message }]);
        matches!(tokio::time::timeout(PATIENCE, publishing).await.as_deref(), Ok([Ok(())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_refused_until_one_is_accepted_or_none_came_for_long() {
        let at = |s: i64| DateTime::from_timestamp(1_795_143_600 + s, 0).unwrap_or_default();
        let mut refusing = Refusing::new(7, 100);
        let mut look = |refused, accepted, s| refusing.look(refused, accepted, REFUSED_FOR, at(s));
        assert!(!look(7, 100, 0), "those of before count for nothing");
        assert!(look(8, 100, 5));
        assert!(look(8, 100, 10) && look(8, 100, 35), "a quiet shop");
        assert!(!look(8, 100, 40));
        assert!(look(9, 102, 45), "some are turned away");
        assert!(!look(9, 103, 50), "and none any more");
    }
}
