//! What was told of incidents, what silences them, and tests of the way on which people are told.

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{HELD_BACK, Incident, Severity, overtaken, silencing_rules};
use forebay_schemas::events::{MailOne, TellIncident};
use forebay_schemas::{Queue, Route};
use forebay_store::incidents::test_entry;
use forebay_store::{By, Error, SinkAnswer, Told};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::{Stop, store_error};
use crate::incidents::{incident, telling};
use crate::rows::read;
use crate::{PostgresStore, audit_log, outbox};

/// How long a test is kept.
const TESTS_KEPT: TimeDelta = TimeDelta::days(1);

/// The open incidents of rules that silence others. None of them ends before the transaction does.
pub(crate) async fn silencing(conn: &mut PgConnection) -> Result<Vec<Incident>, Stop> {
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and rule = any($1) order by fingerprint for share",
    )
    .bind(silencing_rules())
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(incident).collect::<Result<_, Error>>()?)
}

pub(crate) async fn silencing_now(pool: &PgPool) -> Result<Vec<Incident>, Error> {
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and rule = any($1) order by fingerprint",
    )
    .bind(silencing_rules())
    .fetch_all(pool)
    .await
    .map_err(store_error)?;
    rows.iter().map(incident).collect()
}

pub(crate) async fn told(
    conn: &mut PgConnection,
    told: &Told,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let (channel, ts) = told.slack.as_ref().map(|slack| (&slack.channel, &slack.ts)).unzip();
    let row = sqlx::query(
        "update incident set told_at = $3, told_revision = greatest(told_revision, $2),
             slack_channel = coalesce($4, slack_channel), slack_ts = coalesce($5, slack_ts),
             tell_due_at = case when tell_due_at > $3 or (revision > $2 and tell_due_at is distinct from $11)
                 then tell_due_at end,
             resolved_at = case when rule = $6 then coalesce(resolved_at, $3) else resolved_at end,
             told_count = $7, told_severity = $8, told_flaps = $9,
             heard_at = case when $10 then $3 else heard_at end,
             heard_count = case when $10 then $7 else heard_count end
         where id = $1 returning *",
    )
    .bind(told.incident_id)
    .bind(told.revision)
    .bind(now)
    .bind(channel)
    .bind(ts)
    .bind(HELD_BACK)
    .bind(told.said.count)
    .bind(told.said.severity.map(Severity::as_str))
    .bind(told.said.flaps)
    .bind(told.heard)
    .bind(told.due_at)
    .fetch_optional(&mut *conn)
    .await?;
    let incident = row.as_ref().map(incident).transpose()?;
    let mail = |mail: &MailOne| {
        let telling =
            TellIncident { mail: Some(mail.clone()), ..TellIncident::of(told.incident_id, told.revision) };
        NewOutbox::command(store.ids.next().to_string(), Route::Work(Queue::Notices), now, &telling)
    };
    let mut rows: Vec<NewOutbox> = told.mails.iter().map(mail).collect();
    let missed = incident.and_then(|known| overtaken(&known, now, &store.timing).map(|at| (known, at)));
    if let Some((incident, due_at)) = missed {
        sqlx::query("update incident set tell_due_at = $2 where id = $1")
            .bind(incident.id)
            .bind(due_at)
            .execute(&mut *conn)
            .await?;
        rows.push(telling(&incident, due_at, now, store));
    }
    Ok(outbox::write(conn, &rows, now).await?)
}

pub(crate) async fn hush(pool: &PgPool, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query("update incident set tell_due_at = null where id = $1 and tell_due_at <= $2")
        .bind(id)
        .bind(now)
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn ask_test(
    conn: &mut PgConnection,
    id: Uuid,
    rule: &str,
    by: &By,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    sqlx::query("delete from alert_test where asked_at < $1")
        .bind(now - TESTS_KEPT)
        .execute(&mut *conn)
        .await?;
    sqlx::query("insert into alert_test (id, asked_at) values ($1, $2)")
        .bind(id)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &test_entry(id, rule, by, now)).await?;
    let telling = TellIncident { test: Some(rule.to_owned()), ..TellIncident::of(id, 0) };
    let event = store.ids.next().to_string();
    let row = NewOutbox::command(event, Route::Work(Queue::Notices), now, &telling);
    Ok(outbox::write(conn, &[row], now).await?)
}

pub(crate) async fn answer_test(pool: &PgPool, id: Uuid, answers: &[SinkAnswer]) -> Result<(), Error> {
    let answers = serde_json::to_string(answers)
        .map_err(|error| Error::Refused(format!("a value has no JSON: {error}")))?;
    sqlx::query("update alert_test set answers = $2 where id = $1")
        .bind(id)
        .bind(answers)
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn test(pool: &PgPool, id: Uuid) -> Result<Option<Vec<SinkAnswer>>, Error> {
    let answers: Option<Option<String>> = sqlx::query_scalar("select answers from alert_test where id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    let answers = answers.flatten();
    answers.map(|answers| read("alert_test", "answers", serde_json::from_str(&answers))).transpose()
}
