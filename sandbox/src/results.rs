//! The results that the shop took, each idempotency key once.

use std::collections::{BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::kept::Kept;

/// Most deliveries that are remembered, and their bytes.
const DELIVERIES_MAX: usize = 200_000;
const DELIVERY_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most idempotency keys that are remembered.
const KEYS_MAX: usize = 500_000;

/// A result that the shop took.
#[derive(Debug, Clone, Serialize)]
pub struct ResultCall {
    /// The idempotency key.
    pub key: String,
    /// The body.
    pub body: Value,
    /// When it came.
    pub at: DateTime<Utc>,
    /// The key and the body had come before.
    pub repeat: bool,
}

/// What the shop makes of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    First,
    Repeat,
    /// The key came before with another body.
    Conflict,
}

#[derive(Debug)]
struct Known {
    digest: [u8; 32],
    return_id: String,
}

#[derive(Debug)]
pub(crate) struct Results {
    deliveries: Kept<ResultCall>,
    keys: HashMap<String, Known>,
    /// The keys in the order in which they came.
    order: VecDeque<String>,
    keys_forgotten: u64,
    repeats: u64,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            deliveries: Kept::new(DELIVERIES_MAX, DELIVERY_BYTES_MAX),
            keys: HashMap::new(),
            order: VecDeque::new(),
            keys_forgotten: 0,
            repeats: 0,
        }
    }
}

impl Results {
    /// Takes a result. `digest` is of the body as it came, `bytes` its length.
    pub(crate) fn take(
        &mut self,
        key: &str,
        body: Value,
        digest: [u8; 32],
        bytes: usize,
        at: DateTime<Utc>,
    ) -> Taken {
        let repeat = match self.keys.get(key) {
            Some(known) if known.digest != digest => return Taken::Conflict,
            Some(_) => true,
            None => false,
        };
        if repeat {
            self.repeats += 1;
        } else {
            let return_id = body.get("return_id").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.remember(key, Known { digest, return_id });
        }
        self.deliveries.push(bytes + key.len(), ResultCall { key: key.to_owned(), body, at, repeat });
        if repeat { Taken::Repeat } else { Taken::First }
    }

    fn remember(&mut self, key: &str, known: Known) {
        if self.order.len() == KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
            self.keys_forgotten += 1;
        }
        self.order.push_back(key.to_owned());
        self.keys.insert(key.to_owned(), known);
    }

    pub(crate) fn deliveries(&self) -> &Kept<ResultCall> {
        &self.deliveries
    }

    /// The distinct (idempotency key, return id).
    pub(crate) fn distinct(&self) -> BTreeSet<(String, String)> {
        self.keys.iter().map(|(key, known)| (key.clone(), known.return_id.clone())).collect()
    }

    pub(crate) fn keys(&self) -> u64 {
        self.keys_forgotten + self.keys.len() as u64
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }
}

pub(crate) fn digest(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}
