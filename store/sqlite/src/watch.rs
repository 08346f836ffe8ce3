//! What the rules that watch the system look at.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::watch::{Condition, Renewal, Sign, Task};
use forebay_store::watch::system_of;
use forebay_store::{Error, PAGE_MAX, Watch};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, json, micros};

async fn note_signs(
    conn: &mut SqliteConnection,
    process: &str,
    said_at: DateTime<Utc>,
    signs: &[Sign],
) -> Result<(), Fault> {
    let told: Vec<_> = signs.iter().map(|sign| (sign.condition.as_str(), &sign.subject)).collect();
    sqlx::query(
        "delete from process_sign
         where seen_at < ?3 or (process = ?1 and seen_at < ?2 and not exists (
             select 1 from json_each(?4) where value ->> 0 = condition and value ->> 1 = subject))",
    )
    .bind(process)
    .bind(micros(said_at))
    .bind(micros(said_at - TimeDelta::days(1)))
    .bind(json(&told)?)
    .execute(&mut *conn)
    .await?;
    for sign in signs {
        sqlx::query(
            "insert into process_sign (process, condition, subject, since, seen_at, detail)
             values (?, ?, ?, ?, ?, ?)
             on conflict (process, condition, subject) do update
                 set since = excluded.since, seen_at = excluded.seen_at, detail = excluded.detail
                 where process_sign.seen_at < excluded.seen_at",
        )
        .bind(process)
        .bind(sign.condition.as_str())
        .bind(&sign.subject)
        .bind(micros(sign.since))
        .bind(micros(said_at))
        .bind(&sign.detail)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn note_tasks(conn: &mut SqliteConnection, tasks: &[Task]) -> Result<(), Fault> {
    for task in tasks {
        sqlx::query(
            "insert into task_done (name, done_at) values (?, ?)
             on conflict (name) do update set done_at = excluded.done_at
                 where task_done.done_at < excluded.done_at",
        )
        .bind(&task.name)
        .bind(micros(task.done_at))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Watch for SqliteStore {
    async fn note_signs(&self, process: &str, said_at: DateTime<Utc>, signs: &[Sign]) -> Result<(), Error> {
        let (process, signs) = (process.to_owned(), signs.to_vec());
        self.write(move |conn| Box::pin(async move { note_signs(conn, &process, said_at, &signs).await }))
            .await
    }

    async fn signs(&self, since: DateTime<Utc>) -> Result<Vec<Sign>, Error> {
        let rows = sqlx::query(
            "select * from process_sign where seen_at >= ? order by process, condition, subject limit ?",
        )
        .bind(micros(since))
        .bind(i64::from(PAGE_MAX))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut signs = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("process_sign", row);
            // A later release may know conditions that this one does not.
            let Some(condition) = Condition::from_text(row.get("condition")?) else { continue };
            signs.push(Sign {
                process: row.get("process")?,
                condition,
                subject: row.get("subject")?,
                since: row.instant("since")?,
                seen_at: row.instant("seen_at")?,
                detail: row.get("detail")?,
            });
        }
        Ok(signs)
    }

    async fn note_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let tasks = tasks.to_vec();
        self.write(move |conn| Box::pin(async move { note_tasks(conn, &tasks).await })).await
    }

    async fn tasks(&self) -> Result<Vec<Task>, Error> {
        let rows = sqlx::query("select name, done_at from task_done order by name")
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let mut tasks = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("task_done", row);
            tasks.push(Task { name: row.get("name")?, done_at: row.instant("done_at")? });
        }
        Ok(tasks)
    }

    async fn open_of(&self, rules: &[&str]) -> Result<Vec<String>, Error> {
        let fingerprints = sqlx::query_scalar(
            "select fingerprint from incident
             where resolved_at is null and rule in (select value from json_each(?)) order by fingerprint",
        )
        .bind(json(&rules)?)
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(fingerprints)
    }

    async fn not_renewed(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<Renewal>, Error> {
        let rows = sqlx::query(
            "select key, lease_until, expires_at from outside_token
             where lease_until > ?1 and lease_until < ?2 order by key",
        )
        .bind(micros(since))
        .bind(micros(now))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut renewals = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("outside_token", row);
            renewals.push(Renewal {
                system: system_of(row.get("key")?),
                sought_at: row.instant("lease_until")?,
                good_until: row.instant_if_any("expires_at")?,
            });
        }
        Ok(renewals)
    }
}
