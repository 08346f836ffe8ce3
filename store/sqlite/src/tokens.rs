//! Tokens, on the process's clock: one process has the file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_store::watch::system_of;
use forebay_store::{Error, TokenState, Tokens};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, micros};

/// Longest time that is kept.
const MOST: TimeDelta = TimeDelta::days(366);

async fn token(
    conn: &mut SqliteConnection,
    key: &str,
    lease: TimeDelta,
    now: DateTime<Utc>,
) -> Result<TokenState, Fault> {
    let row =
        sqlx::query("select token, refresh_at, expires_at, lease_until from outside_token where key = ?")
            .bind(key)
            .fetch_optional(&mut *conn)
            .await?;
    let (mut token, mut refresh_at, mut leased) = (None, None, None);
    if let Some(row) = &row {
        let row = Reading::of("outside_token", row);
        refresh_at = row.instant_if_any("refresh_at")?;
        leased = row.instant_if_any("lease_until")?;
        let left = row.instant_if_any("expires_at")?.and_then(|at| (at - now).to_std().ok());
        let left = left.filter(|left| !left.is_zero());
        token = row.get::<Option<String>>("token")?.zip(left);
    }
    let fetched_by_another = leased.filter(|until| *until > now);
    let is_fresh = refresh_at.is_some_and(|at| at > now);
    let mine = fetched_by_another.is_none() && !is_fresh;
    if mine {
        sqlx::query(
            "insert into outside_token (key, lease_until) values (?1, ?2)
             on conflict (key) do update set lease_until = excluded.lease_until",
        )
        .bind(key)
        .bind(micros(now + lease))
        .execute(conn)
        .await?;
    }
    let wait = fetched_by_another.and_then(|until| (until - now).to_std().ok()).unwrap_or_default();
    Ok(match token {
        Some((token, left)) => TokenState::Held { token: SecretString::from(token), left, refresh_due: mine },
        None if mine => TokenState::Lease,
        None => TokenState::Wait(wait),
    })
}

async fn keep(
    conn: &mut SqliteConnection,
    key: &str,
    token: &SecretString,
    life: TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query(
        "insert into outside_token (key, token, refresh_at, expires_at) values (?, ?, ?, ?)
         on conflict (key) do update set token = excluded.token, refresh_at = excluded.refresh_at,
             expires_at = excluded.expires_at, lease_until = null",
    )
    .bind(key)
    .bind(token.expose_secret())
    .bind(micros(now + life * 4 / 5))
    .bind(micros(now + life))
    .execute(&mut *conn)
    .await?;
    // Nobody misses a token of the system's other credentials any more.
    sqlx::query(
        "update outside_token set lease_until = null
         where key <> ?1 and substr(key, 1, length(?2)) = ?2 and lease_until is not null",
    )
    .bind(key)
    .bind(format!("{}/", system_of(key)))
    .execute(conn)
    .await?;
    Ok(())
}

async fn forget(conn: &mut SqliteConnection, key: &str, token: &SecretString) -> Result<bool, Fault> {
    let dropped = sqlx::query(
        "update outside_token set token = null, refresh_at = null, expires_at = null where key = ? and token = ?",
    )
    .bind(key)
    .bind(token.expose_secret())
    .execute(conn)
    .await?;
    Ok(dropped.rows_affected() > 0)
}

#[async_trait]
impl Tokens for SqliteStore {
    async fn token(&self, key: &str, lease: Duration) -> Result<TokenState, Error> {
        let (key, clock, lease) = (key.to_owned(), Arc::clone(&self.clock), length(lease));
        self.write(move |conn| Box::pin(async move { token(conn, &key, lease, clock.now()).await })).await
    }

    async fn keep_token(&self, key: &str, token: &SecretString, life: Duration) -> Result<(), Error> {
        let (key, token) = (key.to_owned(), token.clone());
        let (clock, life) = (Arc::clone(&self.clock), length(life));
        self.write(move |conn| Box::pin(async move { keep(conn, &key, &token, life, clock.now()).await }))
            .await
    }

    async fn drop_token(&self, key: &str, token: &SecretString) -> Result<bool, Error> {
        let (key, token) = (key.to_owned(), token.clone());
        self.write(move |conn| Box::pin(async move { forget(conn, &key, &token).await })).await
    }
}

fn length(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(MOST).min(MOST)
}
