//! Letters in: archived when they die, resolved when their message had its effect after all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::{Archiving, Kept, Status};
use forebay_store::{Archived, Error, NewDeadLetter, Revived};
use sqlx::PgConnection;
use uuid::Uuid;

use super::changes::{self, Groups};
use super::rows;
use crate::error::Stop;
use crate::rows::{read, storable};
use crate::{PostgresStore, erasure, incidents};

/// The letters that a set may touch: those of its messages and queues ($1, $2), and those that they were replayed
/// from ($3). Two lookups by index: with an `or` between them every archived letter would be read for each set.
const TOUCHED: &str = "l.id in (select same.id from dead_letter same
        join unnest($1::bytea[], $2::text[]) as n (key, queue) on same.key = n.key and same.queue = n.queue
    union select unnest($3::uuid[]))";

impl PostgresStore {
    pub(super) async fn archive_once(
        &self,
        conn: &mut PgConnection,
        letters: &[NewDeadLetter],
        now: DateTime<Utc>,
    ) -> Result<Archived, Stop> {
        if letters.is_empty() {
            return Ok(Archived::default());
        }
        let letters = erasure::redacted(conn, letters).await?;
        let known = known(conn, &letters).await?;
        let plan = Archiving::of(known, letters, self.ids.as_ref(), now);
        let (fresh, again): (Vec<&Kept>, Vec<&Kept>) = plan.kept.iter().partition(|kept| kept.fresh);
        insert(conn, &fresh, now).await?;
        update(conn, &again, now).await?;
        close(conn, &plan.moved, now).await?;
        self.change_groups(conn, &plan.groups, now).await?;
        let failed = plan.failed.into_iter().map(|(replay, failed)| (replay, (0, failed)));
        changes::count_outcomes(conn, failed.collect(), now).await?;
        incidents::raise(conn, plan.raises, now, self).await?;
        Ok(plan.archived)
    }

    pub(super) async fn revive_once(
        &self,
        conn: &mut PgConnection,
        revived: &[Revived],
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let ids: Vec<Uuid> = revived.iter().map(|r| r.id).collect();
        let replays: Vec<Uuid> = sqlx::query_scalar(
            "select distinct replay_id from dead_letter where id = any($1) and replay_id is not null",
        )
        .bind(&ids)
        .fetch_all(&mut *conn)
        .await?;
        changes::lock_replays(conn, &replays).await?;
        let resolved: Vec<(String, Option<Uuid>, String)> = sqlx::query_as(
            "with was as materialized (
                 select l.id, l.status from dead_letter l
                 join unnest($1::uuid[], $2::int8[], $3::bytea[]) as r (id, replays, key) on r.id = l.id
                 where l.replays = r.replays and l.key = r.key and l.status in ('open', 'replaying')
                 order by l.key for update of l
             )
             update dead_letter l set status = 'resolved', closed_at = $4, closed_by = null
             from was where l.id = was.id
             returning l.fingerprint, l.replay_id, was.status",
        )
        .bind(&ids)
        .bind(revived.iter().map(|r| i64::from(r.replay)).collect::<Vec<_>>())
        .bind(revived.iter().map(|r| r.key.as_slice()).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(&mut *conn)
        .await?;
        let mut groups = Groups::new();
        let mut outcomes: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
        for (fingerprint, replay, was) in &resolved {
            let was: Status = read("dead_letter", "status", was.parse())?;
            groups.entry(fingerprint.clone()).or_default().step(Some(was), Status::Resolved);
            // One that is open again has been counted as failed.
            if let Some(replay) = replay.filter(|_| was == Status::Replaying) {
                outcomes.entry(replay).or_default().0 += 1;
            }
        }
        self.change_groups(conn, &groups, now).await?;
        changes::count_outcomes(conn, outcomes, now).await?;
        Ok(u32::try_from(resolved.len()).unwrap_or(u32::MAX))
    }
}

async fn known(
    conn: &mut PgConnection,
    letters: &[NewDeadLetter],
) -> Result<Vec<forebay_store::dead_letters::Known>, Stop> {
    let keys: Vec<&[u8]> = letters.iter().map(|l| l.key.as_slice()).collect();
    let queues: Vec<_> = letters.iter().map(|l| storable(&l.queue)).collect();
    let origins: Vec<Uuid> = letters.iter().filter_map(|l| l.letter).collect();
    let sql =
        format!("select distinct l.replay_id from dead_letter l where {TOUCHED} and l.replay_id is not null");
    let replays: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(&keys)
        .bind(&queues)
        .bind(&origins)
        .fetch_all(&mut *conn)
        .await?;
    changes::lock_replays(conn, &replays).await?;
    let sql = format!(
        "select id, key, queue, copy, fingerprint, status, replays, replay_id, deaths, dead_at, code, error, attempts,
                history
         from dead_letter l where {TOUCHED} order by key, queue for update"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&keys)
        .bind(&queues)
        .bind(&origins)
        .fetch_all(conn)
        .await?;
    Ok(found.iter().map(rows::known).collect::<Result<_, Error>>()?)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Stop> {
    serde_json::to_string(value).map_err(|error| Stop::Failed(Error::Refused(error.to_string())))
}

async fn insert(conn: &mut PgConnection, kept: &[&Kept], now: DateTime<Utc>) -> Result<(), Stop> {
    if kept.is_empty() {
        return Ok(());
    }
    let headers = kept.iter().map(|k| json(&k.letter.headers)).collect::<Result<Vec<_>, _>>()?;
    let history = kept.iter().map(|k| json(&k.history)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "insert into dead_letter (id, key, copy, message_id, source, subject, kind, queue, code, error, fingerprint,
                                  terms, attempts, deaths, replays, first_seen, sent_at, history, headers, body,
                                  status, first_dead_at, dead_at)
         select n.id, n.key, n.copy, n.message_id, n.source, n.subject, n.kind, n.queue, n.code, n.error,
                n.fingerprint, n.terms::int8[], n.attempts, n.deaths, n.replays, n.first_seen, n.sent_at, n.history,
                n.headers, n.body, 'open', $21, $21
         from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::int8[], $14::int8[], $15::int8[],
                     $16::timestamptz[], $17::timestamptz[], $18::text[], $19::text[], $20::bytea[])
              as n (id, key, copy, message_id, source, subject, kind, queue, code, error, fingerprint, terms, attempts,
                    deaths, replays, first_seen, sent_at, history, headers, body)",
    )
    .bind(kept.iter().map(|k| k.id).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.key.as_slice()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.copy.as_slice()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| storable(&k.letter.message_id)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.source.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.subject.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| storable(&k.letter.kind)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| storable(&k.letter.queue)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.code.as_str()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| storable(&k.letter.error)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.fingerprint()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| terms(k)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| i64::from(k.letter.attempts)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| i64::from(k.deaths)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| i64::from(k.letter.replay)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.first_seen).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.sent_at).collect::<Vec<_>>())
    .bind(history)
    .bind(headers)
    .bind(kept.iter().map(|k| k.letter.body.as_slice()).collect::<Vec<_>>())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The terms as PostgreSQL writes an array: arrays of arrays must be of one length, texts need not.
fn terms(kept: &Kept) -> String {
    let terms: Vec<String> = kept.letter.terms.iter().map(i64::to_string).collect();
    format!("{{{}}}", terms.join(","))
}

async fn update(conn: &mut PgConnection, kept: &[&Kept], now: DateTime<Utc>) -> Result<(), Stop> {
    if kept.is_empty() {
        return Ok(());
    }
    let headers = kept.iter().map(|k| json(&k.letter.headers)).collect::<Result<Vec<_>, _>>()?;
    let history = kept.iter().map(|k| json(&k.history)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "update dead_letter l
         set status = 'open', copy = n.copy, code = n.code, error = n.error, fingerprint = n.fingerprint,
             terms = n.terms::int8[], attempts = n.attempts, deaths = n.deaths, first_seen = n.first_seen,
             sent_at = n.sent_at, history = n.history, headers = n.headers, dead_at = $13, closed_at = null,
             closed_by = null
         from unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::int8[],
                     $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[])
              as n (id, copy, code, error, fingerprint, terms, attempts, deaths, first_seen, sent_at, history, headers)
         where l.id = n.id",
    )
    .bind(kept.iter().map(|k| k.id).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.copy.as_slice()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.code.as_str()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| storable(&k.letter.error)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.fingerprint()).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| terms(k)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| i64::from(k.letter.attempts)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| i64::from(k.deaths)).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.first_seen).collect::<Vec<_>>())
    .bind(kept.iter().map(|k| k.letter.sent_at).collect::<Vec<_>>())
    .bind(history)
    .bind(headers)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn close(conn: &mut PgConnection, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), Stop> {
    if !ids.is_empty() {
        sqlx::query("update dead_letter set status = 'resolved', closed_at = $2 where id = any($1)")
            .bind(ids)
            .bind(now)
            .execute(conn)
            .await?;
    }
    Ok(())
}
