//! Returns: asked for, collected, picked up, reported.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::{CarrierCode, OrderId, ReturnId, TrackingNumber};

/// The parcel in which goods come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParcelOfReturn {
    /// The company that carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
}

/// A shopper asked to send goods back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReturnRequested {
    /// The return.
    pub return_id: ReturnId,
    /// The order that it belongs to.
    pub order_id: OrderId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// Its parcel, when it is known already; otherwise it is read from the shop's returns API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parcel: Option<ParcelOfReturn>,
}

impl EventData for ReturnRequested {
    const TYPE: EventType = EventType::ReturnRequested;
    fn subject(&self) -> String {
        format!("return/{}", self.return_id)
    }
}

/// Read new returns from the shop's returns API, from where the last reading ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CollectReturns {
    /// The firing of the schedule, or the return, that asked for it.
    pub because_of: String,
}

impl EventData for CollectReturns {
    const TYPE: EventType = EventType::CollectReturns;
    fn subject(&self) -> String {
        "returns".to_owned()
    }
}

/// Send the result of a picked-up return to the shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SendResult {
    /// The return.
    pub return_id: ReturnId,
    /// Send it even if the shop has taken it before: a person asks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl EventData for SendResult {
    const TYPE: EventType = EventType::SendResult;
    fn subject(&self) -> String {
        format!("return/{}", self.return_id)
    }
}

/// The parcel of a return was picked up; also the body that is sent to the shop's result endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReturnPickedUp {
    /// The return.
    pub return_id: ReturnId,
    /// The order that it belongs to.
    pub order_id: OrderId,
    /// Who carries it.
    pub carrier: CarrierCode,
    /// Its number there.
    pub tracking_number: TrackingNumber,
    /// When it was picked up; when the carrier gave no exact time, when we learned of it.
    pub picked_up_at: DateTime<Utc>,
}

impl EventData for ReturnPickedUp {
    const TYPE: EventType = EventType::ReturnPickedUp;
    fn subject(&self) -> String {
        format!("return/{}", self.return_id)
    }
}
