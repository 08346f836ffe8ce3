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

/// What a request is answered that is turned away.
const REFUSALS: [&str; 2] = ["429", "503"];
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

impl System {
    /// Tells of this process until the stop.
    pub(crate) fn run_reporting(&self, running: &Running, inside: Inside) {
        let (system, stop) = (self.clone(), running.stop.clone());
        running.tasks.spawn(async move {
            let every = system.config.alerts.limits.look_every();
            let (mut since, mut refused, mut said) = (Since::new(), system.refused(), false);
            loop {
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    () = stop.cancelled() => break,
                }
                let signs = system.signs(&inside, &mut since, &mut refused);
                let lasts = !signs.is_empty();
                // That it is over is said once; else there is nothing to say.
                if (lasts || said) && matches!(inside.broker.link(), Link::Up) {
                    said = !system.say(&inside, signs).await || lasts;
                }
            }
        });
    }

    fn refused(&self) -> u64 {
        REFUSALS.iter().map(|status| self.metrics.intake_requests.with_label_values(&[*status]).get()).sum()
    }

    fn signs(&self, inside: &Inside, since: &mut Since, refused_before: &mut u64) -> Vec<ProcessSign> {
        let now = self.clock.now();
        let mut lasting: Vec<(Condition, String, String)> = Vec::new();
        let waiting = inside.spool.as_ref().map_or(0, |spool| spool.waiting());
        if waiting > 0 {
            lasting.push((Condition::SpoolInUse, String::new(), format!("{waiting} events wait")));
        }
        let refused = self.refused();
        if refused > *refused_before {
            let detail = format!("{} requests at the last look", refused - *refused_before);
            lasting.push((Condition::IntakeRefuses, String::new(), detail));
        }
        *refused_before = refused;
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
