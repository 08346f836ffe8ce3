//! The intake over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that can't go on is a test that failed")]

mod answers;
mod bad_input;
mod http;
mod pushes;
mod storing;
mod support;
