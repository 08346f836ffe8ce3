//! What was told of incidents, what silences them, and tests of the way on which people are told.

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{HELD_BACK, Incident, Severity, overtaken, silencing_rules};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::incidents::test_entry;
use forebay_store::{By, Error, SinkAnswer, Told};
use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use crate::error::Fault;
use crate::incidents::{incident, telling};
use crate::rows::{json, micros, unreadable};
use crate::store::Tools;
use crate::{audit_log, outbox};

/// How long a test is kept.
const TESTS_KEPT: TimeDelta = TimeDelta::days(1);

/// The open incidents of rules that silence others.
pub(crate) async fn silencing(conn: &mut SqliteConnection) -> Result<Vec<Incident>, Fault> {
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and rule in (select value from json_each(?))
         order by fingerprint",
    )
    .bind(json(&silencing_rules())?)
    .fetch_all(conn)
    .await?;
    rows.iter().map(incident).collect()
}

pub(crate) async fn told(
    conn: &mut SqliteConnection,
    told: Told,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let (channel, ts) = told.slack.map(|slack| (slack.channel, slack.ts)).unzip();
    let row = sqlx::query(
        "update incident set told_at = ?3, told_revision = max(told_revision, ?2),
             slack_channel = coalesce(?4, slack_channel), slack_ts = coalesce(?5, slack_ts),
             tell_due_at = case when tell_due_at > ?3 or (revision > ?2 and tell_due_at is not ?11)
                 then tell_due_at end,
             resolved_at = case when rule = ?6 then coalesce(resolved_at, ?3) else resolved_at end,
             told_count = ?7, told_severity = ?8, told_flaps = ?9,
             heard_at = case when ?10 then ?3 else heard_at end,
             heard_count = case when ?10 then ?7 else heard_count end
         where id = ?1 returning *",
    )
    .bind(told.incident_id)
    .bind(told.revision)
    .bind(micros(now))
    .bind(channel)
    .bind(ts)
    .bind(HELD_BACK)
    .bind(told.said.count)
    .bind(told.said.severity.map(Severity::as_str))
    .bind(told.said.flaps)
    .bind(told.heard)
    .bind(told.due_at.map(micros))
    .fetch_optional(&mut *conn)
    .await?;
    let incident = row.as_ref().map(incident).transpose()?;
    let mail = |mail| {
        let telling = TellIncident { mail: Some(mail), ..TellIncident::of(told.incident_id, told.revision) };
        NewOutbox::command(tools.ids.next().to_string(), Route::Work(Queue::Notices), now, &telling)
    };
    let mut rows: Vec<NewOutbox> = told.mails.into_iter().map(mail).collect();
    let missed = incident.and_then(|known| overtaken(&known, now, &tools.timing).map(|at| (known, at)));
    if let Some((incident, due_at)) = missed {
        sqlx::query("update incident set tell_due_at = ? where id = ?")
            .bind(micros(due_at))
            .bind(incident.id)
            .execute(&mut *conn)
            .await?;
        rows.push(telling(&incident, due_at, now, tools));
    }
    outbox::write(conn, &rows, now).await
}

pub(crate) async fn hush(conn: &mut SqliteConnection, id: Uuid, now: DateTime<Utc>) -> Result<(), Fault> {
    sqlx::query("update incident set tell_due_at = null where id = ? and tell_due_at <= ?")
        .bind(id)
        .bind(micros(now))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn ask_test(
    conn: &mut SqliteConnection,
    id: Uuid,
    rule: String,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    sqlx::query("delete from alert_test where asked_at < ?")
        .bind(micros(now - TESTS_KEPT))
        .execute(&mut *conn)
        .await?;
    sqlx::query("insert into alert_test (id, asked_at) values (?, ?)")
        .bind(id)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &test_entry(id, &rule, by, now)).await?;
    let telling = TellIncident { test: Some(rule), ..TellIncident::of(id, 0) };
    let event = tools.ids.next().to_string();
    let row = NewOutbox::command(event, Route::Work(Queue::Notices), now, &telling);
    outbox::write(conn, &[row], now).await
}

pub(crate) async fn answer_test(conn: &mut SqliteConnection, id: Uuid, answers: String) -> Result<(), Fault> {
    sqlx::query("update alert_test set answers = ? where id = ?")
        .bind(answers)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn test(pool: &SqlitePool, id: Uuid) -> Result<Option<Vec<SinkAnswer>>, Error> {
    let answers: Option<Option<String>> = sqlx::query_scalar("select answers from alert_test where id = ?")
        .bind(id)
        .fetch_optional(pool)
        .await
        .map_err(Fault::from)?;
    let read = |answers: String| {
        serde_json::from_str(&answers).map_err(|error| unreadable("alert_test", "answers", error))
    };
    Ok(answers.flatten().map(read).transpose()?)
}
