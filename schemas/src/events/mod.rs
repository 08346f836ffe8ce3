//! The data of each event type, one file a flow.
//!
//! Money is integer minor units with a currency, instants are RFC 3339 UTC, days are dates in the programme's
//! zone, ids are strings. Readers ignore fields that they do not know.

mod fulfilment;
mod incidents;
mod orders;
mod parcels;
mod points;
mod processes;
mod pushes;
mod returns;
mod rewards;
mod stock;

pub use fulfilment::{ClaimFulfilled, ClaimReversed};
pub use incidents::{MailOne, TellIncident};
pub use orders::{OrderPaid, OrderRefunded};
pub use parcels::{CheckParcels, ParcelRef, ParcelStatus, ParcelStatusChanged};
pub use points::{PointsExpiring, SpendRequested, SpendSettled, SpendState};
pub use processes::{ProcessSign, ProcessSigns};
pub use pushes::{ParcelPushed, UnreadablePush};
pub use returns::{CollectReturns, ParcelOfReturn, ReturnPickedUp, ReturnRequested, SendResult};
pub use rewards::{
    CheckInRequested, CheckedIn, ClaimRequested, ClaimSettled, ClaimState, PointsChanged, PointsKind,
    RejectCode,
};
pub use stock::{StockChangeKind, StockChanged, StockLow, StockOut};
