//! What crosses a wire: envelope, event types, codes, queue names.
//!
//! Everything that a storefront, a queue, a dead letter or another process sees is defined here, once. The
//! JSON Schemas and `asyncapi.yaml` beside this crate are generated from it ([`catalogue`]) and a test fails
//! when they drift.

pub mod catalogue;
pub mod code;
pub mod document;
pub mod envelope;
pub mod event_type;
pub mod events;
pub mod id;
pub mod topology;
pub mod trail;
pub mod violation;

pub use catalogue::{Catalogue, Decoded, Payload};
pub use code::Code;
pub use envelope::{Digest, Event, EventData};
pub use event_type::{Direction, EventType};
pub use id::{
    AdapterId, CarrierCode, Currency, MemberId, OrderId, ProgrammeId, RefundId, ReturnId, RewardId, RuleId,
    TrackingNumber,
};
pub use topology::{Queue, Route, Tier, Topology};
pub use trail::Trail;
pub use violation::{Refusal, Violation};

/// Limits that hold on every way in. Each is checked before anything is stored.
pub mod limits {
    /// Largest single event, in bytes, envelope included (64 KiB, the size CloudEvents calls safe).
    pub const EVENT_BYTES: usize = 64 * 1024;
    /// Most events in one batch request.
    pub const BATCH_EVENTS: usize = 500;
    /// Largest request body, in bytes, before decompression.
    pub const BODY_BYTES: usize = 1024 * 1024;
    /// Largest request body, in bytes, after decompression.
    pub const BODY_BYTES_INFLATED: usize = 4 * 1024 * 1024;
    /// Largest push of a carrier's system, in bytes; packed it must still fit into an event.
    pub const PUSH_BYTES: usize = 1024 * 1024;
    /// Most bytes of our own headers on one message.
    pub const HEADER_BYTES: usize = 8 * 1024;
    /// Most bytes of one error text.
    pub const ERROR_BYTES: usize = 2 * 1024;
    /// Most characters of an id; an AMQP short string holds 255 bytes.
    pub const ID_CHARS: usize = 128;
    /// Most characters of `source` and `subject`.
    pub const SOURCE_CHARS: usize = 255;
}
