//! The report of a day.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::report::{DayFigures, StockDay};
use forebay_store::report::DayCounts;
use forebay_store::{DayReports, Error, PAGE_MAX};

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{micros, unreadable};

/// What came in; each by an index on the time at which it came.
const COUNTS: &str = "
    select 'volume' as counted, 'returns' as word, count(*) as n
        from return_order where registered_at >= ?1 and registered_at < ?2
    union all select 'volume', 'results', count(*) from return_order where reported_at >= ?1 and reported_at < ?2
    union all select 'volume', 'members', count(distinct member_id)
        from attendance where received_at >= ?1 and received_at < ?2
    union all select 'volume', 'check_ins', count(*) from attendance where received_at >= ?1 and received_at < ?2
    union all select 'attendance', programme_id, count(*)
        from attendance where received_at >= ?1 and received_at < ?2 group by programme_id
    union all select 'volume', case state when 'granted' then 'claims_granted' else 'claims_refused' end, count(*)
        from claim where settled_at >= ?1 and settled_at < ?2 group by state
    union all select 'volume', 'orders', count(*) from shop_order where booked_at >= ?1 and booked_at < ?2
    union all select 'volume', 'refunds', count(*) from refund where booked_at >= ?1 and booked_at < ?2
    union all select 'volume', 'spends', count(*)
        from spend where settled_at >= ?1 and settled_at < ?2 and state = 'settled'
    union all select 'volume', 'dead_letters', count(*) from dead_letter
        where status in ('open', 'replaying', 'resolved', 'discarded') and dead_at >= ?1 and dead_at < ?2
    order by 1, 2";

const STOCK: &str = "
    select s.reward_id, s.total - s.reserved - s.issued, s.total,
        (select count(*) from movement m
         where m.reward_id = s.reward_id and m.created_at >= ?1 and m.created_at < ?2),
        (select count(*) from movement m
         where m.reward_id = s.reward_id and m.created_at >= ?3 and m.created_at < ?2)
    from stock s order by s.reward_id limit ?4";

#[async_trait]
impl DayReports for SqliteStore {
    async fn day_counts(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        lately: DateTime<Utc>,
    ) -> Result<DayCounts, Error> {
        let counts = sqlx::query_as(COUNTS)
            .bind(micros(from))
            .bind(micros(until))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(STOCK)
            .bind(micros(from))
            .bind(micros(until))
            .bind(micros(lately))
            .bind(i64::from(PAGE_MAX))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let stock = rows.into_iter().map(|(reward_id, left, total, given, given_lately)| StockDay {
            reward_id,
            left,
            total,
            given,
            given_lately,
        });
        Ok(DayCounts { counts, stock: stock.collect() })
    }

    async fn parcels_by_status(&self) -> Result<Vec<(String, i64)>, Error> {
        let statement = "select status, count(*) from parcel group by status order by status";
        let parcels = sqlx::query_as(statement).fetch_all(self.db.read()).await.map_err(Fault::from)?;
        Ok(parcels)
    }

    async fn open_dead_letters(&self) -> Result<i64, Error> {
        let statement = "select cast(coalesce(sum(open), 0) as integer) from dead_letter_group";
        let open = sqlx::query_scalar(statement).fetch_one(self.db.read()).await.map_err(Fault::from)?;
        Ok(open)
    }

    async fn keep_report(
        &self,
        day: NaiveDate,
        figures: &DayFigures,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let text = serde_json::to_string(figures).map_err(|error| Error::Refused(error.to_string()))?;
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into day_report (day, figures, made_at) values (?, ?, ?) on conflict do nothing",
                )
                .bind(day)
                .bind(text)
                .bind(micros(now))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn report(&self, day: NaiveDate) -> Result<Option<DayFigures>, Error> {
        let text: Option<String> = sqlx::query_scalar("select figures from day_report where day = ?1")
            .bind(day)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        let figures = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(figures.map_err(|error| unreadable("day_report", "figures", error))?)
    }
}

#[cfg(test)]
mod tests {
    use forebay_domain::incident::Timing;
    use forebay_domain::{RandomIds, SystemClock};
    use forebay_sqlite::Db;
    use forebay_store::Lifecycle as _;

    use super::*;

    /// The steps of a statement that go through a whole table, or a whole index of it.
    async fn scans(db: &Db, statement: &str) -> Vec<String> {
        let plan = sqlx::AssertSqlSafe(format!("explain query plan {statement}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(plan).fetch_all(db.read()).await.unwrap();
        let scans = |step: &String| step.starts_with("SCAN") && !step.contains("incident_open");
        steps.into_iter().map(|(.., step)| step).filter(scans).collect()
    }

    #[tokio::test]
    async fn days_and_open_incidents_are_counted_without_going_through_whole_tables() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path().join("forebay.db")).await.unwrap();
        let (ids, clock) = (std::sync::Arc::new(RandomIds), std::sync::Arc::new(SystemClock));
        SqliteStore::new(db.clone(), ids, clock, Timing::default()).migrate().await.unwrap();
        assert_eq!(scans(&db, COUNTS).await, Vec::<String>::new());
        let allowed = |step: &String| ["stock", "stocked", " s"].iter().any(|end| step.contains(end));
        let whole: Vec<_> = scans(&db, STOCK).await.into_iter().filter(|step| !allowed(step)).collect();
        assert_eq!(whole, Vec::<String>::new());
        let whole: Vec<_> = scans(&db, crate::census::PULSE).await;
        assert!(whole.iter().all(allowed), "{whole:?}");
    }
}
