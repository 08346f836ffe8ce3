//! Outbox rows in, confirmed publish out.
