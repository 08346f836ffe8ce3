//! Days, points, claims and stock, for reading.

use chrono::{DateTime, Utc};
use forebay_domain::stock::Stock;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{BalanceView, ClaimView, Error, MemberDays};
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::store_error;
use crate::rewards_load::{StockRow, stock_of};
use crate::rows::page;

/// Most days that are answered for one member in one programme.
const DAYS_MAX: i64 = 400;

/// Claim, programme, rule, reward, member, state, code, days, accepted, settled.
type ClaimRow =
    (Uuid, String, String, Option<String>, String, String, Option<String>, i64, DateTime<Utc>, DateTime<Utc>);

impl PostgresStore {
    pub(crate) async fn read_days(
        &self,
        programme: &ProgrammeId,
        member: &MemberId,
    ) -> Result<MemberDays, Error> {
        let days = sqlx::query_scalar(
            "select on_date from attendance where programme_id = $1 and member_id = $2 order by on_date limit $3",
        )
        .bind(programme.as_str())
        .bind(member.as_str())
        .bind(DAYS_MAX)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(MemberDays { days })
    }

    pub(crate) async fn read_balance(&self, member: &MemberId) -> Result<BalanceView, Error> {
        let row: Option<(i64, bool)> = sqlx::query_as("select balance, blocked from member where id = $1")
            .bind(member.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        let (balance, blocked) = row.unwrap_or_default();
        Ok(BalanceView { balance, blocked })
    }

    pub(crate) async fn read_claims_of(
        &self,
        member: &MemberId,
        limit: u32,
    ) -> Result<Vec<ClaimView>, Error> {
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "select id, programme_id, rule_id, reward_id, member_id, state, reject_code, days_seen, accepted_at,
                    settled_at
             from claim where member_id = $1 order by settled_at desc, id desc limit $2",
        )
        .bind(member.as_str())
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(rows.into_iter().map(view).collect())
    }

    pub(crate) async fn read_claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error> {
        let row: Option<ClaimRow> = sqlx::query_as(
            "select id, programme_id, rule_id, reward_id, member_id, state, reject_code, days_seen, accepted_at,
                    settled_at
             from claim where id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(row.map(view))
    }

    pub(crate) async fn read_low_stock(&self) -> Result<Vec<Stock>, Error> {
        let rows: Vec<StockRow> = sqlx::query_as(
            "select s.reward_id, r.name, s.total, s.reserved, s.issued, s.low_at, s.low_armed, s.out_armed
             from stock s join reward r on r.id = s.reward_id
             where s.total - s.reserved - s.issued <= s.low_at order by s.reward_id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(stock_of).collect()
    }
}

fn view(row: ClaimRow) -> ClaimView {
    let (
        claim_id,
        programme_id,
        rule_id,
        reward_id,
        member_id,
        state,
        reject_code,
        days_seen,
        accepted_at,
        settled_at,
    ) = row;
    ClaimView {
        claim_id,
        programme_id,
        rule_id,
        reward_id,
        member_id,
        state,
        reject_code,
        days_seen,
        accepted_at,
        settled_at,
    }
}
