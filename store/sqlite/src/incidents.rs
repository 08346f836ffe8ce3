//! Incidents.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::incident::{
    About, Change, FLAPS_WITHIN, Handled, Handling, HeldBack, Incident, Order, Pace, Raise, RaiseKept, Said,
    Severity, SlackRef, handled, held_back, hush, may_be_silenced, outlived, raised, resolved, rules_told,
    silenced_by_rules, summed_up,
};
use forebay_schemas::events::TellIncident;
use forebay_schemas::{Queue, Route};
use forebay_store::incidents::order_entry;
use forebay_store::{By, Error, IncidentFilter, Incidents, Ordered, SinkAnswer, Told};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, json, micros, page, unreadable};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, outbox, tellings};

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
    let silencing = silencing_of(conn, &raises).await?;
    let mut known = known(conn, raises.iter().map(|r| r.fingerprint.as_str()).collect(), now).await?;
    let mut changes: Vec<Change> = raises
        .iter()
        .map(|raise| raised(known.remove(&raise.fingerprint), raise, now, tools.ids.next(), &tools.timing))
        .collect();
    changes.iter_mut().for_each(|change| hush(change, &silencing));
    hold_back_and_sum_up(conn, &mut changes, now, tools).await?;
    write(conn, &changes, now, tools).await
}

/// Takes away the tellings that are too many of their rule, and counts them in the rule's summary.
async fn hold_back_and_sum_up(
    conn: &mut SqliteConnection,
    changes: &mut Vec<Change>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let held = hold_back(conn, changes, now).await?;
    if !held.is_empty() {
        let fingerprints = held.iter().map(|held| held.summary.fingerprint.as_str()).collect();
        let mut open = open(conn, fingerprints).await?;
        let summary =
            |held: &HeldBack| summed_up(open.remove(&held.summary.fingerprint), held, now, tools.ids.next());
        changes.extend(held.iter().map(summary));
    }
    Ok(())
}

/// The open incidents that could silence what these raises open. Who ends one of them waits for us, or we for them.
async fn silencing_of(conn: &mut SqliteConnection, raises: &[Raise]) -> Result<Vec<Incident>, Fault> {
    if raises.iter().any(|raise| may_be_silenced(raise.rule.as_str())) {
        tellings::silencing(conn).await
    } else {
        Ok(Vec::new())
    }
}

/// Takes away the tellings that are too many of their rule.
async fn hold_back(
    conn: &mut SqliteConnection,
    changes: &mut [Change],
    now: DateTime<Utc>,
) -> Result<Vec<HeldBack>, Fault> {
    let rules = rules_told(changes);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select rule, planned from telling_pace where rule in (select value from json_each(?))",
    )
    .bind(json(&rules)?)
    .fetch_all(&mut *conn)
    .await?;
    let mut paces = BTreeMap::new();
    for (rule, planned) in rows {
        let planned: Vec<DateTime<Utc>> =
            serde_json::from_str(&planned).map_err(|error| unreadable("telling_pace", "planned", error))?;
        paces.insert(rule, Pace::new(planned));
    }
    let held = held_back(changes, &mut paces, now);
    for (rule, pace) in &paces {
        sqlx::query(
            "insert into telling_pace (rule, planned) values (?, ?)
             on conflict (rule) do update set planned = excluded.planned",
        )
        .bind(rule)
        .bind(json(&pace.planned())?)
        .execute(&mut *conn)
        .await?;
    }
    Ok(held)
}

/// The open incidents of these fingerprints, and for the others the last one that ended not long ago.
async fn known(
    conn: &mut SqliteConnection,
    fingerprints: Vec<&str>,
    now: DateTime<Utc>,
) -> Result<HashMap<String, Incident>, Fault> {
    let rows = sqlx::query(
        "select * from incident i
         where fingerprint in (select value from json_each(?1)) and (resolved_at is null or resolved_at > ?2)
             and not exists (select 1 from incident later where later.fingerprint = i.fingerprint
                 and i.resolved_at is not null
                 and (later.resolved_at is null or (later.resolved_at, later.id) > (i.resolved_at, i.id)))",
    )
    .bind(json(&fingerprints)?)
    .bind(micros(now - FLAPS_WITHIN))
    .fetch_all(conn)
    .await?;
    by_fingerprint(&rows)
}

/// Resolves within the transaction of what was seen.
pub(crate) async fn resolve(
    conn: &mut SqliteConnection,
    fingerprints: &[String],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let open = open(conn, fingerprints.iter().map(String::as_str).collect()).await?;
    let mut changes: Vec<Change> = open.into_values().map(|incident| resolved(incident, now)).collect();
    let mut outlived = outlived_by(conn, &changes, now, tools).await?;
    hold_back_and_sum_up(conn, &mut outlived, now, tools).await?;
    changes.append(&mut outlived);
    write(conn, &changes, now, tools).await
}

/// What the incidents that ended silenced, and nothing else does.
async fn outlived_by(
    conn: &mut SqliteConnection,
    ended: &[Change],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Vec<Change>, Fault> {
    let ended: Vec<Incident> = ended.iter().map(|change| change.incident.clone()).collect();
    let rules = silenced_by_rules(&ended);
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let is_over = |incident: &Incident| ended.iter().any(|over| over.id == incident.id);
    let mut open = tellings::silencing(conn).await?;
    open.retain(|incident| !is_over(incident));
    let rows = sqlx::query(
        "select * from incident where resolved_at is null and rule in (select value from json_each(?))
         order by fingerprint",
    )
    .bind(json(&rules)?)
    .fetch_all(conn)
    .await?;
    let silenced = rows.iter().map(incident).collect::<Result<Vec<_>, Fault>>()?;
    let silenced = silenced.into_iter().filter(|incident| !is_over(incident));
    Ok(silenced.filter_map(|incident| outlived(incident, &ended, &open, now, &tools.timing)).collect())
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
    by_fingerprint(&rows)
}

fn by_fingerprint(rows: &[SqliteRow]) -> Result<HashMap<String, Incident>, Fault> {
    rows.iter().map(incident).map(|read| read.map(|i| (i.raise.fingerprint.clone(), i))).collect()
}

async fn write(
    conn: &mut SqliteConnection,
    changes: &[Change],
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let mut tellings = Vec::new();
    for Change { incident, tell_at, also_now, .. } in changes {
        upsert(conn, incident).await?;
        if let Some(due_at) = *tell_at {
            tellings.push(telling(incident, due_at, now, tools));
            if *also_now {
                tellings.push(telling(incident, now, now, tools));
            }
        }
    }
    outbox::write(conn, &tellings, now).await
}

pub(crate) fn telling(
    incident: &Incident,
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> NewOutbox {
    let telling = TellIncident::of(incident.id, incident.revision);
    let id = tools.ids.next().to_string();
    NewOutbox { due_at, ..NewOutbox::command(id, Route::Work(Queue::Notices), now, &telling) }
}

async fn upsert(conn: &mut SqliteConnection, incident: &Incident) -> Result<(), Fault> {
    let Incident { id, raise, handling, .. } = incident;
    let acked = handling.acknowledged.as_ref();
    let snoozed = handling.snoozed.as_ref();
    sqlx::query(
        "insert into incident (id, fingerprint, rule, severity, title, impact, action, sample, count, revision,
                               first_seen, last_seen, resolved_at, told_revision, tell_due_at,
                               acked_at, acked_by, snoozed_at, snoozed_by, snoozed_until, flaps, about)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
    .bind(acked.map(|acked| micros(acked.at)))
    .bind(acked.map(|acked| &acked.by))
    .bind(snoozed.map(|(snoozed, _)| micros(snoozed.at)))
    .bind(snoozed.map(|(snoozed, _)| &snoozed.by))
    .bind(snoozed.map(|(_, until)| micros(*until)))
    .bind(incident.flaps)
    .bind(raise.about.as_ref().map(About::to_text))
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

    async fn told(&self, told: Told, now: DateTime<Utc>) -> Result<(), Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { tellings::told(conn, told, now, &tools).await })
        })
        .await
    }

    async fn silencing_incidents(&self) -> Result<Vec<Incident>, Error> {
        Ok(tellings::silencing(&mut *self.db.read().acquire().await.map_err(Fault::from)?).await?)
    }

    async fn hush_incident(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), Error> {
        self.write(move |conn| Box::pin(tellings::hush(conn, id, now))).await
    }

    async fn ask_alert_test(&self, id: Uuid, rule: &str, by: &By, now: DateTime<Utc>) -> Result<(), Error> {
        let (rule, by, tools) = (rule.to_owned(), by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { tellings::ask_test(conn, id, rule, &by, now, &tools).await })
        })
        .await
    }

    async fn answer_alert_test(&self, id: Uuid, answers: &[SinkAnswer]) -> Result<(), Error> {
        let answers = json(&answers).map_err(Error::from)?;
        self.write(move |conn| Box::pin(tellings::answer_test(conn, id, answers))).await
    }

    async fn alert_test(&self, id: Uuid) -> Result<Option<Vec<SinkAnswer>>, Error> {
        tellings::test(self.db.read(), id).await
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

    async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Incident>, Error> {
        let rows = sqlx::query(
            "select * from incident
             where (?1 is null or (first_seen, id) < (select first_seen, id from incident where id = ?1))
               and (?2 is null or (resolved_at is null) = ?2) and (?3 is null or rule = ?3)
             order by first_seen desc, id desc limit ?4",
        )
        .bind(after)
        .bind(filter.open)
        .bind(&filter.rule)
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(incident).collect::<Result<_, _>>()?)
    }

    async fn order_incident(
        &self,
        id: Uuid,
        order: Order,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Ordered, Error> {
        let (by, tools) = (by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { ordered(conn, id, order, &by, now, &tools).await })
        })
        .await
    }
}

async fn ordered(
    conn: &mut SqliteConnection,
    id: Uuid,
    order: Order,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Ordered, Fault> {
    let row = sqlx::query("select * from incident where id = ?").bind(id).fetch_optional(&mut *conn).await?;
    let Some(found) = row.as_ref().map(incident).transpose()? else { return Ok(Ordered::NotThere) };
    if found.resolved_at.is_some() {
        return Ok(Ordered::Over);
    }
    let Some(change) = handled(found.clone(), order, &by.actor, now) else {
        return Ok(Ordered::Done { incident: Box::new(found), unchanged: true });
    };
    audit_log::note(conn, &order_entry(order, &found.handling, &change.incident, by, now)).await?;
    write(conn, std::slice::from_ref(&change), now, tools).await?;
    Ok(Ordered::Done { incident: Box::new(change.incident), unchanged: false })
}

pub(crate) fn incident(row: &SqliteRow) -> Result<Incident, Fault> {
    let row = Reading::of("incident", row);
    let severity = Severity::from_text(row.get("severity")?);
    let channel: Option<String> = row.get("slack_channel")?;
    let ts: Option<String> = row.get("slack_ts")?;
    let about: Option<String> = row.get("about")?;
    let told_severity: Option<String> = row.get("told_severity")?;
    Ok(Incident {
        id: row.get("id")?,
        raise: RaiseKept {
            fingerprint: row.get("fingerprint")?,
            rule: row.get("rule")?,
            about: about.as_deref().and_then(About::from_text),
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
        told: Said {
            count: row.get("told_count")?,
            severity: told_severity.as_deref().and_then(Severity::from_text),
            flaps: row.get("told_flaps")?,
        },
        heard_at: row.instant_if_any("heard_at")?,
        heard_count: row.get("heard_count")?,
        tell_due_at: row.instant_if_any("tell_due_at")?,
        slack: channel.zip(ts).map(|(channel, ts)| SlackRef { channel, ts }),
        handling: Handling {
            acknowledged: who(&row, "acked_at", "acked_by")?,
            snoozed: who(&row, "snoozed_at", "snoozed_by")?.zip(row.instant_if_any("snoozed_until")?),
        },
        flaps: row.get("flaps")?,
    })
}

fn who(row: &Reading<'_>, at: &'static str, by: &'static str) -> Result<Option<Handled>, Fault> {
    let by: Option<String> = row.get(by)?;
    Ok(row.instant_if_any(at)?.zip(by).map(|(at, by)| Handled { at, by }))
}
