//! The worker harness: batches, outcomes, attempts, graceful stop.
