//! What the world saw.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

/// Most carrier arrivals that are remembered, 16 bytes each.
const ARRIVALS_MAX: usize = 2_000_000;
/// Most results, messages and mails that are remembered, each kind.
const KEPT_MAX: usize = 200_000;

/// A result that the shop took.
#[derive(Debug, Clone, Serialize)]
pub struct ResultCall {
    /// The idempotency key.
    pub key: String,
    /// The body.
    pub body: Value,
}

/// A message in Slack, as it stands after its updates.
#[derive(Debug, Clone, Serialize)]
pub struct SlackPost {
    /// Its time stamp, which is its id; empty for a webhook's.
    pub ts: String,
    /// The channel; empty for a webhook's.
    pub channel: String,
    /// The thread that it is in.
    pub thread_ts: Option<String>,
    /// The fall-back text.
    pub text: String,
    /// The blocks.
    pub blocks: Value,
    /// How often it was updated.
    pub updates: usize,
}

/// A mail.
#[derive(Debug, Clone, Serialize)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body as they came.
    pub data: String,
}

#[derive(Debug, Default)]
struct Seen {
    arrivals: VecDeque<Instant>,
    calls_total: usize,
    calls_by_number: BTreeMap<String, usize>,
    results: Vec<ResultCall>,
    results_refused: usize,
    slack: Vec<SlackPost>,
    slack_calls: usize,
    mails: Vec<Mail>,
}

/// What the world saw. Cheap to clone; all clones are one record.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Seen>>);

impl Record {
    /// Notes a carrier call at the moment that it arrived.
    pub(crate) fn carrier_call(&self, at: Instant) -> usize {
        let mut seen = self.0.lock();
        seen.calls_total += 1;
        if seen.arrivals.len() == ARRIVALS_MAX {
            seen.arrivals.pop_front();
        }
        seen.arrivals.push_back(at);
        let second = at.checked_sub(Duration::from_secs(1));
        seen.arrivals.iter().rev().take_while(|a| second.is_none_or(|s| **a > s)).count()
    }

    /// Notes which number was asked about; returns how often it was asked before.
    pub(crate) fn asked_about(&self, number: &str) -> usize {
        let mut seen = self.0.lock();
        let count = seen.calls_by_number.entry(number.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// Moves a parcel's story on by one look.
    pub(crate) fn advance(&self, number: &str) {
        *self.0.lock().calls_by_number.entry(number.to_owned()).or_default() += 1;
    }

    pub(crate) fn result(&self, call: ResultCall) {
        let mut seen = self.0.lock();
        if seen.results.len() < KEPT_MAX {
            seen.results.push(call);
        }
    }

    pub(crate) fn result_refused(&self) {
        self.0.lock().results_refused += 1;
    }

    pub(crate) fn posted(&self, post: SlackPost) {
        let mut seen = self.0.lock();
        seen.slack_calls += 1;
        if seen.slack.len() < KEPT_MAX {
            seen.slack.push(post);
        }
    }

    /// Replaces a message; `false` when there is none of this time stamp.
    pub(crate) fn updated(&self, channel: &str, ts: &str, text: String, blocks: Value) -> bool {
        let mut seen = self.0.lock();
        seen.slack_calls += 1;
        let Some(post) = seen.slack.iter_mut().find(|p| p.ts == ts && p.channel == channel) else {
            return false;
        };
        post.text = text;
        post.blocks = blocks;
        post.updates += 1;
        true
    }

    pub(crate) fn mail(&self, mail: Mail) {
        let mut seen = self.0.lock();
        if seen.mails.len() < KEPT_MAX {
            seen.mails.push(mail);
        }
    }

    /// Calls that the carrier counted.
    #[must_use]
    pub fn carrier_calls(&self) -> usize {
        self.0.lock().calls_total
    }

    /// Most carrier calls that arrived in any window of this length.
    #[must_use]
    pub fn max_carrier_calls_in(&self, window: Duration) -> usize {
        let seen = self.0.lock();
        let (mut most, mut first) = (0, 0);
        for (last, at) in seen.arrivals.iter().enumerate() {
            while seen.arrivals.get(first).is_some_and(|f| at.duration_since(*f) >= window) {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    /// How often a number was asked about.
    #[must_use]
    pub fn calls_about(&self, number: &str) -> usize {
        self.0.lock().calls_by_number.get(number).copied().unwrap_or(0)
    }

    /// Every result that the shop took, repeats included.
    #[must_use]
    pub fn results(&self) -> Vec<ResultCall> {
        self.0.lock().results.clone()
    }

    /// The distinct (idempotency key, return id) that the shop took.
    #[must_use]
    pub fn distinct_results(&self) -> BTreeSet<(String, String)> {
        let seen = self.0.lock();
        seen.results
            .iter()
            .map(|r| {
                (
                    r.key.clone(),
                    r.body.get("return_id").and_then(Value::as_str).unwrap_or_default().to_owned(),
                )
            })
            .collect()
    }

    /// Slack's messages as they stand now.
    #[must_use]
    pub fn slack_posts(&self) -> Vec<SlackPost> {
        self.0.lock().slack.clone()
    }

    /// How many messages there are in Slack.
    #[must_use]
    pub fn slack_messages(&self) -> usize {
        self.0.lock().slack.len()
    }

    /// Every mail.
    #[must_use]
    pub fn mail_list(&self) -> Vec<Mail> {
        self.0.lock().mails.clone()
    }

    /// How many mails came.
    #[must_use]
    pub fn mails(&self) -> usize {
        self.0.lock().mails.len()
    }

    /// All counts.
    pub(crate) fn summary(&self) -> Value {
        let most = self.max_carrier_calls_in(Duration::from_secs(1));
        let distinct = self.distinct_results().len();
        let seen = self.0.lock();
        serde_json::json!({
            "carrier_calls": seen.calls_total,
            "carrier_numbers": seen.calls_by_number.len(),
            "carrier_calls_in_any_second": most,
            "results": seen.results.len(),
            "results_distinct": distinct,
            "results_refused": seen.results_refused,
            "slack_messages": seen.slack.len(),
            "slack_calls": seen.slack_calls,
            "mails": seen.mails.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_window_is_found_wherever_it_lies() {
        let record = Record::default();
        let start = Instant::now();
        for ms in [0, 100, 900, 950, 999, 1_000, 1_850, 5_000] {
            record.carrier_call(start + Duration::from_millis(ms));
        }
        assert_eq!(record.max_carrier_calls_in(Duration::from_secs(1)), 5);
        assert_eq!(record.carrier_calls(), 8);
    }
}
