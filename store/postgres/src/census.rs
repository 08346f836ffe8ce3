//! How much there is of everything.

use async_trait::async_trait;
use forebay_store::census::Counts;
use forebay_store::{Census, Error, PAGE_MAX};

use crate::PostgresStore;
use crate::error::store_error;

/// It reads every row, or the whole of an index.
const COUNTS: &str = "
    select cast('returns' as text) as counted, state as word, cast('' as text) as second, count(*) as n
        from return_order group by state
    union all select 'parcels', status, '', count(*) from parcel group by status
    union all select 'claims', state, '', count(*) from claim group by state
    order by 1, 2";

const PULSE: &str = "
    select cast('incidents' as text) as counted, rule as word, severity as second, count(*) as n from incident
        where resolved_at is null group by rule, severity
    union all select 'stock', reward_id, '', remaining from (
        select reward_id, total - reserved - issued as remaining from stock order by reward_id limit $1) stocked
    order by 1, 2, 3";

#[async_trait]
impl Census for PostgresStore {
    async fn counts(&self) -> Result<Counts, Error> {
        let rows = sqlx::query_as(COUNTS).fetch_all(&self.pool).await.map_err(store_error)?;
        Ok(Counts::of(rows))
    }

    async fn pulse(&self) -> Result<Counts, Error> {
        let rows = sqlx::query_as(PULSE)
            .bind(i64::from(PAGE_MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(Counts::of(rows))
    }
}
