//! The effect ledger.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::ReturnId;
use forebay_store::{EffectView, Effects, Error, Handled, Identity, Intent, Triage};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::rows::{Reading, micros, unreadable};
use crate::{SqliteStore, inbox};

async fn intend(
    conn: &mut SqliteConnection,
    key: &str,
    kind: &str,
    now: DateTime<Utc>,
) -> Result<Intent, Fault> {
    let row = sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at) values (?1, ?2, 'intended', 1, ?3, ?3)
         on conflict (key) do update set
             state = case effect.state when 'confirmed' then effect.state else 'intended' end,
             tries = case effect.state when 'confirmed' then effect.tries else effect.tries + 1 end,
             changed_at = case effect.state when 'confirmed' then effect.changed_at else excluded.changed_at end
         returning state, tries",
    )
    .bind(key)
    .bind(kind)
    .bind(micros(now))
    .fetch_one(conn)
    .await?;
    let row = Reading::of("effect", &row);
    if row.get::<&str>("state")? == "confirmed" {
        return Ok(Intent::Confirmed);
    }
    let tries: u32 = row.narrow("tries")?;
    let before = tries.checked_sub(1).ok_or_else(|| unreadable("effect", "tries", "no try was counted"))?;
    Ok(Intent::Proceed { tries: before })
}

async fn failed(
    conn: &mut SqliteConnection,
    key: &str,
    state: &str,
    error: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    sqlx::query(
        "update effect set state = ?2, error = ?3, changed_at = ?4 where key = ?1 and state <> 'confirmed'",
    )
    .bind(key)
    .bind(state)
    .bind(error)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn deliver(
    conn: &mut SqliteConnection,
    key: &str,
    return_id: &ReturnId,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Handled, Fault> {
    match inbox::sorted(conn, &[identity]).await?.first() {
        Some(Triage::Duplicate) => return Ok(Handled::Duplicate),
        Some(Triage::Reused) => return Ok(Handled::Reused),
        _ => {}
    }
    sqlx::query(
        "update return_order set state = 'reported', reported_at = coalesce(reported_at, ?2) where id = ?1",
    )
    .bind(return_id.as_str())
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at)
         values (?1, 'result', 'confirmed', 1, ?2, ?2)
         on conflict (key) do update set state = 'confirmed', error = null, changed_at = excluded.changed_at",
    )
    .bind(key)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    inbox::write(conn, &[identity], now).await?;
    Ok(Handled::Done)
}

fn view(row: &SqliteRow) -> Result<EffectView, Fault> {
    let row = Reading::of("effect", row);
    Ok(EffectView {
        state: row.get("state")?,
        tries: row.get("tries")?,
        error: row.get("error")?,
        intended_at: row.instant("intended_at")?,
        changed_at: row.instant("changed_at")?,
    })
}

#[async_trait]
impl Effects for SqliteStore {
    async fn effect_intend(&self, key: &str, kind: &str, now: DateTime<Utc>) -> Result<Intent, Error> {
        let (key, kind) = (key.to_owned(), kind.to_owned());
        self.write(move |conn| Box::pin(async move { intend(conn, &key, &kind, now).await })).await
    }

    async fn effect_failed(
        &self,
        key: &str,
        unknown: bool,
        error: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (key, error) = (key.to_owned(), error.to_owned());
        let state = if unknown { "unknown" } else { "failed" };
        self.write(move |conn| Box::pin(async move { failed(conn, &key, state, &error, now).await })).await
    }

    async fn effect(&self, key: &str) -> Result<Option<EffectView>, Error> {
        let row = sqlx::query("select * from effect where key = ?")
            .bind(key)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.as_ref().map(view).transpose()?)
    }

    async fn result_delivered(
        &self,
        key: &str,
        return_id: &ReturnId,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Handled, Error> {
        let (key, return_id, identity) = (key.to_owned(), return_id.clone(), identity.clone());
        self.write(move |conn| Box::pin(async move { deliver(conn, &key, &return_id, &identity, now).await }))
            .await
    }
}
