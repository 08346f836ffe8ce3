//! Incidents.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{Change, Incident, Raise, RaiseKept, Severity, SlackRef, raised, resolved};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::{Error, Incidents, Told};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, json, micros, page, unreadable};
use crate::store::Tools;
use crate::{SqliteStore, outbox};

/// Raises within the transaction of what was seen.
pub(crate) async fn raise(
    conn: &mut SqliteConnection,
    raises: Vec<Raise>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    if raises.is_empty() {
        return Ok(());
    }
    let raises = Raise::gathered(raises);
    let mut open = open(conn, raises.iter().map(|r| r.fingerprint.as_str()).collect()).await?;
    let changes: Vec<Change> = raises
        .iter()
        .map(|raise| raised(open.remove(&raise.fingerprint), raise, now, tools.ids.next(), &tools.timing))
        .collect();
    write(conn, &changes, now, tools).await
}

/// Resolves within the transaction of what was seen.
pub(crate) async fn resolve(
    conn: &mut SqliteConnection,
    fingerprints: &[String],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let open = open(conn, fingerprints.iter().map(String::as_str).collect()).await?;
    let changes: Vec<Change> = open.into_values().map(|incident| resolved(incident, now)).collect();
    write(conn, &changes, now, tools).await
}

async fn open(
    conn: &mut SqliteConnection,
    fingerprints: Vec<&str>,
) -> Result<HashMap<String, Incident>, Fault> {
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and fingerprint in (select value from json_each(?))",
    )
    .bind(json(&fingerprints)?)
    .fetch_all(conn)
    .await?;
    let open = rows.iter().map(incident).map(|read| read.map(|i| (i.raise.fingerprint.clone(), i)));
    open.collect()
}

async fn write(
    conn: &mut SqliteConnection,
    changes: &[Change],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let mut tellings = Vec::new();
    for Change { incident, tell_at } in changes {
        upsert(conn, incident).await?;
        if let Some(due_at) = *tell_at {
            let telling = TellIncident { incident_id: incident.id, revision: incident.revision };
            let id = tools.ids.next().to_string();
            let row = NewOutbox::command(id, Route::Work(Queue::Notices), now, &telling);
            tellings.push(NewOutbox { due_at, ..row });
        }
    }
    outbox::write(conn, &tellings, now).await
}

async fn upsert(conn: &mut SqliteConnection, incident: &Incident) -> Result<(), Fault> {
    let Incident { id, raise, .. } = incident;
    sqlx::query(
        "insert into incident (id, fingerprint, rule, severity, title, impact, action, sample, count, revision,
                               first_seen, last_seen, resolved_at, told_revision, tell_due_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set rule = excluded.rule, severity = excluded.severity, title = excluded.title,
             impact = excluded.impact, action = excluded.action, sample = excluded.sample, count = excluded.count,
             revision = excluded.revision, last_seen = excluded.last_seen, resolved_at = excluded.resolved_at,
             tell_due_at = excluded.tell_due_at",
    )
    .bind(id)
    .bind(&raise.fingerprint)
    .bind(&raise.rule)
    .bind(raise.severity.as_str())
    .bind(&raise.title)
    .bind(&raise.impact)
    .bind(&raise.action)
    .bind(&raise.sample)
    .bind(raise.count)
    .bind(incident.revision)
    .bind(micros(incident.first_seen))
    .bind(micros(incident.last_seen))
    .bind(incident.resolved_at.map(micros))
    .bind(incident.told_revision)
    .bind(incident.tell_due_at.map(micros))
    .execute(conn)
    .await?;
    Ok(())
}

async fn told(conn: &mut SqliteConnection, told: Told, now: DateTime<Utc>) -> Result<(), Fault> {
    let (channel, ts) = told.slack.map(|slack| (slack.channel, slack.ts)).unzip();
    sqlx::query(
        "update incident set told_at = ?3, told_revision = max(told_revision, ?2),
             slack_channel = coalesce(?4, slack_channel), slack_ts = coalesce(?5, slack_ts),
             tell_due_at = case when tell_due_at > ?3 then tell_due_at end
         where id = ?1",
    )
    .bind(told.incident_id)
    .bind(told.revision)
    .bind(micros(now))
    .bind(channel)
    .bind(ts)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Incidents for SqliteStore {
    async fn raise(&self, raises: Vec<Raise>, now: DateTime<Utc>) -> Result<(), Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| Box::pin(async move { raise(conn, raises, now, &tools).await })).await
    }

    async fn resolve(&self, fingerprints: &[String], now: DateTime<Utc>) -> Result<(), Error> {
        let (fingerprints, tools) = (fingerprints.to_vec(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { resolve(conn, &fingerprints, now, &tools).await })
        })
        .await
    }

    async fn incident(&self, id: Uuid) -> Result<Option<Incident>, Error> {
        let row = sqlx::query("select * from incident where id = ?")
            .bind(id)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.as_ref().map(incident).transpose()?)
    }

    async fn told(&self, telling: Told, now: DateTime<Utc>) -> Result<(), Error> {
        self.write(move |conn| Box::pin(told(conn, telling, now))).await
    }

    async fn open_incidents(&self, limit: u32) -> Result<Vec<Incident>, Error> {
        let rows = sqlx::query(
            "select * from incident where resolved_at is null order by first_seen desc, id desc limit ?",
        )
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(incident).collect::<Result<_, _>>()?)
    }
}

fn incident(row: &SqliteRow) -> Result<Incident, Fault> {
    let row = Reading::of("incident", row);
    let severity = Severity::from_text(row.get("severity")?);
    let channel: Option<String> = row.get("slack_channel")?;
    let ts: Option<String> = row.get("slack_ts")?;
    Ok(Incident {
        id: row.get("id")?,
        raise: RaiseKept {
            fingerprint: row.get("fingerprint")?,
            rule: row.get("rule")?,
            severity: severity.ok_or_else(|| unreadable("incident", "severity", "not a severity"))?,
            title: row.get("title")?,
            impact: row.get("impact")?,
            action: row.get("action")?,
            sample: row.get("sample")?,
            count: row.get("count")?,
        },
        revision: row.get("revision")?,
        first_seen: row.instant("first_seen")?,
        last_seen: row.instant("last_seen")?,
        resolved_at: row.instant_if_any("resolved_at")?,
        told_at: row.instant_if_any("told_at")?,
        told_revision: row.get("told_revision")?,
        tell_due_at: row.instant_if_any("tell_due_at")?,
        slack: channel.zip(ts).map(|(channel, ts)| SlackRef { channel, ts }),
    })
}
