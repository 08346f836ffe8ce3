//! Orders, as far as they earn points and take them back.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::EventData;
use crate::event_type::EventType;
use crate::id::{Currency, MemberId, OrderId, RefundId};

/// An order was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaid {
    /// The order.
    pub order_id: OrderId,
    /// Who bought; absent for a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// The currency of the amount.
    pub currency: Currency,
    /// What was paid, in minor units.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub amount_minor: i64,
    /// When it was paid.
    pub paid_at: DateTime<Utc>,
}

impl EventData for OrderPaid {
    const TYPE: EventType = EventType::OrderPaid;
    fn subject(&self) -> String {
        format!("order/{}", self.order_id)
    }
}

/// Part or all of an order's money went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRefunded {
    /// The order.
    pub order_id: OrderId,
    /// This refund of the order.
    pub refund_id: RefundId,
    /// The currency of the amounts.
    pub currency: Currency,
    /// All that was refunded of this order so far, this refund included, in minor units.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub cumulative_refunded_minor: i64,
    /// When it was refunded.
    pub refunded_at: DateTime<Utc>,
}

impl EventData for OrderRefunded {
    const TYPE: EventType = EventType::OrderRefunded;
    fn subject(&self) -> String {
        format!("order/{}", self.order_id)
    }
}
