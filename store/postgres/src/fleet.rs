//! The fleet as people steer it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::Queue;
use forebay_store::fleet::{DrainOrder, WorkerState};
use forebay_store::{By, Error, Fleet, Orders, Pause, WorkerBeat, WorkerView};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{page, read, storable};
use crate::{PostgresStore, audit_log};

/// A row of `worker`.
#[derive(Debug)]
struct WorkerRow {
    id: Uuid,
    host: String,
    version: String,
    role: String,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    state: String,
    queues: String,
    drain_at: Option<DateTime<Utc>>,
    drain_actor: Option<String>,
    drain_reason: Option<String>,
}

impl FromRow<'_, PgRow> for WorkerRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            host: row.try_get("host")?,
            version: row.try_get("version")?,
            role: row.try_get("role")?,
            started_at: row.try_get("started_at")?,
            seen_at: row.try_get("seen_at")?,
            state: row.try_get("state")?,
            queues: row.try_get("queues")?,
            drain_at: row.try_get("drain_at")?,
            drain_actor: row.try_get("drain_actor")?,
            drain_reason: row.try_get("drain_reason")?,
        })
    }
}

type PauseRow = (String, DateTime<Utc>, Option<DateTime<Utc>>, String, String);

impl TryFrom<WorkerRow> for WorkerView {
    type Error = Error;

    fn try_from(row: WorkerRow) -> Result<Self, Error> {
        let state = WorkerState::ALL.iter().copied().find(|state| state.as_str() == row.state);
        let drain = row.drain_at.map(|at| DrainOrder {
            at,
            actor: row.drain_actor.unwrap_or_default(),
            reason: row.drain_reason.unwrap_or_default(),
        });
        let beat = WorkerBeat {
            id: row.id,
            host: row.host,
            version: row.version,
            role: row.role,
            started_at: row.started_at,
            state: read("worker", "state", state.ok_or(row.state))?,
            queues: read("worker", "queues", serde_json::from_str(&row.queues))?,
        };
        Ok(Self { beat, seen_at: row.seen_at, drain })
    }
}

#[async_trait]
impl Fleet for PostgresStore {
    async fn beat(&self, beat: &WorkerBeat, now: DateTime<Utc>) -> Result<(), Error> {
        let queues = serde_json::to_string(&beat.queues)
            .map_err(|error| Error::Refused(format!("a value has no JSON: {error}")))?;
        sqlx::query(
            "insert into worker (id, host, version, role, started_at, seen_at, state, queues)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (id) do update set
                 seen_at = excluded.seen_at, state = excluded.state, queues = excluded.queues",
        )
        .bind(beat.id)
        .bind(storable(&beat.host))
        .bind(&beat.version)
        .bind(&beat.role)
        .bind(beat.started_at)
        .bind(now)
        .bind(beat.state.as_str())
        .bind(queues)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn sign_off(&self, worker: Uuid) -> Result<(), Error> {
        let gone = sqlx::query("delete from worker where id = $1").bind(worker).execute(&self.pool).await;
        gone.map(|_| ()).map_err(store_error)
    }

    async fn orders(&self, worker: Uuid, now: DateTime<Utc>) -> Result<Orders, Error> {
        let pauses = self.pauses(now).await?;
        let drain =
            sqlx::query_scalar("select exists (select 1 from worker where id = $1 and drain_at is not null)");
        let drain = drain.bind(worker).fetch_one(&self.pool).await.map_err(store_error)?;
        Ok(Orders { pauses, drain })
    }

    async fn workers(&self, limit: u32) -> Result<Vec<WorkerView>, Error> {
        let rows: Vec<WorkerRow> =
            sqlx::query_as("select * from worker order by started_at desc, id desc limit $1")
                .bind(page(limit))
                .fetch_all(&self.pool)
                .await
                .map_err(store_error)?;
        rows.into_iter().map(WorkerView::try_from).collect()
    }

    async fn drain_worker(
        &self,
        worker: Uuid,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Option<WorkerView>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = drain(&mut tx, worker, by, now).await;
            if let Some(view) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(view);
            }
        }
    }

    async fn pause_queue(
        &self,
        queue: &Queue,
        until: Option<DateTime<Utc>>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Pause, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = begin(&mut tx, Pause::begun(queue, until, by, now), by, now).await;
            if let Some(pause) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(pause);
            }
        }
    }

    async fn resume_queue(&self, queue: &Queue, by: &By, now: DateTime<Utc>) -> Result<Option<Pause>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = end(&mut tx, queue, by, now).await;
            if let Some(pause) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(pause);
            }
        }
    }

    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, Error> {
        let rows: Vec<PauseRow> = sqlx::query_as(
            "select queue, since, until, actor, reason from paused_queue
             where until is null or until > $1 order by queue",
        )
        .bind(now)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(rows.into_iter().map(pause_of).collect())
    }
}

async fn drain(
    conn: &mut PgConnection,
    worker: Uuid,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<WorkerView>, Stop> {
    let row: Option<WorkerRow> = sqlx::query_as("select * from worker where id = $1 for update")
        .bind(worker)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(mut view) = row.map(WorkerView::try_from).transpose()? else { return Ok(None) };
    if view.drain.is_none() {
        let order = DrainOrder { at: now, actor: by.actor.clone(), reason: by.reason.clone() };
        sqlx::query("update worker set drain_at = $2, drain_actor = $3, drain_reason = $4 where id = $1")
            .bind(worker)
            .bind(now)
            .bind(storable(&order.actor))
            .bind(storable(&order.reason))
            .execute(&mut *conn)
            .await?;
        audit_log::note(conn, &order.given(worker, by)).await?;
        view.drain = Some(order);
    }
    Ok(Some(view))
}

async fn begin(
    conn: &mut PgConnection,
    mut pause: Pause,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Pause, Stop> {
    let before = paused(conn, &pause.queue).await?;
    let held = before.as_ref().filter(|before| before.holds(now));
    let entry = pause.paused(held, by);
    if let Some(held) = held {
        pause.since = held.since;
    }
    // Of two that pause a queue for the first time at once the loser begins again.
    let statement = if before.is_some() {
        "update paused_queue set since = $2, until = $3, actor = $4, reason = $5 where queue = $1"
    } else {
        "insert into paused_queue (queue, since, until, actor, reason) values ($1, $2, $3, $4, $5)"
    };
    sqlx::query(statement)
        .bind(&pause.queue)
        .bind(pause.since)
        .bind(pause.until)
        .bind(storable(&pause.actor))
        .bind(storable(&pause.reason))
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &entry).await?;
    Ok(pause)
}

async fn end(
    conn: &mut PgConnection,
    queue: &Queue,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<Pause>, Stop> {
    let queue = queue.to_string();
    let Some(pause) = paused(conn, &queue).await?.filter(|pause| pause.holds(now)) else { return Ok(None) };
    sqlx::query("delete from paused_queue where queue = $1").bind(&queue).execute(&mut *conn).await?;
    audit_log::note(conn, &pause.resumed(by, now)).await?;
    Ok(Some(pause))
}

/// The pause of a queue, over or not, locked.
async fn paused(conn: &mut PgConnection, queue: &str) -> Result<Option<Pause>, Stop> {
    let row: Option<PauseRow> = sqlx::query_as(
        "select queue, since, until, actor, reason from paused_queue where queue = $1 for update",
    )
    .bind(queue)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(pause_of))
}

fn pause_of((queue, since, until, actor, reason): PauseRow) -> Pause {
    Pause { queue, since, until, actor, reason }
}
