//! The schedule.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{Error, Firing, Schedule};
use sqlx::PgConnection;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::{PostgresStore, incidents, outbox};

#[async_trait]
impl Schedule for PostgresStore {
    async fn fire_once(&self, firing: Firing, now: DateTime<Utc>) -> Result<bool, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.fire(&mut tx, &firing, now).await;
            if let Some(fired) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(fired);
            }
        }
    }

    async fn fired(&self, job: &str, slot: &str) -> Result<bool, Error> {
        sqlx::query_scalar("select exists (select from firing where job = $1 and slot = $2)")
            .bind(job)
            .bind(slot)
            .fetch_one(&self.pool)
            .await
            .map_err(store_error)
    }
}

impl PostgresStore {
    async fn fire(&self, conn: &mut PgConnection, firing: &Firing, now: DateTime<Utc>) -> Result<bool, Stop> {
        let fired = sqlx::query(
            "insert into firing (job, slot, fired_at) values ($1, $2, $3) on conflict do nothing",
        )
        .bind(firing.job)
        .bind(&firing.slot)
        .bind(now)
        .execute(&mut *conn)
        .await?
        .rows_affected();
        if fired == 0 {
            return Ok(false);
        }
        outbox::write(conn, &firing.outbox, now).await?;
        incidents::raise(conn, firing.raises.clone(), now, self).await?;
        Ok(true)
    }
}
