//! The guarded HTTP client.
//!
//! Only hosts of a list, HTTPS unless the entry says otherwise, no redirects, no proxy, no address of a private
//! network unless the entry says so (checked when connecting, so that a name can't change its mind after the
//! check), and a limit on the time and size of every answer.

mod address;
mod allow;
mod answer;
mod call;
mod client;
mod error;
mod resolver;
mod tls;

pub use address::is_public;
pub use allow::AllowedHost;
pub use answer::{Answer, RETRY_AFTER_MAX};
pub use call::Call;
pub use client::{HttpClient, HttpOptions};
pub use error::{CallError, SetUpError};
