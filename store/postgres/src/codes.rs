//! Codes of carriers' systems that have no meaning of ours.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::AdapterId;
use forebay_store::codes::CODES_MAX;
use forebay_store::{CodeSeen, Codes, Error};

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::storable;

#[async_trait]
impl Codes for PostgresStore {
    async fn note_codes(
        &self,
        adapter: &AdapterId,
        codes: &[(String, u64)],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut codes: Vec<(String, i64)> = codes
            .iter()
            .map(|(code, count)| (storable(code).into_owned(), i64::try_from(*count).unwrap_or(i64::MAX)))
            .collect();
        // In one order, so that two workers don't wait for each other.
        codes.sort();
        codes.dedup_by(|a, b| a.0 == b.0);
        let (names, counts): (Vec<String>, Vec<i64>) = codes.into_iter().unzip();
        sqlx::query(
            "insert into unmapped_code as c (adapter, code, count, first_seen, last_seen)
             select $1, n.code, n.count, $4, $4 from unnest($2::text[], $3::int8[]) as n (code, count)
             where (select count(*) from unmapped_code where adapter = $1) < $5
                or exists (select 1 from unmapped_code k where k.adapter = $1 and k.code = n.code)
             on conflict (adapter, code) do update set count = c.count + excluded.count,
                 last_seen = greatest(c.last_seen, excluded.last_seen)",
        )
        .bind(adapter.as_str())
        .bind(names)
        .bind(counts)
        .bind(now)
        .bind(i64::from(CODES_MAX))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn codes(&self, adapter: &AdapterId) -> Result<Vec<CodeSeen>, Error> {
        let rows: Vec<(String, i64, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "select code, count, first_seen, last_seen from unmapped_code where adapter = $1
             order by count desc, code",
        )
        .bind(adapter.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let seen = |(code, count, first_seen, last_seen)| CodeSeen { code, count, first_seen, last_seen };
        Ok(rows.into_iter().map(seen).collect())
    }
}
