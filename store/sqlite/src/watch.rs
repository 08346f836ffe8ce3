//! What the rules that watch the system look at.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::incident::{Raise, Severity};
use forebay_domain::watch::{Condition, Heard, OpenOne, Renewal, Sign, Task};
use forebay_store::watch::system_of;
use forebay_store::{Error, PAGE_MAX, Watch};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, json, micros, unreadable};

async fn note_signs(
    conn: &mut SqliteConnection,
    process: &str,
    said_at: DateTime<Utc>,
    signs: &[Sign],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let told: Vec<_> = signs.iter().map(|sign| (sign.condition.as_str(), &sign.subject)).collect();
    sqlx::query(
        "delete from process_sign
         where heard_at < ?3 or (process = ?1 and seen_at < ?2 and not exists (
             select 1 from json_each(?4) where value ->> 0 = condition and value ->> 1 = subject))",
    )
    .bind(process)
    .bind(micros(said_at))
    .bind(micros(now - TimeDelta::days(1)))
    .bind(json(&told)?)
    .execute(&mut *conn)
    .await?;
    for sign in signs {
        sqlx::query(
            "insert into process_sign (process, condition, subject, since, seen_at, heard_at, detail)
             values (?, ?, ?, ?, ?, ?, ?)
             on conflict (process, condition, subject) do update
                 set since = excluded.since, seen_at = excluded.seen_at, heard_at = excluded.heard_at,
                     detail = excluded.detail
                 where process_sign.seen_at < excluded.seen_at",
        )
        .bind(process)
        .bind(sign.condition.as_str())
        .bind(&sign.subject)
        .bind(micros(sign.since))
        .bind(micros(said_at))
        .bind(micros(now))
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

async fn refresh(conn: &mut SqliteConnection, raises: &[Raise], now: DateTime<Utc>) -> Result<(), Fault> {
    for raise in raises {
        sqlx::query(
            "update incident set title = ?2, impact = ?3, action = ?4, sample = ?5, last_seen = ?6
             where fingerprint = ?1 and resolved_at is null and last_seen < ?6",
        )
        .bind(&raise.fingerprint)
        .bind(&raise.title)
        .bind(&raise.impact)
        .bind(&raise.action)
        .bind(&raise.sample)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Watch for SqliteStore {
    async fn note_signs(&self, process: &str, said_at: DateTime<Utc>, signs: &[Sign]) -> Result<(), Error> {
        let (process, signs, now) = (process.to_owned(), signs.to_vec(), self.clock.now());
        self.write(move |conn| {
            Box::pin(async move { note_signs(conn, &process, said_at, &signs, now).await })
        })
        .await
    }

    async fn signs(&self, since: DateTime<Utc>) -> Result<Vec<Heard>, Error> {
        let rows = sqlx::query(
            "select * from process_sign where heard_at >= ? order by process, condition, subject limit ?",
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
            let sign = Sign {
                process: row.get("process")?,
                condition,
                subject: row.get("subject")?,
                since: row.instant("since")?,
                seen_at: row.instant("seen_at")?,
                detail: row.get("detail")?,
            };
            signs.push(Heard { sign, heard_at: row.instant("heard_at")? });
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

    async fn open_of(&self, rules: &[&str]) -> Result<Vec<OpenOne>, Error> {
        let rows = sqlx::query(
            "select fingerprint, severity, last_seen from incident
             where resolved_at is null and rule in (select value from json_each(?)) order by fingerprint",
        )
        .bind(json(&rules)?)
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut open = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("incident", row);
            let severity = Severity::from_text(row.get("severity")?);
            open.push(OpenOne {
                fingerprint: row.get("fingerprint")?,
                severity: severity.ok_or_else(|| unreadable("incident", "severity", "not a severity"))?,
                last_seen: row.instant("last_seen")?,
            });
        }
        Ok(open)
    }

    async fn refresh(&self, raises: &[Raise], now: DateTime<Utc>) -> Result<(), Error> {
        if raises.is_empty() {
            return Ok(());
        }
        let raises = raises.to_vec();
        self.write(move |conn| Box::pin(async move { refresh(conn, &raises, now).await })).await
    }

    async fn not_renewed(&self, since: DateTime<Utc>) -> Result<Vec<Renewal>, Error> {
        let rows = sqlx::query(
            "select key, lease_until, expires_at from outside_token
             where lease_until > ?1 order by key",
        )
        .bind(micros(since))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let mut renewals = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = Reading::of("outside_token", row);
            renewals.push(Renewal {
                system: system_of(row.get("key")?),
                sought_until: row.instant("lease_until")?,
                good_until: row.instant_if_any("expires_at")?,
            });
        }
        Ok(renewals)
    }
}
