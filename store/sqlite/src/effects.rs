//! The effect ledger.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{EffectView, Effects, Error, Handled, Identity, Intent, ResultDelivered, Triage};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::rows::{Reading, json, micros, unreadable};
use crate::{SqliteStore, inbox};

async fn intend(
    conn: &mut SqliteConnection,
    keys: &[String],
    kind: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Intent>, Fault> {
    let rows = sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at)
         select value, ?2, 'intended', 1, ?3, ?3 from json_each(?1) where true
         on conflict (key) do update set
             state = case effect.state when 'confirmed' then effect.state else 'intended' end,
             tries = case effect.state when 'confirmed' then effect.tries else effect.tries + 1 end,
             changed_at = case effect.state when 'confirmed' then effect.changed_at else excluded.changed_at end
         returning key, state, tries",
    )
    .bind(json(&keys)?)
    .bind(kind)
    .bind(micros(now))
    .fetch_all(conn)
    .await?;
    let mut intents = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("effect", row);
        intents.insert(row.get::<String>("key")?, intent(&row)?);
    }
    Ok(keys.iter().filter_map(|key| intents.remove(key)).collect())
}

fn intent(row: &Reading<'_>) -> Result<Intent, Fault> {
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
    results: &[ResultDelivered],
    now: DateTime<Utc>,
) -> Result<Vec<Handled>, Fault> {
    let identities: Vec<&Identity> = results.iter().map(|result| &result.identity).collect();
    let triaged = inbox::sorted(conn, &identities).await?;
    let new = || results.iter().zip(&triaged).filter(|(_, triage)| **triage == Triage::New).map(|(of, _)| of);
    sqlx::query(
        "update return_order set state = 'reported', reported_at = coalesce(reported_at, ?2)
         where id in (select value from json_each(?1))",
    )
    .bind(json(&new().map(|of| &of.return_id).collect::<Vec<_>>())?)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at)
         select value, 'result', 'confirmed', 1, ?2, ?2 from json_each(?1) where true
         on conflict (key) do update set state = 'confirmed', error = null, changed_at = excluded.changed_at",
    )
    .bind(json(&new().map(|of| &of.key).collect::<Vec<_>>())?)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    inbox::write(conn, &new().map(|of| &of.identity).collect::<Vec<_>>(), now).await?;
    Ok(inbox::handled(&identities, &triaged, |_| Handled::Done))
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
    async fn effects_intend(
        &self,
        keys: &[String],
        kind: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Intent>, Error> {
        let (keys, kind) = (keys.to_vec(), kind.to_owned());
        self.write(move |conn| Box::pin(async move { intend(conn, &keys, &kind, now).await })).await
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

    async fn results_delivered(
        &self,
        results: Vec<ResultDelivered>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error> {
        self.write(move |conn| Box::pin(async move { deliver(conn, &results, now).await })).await
    }
}
