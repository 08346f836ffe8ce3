//! The fleet as people steer it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::Queue;
use forebay_store::fleet::{DrainOrder, WorkerState};
use forebay_store::{By, Error, Fleet, Orders, Pause, WorkerBeat, WorkerView};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor};
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, json, micros, page, unreadable};
use crate::{SqliteStore, audit_log};

#[async_trait]
impl Fleet for SqliteStore {
    async fn beat(&self, beat: &WorkerBeat, now: DateTime<Utc>) -> Result<(), Error> {
        let beat = beat.clone();
        self.write(move |conn| Box::pin(async move { keep(conn, &beat, now).await })).await
    }

    async fn sign_off(&self, worker: Uuid) -> Result<(), Error> {
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query("delete from worker where id = ?").bind(worker).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }

    async fn orders(&self, worker: Uuid, now: DateTime<Utc>) -> Result<Orders, Error> {
        // One statement, since it is asked every second: a row for each pause, or one without any.
        let rows = sqlx::query(
            "select p.*, exists (select 1 from worker where id = ?1 and drain_at is not null) as drain
             from (select 1) left join paused_queue p on p.until is null or p.until > ?2 order by p.queue",
        )
        .bind(worker)
        .bind(micros(now))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut orders = Orders { pauses: Vec::new(), drain: false };
        for row in &rows {
            let told = Reading::of("worker", row);
            orders.drain = told.get("drain")?;
            if told.get::<Option<&str>>("queue")?.is_some() {
                orders.pauses.push(pause_of(row)?);
            }
        }
        Ok(orders)
    }

    async fn workers(&self, limit: u32) -> Result<Vec<WorkerView>, Error> {
        let rows = sqlx::query("select * from worker order by started_at desc, id desc limit ?")
            .bind(page(limit))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(rows.iter().map(worker_of).collect::<Result<_, Fault>>()?)
    }

    async fn drain_worker(
        &self,
        worker: Uuid,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Option<WorkerView>, Error> {
        let by = by.clone();
        self.write(move |conn| Box::pin(async move { drain(conn, worker, &by, now).await })).await
    }

    async fn pause_queue(
        &self,
        queue: &Queue,
        until: Option<DateTime<Utc>>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Pause, Error> {
        let (pause, by) = (Pause::begun(queue, until, by, now), by.clone());
        self.write(move |conn| Box::pin(async move { begin(conn, pause, &by, now).await })).await
    }

    async fn resume_queue(&self, queue: &Queue, by: &By, now: DateTime<Utc>) -> Result<Option<Pause>, Error> {
        let (queue, by) = (queue.to_string(), by.clone());
        self.write(move |conn| Box::pin(async move { end(conn, &queue, &by, now).await })).await
    }

    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, Error> {
        Ok(pauses(self.db.read(), now).await?)
    }
}

async fn keep(conn: &mut SqliteConnection, beat: &WorkerBeat, now: DateTime<Utc>) -> Result<(), Fault> {
    sqlx::query(
        "insert into worker (id, host, version, role, started_at, seen_at, state, queues)
         values (?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set
             seen_at = excluded.seen_at, state = excluded.state, queues = excluded.queues",
    )
    .bind(beat.id)
    .bind(&beat.host)
    .bind(&beat.version)
    .bind(&beat.role)
    .bind(micros(beat.started_at))
    .bind(micros(now))
    .bind(beat.state.as_str())
    .bind(json(&beat.queues)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn drain(
    conn: &mut SqliteConnection,
    worker: Uuid,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<WorkerView>, Fault> {
    let row =
        sqlx::query("select * from worker where id = ?").bind(worker).fetch_optional(&mut *conn).await?;
    let Some(mut view) = row.as_ref().map(worker_of).transpose()? else { return Ok(None) };
    if view.drain.is_none() {
        let order = DrainOrder { at: now, actor: by.actor.clone(), reason: by.reason.clone() };
        sqlx::query("update worker set drain_at = ?, drain_actor = ?, drain_reason = ? where id = ?")
            .bind(micros(now))
            .bind(&order.actor)
            .bind(&order.reason)
            .bind(worker)
            .execute(&mut *conn)
            .await?;
        audit_log::note(conn, &order.given(worker, by)).await?;
        view.drain = Some(order);
    }
    Ok(Some(view))
}

async fn begin(
    conn: &mut SqliteConnection,
    mut pause: Pause,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Pause, Fault> {
    let before = paused(&mut *conn, &pause.queue).await?.filter(|before| before.holds(now));
    let entry = pause.paused(before.as_ref(), by);
    if let Some(before) = before {
        pause.since = before.since;
    }
    sqlx::query(
        "insert or replace into paused_queue (queue, since, until, actor, reason) values (?, ?, ?, ?, ?)",
    )
    .bind(&pause.queue)
    .bind(micros(pause.since))
    .bind(pause.until.map(micros))
    .bind(&pause.actor)
    .bind(&pause.reason)
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &entry).await?;
    Ok(pause)
}

async fn end(
    conn: &mut SqliteConnection,
    queue: &str,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<Pause>, Fault> {
    let Some(pause) = paused(&mut *conn, queue).await?.filter(|pause| pause.holds(now)) else {
        return Ok(None);
    };
    sqlx::query("delete from paused_queue where queue = ?").bind(queue).execute(&mut *conn).await?;
    audit_log::note(conn, &pause.resumed(by, now)).await?;
    Ok(Some(pause))
}

async fn paused(conn: &mut SqliteConnection, queue: &str) -> Result<Option<Pause>, Fault> {
    let row =
        sqlx::query("select * from paused_queue where queue = ?").bind(queue).fetch_optional(conn).await?;
    row.as_ref().map(pause_of).transpose()
}

async fn pauses(reader: impl SqliteExecutor<'_>, now: DateTime<Utc>) -> Result<Vec<Pause>, Fault> {
    let rows = sqlx::query("select * from paused_queue where until is null or until > ? order by queue")
        .bind(micros(now))
        .fetch_all(reader)
        .await?;
    rows.iter().map(pause_of).collect()
}

fn pause_of(row: &SqliteRow) -> Result<Pause, Fault> {
    let row = Reading::of("paused_queue", row);
    Ok(Pause {
        queue: row.get("queue")?,
        since: row.instant("since")?,
        until: row.instant_if_any("until")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}

fn worker_of(row: &SqliteRow) -> Result<WorkerView, Fault> {
    let row = Reading::of("worker", row);
    let word: &str = row.get("state")?;
    let state = WorkerState::ALL.iter().copied().find(|state| state.as_str() == word);
    let drain = match row.instant_if_any("drain_at")? {
        Some(at) => Some(DrainOrder { at, actor: row.get("drain_actor")?, reason: row.get("drain_reason")? }),
        None => None,
    };
    let beat = WorkerBeat {
        id: row.get("id")?,
        host: row.get("host")?,
        version: row.get("version")?,
        role: row.get("role")?,
        started_at: row.instant("started_at")?,
        state: state.ok_or_else(|| unreadable("worker", "state", word))?,
        queues: row.json("queues")?,
    };
    Ok(WorkerView { beat, seen_at: row.instant("seen_at")?, drain })
}
