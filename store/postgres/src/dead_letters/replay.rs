//! Letters out: a step of a replay is one transaction on the replay's locked row.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use forebay_domain::dead_letter::replay::{Next, due_after};
use forebay_schemas::trail::{Headers, TRACEPARENT};
use forebay_store::dead_letters::{Returning, Status};
use forebay_store::{By, DeadLetters as _, Error, NewReplay, Replay, ReplayStep, Replays};
use sqlx::{PgConnection, QueryBuilder, Row as _};
use uuid::Uuid;

use super::changes::{self, Groups};
use super::rows;
use super::search::{Order, Search};
use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{page, read};
use crate::{PostgresStore, audit_log, outbox};

/// Most running replays that one look finds.
const RUNNING_MAX: u32 = 50;
/// How long a replay waits for letters that somebody else holds.
const HELD_WAIT: Duration = Duration::seconds(1);

#[async_trait]
impl Replays for PostgresStore {
    async fn start_replay(&self, new: NewReplay, by: &By, now: DateTime<Utc>) -> Result<Replay, Error> {
        let counted = self.count_dead_letters(&new.letters(now)).await?;
        let replay = Replay::begun(&new, &counted, by, now);
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = start(&mut tx, &replay, by).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(replay);
            }
        }
    }

    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, Error> {
        let row = sqlx::query("select * from replay where id = $1").bind(id).fetch_optional(&self.pool).await;
        row.map_err(store_error)?.as_ref().map(rows::replay).transpose()
    }

    async fn replays(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Replay>, Error> {
        let found = sqlx::query(
            "select * from replay
             where $1::uuid is null or (created_at, id) < (select created_at, id from replay where id = $1)
             order by created_at desc, id desc limit $2",
        )
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        found.iter().map(rows::replay).collect()
    }

    async fn abort_replay(&self, id: Uuid, by: &By, now: DateTime<Utc>) -> Result<Option<Replay>, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = abort(&mut tx, id, by, now).await;
            if let Some(replay) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(replay);
            }
        }
    }

    async fn step_replay(&self, now: DateTime<Utc>) -> Result<Option<ReplayStep>, Error> {
        // A look without a lock: most of the time nothing is to be done.
        let running = sqlx::query(
            "select * from replay where state = 'running' and due_at <= $1 order by due_at, id limit $2",
        )
        .bind(now)
        .bind(page(RUNNING_MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        for row in &running {
            let replay = rows::replay(row)?;
            if replay.progress.next(replay.rate) == Next::Wait {
                continue;
            }
            let mut tries = Tries::default();
            let stepped = loop {
                let mut tx = self.begin().await?;
                let done = self.step(&mut tx, replay.id, now).await;
                if let Some(stepped) = tries.end(tx, done, self.ids.as_ref()).await? {
                    break stepped;
                }
            };
            if stepped.is_some() {
                return Ok(stepped);
            }
        }
        Ok(None)
    }
}

async fn start(conn: &mut PgConnection, replay: &Replay, by: &By) -> Result<(), Stop> {
    let filter = serde_json::to_string(&replay.filter);
    let filter = filter.map_err(|error| Stop::Failed(Error::Refused(error.to_string())))?;
    sqlx::query(
        "insert into replay (id, filter, rate, state, stage, exhausted, published, skipped, done, failed, recent,
                             total, capped, actor, reason, created_at, updated_at, due_at)
         values ($1, $2, $3, $4, $5, false, 0, 0, 0, 0, '', $6, $7, $8, $9, $10, $10, $10)",
    )
    .bind(replay.id)
    .bind(filter)
    .bind(i64::from(replay.rate))
    .bind(replay.progress.state.as_str())
    .bind(replay.progress.stage.as_str())
    .bind(replay.total)
    .bind(replay.capped)
    .bind(&replay.actor)
    .bind(&replay.reason)
    .bind(replay.created_at)
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &replay.entry(by)).await?;
    Ok(())
}

async fn abort(
    conn: &mut PgConnection,
    id: Uuid,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<Replay>, Stop> {
    let Some(mut replay) = changes::lock_replays(conn, &[id]).await?.remove(&id) else { return Ok(None) };
    if let Some(entry) = replay.abort(by, now) {
        changes::write_replay(conn, &replay, now).await?;
        audit_log::note(conn, &entry).await?;
    }
    Ok(Some(replay))
}

/// A letter that is to go back.
struct Open {
    id: Uuid,
    fingerprint: String,
    replays: i64,
    row: sqlx::postgres::PgRow,
}

impl PostgresStore {
    async fn step(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<ReplayStep>, Stop> {
        let row = sqlx::query(
            "select * from replay where id = $1 and state = 'running' and due_at <= $2 for update skip locked",
        )
        .bind(id)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut step = ReplayStep { replay: rows::replay(&row)?, published: 0, skipped: 0 };
        match step.replay.progress.next(step.replay.rate) {
            Next::Wait => return Ok(None),
            Next::Advance => step.replay.progress.advance(),
            Next::Publish(most) => self.publish(conn, &mut step, most, now).await?,
        }
        step.replay.updated_at = now;
        changes::write_replay(conn, &step.replay, now).await?;
        Ok(Some(step))
    }

    async fn publish(
        &self,
        conn: &mut PgConnection,
        step: &mut ReplayStep,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        let letters = take(conn, &step.replay, most).await?;
        if letters.is_empty() {
            if any_left(conn, &step.replay).await? {
                step.replay.due_at = now + HELD_WAIT;
            } else {
                step.replay.progress.exhausted = true;
            }
            return Ok(());
        }
        let (mut rows, mut sent, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let mut groups = Groups::new();
        for letter in &letters {
            match returning(letter)? {
                Some(row) => {
                    rows.push(row);
                    sent.push(letter.id);
                    let group = groups.entry(letter.fingerprint.clone()).or_default();
                    group.step(Some(Status::Open), Status::Replaying);
                }
                None => skipped.push(letter.id),
            }
        }
        sqlx::query(
            "update dead_letter set status = 'replaying', replays = replays + 1, replay_id = $2, replayed_at = $3
             where id = any($1)",
        )
        .bind(&sent)
        .bind(step.replay.id)
        .bind(now)
        .execute(&mut *conn)
        .await?;
        if !skipped.is_empty() {
            sqlx::query("update dead_letter set replay_id = $2 where id = any($1)")
                .bind(&skipped)
                .bind(step.replay.id)
                .execute(&mut *conn)
                .await?;
        }
        self.change_groups(conn, &groups, now).await?;
        outbox::write_raw(conn, &rows, now).await?;
        step.published = u32::try_from(sent.len()).unwrap_or(u32::MAX);
        step.skipped = u32::try_from(skipped.len()).unwrap_or(u32::MAX);
        step.replay.progress.published += u64::from(step.published);
        step.replay.progress.skipped += u64::from(step.skipped);
        step.replay.due_at = due_after(step.replay.due_at, now, step.published, step.replay.rate);
        Ok(())
    }
}

fn search(replay: &Replay, most: u32) -> Search<'_> {
    Search { untouched_by: Some(replay.id), ..Search::new(&replay.filter, Order::Oldest, most) }
}

async fn take(conn: &mut PgConnection, replay: &Replay, most: u32) -> Result<Vec<Open>, Stop> {
    let mut query = QueryBuilder::new("with found as (");
    search(replay, most).push(&mut query);
    query.push(
        ") select l.id, l.fingerprint, l.replays, l.queue, l.kind, l.message_id, l.sent_at, l.first_seen, l.dead_at,
                  l.headers, l.body
           from found f join dead_letter l on l.id = f.id where l.status = 'open'
           order by l.dead_at, l.id for update of l skip locked",
    );
    let rows = query.build().fetch_all(conn).await?;
    let mut letters = Vec::with_capacity(rows.len());
    for row in rows {
        letters.push(Open {
            id: row.try_get("id")?,
            fingerprint: row.try_get("fingerprint")?,
            replays: row.try_get("replays")?,
            row,
        });
    }
    Ok(letters)
}

/// Letters that the replay could not take may be held by somebody else at this moment.
async fn any_left(conn: &mut PgConnection, replay: &Replay) -> Result<bool, Stop> {
    let mut query = QueryBuilder::new("select exists (");
    search(replay, 1).push(&mut query);
    query.push(")");
    Ok(query.build_query_scalar().fetch_one(conn).await?)
}

/// The letter as an outbox row; `None` when it has no way back.
fn returning(letter: &Open) -> Result<Option<outbox::Raw>, Stop> {
    let row = &letter.row;
    let headers: Headers = read("dead_letter", "headers", serde_json::from_str(row.try_get("headers")?))?;
    let (queue, kind): (String, String) = (row.try_get("queue")?, row.try_get("kind")?);
    let replay = u32::try_from(letter.replays + 1).unwrap_or(u32::MAX);
    let Some(mut back) = Returning::of(letter.id, &queue, &kind, headers, replay) else { return Ok(None) };
    let sent_at: Option<DateTime<Utc>> = row.try_get("sent_at")?;
    let first_seen: Option<DateTime<Utc>> = row.try_get("first_seen")?;
    let created_at = match sent_at.or(first_seen) {
        Some(at) => at,
        None => row.try_get("dead_at")?,
    };
    Ok(Some(outbox::Raw {
        route: back.route.to_text(),
        event_id: row.try_get("message_id")?,
        kind,
        traceparent: back.headers.remove(TRACEPARENT),
        headers: back.headers,
        body: row.try_get("body")?,
        created_at,
    }))
}
