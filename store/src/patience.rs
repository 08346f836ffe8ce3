//! How long a store is waited for.
//!
//! A connection can fall silent and stay open: whoever waits for its answer would wait for ever.

use std::time::Duration;

use crate::error::Error;

/// For what runs by itself. A statement is ended by the server after half of that; so nothing that goes on is cut off,
/// and a process that is told to stop while it waits still stops in time.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for the store's answer, but for no longer than `patience`.
///
/// # Errors
/// The store's; [`Error::Unknown`] when it does not answer: a change that it was asked for may have been made.
pub async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Unknown(format!("no answer within {} s", patience.as_secs_f32()))),
    }
}
