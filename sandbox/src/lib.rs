//! The outside world in a box, over real HTTP and SMTP: carriers, the shop's own systems, Slack, a mail server.
//!
//! It speaks the wire formats of the documents and shares no type with the code that calls it. What it saw it keeps
//! in a [`Record`], which a test or the demo may ask, in process or over `/_control/…`. Paths and switches:
//! `README.md` beside this crate.

mod arrivals;
mod carriers;
mod control;
mod control_carriers;
mod credentials;
mod faults;
mod http;
mod kept;
mod mail;
mod mime;
mod options;
mod pages;
mod pushes;
mod record;
mod record_carriers;
mod results;
mod server;
mod shop;
mod signature;
mod slack;
mod slack_blocks;
mod slack_history;
mod smtp;
mod timeline;
mod world;

pub use carriers::{CarrierFaults, CarrierName, Limit, RetryAfter};
pub use credentials::*;
pub use faults::Faults;
pub use mail::Mail;
pub use options::Options;
pub use pushes::Push;
pub use record::{Record, SlackPost};
pub use results::ResultCall;
pub use server::Sandbox;
pub use timeline::script::{Script, Story};
pub use timeline::step::Step;
