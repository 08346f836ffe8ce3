//! The rules about queues.

use std::time::Duration;

use crate::drain::Drain;
use crate::incident::{About, AlertRule, Raise, Severity};

use super::limits::seconds;
use super::{Limits, Sight, words};

/// What was seen of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSeen {
    /// Its name.
    pub queue: String,
    /// Messages that wait.
    pub ready: u64,
    /// The age of the oldest, where the back end tells it.
    pub oldest: Option<Duration>,
    /// For how long it has not been seen empty.
    pub nonempty: Duration,
    /// It was seen empty before that: else `nonempty` is only as long as somebody has looked.
    pub was_empty: bool,
    /// Messages a second that workers settle of it.
    pub pace: f64,
    /// When it will be empty.
    pub drain: Drain,
    /// Within this time a backlog is to be gone.
    pub within: Duration,
    /// Workers that take from it.
    pub workers: usize,
    /// People or a breaker want it left alone.
    pub left_alone: bool,
}

/// What the rules say of a queue.
#[must_use]
pub fn of_queue(seen: &QueueSeen, limits: &Limits) -> [Sight; 3] {
    [seen.old(limits), seen.unattended(limits), seen.late(limits)]
}

/// What they say of a queue that could not be looked at.
#[must_use]
pub fn unseen(queue: &str) -> [Sight; 3] {
    [AlertRule::QueueOld, AlertRule::NoConsumers, AlertRule::DrainLate]
        .map(|rule| Sight::unclear(fingerprint(rule, queue)))
}

fn fingerprint(rule: AlertRule, queue: &str) -> String {
    format!("{rule}/{queue}")
}

impl QueueSeen {
    fn old(&self, limits: &Limits) -> Sight {
        let limit = seconds(limits.queue_old_s);
        let raise = |age: Duration| {
            self.raise(
                AlertRule::QueueOld,
                Severity::Warning,
                format!("the oldest message waits for {}", words(age)),
                "Nothing is lost; what these messages are for is late.",
                format!("{} wait; told from {} on", self.ready, words(limit)),
            )
        };
        if self.ready == 0 {
            return Sight::well(self.fingerprint(AlertRule::QueueOld));
        }
        match (self.oldest, self.waits()) {
            (Some(age), _) => Sight::by_length(age, limit, raise(age)),
            // RabbitMQ tells no age. What waits behind the others waits for as long as these take …
            (None, Some(wait)) if wait < limit => Sight::by_length(wait, limit, raise(wait)),
            // … and no longer than the queue has not been empty.
            (None, _) if self.nonempty >= limit => Sight::bad(raise(self.nonempty)),
            (None, _) if self.was_empty => Sight::by_length(self.nonempty, limit, raise(self.nonempty)),
            (None, _) => Sight::unclear(self.fingerprint(AlertRule::QueueOld)),
        }
    }

    fn unattended(&self, limits: &Limits) -> Sight {
        if self.ready == 0 || self.workers > 0 {
            return Sight::well(self.fingerprint(AlertRule::NoConsumers));
        }
        let raise = self.raise(
            AlertRule::NoConsumers,
            Severity::Critical,
            "messages wait and no worker takes them".to_owned(),
            "Nothing is lost; nothing of this queue is settled until a worker takes from it.",
            format!("{} wait", self.ready),
        );
        Sight::bad(raise).after(seconds(limits.no_consumers_s))
    }

    /// A queue that is kept filled on purpose, as a carrier's, is in time by the pace at which it is settled; one that
    /// goes by no pace at all has rules of its own.
    fn late(&self, limits: &Limits) -> Sight {
        let late = match self.drain {
            Drain::Unknown => return Sight::unclear(self.fingerprint(AlertRule::DrainLate)),
            Drain::Empty => false,
            Drain::In(time) => time > self.within,
            Drain::Never => true,
        };
        let by_pace = self.waits().is_some_and(|wait| wait > self.within);
        if !late || !by_pace || self.left_alone {
            return Sight::well(self.fingerprint(AlertRule::DrainLate));
        }
        let when = match self.drain {
            Drain::In(time) => format!("empty in {} at this pace", words(time)),
            _ => "it does not shrink".to_owned(),
        };
        let raise = self.raise(
            AlertRule::DrainLate,
            Severity::Warning,
            format!("{when}; wanted within {}", words(self.within)),
            "Nothing is lost; what waits is late. The first command says whether more workers help.",
            format!("{} wait, {:.1} a second are settled", self.ready, self.pace),
        );
        Sight::bad(raise).after(seconds(limits.drain_late_s))
    }

    /// How long what came last waits, by the pace; nothing while nothing is settled.
    fn waits(&self) -> Option<Duration> {
        (self.pace > 0.0).then(|| seconds(self.ready as f64 / self.pace))
    }

    fn fingerprint(&self, rule: AlertRule) -> String {
        fingerprint(rule, &self.queue)
    }

    fn raise(
        &self,
        rule: AlertRule,
        severity: Severity,
        title: String,
        impact: &str,
        sample: String,
    ) -> Raise {
        let queue = &self.queue;
        Raise {
            fingerprint: self.fingerprint(rule),
            rule,
            about: Some(About::Queue(queue.clone())),
            severity,
            title: format!("{queue}: {title}"),
            impact: impact.to_owned(),
            action: format!("forebay queue show {queue}\nforebay worker list"),
            sample,
            count: 1,
        }
    }
}
