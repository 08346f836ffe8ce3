//! The schedule.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_store::{Error, Firing, Schedule};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::micros;
use crate::store::Tools;
use crate::{SqliteStore, incidents, outbox};

#[async_trait]
impl Schedule for SqliteStore {
    async fn fire_once(&self, firing: Firing, now: DateTime<Utc>) -> Result<bool, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| Box::pin(async move { fire(conn, firing, now, &tools).await })).await
    }

    async fn fired(&self, job: &str, slot: &str) -> Result<bool, Error> {
        let fired = sqlx::query_scalar("select exists (select 1 from firing where job = ? and slot = ?)")
            .bind(job)
            .bind(slot)
            .fetch_one(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(fired)
    }
}

async fn fire(
    conn: &mut SqliteConnection,
    firing: Firing,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<bool, Fault> {
    let fired =
        sqlx::query("insert into firing (job, slot, fired_at) values (?, ?, ?) on conflict do nothing")
            .bind(firing.job)
            .bind(&firing.slot)
            .bind(micros(now))
            .execute(&mut *conn)
            .await?
            .rows_affected();
    if fired == 0 {
        return Ok(false);
    }
    outbox::write(conn, &firing.outbox, now).await?;
    incidents::raise(conn, firing.raises, now, tools).await?;
    Ok(true)
}
