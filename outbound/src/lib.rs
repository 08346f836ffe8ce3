//! Every call to the outside: a guarded HTTP client, pacing over the fleet, signed webhooks, Slack and mail.
//!
//! Nothing else in the house names an HTTP client or a mail library. What protects us and the other side is
//! therefore in one place: the list of allowed hosts, time and size limits, permits, and errors that say whether a
//! call may have arrived. Secrets come in `secrecy` types and never appear in a text or in `Debug`.

pub mod breaker;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod http;
pub mod mail;
pub mod oauth;
pub mod pacing;
pub mod slack;
pub mod webhook;

pub use breaker::{Breaker, BreakerOptions};
pub use http::{AllowedHost, Answer, Call, CallError, HttpClient, HttpOptions, SetUpError};
pub use mail::{Mail, MailError, MailOptions, MailTls, Mailer};
pub use oauth::{Placed, TokenDesk, TokenFault, TokenOptions, TokenSource};
pub use pacing::{NotNow, Pacer, PacerOptions, Permit, Why};
pub use slack::{Slack, SlackError, SlackMessage, SlackSink};
pub use webhook::{SignError, SignedHeaders, Signer};
