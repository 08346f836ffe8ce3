//! Outside systems: breakers, limits set at run time, what is left of the day.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::breaker::{Breaker, BreakerPolicy, Change, Force, Tally};
use forebay_domain::limits::LiveLimits;
use forebay_domain::pacing::Share;
use forebay_store::breakers::{breaker_fingerprint, breaker_incident, force_entry, limits_entry};
use forebay_store::{Breakers, By, DayUse, Error, Standing, SystemView};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::pacing::micros;
use crate::rows::{narrow, read, storable};
use crate::{PostgresStore, audit_log, incidents};

const SYSTEMS: &str = "select g.key, g.version, g.ramp_from, g.share, g.closed_until, g.reason, g.day_from,
        g.day_until, g.day_used, g.barred_until, g.probing, s.live, s.breaker, clock_timestamp() as now
    from gate g left join outside_system s on s.key = g.key";

#[async_trait]
impl Breakers for PostgresStore {
    async fn systems(&self) -> Result<Vec<SystemView>, Error> {
        let statement = format!("{SYSTEMS} order by g.key");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&self.pool).await.map_err(store_error)?;
        rows.iter().map(view).collect()
    }

    async fn report_calls(
        &self,
        key: &str,
        tally: &Tally,
        why: &str,
        credential: &str,
        policy: &BreakerPolicy,
    ) -> Result<Standing, Error> {
        let why = storable(why);
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = report(&mut tx, key, tally, &why, credential, policy, self).await;
            if let Some(standing) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(standing);
            }
        }
    }

    async fn claim_probe(&self, key: &str, within: Duration) -> Result<bool, Error> {
        let claimed = sqlx::query(
            "update outside_system s set probe_claimed_until = clock_timestamp() + $2 * interval '1 microsecond'
             from gate g
             where s.key = $1 and g.key = s.key and g.barred_until <= clock_timestamp()
                 and (s.probe_claimed_until is null or s.probe_claimed_until <= clock_timestamp())",
        )
        .bind(key)
        .bind(micros(within))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(claimed.rows_affected() == 1)
    }

    async fn renew_credential(&self, key: &str, credential: &str) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = renew(&mut tx, key, credential).await;
            if tries.end(tx, done, self.ids.as_ref()).await?.is_some() {
                return Ok(());
            }
        }
    }

    async fn set_limits(
        &self,
        key: &str,
        live: &LiveLimits,
        expected: Option<i64>,
        by: &By,
    ) -> Result<(i64, bool), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = limit(&mut tx, key, live, expected, by).await;
            if let Some(answer) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(answer);
            }
        }
    }

    async fn force_breaker(&self, key: &str, force: Option<Force>, by: &By) -> Result<(), Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = order(&mut tx, key, force.clone(), by, self).await;
            if tries.end(tx, done, self.ids.as_ref()).await?.is_some() {
                return Ok(());
            }
        }
    }
}

/// Locks a system's row, which is made when there is none.
async fn lock(conn: &mut PgConnection, key: &str) -> Result<SystemView, Stop> {
    sqlx::query("insert into gate (key, tat) values ($1, '-infinity') on conflict (key) do nothing")
        .bind(key)
        .execute(&mut *conn)
        .await?;
    sqlx::query("select from gate where key = $1 for update").bind(key).execute(&mut *conn).await?;
    sqlx::query("insert into outside_system (key) values ($1) on conflict (key) do nothing")
        .bind(key)
        .execute(&mut *conn)
        .await?;
    let statement = format!("{SYSTEMS} where g.key = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key).fetch_one(conn).await?;
    Ok(view(&row)?)
}

async fn report(
    conn: &mut PgConnection,
    key: &str,
    tally: &Tally,
    why: &str,
    credential: &str,
    policy: &BreakerPolicy,
    store: &PostgresStore,
) -> Result<Standing, Stop> {
    let SystemView { mut breaker, now, .. } = lock(conn, key).await?;
    let change = breaker.report(tally, why, policy, now);
    if change != Change::None || breaker.bar.is_none() {
        keep(conn, key, &breaker, change, now).await?;
        tell(conn, key, &breaker, change, now, store).await?;
    }
    if tally.denied > 0 {
        sqlx::query("update outside_system set credential = $2 where key = $1")
            .bind(key)
            .bind(credential)
            .execute(conn)
            .await?;
    }
    Ok(Standing::of(&breaker, change, now))
}

async fn renew(conn: &mut PgConnection, key: &str, credential: &str) -> Result<(), Stop> {
    let renewed = sqlx::query(
        "update outside_system set credential = $2 where key = $1 and credential not in ('', $2)",
    )
    .bind(key)
    .bind(credential)
    .execute(&mut *conn)
    .await?;
    if renewed.rows_affected() == 0 {
        return Ok(());
    }
    let SystemView { mut breaker, now, .. } = lock(conn, key).await?;
    breaker.renewed(now);
    keep(conn, key, &breaker, Change::None, now).await
}

async fn limit(
    conn: &mut PgConnection,
    key: &str,
    live: &LiveLimits,
    expected: Option<i64>,
    by: &By,
) -> Result<(i64, bool), Stop> {
    let SystemView { version, live: before, now, .. } = lock(conn, key).await?;
    if expected.is_some_and(|expected| expected != version) {
        return Ok((version, false));
    }
    sqlx::query("update gate set version = version + 1 where key = $1").bind(key).execute(&mut *conn).await?;
    sqlx::query("update outside_system set live = $2 where key = $1")
        .bind(key)
        .bind(json(live)?)
        .execute(&mut *conn)
        .await?;
    audit_log::note(conn, &limits_entry(key, &before, live, by, now)).await?;
    Ok((version + 1, true))
}

async fn order(
    conn: &mut PgConnection,
    key: &str,
    force: Option<Force>,
    by: &By,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let SystemView { mut breaker, now, .. } = lock(conn, key).await?;
    let before = breaker.forced(now).cloned();
    let change = breaker.order(force, now);
    keep(conn, key, &breaker, change, now).await?;
    tell(conn, key, &breaker, change, now, store).await?;
    let entry = force_entry(key, before.as_ref(), breaker.force.as_ref(), by, now);
    Ok(audit_log::note(conn, &entry).await?)
}

/// Writes the breaker where permits are granted, and its memory.
async fn keep(
    conn: &mut PgConnection,
    key: &str,
    breaker: &Breaker,
    change: Change,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let bar = breaker.bar.as_ref();
    sqlx::query(
        "update gate set barred_until = $2, barred_why = $3, probing = $4,
             ramp_from = case when $5 then $6 else ramp_from end
         where key = $1",
    )
    .bind(key)
    .bind(bar.map(|bar| bar.until))
    .bind(bar.map(|bar| storable(&bar.why)))
    .bind(bar.is_some_and(|bar| bar.probing))
    .bind(change == Change::Closed)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update outside_system set breaker = $2, probe_claimed_until = null where key = $1")
        .bind(key)
        .bind(json(breaker)?)
        .execute(conn)
        .await?;
    Ok(())
}

async fn tell(
    conn: &mut PgConnection,
    key: &str,
    breaker: &Breaker,
    change: Change,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    match change {
        Change::Opened => {
            incidents::raise(conn, breaker_incident(key, breaker).into_iter().collect(), now, store).await
        }
        Change::Closed => incidents::resolve(conn, &[breaker_fingerprint(key)], now, store).await,
        Change::None | Change::Reopened => Ok(()),
    }
}

fn view(row: &PgRow) -> Result<SystemView, Error> {
    let get_instant =
        |column: &'static str| read("gate", column, row.try_get::<Option<DateTime<Utc>>, _>(column));
    let live: Option<String> = read("outside_system", "live", row.try_get("live"))?;
    let memory: Option<String> = read("outside_system", "breaker", row.try_get("breaker"))?;
    let mut breaker: Breaker = match memory {
        Some(memory) => read("outside_system", "breaker", serde_json::from_str(&memory))?,
        None => Breaker::default(),
    };
    // A probe that was granted stands in the narrow row alone.
    if let (Some(bar), Some(until)) = (&mut breaker.bar, get_instant("barred_until")?) {
        bar.until = until;
        bar.probing = read("gate", "probing", row.try_get("probing"))?;
    }
    let reason: Option<String> = read("gate", "reason", row.try_get("reason"))?;
    let used: i64 = read("gate", "day_used", row.try_get("day_used"))?;
    let used = narrow("gate", "day_used", used)?;
    let day = get_instant("day_from")?.zip(get_instant("day_until")?);
    Ok(SystemView {
        key: read("gate", "key", row.try_get("key"))?,
        version: read("gate", "version", row.try_get("version"))?,
        live: match live {
            Some(live) => read("outside_system", "live", serde_json::from_str(&live))?,
            None => LiveLimits::default(),
        },
        share: Share(read("gate", "share", row.try_get("share"))?),
        recovering_from: get_instant("ramp_from")?,
        gate: get_instant("closed_until")?.map(|until| (until, reason.unwrap_or_default())),
        day: day.map(|(from, until)| DayUse { from, until, used }),
        breaker,
        now: read("gate", "now", row.try_get("now"))?,
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, Stop> {
    serde_json::to_string(value)
        .map_err(|error| Stop::Failed(Error::Refused(format!("a value has no JSON: {error}"))))
}
