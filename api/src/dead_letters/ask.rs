//! Which dead letters: the same conditions in a query and in a body.

use std::borrow::Cow;

use forebay_domain::dead_letter::replay::RATE_MAX;
use forebay_intake::{Kind, Problem};
use forebay_schemas::{Code, Queue};
use forebay_store::dead_letters::Cursor;
use forebay_store::{DeadLetterFilter, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::export::LIMIT_MAX;
use crate::dates::Instant;
use crate::rules::{Note, broken, check_reason};

/// Longest text to search for, in bytes: AMQP's short strings hold no more.
const TEXT_BYTES: usize = 255;
/// Most letters that are named by their ids at once.
const IDS_MAX: usize = 1_000;
/// Largest body that names letters, in bytes: so many ids.
pub(crate) const ASK_BYTES: usize = 64 * 1024;

/// A status to look for, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusAsk {
    Any,
    Open,
    Replaying,
    Resolved,
    Discarded,
}

impl StatusAsk {
    fn statuses(self) -> Vec<Status> {
        match self {
            Self::Any => Vec::new(),
            Self::Open => vec![Status::Open],
            Self::Replaying => vec![Status::Replaying],
            Self::Resolved => vec![Status::Resolved],
            Self::Discarded => vec![Status::Discarded],
        }
    }
}

/// The conditions, with what else stands beside them.
macro_rules! conditions {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name {
            $($(#[$note])* pub(super) $field: $kind,)*
            code: Option<Code>,
            queue: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            r#type: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            group: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            message_id: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            subject: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            order: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            parcel: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            member: Option<String>,
            #[schemars(length(max = TEXT_BYTES))]
            text: Option<String>,
            since: Option<Instant>,
            until: Option<Instant>,
        }

        impl $name {
            fn conditions(self) -> Result<DeadLetterFilter, Problem> {
                let queue = self.queue.map(|queue| queue.parse::<Queue>()).transpose();
                let queue = queue
                    .map_err(|unknown| Problem::new(Kind::InvalidRequest, format!("queue is {unknown}.")))?;
                Ok(DeadLetterFilter {
                    statuses: Vec::new(),
                    ids: Vec::new(),
                    code: self.code,
                    queue: queue.map(|queue| queue.to_string()),
                    kind: searchable("type", self.r#type)?,
                    fingerprint: searchable("group", self.group)?,
                    message_id: searchable("message_id", self.message_id)?,
                    subject: searchable("subject", self.subject)?,
                    order: searchable("order", self.order)?,
                    parcel: searchable("parcel", self.parcel)?,
                    member: searchable("member", self.member)?,
                    text: searchable("text", self.text)?.filter(|text| !text.trim().is_empty()),
                    since: self.since.map(|since| since.0),
                    until: self.until.map(|until| until.0),
                })
            }
        }
    };
}

conditions! {
    /// The query of a list.
    ListAsk {
        status: Option<StatusAsk>,
        /// At most 200 of a list; of an export all, when nothing is said.
        #[schemars(range(min = 1, max = LIMIT_MAX))]
        limit: Option<u32>,
        cursor: CursorAsk,
    }
}
conditions! {
    /// The `filter` of a body.
    FilterAsk {}
}

impl ListAsk {
    /// Open letters, unless another status is asked for.
    pub(super) fn filter(self) -> Result<DeadLetterFilter, Problem> {
        let statuses = self.status.unwrap_or(StatusAsk::Open).statuses();
        Ok(DeadLetterFilter { statuses, ..self.conditions()? })
    }
}

/// A place in a list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CursorAsk(pub(super) Option<Cursor>);

impl JsonSchema for CursorAsk {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "As a page has given it." })
    }
}

impl<'de> Deserialize<'de> for CursorAsk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(|cursor| Self(Some(cursor))).map_err(serde::de::Error::custom)
    }
}

/// Letters that something is to be done to: by their ids, by their group, by a filter, or all that are open.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LettersAsk {
    #[schemars(length(max = IDS_MAX))]
    ids: Vec<Uuid>,
    group: Option<String>,
    filter: Option<FilterAsk>,
    all: bool,
    #[schemars(with = "Option<Note>")]
    reason: Option<String>,
    pub(super) dry_run: bool,
    /// For a replay: letters a second.
    #[schemars(range(min = 1, max = RATE_MAX))]
    pub(super) rate_per_s: Option<u32>,
    /// For a replay: one first, then ten, then the rest.
    pub(super) canary: Option<bool>,
}

impl LettersAsk {
    /// The letters that are meant; whoever means all must say so.
    pub(super) fn filter(&mut self) -> Result<DeadLetterFilter, Problem> {
        let ids = std::mem::take(&mut self.ids);
        if ids.len() > IDS_MAX {
            return Err(broken("/ids", format!("are more than {IDS_MAX}; name a group or a filter")));
        }
        let given = self.filter.take().unwrap_or_default().conditions()?;
        let group = searchable("group", self.group.take())?;
        if group.is_some() && given.fingerprint.is_some() {
            return Err(broken("/group", "stands in the filter, too"));
        }
        let fingerprint = group.or(given.fingerprint);
        let filter = DeadLetterFilter { ids, fingerprint, ..given }.only_open();
        match (filter.is_everything(), self.all) {
            (true, false) => Err(broken(
                "",
                "names no letters; give ids, group or filter, or all: true for every open one",
            )),
            (false, true) => Err(broken("/all", "is said of letters that are named; leave one of both out")),
            _ => Ok(filter),
        }
    }

    /// Why; it ends in the audit log.
    pub(super) fn reason(&mut self) -> Result<String, Problem> {
        let reason = self.reason.take().unwrap_or_default();
        check_reason(&reason)?;
        Ok(reason)
    }
}

/// A store may refuse to search for control characters, and then it would look as if it were its fault.
fn searchable(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > TEXT_BYTES || text.chars().any(char::is_control) => {
            let detail = format!("{name} must be {TEXT_BYTES} bytes at most, without control characters.");
            Err(Problem::new(Kind::InvalidRequest, detail))
        }
        text => Ok(text),
    }
}
