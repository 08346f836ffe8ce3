//! The outside world in a box, over real HTTP and SMTP: a carrier, the shop's own systems, Slack, a mail server.
//!
//! It speaks the wire formats of the documents and shares no type with the code that calls it. What it saw it keeps
//! in a [`Record`], which a test or the demo may ask, in process or over `/_control/…`. Paths and switches:
//! `README.md` beside this crate.

mod arrivals;
mod control;
mod faults;
mod http;
mod kept;
mod options;
mod parcel;
mod record;
mod results;
mod script;
mod server;
mod shop;
mod signature;
mod slack;
mod slack_blocks;
mod smtp;
mod sweettracker;
mod world;

pub use faults::Faults;
pub use options::Options;
pub use record::{Mail, Record, SlackPost};
pub use results::ResultCall;
pub use script::{Script, Story};
pub use server::Sandbox;

/// The key that the carrier accepts.
pub const CARRIER_KEY: &str = "sandbox-carrier-key";
/// The bearer token of the shop's returns API.
pub const SHOP_TOKEN: &str = "sandbox-shop-token";
/// The secret with which results must be signed.
pub const SIGNING_SECRET: &str = "whsec_c2FuZGJveC1zaWduaW5nLXNlY3JldC0zMi1ieXRlcyE=";
/// The bot token that Slack accepts.
pub const SLACK_TOKEN: &str = "xoxb-sandbox";
/// The channel that Slack has.
pub const SLACK_CHANNEL: &str = "C0SANDBOX";
