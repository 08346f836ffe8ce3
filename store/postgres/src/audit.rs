//! The books, summed up.

use async_trait::async_trait;
use forebay_store::{Audit, Done, EffectKind, Error, RewardTally, Tally};
use sqlx::{PgConnection, Row as _};

use crate::PostgresStore;
use crate::error::store_error;
use crate::rows::{page, read};

/// How long one sum over everything may take.
const STATEMENT_TIMEOUT: &str = "set local statement_timeout = '5min'";

const SUMS: &str = "
    select (select coalesce(sum(amount), 0)::int8 from ledger_entry) as ledger_sum,
           (select count(*) from (
                select from ledger_txn t left join ledger_entry e on e.txn_id = t.id
                group by t.id having coalesce(sum(e.amount), 0) <> 0 or count(e.txn_id) < 2) off) as ledger_unbalanced,
           (select count(*) from member m
                left join (select account, sum(amount) as sum from ledger_entry where account like 'm:%'
                           group by account) e on e.account = 'm:' || m.id
                where m.balance <> coalesce(e.sum, 0)) as balances_off,
           (select count(*) from member where balance < 0) as balances_negative,
           (select coalesce(sum(balance), 0)::int8 from member) as points,
           (select count(*) from inbox) as inbox,
           (select count(*) from outbox) as outbox,
           (select count(*) from incident) as incidents";

const DONE: &str = "
    select (select count(*) from attendance) as attendance,
           (select count(*) from claim) as claims,
           (select count(*) from shop_order) as orders,
           (select count(*) from return_order) as registered,
           (select count(*) from return_order where picked_up_at is not null) as picked_up,
           (select count(*) from return_order where reported_at is not null) as reported,
           (select count(*) from parcel where checks > 0) as parcels_checked,
           (select count(*) from dead_letter) as dead_letters";

const REWARDS: &str = "
    select r.id, s.total, s.issued, coalesce(c.n, 0), coalesce(m.n, 0) + coalesce(b.n, 0)
    from reward r left join stock s on s.reward_id = r.id
    left join (select reward_id, count(*) as n from claim where state = 'granted' and reversed_at is null group by reward_id) c
        on c.reward_id = r.id
    left join (select reward_id, count(*) as n from movement group by reward_id) m on m.reward_id = r.id
    left join (select reward_id, sum(delta_issued)::int8 as n from stock_change group by reward_id) b on b.reward_id = r.id
    order by r.id";

#[async_trait]
impl Audit for PostgresStore {
    async fn done(&self) -> Result<Done, Error> {
        let mut tx = self.begin_read().await?;
        done(&mut tx).await.map_err(store_error)
    }

    async fn tally(&self) -> Result<Tally, Error> {
        let mut tx = self.begin_read().await?;
        tally(&mut tx).await.map_err(store_error)
    }

    async fn effects(
        &self,
        kind: EffectKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let after: Option<(String, String)> = after
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| Error::Refused("the cursor is not one that an earlier page gave".to_owned()))?;
        let (after_id, after_row) = after.unzip();
        let limit = page(limit);
        let rows: Vec<(String, String)> = sqlx::query_as(effects_sql(kind))
            .bind(after_id)
            .bind(after_row)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
        let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) == limit;
        let next = match rows.last() {
            Some(last) if full => Some(read("(cursor)", "after", serde_json::to_string(last))?),
            _ => None,
        };
        Ok((rows.into_iter().map(|(event, _)| event).collect(), next))
    }
}

async fn done(conn: &mut PgConnection) -> Result<Done, sqlx::Error> {
    let row = sqlx::query(DONE).fetch_one(conn).await?;
    Ok(Done {
        attendance: row.try_get("attendance")?,
        claims: row.try_get("claims")?,
        orders: row.try_get("orders")?,
        returns: (row.try_get("registered")?, row.try_get("picked_up")?, row.try_get("reported")?),
        parcels_checked: row.try_get("parcels_checked")?,
        dead_letters: row.try_get("dead_letters")?,
    })
}

async fn tally(conn: &mut PgConnection) -> Result<Tally, sqlx::Error> {
    sqlx::query(STATEMENT_TIMEOUT).execute(&mut *conn).await?;
    let done = done(conn).await?;
    let row = sqlx::query(SUMS).fetch_one(&mut *conn).await?;
    type Row = (String, Option<i64>, Option<i64>, i64, i64);
    let rewards: Vec<Row> = sqlx::query_as(REWARDS).fetch_all(conn).await?;
    let rewards = rewards
        .into_iter()
        .map(|(reward_id, total, issued, granted, movements)| RewardTally {
            reward_id,
            total,
            issued,
            granted,
            movements,
        })
        .collect();
    Ok(Tally {
        ledger_sum: row.try_get("ledger_sum")?,
        ledger_unbalanced: row.try_get("ledger_unbalanced")?,
        balances_off: row.try_get("balances_off")?,
        balances_negative: row.try_get("balances_negative")?,
        points: row.try_get("points")?,
        rewards,
        inbox: row.try_get("inbox")?,
        outbox: row.try_get("outbox")?,
        done,
        incidents: row.try_get("incidents")?,
    })
}

/// The event ids of a kind, each with what tells its rows apart.
fn effects_sql(kind: EffectKind) -> &'static str {
    macro_rules! paged {
        ($event:literal, $row:literal, $table:literal) => {
            concat!(
                "select event_id, row_id from (select ", $event, " collate \"C\" as event_id, ", $row,
                " collate \"C\" as row_id from ", $table, " where ", $event, " is not null) e
                 where $1::text is null or (event_id, row_id) > ($1, $2) order by event_id, row_id limit $3"
            )
        };
    }
    match kind {
        EffectKind::Attendance => {
            paged!("event_id", "(programme_id || ' ' || member_id || ' ' || on_date)", "attendance")
        }
        EffectKind::Claims => paged!("event_id", "id::text", "claim"),
        EffectKind::Orders => paged!("event_id", "id", "shop_order"),
        EffectKind::Returns => paged!("event_id", "id", "return_order"),
        EffectKind::DeadLetters => paged!("message_id", "id::text", "dead_letter"),
    }
}
