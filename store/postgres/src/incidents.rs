//! Incidents.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{
    About, Change, FLAPS_WITHIN, Handled, Handling, HeldBack, Incident, Order, Pace, Raise, RaiseKept, Said,
    Severity, SlackRef, handled, held_back, hush, may_be_silenced, outlived, raised, resolved, rules_told,
    silenced_by_rules, silencing_rules, summed_up,
};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::incidents::order_entry;
use forebay_store::{By, Error, IncidentFilter, Incidents, Ordered, SinkAnswer, Told};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{page, read, storable};
use crate::{PostgresStore, audit_log, outbox, tellings};

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
    let silencing = silencing_of(conn, &raises).await?;
    let mut known = lock_known(conn, raises.iter().map(|r| r.fingerprint.as_str()).collect(), now).await?;
    let mut changes: Vec<Change> = raises
        .iter()
        .map(|raise| raised(known.remove(&raise.fingerprint), raise, now, store.ids.next(), &store.timing))
        .collect();
    changes.iter_mut().for_each(|change| hush(change, &silencing));
    hold_back_and_sum_up(conn, &mut changes, now, store).await?;
    write(conn, &changes, now, store).await
}

/// Takes away the tellings that are too many of their rule, and counts them in the rule's summary.
async fn hold_back_and_sum_up(
    conn: &mut PgConnection,
    changes: &mut Vec<Change>,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let held = hold_back(conn, changes, now).await?;
    if !held.is_empty() {
        let fingerprints = held.iter().map(|held| held.summary.fingerprint.as_str()).collect();
        let mut open = lock_open(conn, fingerprints).await?;
        let summary =
            |held: &HeldBack| summed_up(open.remove(&held.summary.fingerprint), held, now, store.ids.next());
        changes.extend(held.iter().map(summary));
    }
    Ok(())
}

/// The open incidents that could silence what these raises open. Who ends one of them waits for us, or we for them.
async fn silencing_of(conn: &mut PgConnection, raises: &[Raise]) -> Result<Vec<Incident>, Stop> {
    if raises.iter().any(|raise| may_be_silenced(raise.rule.as_str())) {
        tellings::silencing(conn).await
    } else {
        Ok(Vec::new())
    }
}

/// Takes away the tellings that are too many of their rule, over all workers.
async fn hold_back(
    conn: &mut PgConnection,
    changes: &mut [Change],
    now: DateTime<Utc>,
) -> Result<Vec<HeldBack>, Stop> {
    let rules = rules_told(changes);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(
        "insert into telling_pace (rule, planned) select rule, '{}' from unnest($1::text[]) rule on conflict do nothing",
    )
    .bind(&rules)
    .execute(&mut *conn)
    .await?;
    let rows: Vec<(String, Vec<DateTime<Utc>>)> = sqlx::query_as(
        "select rule, planned from telling_pace where rule = any($1) order by rule for update",
    )
    .bind(&rules)
    .fetch_all(&mut *conn)
    .await?;
    let mut paces: BTreeMap<String, Pace> =
        rows.into_iter().map(|(rule, planned)| (rule, Pace::new(planned))).collect();
    let held = held_back(changes, &mut paces, now);
    for (rule, pace) in &paces {
        sqlx::query("update telling_pace set planned = $2 where rule = $1")
            .bind(rule)
            .bind(pace.planned())
            .execute(&mut *conn)
            .await?;
    }
    Ok(held)
}

/// Resolves within the transaction of what was seen.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    fingerprints: &[String],
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let open = lock_open(conn, fingerprints.iter().map(String::as_str).collect()).await?;
    let mut changes: Vec<Change> = open.into_values().map(|incident| resolved(incident, now)).collect();
    let mut outlived = outlived_by(conn, &changes, now, store).await?;
    hold_back_and_sum_up(conn, &mut outlived, now, store).await?;
    changes.append(&mut outlived);
    write(conn, &changes, now, store).await
}

/// What the incidents that ended silenced, and nothing else does. They are locked, so that who opens another one
/// either is seen here or sees their end.
async fn outlived_by(
    conn: &mut PgConnection,
    ended: &[Change],
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<Vec<Change>, Stop> {
    let ended: Vec<Incident> = ended.iter().map(|change| change.incident.clone()).collect();
    let rules = silenced_by_rules(&ended);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let is_over = |incident: &Incident| ended.iter().any(|over| over.id == incident.id);
    let mut open = tellings::silencing(conn).await?;
    open.retain(|incident| !is_over(incident));
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and rule = any($1) order by fingerprint for update",
    )
    .bind(&rules)
    .fetch_all(conn)
    .await?;
    let silenced = rows.iter().map(incident).collect::<Result<Vec<_>, Error>>()?;
    let silenced = silenced.into_iter().filter(|incident| !is_over(incident));
    Ok(silenced.filter_map(|incident| outlived(incident, &ended, &open, now, &store.timing)).collect())
}

/// The open incidents of these fingerprints, those that silence others first, and for the others the last one that ended not long ago.
async fn lock_known(
    conn: &mut PgConnection,
    fingerprints: Vec<&str>,
    now: DateTime<Utc>,
) -> Result<HashMap<String, Incident>, Stop> {
    let rows = sqlx::query(
        "select * from incident i where fingerprint = any($1) and (resolved_at is null or resolved_at > $2)
             and not exists (select from incident later where later.fingerprint = i.fingerprint
                 and i.resolved_at is not null
                 and (later.resolved_at is null or (later.resolved_at, later.id) > (i.resolved_at, i.id)))
         order by rule = any($3) desc, fingerprint for update",
    )
    .bind(fingerprints)
    .bind(now - FLAPS_WITHIN)
    .bind(silencing_rules())
    .fetch_all(conn)
    .await?;
    by_fingerprint(&rows)
}

async fn lock_open(
    conn: &mut PgConnection,
    fingerprints: Vec<&str>,
) -> Result<HashMap<String, Incident>, Stop> {
    let rows = sqlx::query(
        "select * from incident where fingerprint = any($1) and resolved_at is null
         order by rule = any($2) desc, fingerprint for update",
    )
    .bind(fingerprints)
    .bind(silencing_rules())
    .fetch_all(conn)
    .await?;
    by_fingerprint(&rows)
}

fn by_fingerprint(rows: &[PgRow]) -> Result<HashMap<String, Incident>, Stop> {
    let read = rows.iter().map(incident).map(|i| i.map(|i| (i.raise.fingerprint.clone(), i)));
    Ok(read.collect::<Result<_, Error>>()?)
}

async fn write(
    conn: &mut PgConnection,
    changes: &[Change],
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let mut tellings = Vec::new();
    for Change { incident, tell_at, also_now, .. } in changes {
        upsert(conn, incident).await?;
        if let Some(due_at) = *tell_at {
            tellings.push(telling(incident, due_at, now, store));
            if *also_now {
                tellings.push(telling(incident, now, now, store));
            }
        }
    }
    Ok(outbox::write(conn, &tellings, now).await?)
}

pub(crate) fn telling(
    incident: &Incident,
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> NewOutbox {
    let telling = TellIncident::of(incident.id, incident.revision);
    let id = store.ids.next().to_string();
    NewOutbox { due_at, ..NewOutbox::command(id, Route::Work(Queue::Notices), now, &telling) }
}

async fn upsert(conn: &mut PgConnection, incident: &Incident) -> Result<(), sqlx::Error> {
    let Incident { id, raise, handling, .. } = incident;
    let acked = handling.acknowledged.as_ref();
    let snoozed = handling.snoozed.as_ref();
    sqlx::query(
        "insert into incident (id, fingerprint, rule, severity, title, impact, action, sample, count, revision,
                               first_seen, last_seen, resolved_at, told_revision, tell_due_at,
                               acked_at, acked_by, snoozed_at, snoozed_by, snoozed_until, flaps, about)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         on conflict (id) do update set rule = excluded.rule, about = excluded.about, severity = excluded.severity, title = excluded.title,
             impact = excluded.impact, action = excluded.action, sample = excluded.sample, count = excluded.count,
             revision = excluded.revision, last_seen = excluded.last_seen, resolved_at = excluded.resolved_at,
             tell_due_at = excluded.tell_due_at, acked_at = excluded.acked_at, acked_by = excluded.acked_by,
             snoozed_at = excluded.snoozed_at, snoozed_by = excluded.snoozed_by,
             snoozed_until = excluded.snoozed_until, flaps = excluded.flaps",
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
    .bind(acked.map(|acked| acked.at))
    .bind(acked.map(|acked| storable(&acked.by)))
    .bind(snoozed.map(|(snoozed, _)| snoozed.at))
    .bind(snoozed.map(|(snoozed, _)| storable(&snoozed.by)))
    .bind(snoozed.map(|(_, until)| *until))
    .bind(incident.flaps)
    .bind(raise.about.as_ref().map(|about| storable(&about.to_text()).into_owned()))
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
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = tellings::told(&mut tx, &told, now, self).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }

    async fn silencing_incidents(&self) -> Result<Vec<Incident>, Error> {
        tellings::silencing_now(&self.pool).await
    }

    async fn hush_incident(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
        tellings::hush(&self.pool, id, now).await
    }

    async fn ask_alert_test(&self, id: Uuid, rule: &str, by: &By, now: DateTime<Utc>) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = tellings::ask_test(&mut tx, id, rule, by, now, self).await;
            if let Some(()) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(());
            }
        }
    }

    async fn answer_alert_test(&self, id: Uuid, answers: &[SinkAnswer]) -> Result<(), Error> {
        tellings::answer_test(&self.pool, id, answers).await
    }

    async fn alert_test(&self, id: Uuid) -> Result<Option<Vec<SinkAnswer>>, Error> {
        tellings::test(&self.pool, id).await
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

    async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Incident>, Error> {
        let rows = sqlx::query(
            "select * from incident
             where ($1::uuid is null or (first_seen, id) < (select first_seen, id from incident where id = $1))
               and ($2::bool is null or (resolved_at is null) = $2) and ($3::text is null or rule = $3)
             order by first_seen desc, id desc limit $4",
        )
        .bind(after)
        .bind(filter.open)
        .bind(filter.rule.as_deref().map(storable))
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.iter().map(incident).collect()
    }

    async fn order_incident(
        &self,
        id: Uuid,
        order: Order,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Ordered, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = ordered(&mut tx, id, order, by, now, self).await;
            if let Some(done) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(done);
            }
        }
    }
}

async fn ordered(
    conn: &mut PgConnection,
    id: Uuid,
    order: Order,
    by: &By,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<Ordered, Stop> {
    let row = sqlx::query("select * from incident where id = $1 for update")
        .bind(id)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(found) = row.as_ref().map(incident).transpose()? else { return Ok(Ordered::NotThere) };
    if found.resolved_at.is_some() {
        return Ok(Ordered::Over);
    }
    let Some(change) = handled(found.clone(), order, &by.actor, now) else {
        return Ok(Ordered::Done { incident: Box::new(found), unchanged: true });
    };
    audit_log::note(conn, &order_entry(order, &found.handling, &change.incident, by, now)).await?;
    write(conn, std::slice::from_ref(&change), now, store).await?;
    Ok(Ordered::Done { incident: Box::new(change.incident), unchanged: false })
}

pub(crate) fn incident(row: &PgRow) -> Result<Incident, Error> {
    let severity: String = row.try_get("severity").map_err(store_error)?;
    let severity = read("incident", "severity", Severity::from_text(&severity).ok_or("not a severity"))?;
    decoded(row, severity).map_err(store_error)
}

fn decoded(row: &PgRow, severity: Severity) -> Result<Incident, sqlx::Error> {
    let channel: Option<String> = row.try_get("slack_channel")?;
    let ts: Option<String> = row.try_get("slack_ts")?;
    let about: Option<String> = row.try_get("about")?;
    let told_severity: Option<String> = row.try_get("told_severity")?;
    Ok(Incident {
        id: row.try_get("id")?,
        raise: RaiseKept {
            fingerprint: row.try_get("fingerprint")?,
            rule: row.try_get("rule")?,
            about: about.as_deref().and_then(About::from_text),
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
        told: Said {
            count: row.try_get("told_count")?,
            severity: told_severity.as_deref().and_then(Severity::from_text),
            flaps: row.try_get("told_flaps")?,
        },
        heard_at: row.try_get("heard_at")?,
        heard_count: row.try_get("heard_count")?,
        tell_due_at: row.try_get("tell_due_at")?,
        slack: channel.zip(ts).map(|(channel, ts)| SlackRef { channel, ts }),
        handling: Handling {
            acknowledged: who(row, "acked_at", "acked_by")?,
            snoozed: who(row, "snoozed_at", "snoozed_by")?.zip(row.try_get("snoozed_until")?),
        },
        flaps: row.try_get("flaps")?,
    })
}

fn who(row: &PgRow, at: &str, by: &str) -> Result<Option<Handled>, sqlx::Error> {
    let at: Option<DateTime<Utc>> = row.try_get(at)?;
    Ok(at.zip(row.try_get(by)?).map(|(at, by)| Handled { at, by }))
}
