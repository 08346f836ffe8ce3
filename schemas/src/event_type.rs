//! The closed catalogue of event types: what each is called, who may send it, and where it goes.

use crate::topology::Queue;

/// Who sends an event of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The storefront, over HTTP or straight to the exchange.
    Inbound,
    /// A member through the storefront, over HTTP only: it must carry our time stamp.
    Member,
    /// Forebay to itself, through the outbox.
    Command,
    /// Forebay to whoever listens on `forebay.facts`.
    Fact,
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $direction:ident;)+) => {
        /// Every type that Forebay knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[$doc])* $name,)+
        }

        impl EventType {
            /// Every type, in the order of the catalogue.
            pub const ALL: &'static [EventType] = &[$(EventType::$name),+];

            /// The CloudEvents `type`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(EventType::$name => $word),+ }
            }

            /// Who sends it.
            #[must_use]
            pub fn direction(self) -> Direction {
                match self { $(EventType::$name => Direction::$direction),+ }
            }
        }

        impl std::str::FromStr for EventType {
            type Err = UnknownType;
            fn from_str(word: &str) -> Result<Self, UnknownType> {
                match word { $($word => Ok(EventType::$name),)+ _ => Err(UnknownType) }
            }
        }
    };
}

/// The word is not a type of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a type of the catalogue")]
pub struct UnknownType;

event_types! {
    /// A shopper asked to send goods back.
    ReturnRequested = "return.requested.v1", Inbound;
    /// An order was paid.
    OrderPaid = "order.paid.v1", Inbound;
    /// Part or all of an order's money went back.
    OrderRefunded = "order.refunded.v1", Inbound;
    /// A member checks in for the day.
    CheckInRequested = "member.check_in.requested.v1", Member;
    /// A member claims a reward.
    ClaimRequested = "reward.claim.requested.v1", Member;
    /// A member spends points.
    SpendRequested = "points.spend.requested.v1", Member;
    /// Read new returns from the shop.
    CollectReturns = "return.collection.due.v1", Command;
    /// Ask the carrier about parcels.
    CheckParcels = "parcel.check.due.v1", Command;
    /// A carrier's system told us of parcels by itself.
    ParcelPushed = "parcel.pushed.v1", Command;
    /// Send the result of a picked-up return to the shop.
    SendResult = "return.result.due.v1", Command;
    /// Tell people what an incident has become.
    TellIncident = "incident.changed.v1", Command;
    /// What a process that does not reach the store says of itself.
    ProcessSigns = "process.signs.v1", Command;
    /// A check-in counted.
    CheckedIn = "member.checked_in.v1", Fact;
    /// A claim was granted or refused.
    ClaimSettled = "reward.claim.settled.v1", Fact;
    /// A granted reward was shipped.
    ClaimFulfilled = "reward.claim.fulfilled.v1", Fact;
    /// A granted claim was taken back.
    ClaimReversed = "reward.claim.reversed.v1", Fact;
    /// A member's points changed.
    PointsChanged = "points.changed.v1", Fact;
    /// Points were spent, or not.
    SpendSettled = "points.spend.settled.v1", Fact;
    /// Points of a member end soon.
    PointsExpiring = "points.expiring.v1", Fact;
    /// A reward's stock fell to its threshold.
    StockLow = "reward.stock.low.v1", Fact;
    /// A reward's stock is used up.
    StockOut = "reward.stock.out.v1", Fact;
    /// A reward's stock was changed, other than by a claim that was granted.
    StockChanged = "reward.stock.changed.v1", Fact;
    /// A parcel entered a state for the first time.
    ParcelStatusChanged = "parcel.status.changed.v1", Fact;
    /// The parcel of a return was picked up.
    ReturnPickedUp = "return.picked_up.v1", Fact;
}

impl EventType {
    /// The work queue that takes an inbound type or a member's command; `None` for facts and for commands whose
    /// queue depends on their data.
    #[must_use]
    pub fn queue(self) -> Option<Queue> {
        match self {
            Self::ReturnRequested | Self::CollectReturns => Some(Queue::Returns),
            Self::OrderPaid
            | Self::OrderRefunded
            | Self::CheckInRequested
            | Self::ClaimRequested
            | Self::SpendRequested => Some(Queue::Rewards),
            Self::SendResult => Some(Queue::Results),
            Self::TellIncident | Self::ProcessSigns => Some(Queue::Notices),
            Self::ParcelPushed => Some(Queue::Pushes),
            Self::CheckParcels
            | Self::CheckedIn
            | Self::ClaimSettled
            | Self::ClaimFulfilled
            | Self::ClaimReversed
            | Self::PointsChanged
            | Self::SpendSettled
            | Self::PointsExpiring
            | Self::StockLow
            | Self::StockOut
            | Self::StockChanged
            | Self::ParcelStatusChanged
            | Self::ReturnPickedUp => None,
        }
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_comes_in_has_a_queue() {
        for kind in EventType::ALL {
            if matches!(kind.direction(), Direction::Inbound | Direction::Member) {
                assert!(kind.queue().is_some(), "{kind} is neither bound nor ignored");
            }
        }
    }

    #[test]
    fn a_type_reads_back_from_its_name() {
        for kind in EventType::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert!("return.requested.v2".parse::<EventType>().is_err());
    }
}
