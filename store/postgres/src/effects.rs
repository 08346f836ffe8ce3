//! The effect ledger.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{EffectView, Effects, Error, Handled, Identity, Intent, ResultDelivered, Triage};
use sqlx::PgConnection;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{narrow, storable};
use crate::{PostgresStore, inbox};

#[async_trait]
impl Effects for PostgresStore {
    async fn effects_intend(
        &self,
        keys: &[String],
        kind: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Intent>, Error> {
        // In one order for every worker, so that two of them wait for each other in one direction only.
        let rows: Vec<(String, bool, i64)> = sqlx::query_as(
            "insert into effect as e (key, kind, state, tries, intended_at, changed_at)
             select key, $2, 'intended', 1, $3, $3 from unnest($1::text[]) as n (key) order by key
             on conflict (key) do update set
                 state = case e.state when 'confirmed' then e.state else 'intended' end,
                 tries = case e.state when 'confirmed' then e.tries else e.tries + 1 end,
                 changed_at = case e.state when 'confirmed' then e.changed_at else excluded.changed_at end
             returning key, state = 'confirmed', tries",
        )
        .bind(keys)
        .bind(kind)
        .bind(now)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let mut intents = HashMap::with_capacity(rows.len());
        for (key, confirmed, tries) in rows {
            intents.insert(
                key,
                match confirmed {
                    true => Intent::Confirmed,
                    false => Intent::Proceed { tries: narrow("effect", "tries", tries - 1)? },
                },
            );
        }
        Ok(keys.iter().filter_map(|key| intents.remove(key)).collect())
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

    async fn results_delivered(
        &self,
        results: Vec<ResultDelivered>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Handled>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = deliver(&mut tx, &results, now).await;
            if let Some(handled) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(handled);
            }
        }
    }
}

async fn deliver(
    conn: &mut PgConnection,
    results: &[ResultDelivered],
    now: DateTime<Utc>,
) -> Result<Vec<Handled>, Stop> {
    let identities: Vec<&Identity> = results.iter().map(|result| &result.identity).collect();
    let triaged = inbox::sorted(conn, &identities).await?;
    let new = || results.iter().zip(&triaged).filter(|(_, triage)| **triage == Triage::New).map(|(of, _)| of);
    sqlx::query(
        "with told as materialized (select id from return_order where id = any($1) order by id for update)
         update return_order r set state = 'reported', reported_at = coalesce(reported_at, $2)
         from told where r.id = told.id",
    )
    .bind(new().map(|of| of.return_id.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into effect (key, kind, state, tries, intended_at, changed_at)
         select distinct key, 'result', 'confirmed', 1, $2::timestamptz, $2 from unnest($1::text[]) as n (key) order by key
         on conflict (key) do update set state = 'confirmed', error = null, changed_at = excluded.changed_at",
    )
    .bind(new().map(|of| of.key.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    inbox::write(conn, &new().map(|of| &of.identity).collect::<Vec<_>>(), now).await?;
    Ok(inbox::handled(&identities, &triaged, std::iter::repeat_n(Handled::Done, new().count())))
}
