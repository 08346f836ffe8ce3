//! Returns: registered once each, followed, reported.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::due::Due;
use forebay_schemas::events::ReturnPickedUp;
use forebay_schemas::{AdapterId, CarrierCode, OrderId, ReturnId, TrackingNumber};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Handled;
use crate::audit_log::{AuditEntry, By};
use crate::error::Error;
use crate::inbox::Identity;

/// A return to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReturn {
    /// The return.
    pub return_id: ReturnId,
    /// Its order.
    pub order_id: OrderId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// Its parcel.
    pub parcel: Option<NewParcel>,
}

/// A parcel to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParcel {
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub number: TrackingNumber,
    /// The carrier's system that is to be asked about it.
    pub adapter: AdapterId,
    /// The trace of who registers it, to which its checks belong.
    pub traceparent: Option<String>,
    /// When it is first asked about, if it is new.
    pub due: Due,
}

/// A return, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "plain fields; states are requested, tracking, picked_up, reported")]
pub struct ReturnView {
    pub return_id: String,
    pub order_id: String,
    pub state: String,
    pub requested_at: DateTime<Utc>,
    pub registered_at: DateTime<Utc>,
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub parcel_id: Option<Uuid>,
    pub parcel_status: Option<String>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub reported_at: Option<DateTime<Utc>>,
}

/// Which returns; an absent field is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReturnFilter {
    /// In this state.
    pub state: Option<ReturnState>,
    /// Of this order.
    pub order_id: Option<OrderId>,
}

/// How far a return is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// It was asked for; its parcel is not known.
    Requested,
    /// Its parcel is followed.
    Tracking,
    /// Its parcel was picked up; the shop is to be told.
    PickedUp,
    /// The shop was told.
    Reported,
}

impl ReturnState {
    /// Its word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Tracking => "tracking",
            Self::PickedUp => "picked_up",
            Self::Reported => "reported",
        }
    }
}

/// What became of a person's wish that a result be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resent {
    /// There is no such return.
    NotThere,
    /// Its parcel was not picked up yet: there is no result.
    NotPickedUp,
    /// The command is written.
    Written {
        /// The shop had taken it before.
        again: bool,
    },
}

/// Results that stay away: of returns that were announced in this time and are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// Announced at or after.
    pub since: DateTime<Utc>,
    /// Announced before.
    pub before: DateTime<Utc>,
}

impl Resent {
    /// What the audit log says of it; nothing when nothing was written.
    #[must_use]
    pub fn told(self, return_id: &ReturnId, by: &By, now: DateTime<Utc>) -> Option<AuditEntry> {
        let Self::Written { again } = self else { return None };
        Some(AuditEntry {
            subject: return_id.to_string(),
            count: 1,
            after: serde_json::json!({ "again": again }),
            ..AuditEntry::of(by, "returns.resend", now)
        })
    }
}

/// What the audit log says of a collection that a person asked for.
#[must_use]
pub fn collection_asked(by: &By, now: DateTime<Utc>) -> AuditEntry {
    AuditEntry { subject: "returns".to_owned(), count: 1, ..AuditEntry::of(by, "returns.collect", now) }
}

/// Returns.
#[async_trait]
pub trait Returns {
    /// Registers the returns of a set of messages in one transaction, with their inbox rows. A return that exists
    /// only gains a parcel if it had none; a parcel that exists is shared. A new parcel is due as it says. If a shared
    /// parcel was picked up already, the return is picked up with it (result row in the outbox).
    async fn register_returns(
        &self,
        messages: Vec<(Identity, NewReturn)>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error>;

    /// Where the last collection from the shop ended; `None` before the first.
    async fn collection_cursor(&self) -> Result<Option<String>, Error>;

    /// Registers one page of collected returns (as above, keyed by return id alone) and moves the cursor from
    /// `from` to `to` in the same transaction. When the cursor is no longer at `from`, another collector was
    /// faster: nothing is written and the answer is `None`. Otherwise the number of returns that were new.
    async fn save_collected(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        page: Vec<NewReturn>,
        now: DateTime<Utc>,
    ) -> Result<Option<u32>, Error>;

    /// What to send to the shop for those of these returns that are there and picked up, and whether it was reported
    /// before.
    async fn results_of(
        &self,
        returns: &[ReturnId],
    ) -> Result<BTreeMap<ReturnId, (ReturnPickedUp, bool)>, Error>;

    /// One return.
    async fn return_by_id(&self, return_id: &ReturnId) -> Result<Option<ReturnView>, Error>;

    /// Returns, those that were registered last first, after the one named.
    async fn list_returns(
        &self,
        filter: &ReturnFilter,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnView>, Error>;

    /// Writes the command to send a return's result, with `again` when the shop has taken it before, and the audit
    /// entry, in one transaction.
    async fn resend_result(&self, return_id: &ReturnId, by: &By, now: DateTime<Utc>)
    -> Result<Resent, Error>;

    /// Writes the command to collect returns from the shop, and the audit entry, in one transaction.
    async fn ask_collection(&self, by: &By, now: DateTime<Utc>) -> Result<(), Error>;

    /// Returns whose result stays away, by id, after the one named: picked up, not reported, and no dead letter of
    /// the command to send it waits, is being replayed, or was discarded by a person who did not want it sent.
    async fn overdue_results(
        &self,
        overdue: Overdue,
        after: Option<&ReturnId>,
        limit: u32,
    ) -> Result<Vec<ReturnId>, Error>;
}
