//! Letters in: archived when they die, resolved when their message had its effect after all.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use forebay_store::dead_letters::{Archiving, Kept, Known, Status};
use forebay_store::{Archived, NewDeadLetter, Revived};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::changes::{self, Groups};
use super::rows;
use crate::error::Fault;
use crate::rows::{Reading, hex, hex_bytes, json, micros};
use crate::store::Tools;
use crate::{erasure, incidents};

const KNOWN: &str = "l.id, l.key, l.queue, l.copy, l.fingerprint, l.status, l.replays, l.replay_id, l.deaths, \
     l.dead_at, l.code, l.error, l.attempts, l.history";

pub(super) async fn archive(
    conn: &mut SqliteConnection,
    letters: Vec<NewDeadLetter>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Archived, Fault> {
    let letters = erasure::redacted(conn, letters).await?;
    let known = known(conn, &letters).await?;
    let plan = Archiving::of(known, letters, tools.ids.as_ref(), now);
    // One statement a letter: bodies are any bytes, and letters are few.
    for kept in &plan.kept {
        let row = if kept.fresh { insert(conn, kept, now).await? } else { update(conn, kept, now).await? };
        put_terms(conn, row, kept).await?;
    }
    for id in &plan.moved {
        sqlx::query("update dead_letter set status = 'resolved', closed_at = ?2 where id = ?1")
            .bind(id)
            .bind(micros(now))
            .execute(&mut *conn)
            .await?;
    }
    changes::change_groups(conn, &plan.groups, now, tools).await?;
    let failed = plan.failed.into_iter().map(|(replay, failed)| (replay, (0, failed)));
    changes::count_outcomes(conn, failed.collect(), now).await?;
    incidents::raise(conn, plan.raises, now, tools).await?;
    Ok(plan.archived)
}

pub(super) async fn revive(
    conn: &mut SqliteConnection,
    revived: &[Revived],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let mut resolved = 0;
    let mut groups = Groups::new();
    let mut outcomes: BTreeMap<Uuid, (u64, u64)> = BTreeMap::new();
    for Revived { id, replay, key } in revived {
        let row = sqlx::query(
            "select status, fingerprint, replay_id from dead_letter
             where id = ? and replays = ? and key = ? and status in ('open', 'replaying')",
        )
        .bind(id)
        .bind(replay)
        .bind(key.as_slice())
        .fetch_optional(&mut *conn)
        .await?;
        let Some(row) = &row else { continue };
        let row = Reading::of("dead_letter", row);
        let (was, of): (Status, Option<Uuid>) = (row.parsed("status")?, row.get("replay_id")?);
        sqlx::query(
            "update dead_letter set status = 'resolved', closed_at = ?2, closed_by = null where id = ?1",
        )
        .bind(id)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
        groups.entry(row.get("fingerprint")?).or_default().step(Some(was), Status::Resolved);
        // One that is open again has been counted as failed.
        if let Some(of) = of.filter(|_| was == Status::Replaying) {
            outcomes.entry(of).or_default().0 += 1;
        }
        resolved += 1;
    }
    changes::change_groups(conn, &groups, now, tools).await?;
    changes::count_outcomes(conn, outcomes, now).await?;
    Ok(resolved)
}

/// The letters that a set may touch: those of its messages and queues, and those that they were replayed from.
async fn known(conn: &mut SqliteConnection, letters: &[NewDeadLetter]) -> Result<Vec<Known>, Fault> {
    let places: Vec<_> = letters.iter().map(|l| (hex_bytes(&l.key), &l.queue)).collect();
    let origins: Vec<_> = letters.iter().filter_map(|l| l.letter).map(hex).collect();
    let sql = format!(
        "select {KNOWN} from json_each(?1) n cross join dead_letter l
             on l.key = unhex(n.value ->> 0) and l.queue = n.value ->> 1
         union select {KNOWN} from json_each(?2) n cross join dead_letter l on l.id = unhex(n.value)"
    );
    let found = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(json(&places)?)
        .bind(json(&origins)?)
        .fetch_all(conn)
        .await?;
    found.iter().map(rows::known).collect()
}

async fn insert(conn: &mut SqliteConnection, kept: &Kept, now: DateTime<Utc>) -> Result<i64, Fault> {
    let letter = &kept.letter;
    let row = sqlx::query_scalar(
        "insert into dead_letter (id, key, copy, message_id, source, subject, kind, queue, code, error, fingerprint,
                                  attempts, deaths, replays, first_seen, sent_at, history, headers, body, status,
                                  first_dead_at, dead_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, 'open', ?20,
                 ?20)
         returning row",
    )
    .bind(kept.id)
    .bind(letter.key.as_slice())
    .bind(letter.copy.as_slice())
    .bind(&letter.message_id)
    .bind(&letter.source)
    .bind(&letter.subject)
    .bind(&letter.kind)
    .bind(&letter.queue)
    .bind(letter.code.as_str())
    .bind(&letter.error)
    .bind(letter.fingerprint())
    .bind(letter.attempts)
    .bind(kept.deaths)
    .bind(letter.replay)
    .bind(letter.first_seen.map(micros))
    .bind(letter.sent_at.map(micros))
    .bind(json(&kept.history)?)
    .bind(json(&letter.headers)?)
    .bind(&letter.body)
    .bind(micros(now))
    .fetch_one(conn)
    .await?;
    Ok(row)
}

async fn update(conn: &mut SqliteConnection, kept: &Kept, now: DateTime<Utc>) -> Result<i64, Fault> {
    let letter = &kept.letter;
    let row: i64 = sqlx::query_scalar(
        "update dead_letter
         set status = 'open', copy = ?2, code = ?3, error = ?4, fingerprint = ?5, attempts = ?6, deaths = ?7,
             first_seen = ?8, sent_at = ?9, history = ?10, headers = ?11, dead_at = ?12, closed_at = null,
             closed_by = null
         where id = ?1 returning row",
    )
    .bind(kept.id)
    .bind(letter.copy.as_slice())
    .bind(letter.code.as_str())
    .bind(&letter.error)
    .bind(letter.fingerprint())
    .bind(letter.attempts)
    .bind(kept.deaths)
    .bind(letter.first_seen.map(micros))
    .bind(letter.sent_at.map(micros))
    .bind(json(&kept.history)?)
    .bind(json(&letter.headers)?)
    .bind(micros(now))
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query("delete from dead_letter_term where letter = ?").bind(row).execute(conn).await?;
    Ok(row)
}

async fn put_terms(conn: &mut SqliteConnection, row: i64, kept: &Kept) -> Result<(), Fault> {
    sqlx::query("insert into dead_letter_term (term, letter) select value, ?2 from json_each(?1)")
        .bind(json(&kept.letter.terms)?)
        .bind(row)
        .execute(conn)
        .await?;
    Ok(())
}
