//! The effect ledger.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::ReturnId;
use forebay_store::{EffectView, Effects, Error, Handled, Identity, Intent, Triage};
use sqlx::PgConnection;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{narrow, storable};
use crate::{PostgresStore, inbox};

#[async_trait]
impl Effects for PostgresStore {
    async fn effect_intend(&self, key: &str, kind: &str, now: DateTime<Utc>) -> Result<Intent, Error> {
        let (confirmed, tries): (bool, i64) = sqlx::query_as(
            "insert into effect as e (key, kind, state, tries, intended_at, changed_at)
             values ($1, $2, 'intended', 1, $3, $3)
             on conflict (key) do update set
                 state = case e.state when 'confirmed' then e.state else 'intended' end,
                 tries = case e.state when 'confirmed' then e.tries else e.tries + 1 end,
                 changed_at = case e.state when 'confirmed' then e.changed_at else excluded.changed_at end
             returning state = 'confirmed', tries",
        )
        .bind(key)
        .bind(kind)
        .bind(now)
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(if confirmed {
            Intent::Confirmed
        } else {
            Intent::Proceed { tries: narrow("effect", "tries", tries - 1)? }
        })
    }

    async fn effect_failed(
        &self,
        key: &str,
        unknown: bool,
        error: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        sqlx::query(
            "update effect set state = $2, error = $3, changed_at = $4 where key = $1 and state <> 'confirmed'",
        )
        .bind(key)
        .bind(if unknown { "unknown" } else { "failed" })
        .bind(storable(error))
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn effect(&self, key: &str) -> Result<Option<EffectView>, Error> {
        type Row = (String, i64, Option<String>, DateTime<Utc>, DateTime<Utc>);
        let row: Option<Row> =
            sqlx::query_as("select state, tries, error, intended_at, changed_at from effect where key = $1")
                .bind(key)
                .fetch_optional(&self.pool)
                .await
                .map_err(store_error)?;
        Ok(row.map(|(state, tries, error, intended_at, changed_at)| EffectView {
            state,
            tries,
            error,
            intended_at,
            changed_at,
        }))
    }

    async fn result_delivered(
        &self,
        key: &str,
        return_id: &ReturnId,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Handled, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = deliver(&mut tx, key, return_id, identity, now).await;
            if let Some(handled) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(handled);
            }
        }
    }
}

async fn deliver(
    conn: &mut PgConnection,
    key: &str,
    return_id: &ReturnId,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Handled, Stop> {
    match inbox::sorted(conn, &[identity]).await?.first() {
        Some(Triage::Duplicate) => return Ok(Handled::Duplicate),
        Some(Triage::Reused) => return Ok(Handled::Reused),
        _ => {}
    }
    sqlx::query(
        "update return_order set state = 'reported', reported_at = coalesce(reported_at, $2) where id = $1",
    )
    .bind(return_id.as_str())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at)
         values ($1, 'result', 'confirmed', 1, $2, $2)
         on conflict (key) do update set state = 'confirmed', error = null, changed_at = excluded.changed_at",
    )
    .bind(key)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    inbox::write(conn, &[identity], now).await?;
    Ok(Handled::Done)
}
