//! Outside systems: breakers, limits set at run time, what is left of the day.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::breaker::{Breaker, BreakerPolicy, Change, Force, Tally};
use forebay_domain::limits::LiveLimits;
use forebay_domain::pacing::Share;
use forebay_store::breakers::{breaker_fingerprint, breaker_incident, force_entry, later, limits_entry};
use forebay_store::{Breakers, By, DayUse, Error, Standing, SystemView};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::Fault;
use crate::pacing::Gate;
use crate::rows::{Reading, json, micros, unreadable};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, incidents};

const SYSTEMS: &str = "select g.*, s.live, s.breaker from gate g left join outside_system s on s.key = g.key";

#[async_trait]
impl Breakers for SqliteStore {
    async fn systems(&self) -> Result<Vec<SystemView>, Error> {
        let statement = format!("{SYSTEMS} order by g.key");
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let now = self.clock.now();
        Ok(rows.iter().map(|row| view(row, now)).collect::<Result<_, Fault>>()?)
    }

    async fn report_calls(
        &self,
        key: &str,
        tally: &Tally,
        why: &str,
        credential: &str,
        policy: &BreakerPolicy,
    ) -> Result<Standing, Error> {
        let (key, why, credential) = (key.to_owned(), why.to_owned(), credential.to_owned());
        let (tally, policy, clock, tools) = (*tally, *policy, Arc::clone(&self.clock), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let SystemView { mut breaker, .. } = system(conn, &key, now).await?;
                let change = breaker.report(&tally, &why, &policy, now);
                if change != Change::None || breaker.bar.is_none() {
                    keep(conn, &key, &breaker, change, now).await?;
                    tell(conn, &key, &breaker, change, now, &tools).await?;
                }
                if tally.denied > 0 {
                    sqlx::query("update outside_system set credential = ? where key = ?")
                        .bind(&credential)
                        .bind(&key)
                        .execute(conn)
                        .await?;
                }
                Ok(Standing::of(&breaker, change, now))
            })
        })
        .await
    }

    async fn claim_probe(&self, key: &str, within: Duration) -> Result<bool, Error> {
        let (key, clock) = (key.to_owned(), Arc::clone(&self.clock));
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let claimed = sqlx::query(
                    "update outside_system set probe_claimed_until = ?3
                     where key = ?1 and (probe_claimed_until is null or probe_claimed_until <= ?2)
                         and exists (select 1 from gate where gate.key = ?1 and barred_until <= ?2)",
                )
                .bind(&key)
                .bind(micros(now))
                .bind(micros(later(now, within)))
                .execute(conn)
                .await?;
                Ok(claimed.rows_affected() == 1)
            })
        })
        .await
    }

    async fn renew_credential(&self, key: &str, credential: &str) -> Result<(), Error> {
        let (key, credential, clock) = (key.to_owned(), credential.to_owned(), Arc::clone(&self.clock));
        self.write(move |conn| Box::pin(async move { renew(conn, &key, &credential, clock.now()).await }))
            .await
    }

    async fn set_limits(
        &self,
        key: &str,
        live: &LiveLimits,
        expected: Option<i64>,
        by: &By,
    ) -> Result<(i64, bool), Error> {
        let (key, live, by, clock) = (key.to_owned(), *live, by.clone(), Arc::clone(&self.clock));
        self.write(move |conn| {
            Box::pin(async move { limit(conn, &key, &live, expected, &by, clock.now()).await })
        })
        .await
    }

    async fn force_breaker(&self, key: &str, force: Option<Force>, by: &By) -> Result<(), Error> {
        let (key, by, clock, tools) = (key.to_owned(), by.clone(), Arc::clone(&self.clock), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let SystemView { mut breaker, .. } = system(conn, &key, now).await?;
                let before = breaker.forced(now).cloned();
                let change = breaker.order(force, now);
                keep(conn, &key, &breaker, change, now).await?;
                tell(conn, &key, &breaker, change, now, &tools).await?;
                let entry = force_entry(&key, before.as_ref(), breaker.force.as_ref(), &by, now);
                audit_log::note(conn, &entry).await
            })
        })
        .await
    }
}

/// A system, whose rows are made when there are none.
async fn system(conn: &mut SqliteConnection, key: &str, now: DateTime<Utc>) -> Result<SystemView, Fault> {
    sqlx::query("insert into gate (key, tat) values (?, ?) on conflict (key) do nothing")
        .bind(key)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    sqlx::query("insert into outside_system (key) values (?) on conflict (key) do nothing")
        .bind(key)
        .execute(&mut *conn)
        .await?;
    let statement = format!("{SYSTEMS} where g.key = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key).fetch_one(conn).await?;
    view(&row, now)
}

async fn renew(
    conn: &mut SqliteConnection,
    key: &str,
    credential: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let renewed = sqlx::query(
        "update outside_system set credential = ?2 where key = ?1 and credential not in ('', ?2)",
    )
    .bind(key)
    .bind(credential)
    .execute(&mut *conn)
    .await?;
    if renewed.rows_affected() == 0 {
        return Ok(());
    }
    let SystemView { mut breaker, .. } = system(conn, key, now).await?;
    breaker.renewed(now);
    keep(conn, key, &breaker, Change::None, now).await
}

async fn limit(
    conn: &mut SqliteConnection,
    key: &str,
    live: &LiveLimits,
    expected: Option<i64>,
    by: &By,
    now: DateTime<Utc>,
) -> Result<(i64, bool), Fault> {
    let SystemView { version, live: before, .. } = system(conn, key, now).await?;
    if expected.is_some_and(|expected| expected != version) {
        return Ok((version, false));
    }
    sqlx::query("update gate set version = version + 1 where key = ?").bind(key).execute(&mut *conn).await?;
    sqlx::query("update outside_system set live = ? where key = ?")
        .bind(json(live)?)
        .bind(key)
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &limits_entry(key, &before, live, by, now)).await?;
    Ok((version + 1, true))
}

/// Writes the breaker where permits are granted, and its memory.
async fn keep(
    conn: &mut SqliteConnection,
    key: &str,
    breaker: &Breaker,
    change: Change,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let bar = breaker.bar.as_ref();
    sqlx::query(
        "update gate set barred_until = ?2, barred_why = ?3, probing = ?4,
             ramp_from = case when ?5 then ?6 else ramp_from end
         where key = ?1",
    )
    .bind(key)
    .bind(bar.map(|bar| micros(bar.until)))
    .bind(bar.map(|bar| bar.why.clone()))
    .bind(bar.is_some_and(|bar| bar.probing))
    .bind(change == Change::Closed)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query("update outside_system set breaker = ?, probe_claimed_until = null where key = ?")
        .bind(json(breaker)?)
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

async fn tell(
    conn: &mut SqliteConnection,
    key: &str,
    breaker: &Breaker,
    change: Change,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    match change {
        Change::Opened => {
            incidents::raise(conn, breaker_incident(key, breaker).into_iter().collect(), now, tools).await
        }
        Change::Closed => incidents::resolve(conn, &[breaker_fingerprint(key)], now, tools).await,
        Change::None | Change::Reopened => Ok(()),
    }
}

fn view(row: &SqliteRow, now: DateTime<Utc>) -> Result<SystemView, Fault> {
    let reading = Reading::of("gate", row);
    let gate = Gate::of(reading)?;
    let text = |column: &'static str| reading.get::<Option<String>>(column);
    let mut breaker = match text("breaker")? {
        Some(memory) => {
            serde_json::from_str(&memory).map_err(|error| unreadable("outside_system", "breaker", error))?
        }
        None => Breaker::default(),
    };
    // A probe that was granted stands in the narrow row alone.
    if let (Some(bar), Some((until, _))) = (&mut breaker.bar, &gate.barred) {
        (bar.until, bar.probing) = (*until, gate.probing);
    }
    let used = u32::try_from(gate.day_used)
        .map_err(|_| unreadable("gate", "day_used", format!("{} is out of range", gate.day_used)))?;
    Ok(SystemView {
        key: reading.get("key")?,
        version: gate.version,
        live: match text("live")? {
            Some(live) => {
                serde_json::from_str(&live).map_err(|error| unreadable("outside_system", "live", error))?
            }
            None => LiveLimits::default(),
        },
        share: Share(gate.share),
        recovering_from: gate.ramp_from,
        gate: gate.closed,
        day: gate.day.map(|(from, until)| DayUse { from, until, used }),
        breaker,
        now,
    })
}
