//! Tokens, on the database's clock.

use std::time::Duration;

use async_trait::async_trait;
use forebay_store::watch::system_of;
use forebay_store::{Error, TokenState, Tokens};
use secrecy::{ExposeSecret as _, SecretString};

use crate::PostgresStore;
use crate::error::store_error;

/// Longest time that is kept, in microseconds: a year.
const MOST_US: i64 = 366 * 86_400 * 1_000_000;

/// What a row says: the token, how long it is good still, and how long its lease lasts still, in microseconds.
type Row = (Option<String>, Option<i64>, Option<i64>);

#[async_trait]
impl Tokens for PostgresStore {
    async fn token(&self, key: &str, lease: Duration) -> Result<TokenState, Error> {
        // Takes the lease if somebody is to fetch and nobody does; of those at once the row lets one.
        let leased: Option<Row> = sqlx::query_as(
            "insert into outside_token as t (key, lease_until)
             values ($1, clock_timestamp() + $2 * interval '1 microsecond')
             on conflict (key) do update set lease_until = excluded.lease_until
             where coalesce(t.lease_until, '-infinity') <= clock_timestamp()
               and coalesce(t.refresh_at, '-infinity') <= clock_timestamp()
             returning token, floor(extract(epoch from expires_at - clock_timestamp()) * 1000000)::int8, null::int8",
        )
        .bind(key)
        .bind(micros(lease))
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        if let Some((token, left, _)) = leased {
            return Ok(held(token, left, true).unwrap_or(TokenState::Lease));
        }
        let (token, left, leased): Row = sqlx::query_as(
            "select token, floor(extract(epoch from expires_at - clock_timestamp()) * 1000000)::int8,
                    ceil(extract(epoch from lease_until - clock_timestamp()) * 1000000)::int8
             from outside_token where key = $1",
        )
        .bind(key)
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        let wait = Duration::from_micros(leased.unwrap_or(0).max(0).unsigned_abs());
        Ok(held(token, left, false).unwrap_or(TokenState::Wait(wait)))
    }

    async fn keep_token(&self, key: &str, token: &SecretString, life: Duration) -> Result<(), Error> {
        sqlx::query(
            "insert into outside_token as t (key, token, refresh_at, expires_at)
             values ($1, $2, clock_timestamp() + $3 * 0.8 * interval '1 microsecond',
                     clock_timestamp() + $3 * interval '1 microsecond')
             on conflict (key) do update set token = excluded.token, refresh_at = excluded.refresh_at,
                 expires_at = excluded.expires_at, lease_until = null",
        )
        .bind(key)
        .bind(token.expose_secret())
        .bind(micros(life))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        // Nobody misses a token of the system's other credentials any more. A statement, and so its locks, of its own.
        sqlx::query(
            "update outside_token set lease_until = null
             where key <> $1 and starts_with(key, $2) and lease_until is not null",
        )
        .bind(key)
        .bind(format!("{}/", system_of(key)))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn drop_token(&self, key: &str, token: &SecretString) -> Result<bool, Error> {
        let dropped = sqlx::query(
            "update outside_token set token = null, refresh_at = null, expires_at = null
             where key = $1 and token = $2",
        )
        .bind(key)
        .bind(token.expose_secret())
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(dropped.rows_affected() > 0)
    }
}

/// The token, unless there is none or it is over.
fn held(token: Option<String>, left_us: Option<i64>, refresh_due: bool) -> Option<TokenState> {
    let left = left_us.filter(|us| *us > 0)?;
    let left = Duration::from_micros(left.unsigned_abs());
    Some(TokenState::Held { token: SecretString::from(token?), left, refresh_due })
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(MOST_US).min(MOST_US)
}
