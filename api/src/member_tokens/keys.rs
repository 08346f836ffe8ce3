//! An issuer's keys, kept for a while and fetched anew when it is time or when a token names one that is not there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::Clock;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::jwks::KeySet;

/// For so long keys are used without a look at the issuer.
const FRESH: TimeDelta = TimeDelta::minutes(15);
/// For so long they are used when the issuer can't be reached.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// The least time between two fetches, whatever tokens name.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

/// Where an issuer's keys are to be had.
#[async_trait]
pub trait KeySets: Send + Sync + fmt::Debug {
    /// The issuer's key set (RFC 7517), as JSON.
    async fn fetch(&self) -> Result<Bytes, NoKeySet>;
}

/// An issuer's keys are not to be had; why, in words that may be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoKeySet(pub String);

/// There is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The issuer has none of this id.
    Unknown,
    /// The issuer's keys are not to be had.
    Unavailable,
}

/// The keys of one issuer. Cheap to clone; clones share.
#[derive(Debug, Clone)]
pub(super) struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    source: Arc<dyn KeySets>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// One fetches, the others wait for what it brings.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    set: Arc<KeySet>,
    fetched_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
    failed: bool,
}

impl Keys {
    pub(super) fn new(issuer: String, source: Arc<dyn KeySets>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { issuer, source, clock, held: Mutex::default(), flight: Default::default() }))
    }

    /// The issuer's keys, with one of this id among them.
    pub(super) async fn with(&self, id: &str) -> Result<Arc<KeySet>, Missing> {
        match self.0.look(id) {
            Look::Known(answer) => return answer,
            // The issuer did not answer the last time; nobody is to wait for it while there is a key.
            Look::Stale(set) => {
                drop(self.fetch(id));
                return Ok(set);
            }
            Look::Ask => {}
        }
        match self.fetch(id).await.map(|()| self.0.look(id)) {
            Ok(Look::Known(answer)) => answer,
            Ok(Look::Stale(set)) => Ok(set),
            Ok(Look::Ask) | Err(_) => Err(Missing::Unavailable),
        }
    }

    /// Since how many seconds the keys are what they are, when the last fetch failed; and then another one is made when
    /// it is time, though no member asks.
    pub(super) fn failing(&self) -> Option<Option<i64>> {
        let age = {
            let held = self.0.held.lock();
            let now = self.0.clock.now();
            held.failed.then(|| held.fetched_at.map(|at| (now - at).num_seconds()))
        };
        if age.is_some() {
            drop(self.fetch(""));
        }
        age
    }

    /// Fetches, unless that was done meanwhile. In a task of its own: a client that goes away must not end what others
    /// wait for.
    fn fetch(&self, id: &str) -> JoinHandle<()> {
        let (inner, id) = (Arc::clone(&self.0), id.to_owned());
        tokio::spawn(async move {
            let _flight = inner.flight.lock().await;
            if !matches!(inner.look(&id), Look::Known(_)) {
                inner.fetch().await;
            }
        })
    }
}

/// What is known of a key without a fetch.
enum Look {
    /// It is there, or it is known that it is not.
    Known(Result<Arc<KeySet>, Missing>),
    /// It is there and old, and the issuer did not answer the last time.
    Stale(Arc<KeySet>),
    /// The issuer is to be asked.
    Ask,
}

impl Inner {
    fn look(&self, id: &str) -> Look {
        let (now, held) = (self.clock.now(), self.held.lock());
        let age = held.fetched_at.map(|at| now - at);
        // A clock that was set back makes keys old, not young for ever.
        let within = |age: TimeDelta, most: TimeDelta| TimeDelta::zero() <= age && age < most;
        let rests = held.tried_at.is_some_and(|at| within(now - at, PAUSE));
        let usable = age.is_some_and(|age| age < USABLE);
        let found = usable && held.set.named(id).next().is_some();
        if found {
            return if rests || age.is_some_and(|age| within(age, FRESH)) {
                Look::Known(Ok(Arc::clone(&held.set)))
            } else if held.failed {
                Look::Stale(Arc::clone(&held.set))
            } else {
                Look::Ask
            };
        }
        if rests {
            let missing = if usable && !held.failed { Missing::Unknown } else { Missing::Unavailable };
            return Look::Known(Err(missing));
        }
        Look::Ask
    }

    async fn fetch(&self) {
        let fetched = match self.source.fetch().await {
            Ok(json) => KeySet::parse(&json).ok_or_else(|| NoKeySet("the answer is no key set".to_owned())),
            Err(why) => Err(why),
        };
        let now = self.clock.now();
        let mut held = self.held.lock();
        // The pause begins when the fetch ends, however long it took.
        held.tried_at = Some(now);
        held.failed = fetched.is_err();
        match fetched {
            Ok(set) => {
                tracing::debug!(issuer = self.issuer, keys = set.len(), "the issuer's keys were fetched");
                held.set = Arc::new(set);
                held.fetched_at = Some(now);
            }
            Err(NoKeySet(why)) => {
                let age_s = held.fetched_at.map(|at| (now - at).num_seconds());
                tracing::warn!(
                    issuer = self.issuer,
                    why,
                    age_s,
                    "the keys of members' tokens could not be fetched; those from before are used for 24 h"
                );
            }
        }
    }
}
