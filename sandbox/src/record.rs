//! What the world saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

use crate::arrivals::{Arrivals, OF_ALL};
use crate::carriers::CarrierName;
use crate::carriers::counts::{Arrived, Counts};
use crate::kept::Kept;
use crate::mail::Mail;
use crate::results::{ResultCall, Results, Taken, digest};

/// Most numbers whose calls are counted; of any further one each look is the first.
const NUMBERS_MAX: usize = 1_000_000;
/// Most Slack messages and mails that are remembered, and their bytes.
const NOTICES_MAX: usize = 20_000;
const NOTICE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A message in Slack, as it stands after its updates.
#[derive(Debug, Clone, Serialize)]
pub struct SlackPost {
    /// Its time stamp, which is its id; empty for a webhook's.
    pub ts: String,
    /// The channel; empty for a webhook's.
    pub channel: String,
    /// The thread that it is in.
    pub thread_ts: Option<String>,
    /// A reply that the channel sees, too.
    pub broadcast: bool,
    /// The fall-back text.
    pub text: String,
    /// The blocks.
    pub blocks: Value,
    /// What it says of itself to the app that wrote it.
    pub metadata: Value,
    /// How often it was updated.
    pub updates: usize,
}

/// A number that a carrier was asked about, or that the control pushed on. All carriers tell of the same parcel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) calls: usize,
    pub(crate) advanced: usize,
    by_carrier: [u32; CarrierName::ALL.len()],
}

impl Asked {
    pub(crate) fn of(&self, name: CarrierName) -> usize {
        self.by_carrier[name as usize] as usize
    }
}

#[derive(Debug)]
struct Slack {
    posts: Kept<SlackPost>,
    /// Message numbers by their time stamps.
    by_ts: HashMap<String, u64>,
}

#[derive(Debug)]
struct Seen {
    begun: Instant,
    arrivals: Mutex<Arrivals>,
    carriers: [Arc<Counts>; CarrierName::ALL.len()],
    numbers: Mutex<BTreeMap<String, Asked>>,
    results: Mutex<Results>,
    results_refused: AtomicU64,
    slack: Mutex<Slack>,
    slack_calls: AtomicU64,
    mails: Mutex<Kept<Mail>>,
}

/// What the world saw. Cheap to clone; all clones are one record.
#[derive(Debug, Clone)]
pub struct Record(Arc<Seen>);

impl Default for Record {
    fn default() -> Self {
        let begun = Instant::now();
        Self(Arc::new(Seen {
            begun,
            arrivals: Mutex::new(Arrivals::new(begun, OF_ALL)),
            carriers: std::array::from_fn(|_| Arc::new(Counts::new(begun))),
            numbers: Mutex::default(),
            results: Mutex::default(),
            results_refused: AtomicU64::new(0),
            slack: Mutex::new(Slack {
                posts: Kept::new(NOTICES_MAX, NOTICE_BYTES_MAX),
                by_ts: HashMap::new(),
            }),
            slack_calls: AtomicU64::new(0),
            mails: Mutex::new(Kept::new(NOTICES_MAX, NOTICE_BYTES_MAX)),
        }))
    }
}

/// What the parts of the world write down.
impl Record {
    /// Notes a call at the moment that it arrived; returns what the carrier counted with it.
    pub(crate) fn carrier_call(&self, name: CarrierName, at: Instant, window: Duration, day: i64) -> Arrived {
        self.0.arrivals.lock().note(at);
        self.counts(name).arrived(at, window, day)
    }

    pub(crate) fn begun_at(&self) -> Instant {
        self.0.begun
    }

    pub(crate) fn arrivals(&self) -> &Mutex<Arrivals> {
        &self.0.arrivals
    }

    pub(crate) fn counts(&self, name: CarrierName) -> &Arc<Counts> {
        &self.0.carriers[name as usize]
    }

    /// Notes which number was asked about; returns how often it was asked about before and how often advanced.
    pub(crate) fn asked_about(&self, name: CarrierName, number: &str) -> (usize, usize) {
        self.of_number(number, |asked| {
            asked.calls += 1;
            asked.by_carrier[name as usize] = asked.by_carrier[name as usize].saturating_add(1);
            (asked.calls - 1, asked.advanced)
        })
    }

    /// Moves a parcel's journey on by one step.
    pub(crate) fn advance(&self, number: &str) {
        self.of_number(number, |asked| asked.advanced += 1);
    }

    fn of_number<T>(&self, number: &str, change: impl FnOnce(&mut Asked) -> T) -> T {
        let mut numbers = self.0.numbers.lock();
        if let Some(asked) = numbers.get_mut(number) {
            return change(asked);
        }
        let mut asked = Asked::default();
        let told = change(&mut asked);
        if numbers.len() < NUMBERS_MAX {
            numbers.insert(number.to_owned(), asked);
        }
        told
    }

    pub(crate) fn result(&self, key: &str, body: Value, raw: &[u8], at: DateTime<Utc>) -> Taken {
        let digest = digest(raw);
        self.0.results.lock().take(key, body, digest, raw.len(), at)
    }

    pub(crate) fn result_refused(&self) {
        self.0.results_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that Slack answered, whatever with.
    pub(crate) fn slack_called(&self) {
        self.0.slack_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn posted(&self, post: SlackPost, bytes: usize) {
        let mut slack = self.0.slack.lock();
        let ts = post.ts.clone();
        let number = slack.posts.push(bytes, post);
        if !ts.is_empty() {
            slack.by_ts.insert(ts, number);
        }
        if slack.by_ts.len() > 2 * NOTICES_MAX {
            let gone = slack.posts.forgotten();
            slack.by_ts.retain(|_, number| *number > gone);
        }
    }

    /// Replaces a message; `false` when there is none of this time stamp.
    pub(crate) fn updated(&self, ts: &str, text: String, blocks: Value, metadata: &Value) -> bool {
        let mut slack = self.0.slack.lock();
        let Some(number) = slack.by_ts.get(ts).copied() else { return false };
        let Some(post) = slack.posts.get_mut(number) else { return false };
        post.text = text;
        post.blocks = blocks;
        if !metadata.is_null() {
            post.metadata = metadata.clone();
        }
        post.updates += 1;
        true
    }

    pub(crate) fn mail(&self, mail: Mail) {
        let bytes = mail.data.len() + mail.from.len() + mail.to.iter().map(String::len).sum::<usize>();
        self.0.mails.lock().push(bytes, mail);
    }
}

/// What a test or the demo asks.
impl Record {
    pub(crate) fn asked(&self, number: &str) -> Asked {
        self.0.numbers.lock().get(number).cloned().unwrap_or_default()
    }

    /// Up to `limit` numbers after this one, in their order.
    pub(crate) fn numbers(&self, after: &str, limit: usize) -> Vec<(String, Asked)> {
        let numbers = self.0.numbers.lock();
        let rest = numbers.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        rest.take(limit).map(|(number, asked)| (number.clone(), asked.clone())).collect()
    }

    /// The results that the shop took, repeats included; the last 200,000.
    #[must_use]
    pub fn results(&self) -> Vec<ResultCall> {
        self.0.results.lock().deliveries().all()
    }

    pub(crate) fn results_page(&self, after: Option<u64>, limit: usize) -> (u64, Vec<(u64, ResultCall)>) {
        let results = self.0.results.lock();
        (results.deliveries().total(), results.deliveries().page(after, limit))
    }

    /// The distinct (idempotency key, return id) that the shop took; the last 500,000.
    #[must_use]
    pub fn distinct_results(&self) -> BTreeSet<(String, String)> {
        self.0.results.lock().distinct()
    }

    /// Slack's messages as they stand now; the last 20,000.
    #[must_use]
    pub fn slack_posts(&self) -> Vec<SlackPost> {
        self.0.slack.lock().posts.all()
    }

    pub(crate) fn slack_page(&self, after: Option<u64>, limit: usize) -> (u64, Vec<(u64, SlackPost)>) {
        let slack = self.0.slack.lock();
        (slack.posts.total(), slack.posts.page(after, limit))
    }

    /// How many messages were posted to Slack.
    #[must_use]
    pub fn slack_messages(&self) -> usize {
        usize::try_from(self.0.slack.lock().posts.total()).unwrap_or(usize::MAX)
    }

    /// The mails; the last 20,000.
    #[must_use]
    pub fn mail_list(&self) -> Vec<Mail> {
        self.0.mails.lock().all()
    }

    pub(crate) fn mail_page(&self, after: Option<u64>, limit: usize) -> (u64, Vec<(u64, Mail)>) {
        let mails = self.0.mails.lock();
        (mails.total(), mails.page(after, limit))
    }

    /// How many mails came.
    #[must_use]
    pub fn mails(&self) -> usize {
        usize::try_from(self.0.mails.lock().total()).unwrap_or(usize::MAX)
    }

    /// All counts, each exact however long the world has run.
    pub(crate) fn summary(&self) -> Value {
        let (calls, fullest_second) = {
            let arrivals = self.0.arrivals.lock();
            (arrivals.total(), arrivals.fullest_second())
        };
        let (results, distinct, repeats) = {
            let results = self.0.results.lock();
            (results.deliveries().total(), results.keys(), results.repeats())
        };
        serde_json::json!({
            "carrier_calls": calls,
            "carrier_numbers": self.0.numbers.lock().len(),
            "carrier_calls_in_any_second": fullest_second,
            "results": results,
            "results_distinct": distinct,
            "results_repeated": repeats,
            "results_refused": self.0.results_refused.load(Ordering::Relaxed),
            "slack_messages": self.slack_messages(),
            "slack_calls": self.0.slack_calls.load(Ordering::Relaxed),
            "mails": self.mails(),
        })
    }
}
