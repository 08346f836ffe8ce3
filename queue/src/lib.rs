//! The queue contract: what every back end promises, in types and in a conformance suite.
//!
//! A back end is a [`Broker`]. Producers hold its [`Publisher`], the worker harness holds a [`Consumer`] a queue.
//! The rules that types can't say are in the documentation of each method and are checked by `conformance`,
//! which runs on every back end.

pub mod broker;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod consumer;
pub mod message;
pub mod publisher;
pub mod size;

pub use broker::{Broker, BrokerError, Depth, Link};
pub use consumer::{ConsumeOptions, Consumer, Delivery, Lost, Receipt, Settlement};
pub use message::Message;
pub use publisher::{Outgoing, PublishError, Publisher};
