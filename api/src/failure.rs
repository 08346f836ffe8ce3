//! What the store can't do, told as a problem.

use forebay_intake::{Kind, Problem};
use forebay_store::Error;
use tokio::time::timeout;

use crate::api::Api;

impl Api {
    /// Waits for the store's answer, but not for ever.
    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Problem> {
        match timeout(self.options.store_deadline, answer).await {
            Ok(answer) => answer.map_err(|error| problem(&error)),
            Err(_) => Err(unavailable()),
        }
    }
}

/// What a failure of the store is to the caller.
pub(crate) fn problem(error: &Error) -> Problem {
    match error {
        Error::Unavailable(_) | Error::Unknown(_) | Error::Full(_) => {
            tracing::warn!(%error, "the store could not answer");
            unavailable()
        }
        Error::Schema(_) => {
            tracing::error!(%error, "the store is not of this release");
            unavailable()
        }
        Error::Refused(_) => {
            tracing::info!(%error, "the store refused a change");
            Problem::new(Kind::Conflict, "It is in conflict with what is there; nothing was changed.")
        }
        Error::Inconsistent { .. } => {
            tracing::error!(%error, "the store holds what can't be read");
            Problem::new(Kind::Internal, "The store holds what this release can't read; the log tells where.")
        }
    }
}

fn unavailable() -> Problem {
    Problem::new(Kind::ReducedCapacity, "The store is not available at present; try again.")
}

/// There is no such thing.
pub(crate) fn not_found(what: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("There is no such {what}."))
}
