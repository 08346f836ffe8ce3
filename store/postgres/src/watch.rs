//! What the rules that watch the system look at.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::incident::{Raise, Severity};
use forebay_domain::watch::{Condition, Heard, OpenOne, Renewal, Sign, Task};
use forebay_store::watch::system_of;
use forebay_store::{Error, PAGE_MAX, Watch};

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{read, storable};

type SignRow = (String, String, String, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, String);

#[async_trait]
impl Watch for PostgresStore {
    async fn note_signs(&self, process: &str, said_at: DateTime<Utc>, signs: &[Sign]) -> Result<(), Error> {
        // In one order, so that two messages of one process do not wait for each other.
        let mut signs: Vec<&Sign> = signs.iter().collect();
        signs.sort_by_key(|sign| (sign.condition, &sign.subject));
        sqlx::query(
            "with told as (
                 select * from unnest($3::text[], $4::text[], $5::timestamptz[], $6::text[])
                     as t (condition, subject, since, detail)
             ), over as (
                 delete from process_sign s
                 where s.heard_at < clock_timestamp() - interval '1 day' or (s.process = $1 and s.seen_at < $2 and not exists (
                     select from told where told.condition = s.condition and told.subject = s.subject))
             )
             insert into process_sign as s (process, condition, subject, since, seen_at, heard_at, detail)
             select $1, condition, subject, since, $2, clock_timestamp(), detail from told
             on conflict (process, condition, subject) do update
                 set since = excluded.since, seen_at = excluded.seen_at, heard_at = excluded.heard_at,
                     detail = excluded.detail
                 where s.seen_at < excluded.seen_at",
        )
        .bind(storable(process))
        .bind(said_at)
        .bind(signs.iter().map(|s| s.condition.as_str()).collect::<Vec<_>>())
        .bind(signs.iter().map(|s| storable(&s.subject)).collect::<Vec<_>>())
        .bind(signs.iter().map(|s| s.since).collect::<Vec<_>>())
        .bind(signs.iter().map(|s| storable(&s.detail)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn signs(&self, since: DateTime<Utc>) -> Result<Vec<Heard>, Error> {
        let rows: Vec<SignRow> = sqlx::query_as(
            "select process, condition, subject, since, seen_at, heard_at, detail from process_sign
             where heard_at >= $1 order by process, condition, subject limit $2",
        )
        .bind(since)
        .bind(i64::from(PAGE_MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        // A later release may know conditions that this one does not.
        let heard = |(process, condition, subject, since, seen_at, heard_at, detail): SignRow| {
            let condition = Condition::from_text(&condition)?;
            Some(Heard { sign: Sign { process, condition, subject, since, seen_at, detail }, heard_at })
        };
        Ok(rows.into_iter().filter_map(heard).collect())
    }

    async fn note_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let mut tasks: Vec<&Task> = tasks.iter().collect();
        tasks.sort_by_key(|task| &task.name);
        sqlx::query(
            "insert into task_done as t (name, done_at) select * from unnest($1::text[], $2::timestamptz[])
             on conflict (name) do update set done_at = excluded.done_at where t.done_at < excluded.done_at",
        )
        .bind(tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>())
        .bind(tasks.iter().map(|task| task.done_at).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn tasks(&self) -> Result<Vec<Task>, Error> {
        let rows: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as("select name, done_at from task_done order by name")
                .fetch_all(&self.pool)
                .await
                .map_err(store_error)?;
        Ok(rows.into_iter().map(|(name, done_at)| Task { name, done_at }).collect())
    }

    async fn open_of(&self, rules: &[&str]) -> Result<Vec<OpenOne>, Error> {
        let rows: Vec<(String, String, DateTime<Utc>)> = sqlx::query_as(
            "select fingerprint, severity, last_seen from incident
             where resolved_at is null and rule = any($1) order by fingerprint",
        )
        .bind(rules)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let open = |(fingerprint, severity, last_seen): (_, String, _)| {
            let severity = Severity::from_text(&severity).ok_or("not a severity");
            Ok(OpenOne { fingerprint, severity: read("incident", "severity", severity)?, last_seen })
        };
        rows.into_iter().map(open).collect()
    }

    async fn refresh(&self, raises: &[Raise], now: DateTime<Utc>) -> Result<(), Error> {
        for raise in raises {
            // A statement, and so a lock, each.
            sqlx::query(
                "update incident set title = $2, impact = $3, action = $4, sample = $5, last_seen = $6
                 where fingerprint = $1 and resolved_at is null and last_seen < $6",
            )
            .bind(storable(&raise.fingerprint))
            .bind(storable(&raise.title))
            .bind(storable(&raise.impact))
            .bind(storable(&raise.action))
            .bind(storable(&raise.sample))
            .bind(now)
            .execute(&self.pool)
            .await
            .map_err(store_error)?;
        }
        Ok(())
    }

    async fn not_renewed(&self, since: DateTime<Utc>) -> Result<Vec<Renewal>, Error> {
        let rows: Vec<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
            "select key, lease_until, expires_at from outside_token
             where lease_until > $1 order by key",
        )
        .bind(since)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let renewal = |(key, sought_until, good_until): (String, _, _)| Renewal {
            system: system_of(&key),
            sought_until,
            good_until,
        };
        Ok(rows.into_iter().map(renewal).collect())
    }
}
