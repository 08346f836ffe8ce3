//! Incidents.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{Change, Incident, Raise, RaiseKept, Severity, SlackRef, raised, resolved};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::{Error, Incidents, Told};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{page, read, storable};
use crate::{PostgresStore, outbox};

/// Raises within the transaction of what was seen. Two transactions that open the same incident meet at its unique
/// key, and one of them begins again.
pub(crate) async fn raise(
    conn: &mut PgConnection,
    raises: Vec<Raise>,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    if raises.is_empty() {
        return Ok(());
    }
    let mut raises = Raise::gathered(raises);
    raises.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
    let mut open = lock_open(conn, raises.iter().map(|r| r.fingerprint.as_str()).collect()).await?;
    let changes: Vec<Change> = raises
        .iter()
        .map(|raise| raised(open.remove(&raise.fingerprint), raise, now, store.ids.next(), &store.timing))
        .collect();
    write(conn, &changes, now, store).await
}

/// Resolves within the transaction of what was seen.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    fingerprints: &[String],
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let open = lock_open(conn, fingerprints.iter().map(String::as_str).collect()).await?;
    let changes: Vec<Change> = open.into_values().map(|incident| resolved(incident, now)).collect();
    write(conn, &changes, now, store).await
}

async fn lock_open(
    conn: &mut PgConnection,
    fingerprints: Vec<&str>,
) -> Result<HashMap<String, Incident>, Stop> {
    let rows = sqlx::query(
        "select * from incident where fingerprint = any($1) and resolved_at is null order by fingerprint for update",
    )
    .bind(fingerprints)
    .fetch_all(conn)
    .await?;
    let open = rows.iter().map(incident).map(|i| i.map(|i| (i.raise.fingerprint.clone(), i)));
    Ok(open.collect::<Result<_, Error>>()?)
}

async fn write(
    conn: &mut PgConnection,
    changes: &[Change],
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let mut tellings = Vec::new();
    for Change { incident, tell_at } in changes {
        upsert(conn, incident).await?;
        if let Some(due_at) = *tell_at {
            let telling = TellIncident { incident_id: incident.id, revision: incident.revision };
            let id = store.ids.next().to_string();
            let row = NewOutbox::command(id, Route::Work(Queue::Notices), now, &telling);
            tellings.push(NewOutbox { due_at, ..row });
        }
    }
    Ok(outbox::write(conn, &tellings, now).await?)
}

async fn upsert(conn: &mut PgConnection, incident: &Incident) -> Result<(), sqlx::Error> {
    let Incident { id, raise, .. } = incident;
    sqlx::query(
        "insert into incident (id, fingerprint, rule, severity, title, impact, action, sample, count, revision,
                               first_seen, last_seen, resolved_at, told_revision, tell_due_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (id) do update set rule = excluded.rule, severity = excluded.severity, title = excluded.title,
             impact = excluded.impact, action = excluded.action, sample = excluded.sample, count = excluded.count,
             revision = excluded.revision, last_seen = excluded.last_seen, resolved_at = excluded.resolved_at,
             tell_due_at = excluded.tell_due_at",
    )
    .bind(id)
    .bind(&raise.fingerprint)
    .bind(&raise.rule)
    .bind(raise.severity.as_str())
    .bind(storable(&raise.title))
    .bind(storable(&raise.impact))
    .bind(storable(&raise.action))
    .bind(storable(&raise.sample))
    .bind(raise.count)
    .bind(incident.revision)
    .bind(incident.first_seen)
    .bind(incident.last_seen)
    .bind(incident.resolved_at)
    .bind(incident.told_revision)
    .bind(incident.tell_due_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Incidents for PostgresStore {
    async fn raise(&self, raises: Vec<Raise>, now: DateTime<Utc>) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = raise(&mut tx, raises.clone(), now, self).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }

    async fn resolve(&self, fingerprints: &[String], now: DateTime<Utc>) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = resolve(&mut tx, fingerprints, now, self).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }

    async fn incident(&self, id: Uuid) -> Result<Option<Incident>, Error> {
        let row = sqlx::query("select * from incident where id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        row.as_ref().map(incident).transpose()
    }

    async fn told(&self, told: Told, now: DateTime<Utc>) -> Result<(), Error> {
        let (channel, ts) = told.slack.map(|slack| (slack.channel, slack.ts)).unzip();
        sqlx::query(
            "update incident set told_at = $3, told_revision = greatest(told_revision, $2),
                 slack_channel = coalesce($4, slack_channel), slack_ts = coalesce($5, slack_ts),
                 tell_due_at = case when tell_due_at > $3 then tell_due_at end
             where id = $1",
        )
        .bind(told.incident_id)
        .bind(told.revision)
        .bind(now)
        .bind(channel)
        .bind(ts)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn open_incidents(&self, limit: u32) -> Result<Vec<Incident>, Error> {
        let rows = sqlx::query(
            "select * from incident where resolved_at is null order by first_seen desc, id desc limit $1",
        )
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.iter().map(incident).collect()
    }
}

fn incident(row: &PgRow) -> Result<Incident, Error> {
    let severity: String = row.try_get("severity").map_err(store_error)?;
    let severity = read("incident", "severity", Severity::from_text(&severity).ok_or("not a severity"))?;
    decoded(row, severity).map_err(store_error)
}

fn decoded(row: &PgRow, severity: Severity) -> Result<Incident, sqlx::Error> {
    let channel: Option<String> = row.try_get("slack_channel")?;
    let ts: Option<String> = row.try_get("slack_ts")?;
    Ok(Incident {
        id: row.try_get("id")?,
        raise: RaiseKept {
            fingerprint: row.try_get("fingerprint")?,
            rule: row.try_get("rule")?,
            severity,
            title: row.try_get("title")?,
            impact: row.try_get("impact")?,
            action: row.try_get("action")?,
            sample: row.try_get("sample")?,
            count: row.try_get("count")?,
        },
        revision: row.try_get("revision")?,
        first_seen: row.try_get("first_seen")?,
        last_seen: row.try_get("last_seen")?,
        resolved_at: row.try_get("resolved_at")?,
        told_at: row.try_get("told_at")?,
        told_revision: row.try_get("told_revision")?,
        tell_due_at: row.try_get("tell_due_at")?,
        slack: channel.zip(ts).map(|(channel, ts)| SlackRef { channel, ts }),
    })
}
