//! A burst: its events, the storefront that sends them, and the proof of what they left behind.

pub(crate) mod client;
pub(crate) mod invariants;
pub(crate) mod mix;
pub(crate) mod straight;
pub(crate) mod watch;
