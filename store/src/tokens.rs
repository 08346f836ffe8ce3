//! Tokens for outside systems, shared by every worker: one process fetches, the others take what it brought.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::Error;

/// The answer to a wish for a token.
#[derive(Debug, Clone)]
pub enum TokenState {
    /// There is one.
    Held {
        /// The token.
        token: SecretString,
        /// For how long it is good still.
        left: Duration,
        /// It grows old, and it is the asker who is to fetch a new one; nobody else is told so for as long as the
        /// lease lasts.
        refresh_due: bool,
    },
    /// There is none, and it is the asker who is to fetch one; nobody else is told so for as long as the lease lasts.
    Lease,
    /// There is none, and somebody fetches one. Ask again; the lease ends after this.
    Wait(Duration),
}

/// Tokens over the fleet. All times are the store's own clock's.
#[async_trait]
pub trait Tokens {
    /// The token under `key` (e.g. `carrier/fedex`), or who is to fetch it. Of those who ask at once, one gets the
    /// lease.
    async fn token(&self, key: &str, lease: Duration) -> Result<TokenState, Error>;

    /// Keeps a token that was fetched, good for `life`; a new one is fetched once 80 % of that are over. Ends the
    /// lease.
    async fn keep_token(&self, key: &str, token: &SecretString, life: Duration) -> Result<(), Error>;

    /// Drops this token, which the system refused; `false` when another one has taken its place, or somebody dropped
    /// it before.
    async fn drop_token(&self, key: &str, token: &SecretString) -> Result<bool, Error>;
}
