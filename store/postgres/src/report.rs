//! The report of a day.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::report::{DayFigures, StockDay};
use forebay_store::report::DayCounts;
use forebay_store::{DayReports, Error, PAGE_MAX};

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::read;

/// What came in; each by an index on the time at which it came.
const COUNTS: &str = "
    select 'volume' as counted, 'returns' as word, count(*) as n
        from return_order where registered_at >= $1 and registered_at < $2
    union all select 'volume', 'results', count(*) from return_order where reported_at >= $1 and reported_at < $2
    union all select 'volume', 'members', count(distinct member_id)
        from attendance where received_at >= $1 and received_at < $2
    union all select 'volume', 'check_ins', count(*) from attendance where received_at >= $1 and received_at < $2
    union all select 'attendance', programme_id, count(*)
        from attendance where received_at >= $1 and received_at < $2 group by programme_id
    union all select 'volume', case state when 'granted' then 'claims_granted' else 'claims_refused' end, count(*)
        from claim where settled_at >= $1 and settled_at < $2 group by state
    union all select 'volume', 'orders', count(*) from shop_order where booked_at >= $1 and booked_at < $2
    union all select 'volume', 'refunds', count(*) from refund where booked_at >= $1 and booked_at < $2
    union all select 'volume', 'spends', count(*)
        from spend where settled_at >= $1 and settled_at < $2 and state = 'settled'
    union all select 'volume', 'dead_letters', count(*) from dead_letter
        where status in ('open', 'replaying', 'resolved', 'discarded') and dead_at >= $1 and dead_at < $2
    order by 1, 2";

const STOCK: &str = "
    select s.reward_id, s.total - s.reserved - s.issued, s.total,
        (select count(*) from movement m
         where m.reward_id = s.reward_id and m.created_at >= $1 and m.created_at < $2),
        (select count(*) from movement m
         where m.reward_id = s.reward_id and m.created_at >= $3 and m.created_at < $2)
    from stock s order by s.reward_id limit $4";

#[async_trait]
impl DayReports for PostgresStore {
    async fn day_counts(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        lately: DateTime<Utc>,
    ) -> Result<DayCounts, Error> {
        let counts =
            sqlx::query_as(COUNTS).bind(from).bind(until).fetch_all(&self.pool).await.map_err(store_error)?;
        let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(STOCK)
            .bind(from)
            .bind(until)
            .bind(lately)
            .bind(i64::from(PAGE_MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
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
        sqlx::query_as("select status, count(*) from parcel group by status order by status")
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)
    }

    async fn open_dead_letters(&self) -> Result<i64, Error> {
        sqlx::query_scalar("select cast(coalesce(sum(open), 0) as bigint) from dead_letter_group")
            .fetch_one(&self.pool)
            .await
            .map_err(store_error)
    }

    async fn keep_report(
        &self,
        day: NaiveDate,
        figures: &DayFigures,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let text = serde_json::to_string(figures).map_err(|error| Error::Refused(error.to_string()))?;
        sqlx::query(
            "insert into day_report (day, figures, made_at) values ($1, $2, $3) on conflict do nothing",
        )
        .bind(day)
        .bind(text)
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn report(&self, day: NaiveDate) -> Result<Option<DayFigures>, Error> {
        let text: Option<String> = sqlx::query_scalar("select figures from day_report where day = $1")
            .bind(day)
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        text.map(|text| read("day_report", "figures", serde_json::from_str(&text))).transpose()
    }
}
