//! Dead letters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::trail::Headers;
use forebay_store::{DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetters, Error, NewDeadLetter};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, json, micros, page};
use crate::store::Tools;
use crate::{SqliteStore, incidents};

async fn archive(
    conn: &mut SqliteConnection,
    letters: &[NewDeadLetter],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let mut new = 0;
    let mut groups: BTreeMap<&str, (&NewDeadLetter, i64)> = BTreeMap::new();
    // One statement a letter: bodies are any bytes, and letters are few.
    for letter in letters {
        if insert(conn, letter, now, tools.ids.next()).await? {
            new += 1;
            groups.entry(&letter.fingerprint).or_insert((letter, 0)).1 += 1;
        }
    }
    let raises = groups.into_values().map(|(letter, count)| letter.incident(count)).collect();
    incidents::raise(conn, raises, now, tools).await?;
    Ok(new)
}

/// Inserts a letter; `false` when it was archived before.
async fn insert(
    conn: &mut SqliteConnection,
    letter: &NewDeadLetter,
    now: DateTime<Utc>,
    id: Uuid,
) -> Result<bool, Fault> {
    let inserted = sqlx::query(
        "insert into dead_letter (id, key, message_id, source, subject, kind, queue, code, error, fingerprint,
                                  attempts, first_seen, dead_at, headers, body)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (key) do nothing",
    )
    .bind(id)
    .bind(letter.key.as_slice())
    .bind(&letter.message_id)
    .bind(&letter.source)
    .bind(&letter.subject)
    .bind(&letter.kind)
    .bind(&letter.queue)
    .bind(letter.code.as_str())
    .bind(&letter.error)
    .bind(&letter.fingerprint)
    .bind(letter.attempts)
    .bind(letter.first_seen.map(micros))
    .bind(micros(now))
    .bind(json(&letter.headers)?)
    .bind(&letter.body)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<u32, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| Box::pin(async move { archive(conn, &letters, now, &tools).await }))
            .await
    }

    async fn dead_letter_groups(&self, limit: u32) -> Result<Vec<DeadLetterGroup>, Error> {
        let rows = sqlx::query(
            "select fingerprint, min(code) as code, min(queue) as queue, min(kind) as kind, count(*) as count,
                    min(dead_at) as first_at, max(dead_at) as last_at, min(error) as error
             from dead_letter group by fingerprint order by last_at desc, fingerprint limit ?",
        )
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(group).collect::<Result<_, _>>()?)
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let rows = list(filter, after, limit).build().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        Ok(rows.iter().map(listed).collect::<Result<_, _>>()?)
    }

    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, Error> {
        let row = sqlx::query("select * from dead_letter where id = ?")
            .bind(id)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        let Some(row) = &row else { return Ok(None) };
        let whole = Reading::of("dead_letter", row);
        Ok(Some(DeadLetter { headers: whole.json("headers")?, body: whole.get("body")?, ..listed(row)? }))
    }
}

/// Asks only for the conditions that there are, so that each can use its index.
fn list(filter: &DeadLetterFilter, after: Option<Uuid>, limit: u32) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "select id, message_id, source, subject, kind, queue, code, error, fingerprint, attempts, first_seen, dead_at
         from dead_letter where true",
    );
    let equal = [
        (" and code = ", filter.code.map(|code| code.as_str().to_owned())),
        (" and queue = ", filter.queue.clone()),
        (" and kind = ", filter.kind.clone()),
        (" and fingerprint = ", filter.fingerprint.clone()),
        (" and message_id = ", filter.message_id.clone()),
        (" and subject = ", filter.subject.clone()),
    ];
    for (condition, value) in equal {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(since) = filter.since {
        query.push(" and dead_at >= ").push_bind(micros(since));
    }
    if let Some(after) = after {
        query
            .push(" and (dead_at, id) < (select dead_at, id from dead_letter where id = ")
            .push_bind(after)
            .push(")");
    }
    query.push(" order by dead_at desc, id desc limit ").push_bind(page(limit));
    query
}

fn group(row: &SqliteRow) -> Result<DeadLetterGroup, Fault> {
    let row = Reading::of("dead_letter", row);
    Ok(DeadLetterGroup {
        fingerprint: row.get("fingerprint")?,
        code: row.parsed("code")?,
        queue: row.get("queue")?,
        kind: row.get("kind")?,
        count: row.get("count")?,
        first_at: row.instant("first_at")?,
        last_at: row.instant("last_at")?,
        sample_error: row.get("error")?,
    })
}

fn listed(row: &SqliteRow) -> Result<DeadLetter, Fault> {
    let row = Reading::of("dead_letter", row);
    Ok(DeadLetter {
        id: row.get("id")?,
        message_id: row.get("message_id")?,
        source: row.get("source")?,
        subject: row.get("subject")?,
        kind: row.get("kind")?,
        queue: row.get("queue")?,
        code: row.parsed("code")?,
        error: row.get("error")?,
        fingerprint: row.get("fingerprint")?,
        attempts: row.narrow("attempts")?,
        first_seen: row.instant_if_any("first_seen")?,
        dead_at: row.instant("dead_at")?,
        headers: Headers::new(),
        body: Vec::new(),
    })
}
