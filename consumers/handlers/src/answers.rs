//! From the store's words to the harness's.

use forebay_domain::Outcome;
use forebay_schemas::Code;
use forebay_store::{Error, Handled, Identity};
use forebay_worker::{Failure, Inbound};

/// Who an event is, to a consumer.
pub(crate) fn identity(consumer: &'static str, inbound: &Inbound) -> Identity {
    Identity {
        consumer,
        source: inbound.event.source.clone(),
        id: inbound.event.id.clone(),
        digest: inbound.digest,
    }
}

/// What became of one message of a set, as a decision.
pub(crate) fn outcome(handled: Handled) -> Outcome {
    match handled {
        Handled::Done => Outcome::Done,
        Handled::Duplicate => Outcome::Duplicate,
        Handled::Reused => {
            Outcome::reject(Code::IdReused, "this source and id were used before for other contents")
        }
        Handled::NotYetKnown => Outcome::retry(Code::NotYetKnown, "what it refers to is not here yet"),
    }
}

/// A store's failure, as the harness needs to know it.
pub(crate) fn failure(error: Error) -> Failure {
    match error {
        Error::Refused(_) | Error::Inconsistent { .. } => {
            Failure::Failed { code: Code::Rejected, error: error.to_string() }
        }
        _ => Failure::Unavailable(error.to_string()),
    }
}

/// The store did not say what became of a message: it is tried again, and the inbox knows.
pub(crate) fn unanswered() -> Outcome {
    Outcome::retry(Code::StoreUnavailable, "the store did not answer for this message")
}
