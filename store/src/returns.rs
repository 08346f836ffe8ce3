//! Returns: registered once each, followed, reported.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::due::Due;
use forebay_schemas::events::ReturnPickedUp;
use forebay_schemas::{AdapterId, CarrierCode, OrderId, ReturnId, TrackingNumber};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Handled;
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
    /// When it is first asked about, if it is new.
    pub due: Due,
}

/// A return, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "plain fields; states are requested, tracking, picked_up, reported")]
pub struct ReturnView {
    pub return_id: String,
    pub order_id: String,
    pub state: String,
    pub requested_at: DateTime<Utc>,
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub parcel_id: Option<Uuid>,
    pub parcel_status: Option<String>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub reported_at: Option<DateTime<Utc>>,
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

    /// What to send to the shop for a picked-up return, and whether it was reported before. `None`: no such return,
    /// or it is not picked up.
    async fn result_of(&self, return_id: &ReturnId) -> Result<Option<(ReturnPickedUp, bool)>, Error>;

    /// One return.
    async fn return_by_id(&self, return_id: &ReturnId) -> Result<Option<ReturnView>, Error>;
}
