//! Dead letters.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::trail::Headers;
use forebay_store::{DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetters, Error, NewDeadLetter};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{narrow, page, read, storable};
use crate::{PostgresStore, incidents};

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn archive(&self, letters: Vec<NewDeadLetter>, now: DateTime<Utc>) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.archive_once(&mut tx, &letters, now).await;
            if let Some(new) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(new);
            }
        }
    }

    async fn dead_letter_groups(&self, limit: u32) -> Result<Vec<DeadLetterGroup>, Error> {
        type Row = (String, String, String, String, i64, DateTime<Utc>, DateTime<Utc>, String);
        let rows: Vec<Row> = sqlx::query_as(
            "select fingerprint, min(code), min(queue), min(kind), count(*), min(dead_at), max(dead_at), min(error)
             from dead_letter group by fingerprint order by max(dead_at) desc, fingerprint limit $1",
        )
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter()
            .map(|(fingerprint, code, queue, kind, count, first_at, last_at, sample_error)| {
                let code = read("dead_letter", "code", code.parse())?;
                Ok(DeadLetterGroup { fingerprint, code, queue, kind, count, first_at, last_at, sample_error })
            })
            .collect()
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let rows = sqlx::query(
            "select id, message_id, source, subject, kind, queue, code, error, fingerprint, attempts, first_seen,
                    dead_at
             from dead_letter
             where ($1::text is null or code = $1) and ($2::text is null or queue = $2)
               and ($3::text is null or kind = $3) and ($4::text is null or fingerprint = $4)
               and ($5::text is null or message_id = $5) and ($6::text is null or subject = $6)
               and ($7::timestamptz is null or dead_at >= $7)
               and ($8::uuid is null or (dead_at, id) < (select dead_at, id from dead_letter where id = $8))
             order by dead_at desc, id desc limit $9",
        )
        .bind(filter.code.map(|code| code.as_str()))
        .bind(filter.queue.as_deref().map(storable))
        .bind(filter.kind.as_deref().map(storable))
        .bind(filter.fingerprint.as_deref().map(storable))
        .bind(filter.message_id.as_deref().map(storable))
        .bind(filter.subject.as_deref().map(storable))
        .bind(filter.since)
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.iter().map(listed).collect()
    }

    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, Error> {
        let row = sqlx::query("select * from dead_letter where id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let headers: &str = row.try_get("headers").map_err(store_error)?;
        let headers: Headers = read("dead_letter", "headers", serde_json::from_str(headers))?;
        let body = row.try_get("body").map_err(store_error)?;
        Ok(Some(DeadLetter { headers, body, ..listed(&row)? }))
    }
}

impl PostgresStore {
    async fn archive_once(
        &self,
        conn: &mut PgConnection,
        letters: &[NewDeadLetter],
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let mut seen = HashSet::new();
        let mut letters: Vec<&NewDeadLetter> = letters.iter().filter(|l| seen.insert(l.key)).collect();
        letters.sort_by_key(|l| l.key);
        let new: HashSet<Vec<u8>> = self.insert(conn, &letters, now).await?.into_iter().collect();
        let mut groups: BTreeMap<&str, (&NewDeadLetter, i64)> = BTreeMap::new();
        for letter in letters.into_iter().filter(|l| new.contains(l.key.as_slice())) {
            groups.entry(&letter.fingerprint).or_insert((letter, 0)).1 += 1;
        }
        let raises = groups.into_values().map(|(letter, count)| letter.incident(count)).collect();
        incidents::raise(conn, raises, now, self).await?;
        Ok(u32::try_from(new.len()).unwrap_or(u32::MAX))
    }

    /// Inserts those that are new and answers their keys.
    async fn insert(
        &self,
        conn: &mut PgConnection,
        letters: &[&NewDeadLetter],
        now: DateTime<Utc>,
    ) -> Result<Vec<Vec<u8>>, Stop> {
        let headers =
            letters.iter().map(|l| serde_json::to_string(&l.headers)).collect::<Result<Vec<_>, _>>();
        let headers = headers.map_err(|error| Stop::Failed(Error::Refused(error.to_string())))?;
        let keys = sqlx::query_scalar(
            "insert into dead_letter (id, key, message_id, source, subject, kind, queue, code, error, fingerprint,
                                      attempts, first_seen, headers, body, dead_at)
             select n.*, $15
             from unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::text[], $11::int8[], $12::timestamptz[], $13::text[],
                         $14::bytea[]) as n
             on conflict (key) do nothing returning key",
        )
        .bind(letters.iter().map(|_| self.ids.next()).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| l.key.as_slice()).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| storable(&l.message_id)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| l.source.as_deref().map(storable)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| l.subject.as_deref().map(storable)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| storable(&l.kind)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| storable(&l.queue)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| l.code.as_str()).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| storable(&l.error)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| storable(&l.fingerprint)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| i64::from(l.attempts)).collect::<Vec<_>>())
        .bind(letters.iter().map(|l| l.first_seen).collect::<Vec<_>>())
        .bind(headers)
        .bind(letters.iter().map(|l| l.body.as_slice()).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(conn)
        .await?;
        Ok(keys)
    }
}

fn listed(row: &PgRow) -> Result<DeadLetter, Error> {
    let code: &str = row.try_get("code").map_err(store_error)?;
    let code = read("dead_letter", "code", code.parse())?;
    let attempts = narrow("dead_letter", "attempts", row.try_get("attempts").map_err(store_error)?)?;
    decoded(row, code, attempts).map_err(store_error)
}

fn decoded(row: &PgRow, code: forebay_schemas::Code, attempts: u32) -> Result<DeadLetter, sqlx::Error> {
    Ok(DeadLetter {
        id: row.try_get("id")?,
        message_id: row.try_get("message_id")?,
        source: row.try_get("source")?,
        subject: row.try_get("subject")?,
        kind: row.try_get("kind")?,
        queue: row.try_get("queue")?,
        code,
        error: row.try_get("error")?,
        fingerprint: row.try_get("fingerprint")?,
        attempts,
        first_seen: row.try_get("first_seen")?,
        dead_at: row.try_get("dead_at")?,
        headers: Headers::new(),
        body: Vec::new(),
    })
}
