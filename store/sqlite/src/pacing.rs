//! Permits and gates, on the process's clock: one process has the file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::breaker::FAR;
use forebay_domain::daily::Purpose;
use forebay_domain::limits::{ADAPT_EVERY, ADAPT_LEAST, ADAPT_MOST, LiveLimits, Terms};
use forebay_domain::pacing::{Grant, Share};
use forebay_store::{Closed, Closing, Error, Pacing, Permits, Places, Wish};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::Fault;
use crate::places;
use crate::rows::{Reading, micros};

/// A key's row.
pub(crate) struct Gate {
    pub(crate) tat: DateTime<Utc>,
    pub(crate) closed: Option<(DateTime<Utc>, String)>,
    pub(crate) version: i64,
    pub(crate) ramp_from: Option<DateTime<Utc>>,
    pub(crate) share: i64,
    pub(crate) share_from: Option<DateTime<Utc>>,
    pub(crate) share_used: i64,
    pub(crate) day: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(crate) day_used: i64,
    pub(crate) barred: Option<(DateTime<Utc>, String)>,
    pub(crate) probing: bool,
}

impl Gate {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            tat: now,
            closed: None,
            version: 0,
            ramp_from: None,
            share: Share::WHOLE.0,
            share_from: None,
            share_used: 0,
            day: None,
            day_used: 0,
            barred: None,
            probing: false,
        }
    }

    pub(crate) fn of(row: Reading<'_>) -> Result<Self, Fault> {
        let text = |column| Ok::<_, Fault>(row.get::<Option<String>>(column)?.unwrap_or_default());
        let (reason, why) = (text("reason")?, text("barred_why")?);
        Ok(Self {
            tat: row.instant("tat")?,
            closed: row.instant_if_any("closed_until")?.map(|until| (until, reason)),
            version: row.get("version")?,
            ramp_from: row.instant_if_any("ramp_from")?,
            share: row.get("share")?,
            share_from: row.instant_if_any("share_from")?,
            share_used: row.get("share_used")?,
            day: row.instant_if_any("day_from")?.zip(row.instant_if_any("day_until")?),
            day_used: row.get("day_used")?,
            barred: row.instant_if_any("barred_until")?.map(|until| (until, why)),
            probing: row.get("probing")?,
        })
    }

    /// What is left of its closing.
    fn closed_at(&self, now: DateTime<Utc>) -> Option<Closed> {
        left(self.closed.as_ref()?, now)
    }

    /// Decides as `grant_permits` does on PostgreSQL; what changes is changed here.
    fn permits(&mut self, terms: &Terms, purpose: Purpose, want: u32, now: DateTime<Utc>) -> Granted {
        if let Some(closed) = self.closed_at(now).or_else(|| left(self.barred.as_ref()?, now)) {
            return Granted::Closed(closed);
        }
        let mut wanted = i64::from(want);
        if let Some((daily, most)) = terms.daily.zip(terms.most_for(purpose)) {
            let today = daily.reset.day_of(now);
            if self.day.is_none_or(|day| today.0 > day.0) {
                (self.day, self.day_used) = (Some(today), 0);
            }
            wanted = wanted.min(i64::from(most) - self.day_used);
            if wanted <= 0 && want > 0 {
                let until = self.day.map_or(now, |day| day.1);
                return Granted::DayFull(
                    (until - now).to_std().unwrap_or_default().max(Duration::from_secs(1)),
                );
            }
        }
        let Ok(wanted @ 1..) = u32::try_from(wanted) else {
            let (grant, _) = terms.quota.grant(self.tat, now, 0);
            return Granted::Calls(grant);
        };
        let charged = |gate: &mut Self, calls: u32| {
            gate.day_used += if terms.daily.is_some() { i64::from(calls) } else { 0 };
        };
        if let Some((until, _)) = &mut self.barred {
            *until = now + terms.breaker.probe;
            self.probing = true;
            self.tat = self.tat.max(now) + TimeDelta::microseconds(terms.quota.interval_us());
            charged(self, 1);
            return Granted::Probe;
        }
        let share = self.share(terms, now);
        let (grant, tat) = terms.quota.rhythm(share).grant(self.tat, now, wanted);
        self.tat = tat;
        self.share_used += i64::from(grant.count);
        charged(self, grant.count);
        Granted::Calls(grant)
    }

    /// The share of its rate that the system is given now.
    fn share(&mut self, terms: &Terms, now: DateTime<Utc>) -> Share {
        let growth = terms.growth().0;
        let mut share = Share::WHOLE;
        if growth > 0 {
            match self.share_from {
                Some(from) if now - from < TimeDelta::from_std(ADAPT_EVERY).unwrap_or_default() => {}
                None => self.share_from = Some(now),
                Some(_) => {
                    // What was not asked for has not been tried: the rate grows only when half of it was used.
                    let minute = 60 * i128::from(self.share);
                    if 2 * i128::from(self.share_used) * i128::from(terms.quota.interval_us()) >= minute {
                        self.share = (self.share + growth).min(ADAPT_MOST.0);
                    }
                    (self.share_from, self.share_used) = (Some(now), 0);
                }
            }
            share = Share(self.share);
        }
        let back = self.ramp_from.map_or(Share::WHOLE, |from| {
            terms.recovering((now - from).num_microseconds().unwrap_or(i64::MAX))
        });
        Share(i64::try_from(i128::from(share.0) * i128::from(back.0) / 1_000_000).unwrap_or(1).max(1))
    }
}

enum Granted {
    Calls(Grant),
    Probe,
    Closed(Closed),
    DayFull(Duration),
}

fn left((until, reason): &(DateTime<Utc>, String), now: DateTime<Utc>) -> Option<Closed> {
    let left = (*until - now).to_std().ok().filter(|left| !left.is_zero())?;
    Some(Closed { left, reason: reason.clone() })
}

async fn load(conn: &mut SqliteConnection, key: &str) -> Result<Option<Gate>, Fault> {
    let row = sqlx::query("select * from gate where key = ?").bind(key).fetch_optional(conn).await?;
    row.as_ref().map(|row| Gate::of(Reading::of("gate", row))).transpose()
}

async fn save(conn: &mut SqliteConnection, key: &str, gate: &Gate) -> Result<(), Fault> {
    sqlx::query(
        "insert into gate (key, tat, share, share_from, share_used, day_from, day_until, day_used, barred_until, probing)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (key) do update set tat = excluded.tat, share = excluded.share,
             share_from = excluded.share_from, share_used = excluded.share_used, day_from = excluded.day_from,
             day_until = excluded.day_until, day_used = excluded.day_used, barred_until = excluded.barred_until,
             probing = excluded.probing",
    )
    .bind(key)
    .bind(micros(gate.tat))
    .bind(gate.share)
    .bind(gate.share_from.map(micros))
    .bind(gate.share_used)
    .bind(gate.day.map(|day| micros(day.0)))
    .bind(gate.day.map(|day| micros(day.1)))
    .bind(gate.day_used)
    .bind(gate.barred.as_ref().map(|(until, _)| micros(*until)))
    .bind(gate.probing)
    .execute(conn)
    .await?;
    Ok(())
}

/// The limits that people set.
async fn live(conn: &mut SqliteConnection, key: &str) -> Result<LiveLimits, Fault> {
    let row =
        sqlx::query("select live from outside_system where key = ?").bind(key).fetch_optional(conn).await?;
    row.map_or_else(|| Ok(LiveLimits::default()), |row| Reading::of("outside_system", &row).json("live"))
}

/// A wish that outlives the call.
struct Asked {
    key: String,
    terms: Terms,
    version: i64,
    want: u32,
    purpose: Purpose,
    day_full: &'static str,
    places: Option<Places>,
}

async fn permits(
    conn: &mut SqliteConnection,
    asked: &Asked,
    want: u32,
    now: DateTime<Utc>,
) -> Result<Permits, Fault> {
    let mut gate = load(conn, &asked.key).await?.unwrap_or_else(|| Gate::new(now));
    if gate.version != asked.version {
        let live = live(conn, &asked.key).await?;
        return Ok(Permits::Changed { version: gate.version, live });
    }
    let granted = match gate.permits(&asked.terms, asked.purpose, want, now) {
        Granted::Closed(closed) => return Ok(Permits::Closed(closed)),
        Granted::DayFull(left) => {
            return Ok(Permits::Closed(Closed { left, reason: asked.day_full.to_owned() }));
        }
        Granted::Probe => Permits::Probe,
        Granted::Calls(grant) => Permits::Granted(grant),
    };
    save(conn, &asked.key, &gate).await?;
    Ok(granted)
}

/// What is granted, and no more than there are places.
async fn permits_in_places(
    conn: &mut SqliteConnection,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Permits, Fault> {
    let Some(places) = &asked.places else { return permits(conn, asked, asked.want, now).await };
    let (room, waited) = places::room(conn, &asked.key, places, now).await?;
    let permits = permits(conn, asked, asked.want.min(room), now).await?;
    let granted = match &permits {
        Permits::Granted(grant) => Some(grant.count),
        Permits::Probe => Some(1),
        Permits::Full | Permits::Closed(_) | Permits::Changed { .. } => None,
    };
    let no_place = asked.want > room && granted == Some(room);
    let granted = granted.unwrap_or(0);
    let waits = no_place.then(|| waited.filter(|_| granted == 0).unwrap_or(now));
    places::hold(conn, &asked.key, places, granted, waits, now).await?;
    Ok(if no_place && granted == 0 { Permits::Full } else { permits })
}

async fn close(
    conn: &mut SqliteConnection,
    key: &str,
    until: DateTime<Utc>,
    reason: &str,
    closing: Closing,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    // Of many callers who are told at once that they are too fast, one halves the rate.
    sqlx::query(
        "insert into gate (key, tat, closed_until, reason, ramp_from, share)
         values (?1, ?2, ?3, ?4, ?3, iif(?5, 500000, 1000000))
         on conflict (key) do update set
             closed_until = excluded.closed_until, reason = excluded.reason, ramp_from = excluded.ramp_from,
             share = case when ?5 and (gate.closed_until is null or gate.closed_until < ?2)
                 then max(gate.share / 2, ?6) else gate.share end,
             share_from = ?2, share_used = 0
         where gate.closed_until is null or gate.closed_until < excluded.closed_until",
    )
    .bind(key)
    .bind(micros(now))
    .bind(micros(until))
    .bind(reason)
    .bind(closing == Closing::TooFast)
    .bind(ADAPT_LEAST.0)
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl Pacing for SqliteStore {
    async fn permits(&self, wish: &Wish<'_>) -> Result<Permits, Error> {
        let asked = Asked {
            key: wish.key.to_owned(),
            terms: *wish.terms,
            version: wish.version,
            want: wish.want,
            purpose: wish.purpose,
            day_full: wish.day_full(),
            places: wish.places,
        };
        let clock = Arc::clone(&self.clock);
        // The clock is read when it is this job's turn: grants follow each other in time.
        self.write(move |conn| Box::pin(async move { permits_in_places(conn, &asked, clock.now()).await }))
            .await
    }

    async fn give_back_calls(&self, key: &str, calls: u32, ago: Duration) -> Result<(), Error> {
        let key = key.to_owned();
        let granted_after = self.clock.now() - TimeDelta::from_std(ago).unwrap_or(TimeDelta::MAX);
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "update gate set day_used = max(day_used - ?, 0) where key = ? and day_from <= ?",
                )
                .bind(calls)
                .bind(key)
                .bind(micros(granted_after))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn close_gate(
        &self,
        key: &str,
        length: Duration,
        reason: &str,
        closing: Closing,
    ) -> Result<(), Error> {
        let (key, reason, clock) = (key.to_owned(), reason.to_owned(), Arc::clone(&self.clock));
        self.write(move |conn| {
            Box::pin(async move {
                let now = clock.now();
                let until =
                    TimeDelta::from_std(length).ok().and_then(|length| now.checked_add_signed(length));
                close(conn, &key, until.map_or(FAR, |until| until.min(FAR)), &reason, closing, now).await
            })
        })
        .await
    }

    async fn gate(&self, key: &str) -> Result<Option<Closed>, Error> {
        let mut read = self.db.read().acquire().await.map_err(Fault::from)?;
        Ok(load(&mut read, key).await?.and_then(|gate| gate.closed_at(self.clock.now())))
    }
}
