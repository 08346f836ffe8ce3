//! Letters out: a step of a replay is one job of the writer.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::dead_letter::replay::{Next, State, due_after};
use forebay_schemas::trail::{Headers, TRACEPARENT};
use forebay_store::dead_letters::{Returning, Status};
use forebay_store::{By, DeadLetters as _, Error, NewReplay, Replay, ReplayStep, Replays};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use uuid::Uuid;

use super::changes::{self, Groups};
use super::rows;
use super::search::{Order, Search};
use crate::error::Fault;
use crate::rows::{Reading, json, micros, page};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, outbox};

/// Most running replays that one look finds.
const RUNNING_MAX: u32 = 50;

#[async_trait]
impl Replays for SqliteStore {
    async fn start_replay(&self, new: NewReplay, by: &By, now: DateTime<Utc>) -> Result<Replay, Error> {
        let counted = self.count_dead_letters(&new.letters(now)).await?;
        let replay = Replay::begun(&new, &counted, by, now);
        let (begun, by) = (replay.clone(), by.clone());
        self.write(move |conn| Box::pin(async move { start(conn, &begun, &by).await })).await?;
        Ok(replay)
    }

    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, Error> {
        let mut conn = self.db.read().acquire().await.map_err(Fault::from)?;
        Ok(changes::replay(&mut conn, id).await?)
    }

    async fn replays(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Replay>, Error> {
        let found = sqlx::query(
            "select * from replay
             where ?1 is null or (created_at, id) < (select created_at, id from replay where id = ?1)
             order by created_at desc, id desc limit ?2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(found.iter().map(rows::replay).collect::<Result<_, Fault>>()?)
    }

    async fn abort_replay(&self, id: Uuid, by: &By, now: DateTime<Utc>) -> Result<Option<Replay>, Error> {
        let by = by.clone();
        self.write(move |conn| Box::pin(async move { abort(conn, id, &by, now).await })).await
    }

    async fn step_replay(&self, now: DateTime<Utc>) -> Result<Option<ReplayStep>, Error> {
        // A look without the writer: most of the time nothing is to be done.
        let running = sqlx::query(
            "select * from replay where state = 'running' and due_at <= ? order by due_at, id limit ?",
        )
        .bind(micros(now))
        .bind(page(RUNNING_MAX))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        for row in &running {
            let replay = rows::replay(row)?;
            if replay.progress.next(replay.rate) == Next::Wait {
                continue;
            }
            let (id, tools) = (replay.id, self.tools());
            let stepped = self
                .write_and_wake(move |conn| Box::pin(async move { step(conn, id, now, &tools).await }))
                .await?;
            if stepped.is_some() {
                return Ok(stepped);
            }
        }
        Ok(None)
    }
}

async fn start(conn: &mut SqliteConnection, replay: &Replay, by: &By) -> Result<(), Fault> {
    sqlx::query(
        "insert into replay (id, filter, rate, state, stage, exhausted, published, skipped, done, failed, recent,
                             total, capped, actor, reason, created_at, updated_at, due_at)
         values (?1, ?2, ?3, ?4, ?5, false, 0, 0, 0, 0, '', ?6, ?7, ?8, ?9, ?10, ?10, ?10)",
    )
    .bind(replay.id)
    .bind(json(&replay.filter)?)
    .bind(replay.rate)
    .bind(replay.progress.state.as_str())
    .bind(replay.progress.stage.as_str())
    .bind(replay.total)
    .bind(replay.capped)
    .bind(&replay.actor)
    .bind(&replay.reason)
    .bind(micros(replay.created_at))
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &replay.entry(by)).await
}

async fn abort(
    conn: &mut SqliteConnection,
    id: Uuid,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<Replay>, Fault> {
    let Some(mut replay) = changes::replay(conn, id).await? else { return Ok(None) };
    if let Some(entry) = replay.abort(by, now) {
        changes::write_replay(conn, &replay, now).await?;
        audit_log::note(conn, &entry).await?;
    }
    Ok(Some(replay))
}

async fn step(
    conn: &mut SqliteConnection,
    id: Uuid,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Option<ReplayStep>, Fault> {
    let due = |replay: &Replay| replay.progress.state == State::Running && replay.due_at <= now;
    let Some(replay) = changes::replay(conn, id).await?.filter(due) else { return Ok(None) };
    let mut step = ReplayStep { replay, published: 0, skipped: 0 };
    match step.replay.progress.next(step.replay.rate) {
        Next::Wait => return Ok(None),
        Next::Advance => step.replay.progress.advance(),
        Next::Publish(most) => publish(conn, &mut step, most, now, tools).await?,
    }
    step.replay.updated_at = now;
    changes::write_replay(conn, &step.replay, now).await?;
    Ok(Some(step))
}

async fn publish(
    conn: &mut SqliteConnection,
    step: &mut ReplayStep,
    most: u32,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let letters = take(conn, &step.replay, most).await?;
    if letters.is_empty() {
        step.replay.progress.exhausted = true;
        return Ok(());
    }
    let mut groups = Groups::new();
    for row in &letters {
        let letter = Reading::of("dead_letter", row);
        let id: Uuid = letter.get("id")?;
        let Some(raw) = returning(id, letter)? else {
            sqlx::query("update dead_letter set replay_id = ?2 where id = ?1")
                .bind(id)
                .bind(step.replay.id)
                .execute(&mut *conn)
                .await?;
            step.skipped += 1;
            continue;
        };
        sqlx::query(
            "update dead_letter
             set status = 'replaying', replays = replays + 1, replay_id = ?2, replayed_at = ?3
             where id = ?1",
        )
        .bind(id)
        .bind(step.replay.id)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
        outbox::write_raw(conn, &raw, now).await?;
        groups.entry(letter.get("fingerprint")?).or_default().step(Some(Status::Open), Status::Replaying);
        step.published += 1;
    }
    changes::change_groups(conn, &groups, now, tools).await?;
    step.replay.progress.published += u64::from(step.published);
    step.replay.progress.skipped += u64::from(step.skipped);
    step.replay.due_at = due_after(step.replay.due_at, now, step.published, step.replay.rate);
    Ok(())
}

async fn take(conn: &mut SqliteConnection, replay: &Replay, most: u32) -> Result<Vec<SqliteRow>, Fault> {
    let search = Search { untouched_by: Some(replay.id), ..Search::new(&replay.filter, Order::Oldest, most) };
    let mut query = QueryBuilder::new("with found as (");
    search.push(&mut query)?;
    query.push(
        ") select l.id, l.fingerprint, l.replays, l.queue, l.kind, l.message_id, l.sent_at, l.first_seen, l.dead_at,
                  l.headers, l.body
           from found f cross join dead_letter l on l.row = f.row order by f.dead_at, f.id",
    );
    Ok(query.build().fetch_all(conn).await?)
}

/// The letter as an outbox row; `None` when it has no way back.
fn returning(id: Uuid, letter: Reading<'_>) -> Result<Option<outbox::Raw>, Fault> {
    let headers: Headers = letter.json("headers")?;
    let (queue, kind): (String, String) = (letter.get("queue")?, letter.get("kind")?);
    let replay = letter.narrow::<u32>("replays")?.saturating_add(1);
    let Some(mut back) = Returning::of(id, &queue, &kind, headers, replay) else { return Ok(None) };
    let sent = letter.instant_if_any("sent_at")?.or(letter.instant_if_any("first_seen")?);
    let created_at = match sent {
        Some(at) => at,
        None => letter.instant("dead_at")?,
    };
    Ok(Some(outbox::Raw {
        route: back.route.to_text(),
        event_id: letter.get("message_id")?,
        kind,
        traceparent: back.headers.remove(TRACEPARENT),
        headers: back.headers,
        body: letter.get("body")?,
        created_at,
    }))
}
