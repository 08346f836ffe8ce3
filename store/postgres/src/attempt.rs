//! Trying a transaction again when another worker was in its way.

use std::time::Duration;

use forebay_domain::Ids;
use forebay_store::Error;
use sqlx::{Postgres, Transaction};

use crate::error::{Stop, commit_error};

/// How often a transaction is tried before its conflict is a failure.
const TRIES_MAX: u32 = 5;
/// The pause before another try: from … to … milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 5..=50;

/// Counts the tries of one use case.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Ends one try: commits what was done, or rolls back. `None` says: try again, now.
    pub(crate) async fn end<T>(
        &mut self,
        tx: Transaction<'static, Postgres>,
        done: Result<T, Stop>,
        ids: &dyn Ids,
    ) -> Result<Option<T>, Error> {
        let stop = match done {
            Ok(answer) => match tx.commit().await {
                Ok(()) => return Ok(Some(answer)),
                Err(error) => commit_error(error),
            },
            Err(stop) => {
                // A transaction that can't be told to roll back is rolled back with its connection.
                if let Err(error) = tx.rollback().await {
                    tracing::debug!(%error, "rollback");
                }
                stop
            }
        };
        let why = match stop {
            Stop::Failed(error) => return Err(error),
            Stop::Conflict(why) => why,
        };
        self.0 += 1;
        if self.0 >= TRIES_MAX {
            tracing::warn!(%why, tries = self.0, "other workers were faster each time");
            return Err(why);
        }
        tracing::debug!(%why, tries = self.0, "another worker was faster; trying again");
        tokio::time::sleep(pause(ids)).await;
        Ok(None)
    }
}

/// A pause that differs from worker to worker.
fn pause(ids: &dyn Ids) -> Duration {
    let (low, high) = (*PAUSE_MS.start(), *PAUSE_MS.end());
    let spread = u64::from_le_bytes(ids.next().into_bytes()[8..].try_into().unwrap_or_default());
    Duration::from_millis(low + spread % (high - low + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stays_within_its_bounds() {
        for seed in 0..200 {
            let pause = pause(&forebay_domain::SeededIds::new(seed));
            assert!((Duration::from_millis(5)..=Duration::from_millis(50)).contains(&pause), "{pause:?}");
        }
    }
}
