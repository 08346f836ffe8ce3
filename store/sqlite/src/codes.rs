//! Codes of carriers' systems that have no meaning of ours.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::AdapterId;
use forebay_store::codes::CODES_MAX;
use forebay_store::{CodeSeen, Codes, Error};

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, json, micros};

#[async_trait]
impl Codes for SqliteStore {
    async fn note_codes(
        &self,
        adapter: &AdapterId,
        codes: &[(String, u64)],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (adapter, codes) = (adapter.to_string(), json(&codes)?);
        self.write(move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "insert into unmapped_code (adapter, code, count, first_seen, last_seen)
                     select ?1, value ->> 0, value ->> 1, ?3, ?3 from json_each(?2)
                     where (select count(*) from unmapped_code where adapter = ?1) < ?4
                        or exists (select 1 from unmapped_code k where k.adapter = ?1 and k.code = value ->> 0)
                     on conflict (adapter, code) do update set count = unmapped_code.count + excluded.count,
                         last_seen = max(unmapped_code.last_seen, excluded.last_seen)",
                )
                .bind(&adapter)
                .bind(&codes)
                .bind(micros(now))
                .bind(CODES_MAX)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn codes(&self, adapter: &AdapterId) -> Result<Vec<CodeSeen>, Error> {
        let rows = sqlx::query("select * from unmapped_code where adapter = ? order by count desc, code")
            .bind(adapter.as_str())
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let seen = |row| {
            let row = Reading::of("unmapped_code", row);
            Ok(CodeSeen {
                code: row.get("code")?,
                count: row.get("count")?,
                first_seen: row.instant("first_seen")?,
                last_seen: row.instant("last_seen")?,
            })
        };
        rows.iter().map(seen).collect::<Result<_, Fault>>().map_err(Error::from)
    }
}
