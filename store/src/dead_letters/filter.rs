//! Which dead letters.

use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::terms::{Kind, TextSearch, term};
use forebay_schemas::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::letter::Status;
use crate::audit_log::{AuditEntry, By};

/// Which dead letters; an absent field is no condition, and all conditions hold at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterFilter {
    /// In one of these states; none named: in any.
    #[serde(rename = "status", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Status>,
    /// One of these; none named: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
    /// Of this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of this group.
    #[serde(rename = "group", skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Of this message id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// With this subject, e.g. `return/R-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// About this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// About the parcel of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parcel: Option<String>,
    /// About this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// With this in its error, letters of either case alike; or with this as an id or a word that tells its error
    /// from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Died at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Died before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What a filter looks for that few letters have: where a search begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needles {
    /// Letters must have every one of these terms.
    pub terms: Vec<i64>,
    /// And hold this text.
    pub text: Option<TextSearch>,
}

impl DeadLetterFilter {
    /// Open letters, whatever else.
    #[must_use]
    pub fn open() -> Self {
        Self { statuses: vec![Status::Open], ..Self::default() }
    }

    /// The same conditions, for open letters only.
    #[must_use]
    pub fn only_open(&self) -> Self {
        Self { statuses: vec![Status::Open], ..self.clone() }
    }

    /// What the audit log says of the letters that somebody discarded by it.
    #[must_use]
    pub fn discarded(&self, count: usize, by: &By, now: DateTime<Utc>) -> AuditEntry {
        AuditEntry {
            subject: "dead letters".to_owned(),
            count: i64::try_from(count).unwrap_or(i64::MAX),
            before: json!({ "filter": self }),
            after: json!({ "status": Status::Discarded }),
            ..AuditEntry::of(by, "dead_letters.discard", now)
        }
    }

    /// No condition but that of the status: every letter would do.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self { statuses: self.statuses.clone(), ..Self::default() }
    }

    /// The states that are looked through.
    #[must_use]
    pub fn statuses(&self) -> &[Status] {
        if self.statuses.is_empty() { Status::ALL } else { &self.statuses }
    }

    /// What few letters have.
    #[must_use]
    pub fn needles(&self) -> Needles {
        let named = [
            (Kind::Subject, &self.subject),
            (Kind::Order, &self.order),
            (Kind::Parcel, &self.parcel),
            (Kind::Member, &self.member),
        ];
        let terms = named.into_iter().filter_map(|(kind, text)| Some(term(kind, text.as_deref()?)));
        Needles { terms: terms.collect(), text: self.text.as_deref().map(TextSearch::of) }
    }

    /// A search can begin at the few letters that have an id or a term.
    #[must_use]
    pub fn names_letters(&self) -> bool {
        let named = [&self.message_id, &self.subject, &self.order, &self.parcel, &self.member];
        !self.ids.is_empty() || named.iter().any(|text| text.is_some())
    }

    /// It asks for whole groups: what the groups' counts can answer.
    #[must_use]
    pub fn is_of_groups(&self) -> bool {
        let timed = self.since.is_some() || self.until.is_some();
        !self.names_letters() && self.text.is_none() && !timed
    }

    /// It has a condition that a group holds or not as a whole.
    #[must_use]
    pub fn narrows_groups(&self) -> bool {
        self.code.is_some() || self.queue.is_some() || self.kind.is_some() || self.fingerprint.is_some()
    }
}
