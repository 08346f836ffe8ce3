//! How much there is of everything.

use async_trait::async_trait;
use forebay_store::census::Counts;
use forebay_store::{Census, Error, PAGE_MAX};

use crate::SqliteStore;
use crate::error::Fault;

const COUNTS: &str = "
    select cast('returns' as text) as counted, state as word, cast('' as text) as second, count(*) as n
        from return_order group by state
    union all select 'parcels', status, '', count(*) from parcel group by status
    union all select 'claims', state, '', count(*) from claim group by state
    union all select 'incidents', rule, severity, count(*) from incident
        where resolved_at is null group by rule, severity
    union all select 'stock', reward_id, '', remaining from (
        select reward_id, total - reserved - issued as remaining from stock order by reward_id limit $1) stocked
    order by 1, 2, 3";

#[async_trait]
impl Census for SqliteStore {
    async fn counts(&self) -> Result<Counts, Error> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(COUNTS)
            .bind(i64::from(PAGE_MAX))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let mut counts = Counts::default();
        rows.into_iter().for_each(|row| counts.put(row));
        Ok(counts)
    }
}
