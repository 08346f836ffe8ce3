//! A person erased everywhere.
//!
//! In the books a pseudonym takes the place of the member's id, so that they still add up; in messages and texts
//! [`ERASED`](forebay_domain::erasure::ERASED) does. The hash of the id is kept: what comes later about the member has
//! no effect, and what of it is archived is archived without the id.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::{key, terms};
use forebay_domain::erasure::{Redaction, candidates};
use forebay_schemas::{Event, MemberId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit_log::{AuditEntry, By};
use crate::dead_letters::NewDeadLetter;
use crate::error::Error;

/// Where a member was found: rows of the books, and messages and texts that named them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Erasure {
    /// What stands for the member in the books; none when the books did not know the member.
    pub pseudonym: Option<String>,
    /// Days that count.
    pub attendance: i64,
    /// Claims.
    pub claims: i64,
    /// Orders.
    pub orders: i64,
    /// Entries of the ledger.
    pub ledger_entries: i64,
    /// Lots of points.
    #[serde(default)]
    pub lots: i64,
    /// Spendings.
    #[serde(default)]
    pub spends: i64,
    /// Dead letters.
    pub dead_letters: i64,
    /// Messages on their way to the queue.
    pub outbox: i64,
    /// Other texts: of incidents, groups of dead letters, replays, the audit log, the effect ledger.
    pub texts: i64,
}

impl Erasure {
    /// What the audit log says of it: everything but the id.
    #[must_use]
    pub fn entry(&self, by: &By, now: DateTime<Utc>) -> AuditEntry {
        let books =
            self.attendance + self.claims + self.orders + self.ledger_entries + self.lots + self.spends;
        AuditEntry {
            subject: self.pseudonym.clone().unwrap_or_default(),
            count: books + self.dead_letters + self.outbox + self.texts,
            after: json!(self),
            ..AuditEntry::of(by, "member.erase", now)
        }
    }
}

/// Tables with texts in which a person, or an error, may have named a member: the table, its key, its columns.
pub const TEXTS: &[(&str, &str, &[&str])] = &[
    ("incident", "id", &["title", "impact", "action", "sample"]),
    ("dead_letter_group", "fingerprint", &["sample_error", "masked"]),
    ("replay", "id", &["filter", "reason"]),
    ("audit_entry", "id", &["subject", "reason", "before", "after"]),
    ("effect", "key", &["error"]),
    ("spend", "id", &["reference"]),
    ("stock_change", "id", &["reason"]),
    ("claim", "id", &["review"]),
];

/// The member's id as it stands in a column of [`TEXTS`]: what is searched is kept in small letters.
#[must_use]
pub fn as_in(column: &str, member: &MemberId) -> MemberId {
    let small = (column == "masked").then(|| MemberId::new(member.as_str().to_lowercase()).ok()).flatten();
    small.unwrap_or_else(|| member.clone())
}

/// What a search for a member's id in texts looks for: the id as it is, and as it stands in JSON.
#[must_use]
pub fn needles(member: &MemberId) -> [String; 2] {
    let quoted = json!(member.as_str()).to_string();
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
    [member.as_str().to_owned(), inner]
}

/// The columns of a dead letter that may name a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterTexts {
    /// The message's id, and the event's source: they are part of its key, and stay.
    pub message_id: String,
    /// See `message_id`.
    pub source: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
    /// Its last error.
    pub error: String,
    /// Its earlier deaths, as JSON.
    pub history: String,
    /// Its headers, as JSON.
    pub headers: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl LetterTexts {
    /// Takes ids out. With them the search terms and, with the body, the key become others: those that the same
    /// message has when it is archived after the erasure. `None` when it names none of them.
    #[must_use]
    pub fn redacted(&self, redaction: &Redaction) -> Option<(Self, Vec<i64>, [u8; 32])> {
        let text = |text: &str| redaction.text(text).unwrap_or_else(|| text.to_owned());
        let json = |text: &str| redaction.json(text).unwrap_or_else(|| text.to_owned());
        let after = Self {
            message_id: self.message_id.clone(),
            source: self.source.clone(),
            subject: self.subject.as_deref().map(text),
            error: text(&self.error),
            history: json(&self.history),
            headers: json(&self.headers),
            body: redaction.bytes(&self.body).unwrap_or_else(|| self.body.clone()),
        };
        if after == *self {
            return None;
        }
        let event = Event::decode(&after.body).ok();
        let terms = terms::of_letter(&after.message_id, event.as_ref(), &after.error);
        let key = key(after.source.as_deref(), &after.message_id, &after.body);
        Some((after, terms, key))
    }
}

impl NewDeadLetter {
    /// Texts of it that may be an erased member's id.
    #[must_use]
    pub fn may_name(&self) -> BTreeSet<String> {
        let headers = self.headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let texts = headers.chain(self.subject.as_deref()).chain([self.error.as_str()]);
        candidates(&self.body, texts)
    }

    /// The letter without these ids, as [`LetterTexts::redacted`] would have made it.
    #[must_use]
    pub fn redacted(mut self, redaction: &Redaction) -> Self {
        let text = |text: &mut String| {
            if let Some(redacted) = redaction.text(text) {
                *text = redacted;
            }
        };
        text(&mut self.error);
        self.subject.iter_mut().for_each(text);
        self.headers.values_mut().for_each(text);
        if let Some(body) = redaction.bytes(&self.body) {
            self.body = body;
        }
        let event = Event::decode(&self.body).ok();
        self.terms = terms::of_letter(&self.message_id, event.as_ref(), &self.error);
        self.key = key(self.source.as_deref(), &self.message_id, &self.body);
        self
    }
}

/// Erasures.
#[async_trait]
pub trait Erasures {
    /// Where a member's id stands at present; nothing is changed.
    async fn traces_of(&self, member: &MemberId) -> Result<Erasure, Error>;

    /// Erases a member in one transaction, with an entry in the audit log that does not hold the id: from then on no
    /// table holds it, sums and stock are what they were, and what comes later about the member has no effect.
    /// Safe to repeat. May take as long as reading all dead letters does.
    async fn erase_member(&self, member: &MemberId, by: &By, now: DateTime<Utc>) -> Result<Erasure, Error>;
}
