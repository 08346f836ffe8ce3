//! The books, summed up.

use async_trait::async_trait;
use forebay_store::{Audit, Done, EffectKind, Error, RewardTally, Tally};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::Fault;
use crate::rows::{Reading, page};

const SUMS: &str = "
    select (select coalesce(sum(amount), 0) from ledger_entry) as ledger_sum,
           (select count(*) from (
                select t.id from ledger_txn t left join ledger_entry e on e.txn_id = t.id
                group by t.id having coalesce(sum(e.amount), 0) <> 0 or count(e.txn_id) < 2)) as ledger_unbalanced,
           (select count(*) from member m
                left join (select account, sum(amount) as sum from ledger_entry where account like 'm:%'
                           group by account) e on e.account = 'm:' || m.id
                where m.balance <> coalesce(e.sum, 0)) as balances_off,
           (select count(*) from member where balance < 0) as balances_negative,
           (select coalesce(sum(balance), 0) from member) as points,
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
    select r.id, s.total, s.issued, coalesce(c.n, 0) as granted, coalesce(m.n, 0) + coalesce(b.n, 0) as movements
    from reward r left join stock s on s.reward_id = r.id
    left join (select reward_id, count(*) as n from claim where state = 'granted' and reversed_at is null group by reward_id) c
        on c.reward_id = r.id
    left join (select reward_id, count(*) as n from movement group by reward_id) m on m.reward_id = r.id
    left join (select reward_id, sum(delta_issued) as n from stock_change group by reward_id) b on b.reward_id = r.id
    order by r.id";

#[async_trait]
impl Audit for SqliteStore {
    async fn done(&self) -> Result<Done, Error> {
        let mut read = self.db.read().acquire().await.map_err(Fault::from)?;
        Ok(done(&mut read).await?)
    }

    async fn tally(&self) -> Result<Tally, Error> {
        // One transaction: every sum is of the same moment.
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(tally(&mut read).await?)
    }

    async fn effects(
        &self,
        kind: EffectKind,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let from = after.map_or(Some(Cursor::default()), Cursor::read);
        let from = from.ok_or_else(|| Error::Refused("not a cursor of this list".to_owned()))?;
        let limit = page(limit.max(1));
        let mut ids: Vec<String> = sqlx::query_scalar(effects_sql(kind))
            .bind(&from.event_id)
            .bind(from.seen)
            // One more, which tells whether there is another page.
            .bind(limit + 1)
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        let more = i64::try_from(ids.len()).is_ok_and(|count| count > limit);
        ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = if more { from.after(&ids) } else { None };
        Ok((ids, next.map(|cursor| cursor.write())))
    }
}

/// How far a listing has come: so many rows of this event id were listed, and all of smaller ones.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor {
    event_id: String,
    seen: i64,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let (seen, event_id) = text.split_once(':')?;
        let seen = seen.parse().ok().filter(|seen| *seen >= 0)?;
        Some(Self { event_id: event_id.to_owned(), seen })
    }

    fn write(&self) -> String {
        format!("{}:{}", self.seen, self.event_id)
    }

    /// Where it stands once these were listed too.
    fn after(&self, listed: &[String]) -> Option<Self> {
        let last = listed.last()?;
        let fresh = listed.iter().rev().take_while(|id| *id == last).count();
        let before = if *last == self.event_id { self.seen } else { 0 };
        Some(Self { event_id: last.clone(), seen: before + i64::try_from(fresh).ok()? })
    }
}

/// The event ids from the cursor's on, without those rows of its own that were listed.
fn effects_sql(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::Attendance => {
            "select event_id from attendance where event_id >= ?1 order by event_id limit ?3 offset ?2"
        }
        EffectKind::Claims => {
            "select event_id from claim where event_id >= ?1 order by event_id limit ?3 offset ?2"
        }
        EffectKind::Orders => {
            "select event_id from shop_order where event_id >= ?1 order by event_id limit ?3 offset ?2"
        }
        EffectKind::Returns => {
            "select event_id from return_order where event_id >= ?1 order by event_id limit ?3 offset ?2"
        }
        EffectKind::DeadLetters => {
            "select message_id from dead_letter where message_id >= ?1 order by message_id limit ?3 offset ?2"
        }
    }
}

async fn done(conn: &mut SqliteConnection) -> Result<Done, Fault> {
    let row = sqlx::query(DONE).fetch_one(conn).await?;
    let row = Reading::of("(counts)", &row);
    Ok(Done {
        attendance: row.get("attendance")?,
        claims: row.get("claims")?,
        orders: row.get("orders")?,
        returns: (row.get("registered")?, row.get("picked_up")?, row.get("reported")?),
        parcels_checked: row.get("parcels_checked")?,
        dead_letters: row.get("dead_letters")?,
    })
}

async fn tally(conn: &mut SqliteConnection) -> Result<Tally, Fault> {
    let done = done(conn).await?;
    let row = sqlx::query(SUMS).fetch_one(&mut *conn).await?;
    let rewards = sqlx::query(REWARDS).fetch_all(conn).await?;
    let row = Reading::of("(sums)", &row);
    Ok(Tally {
        ledger_sum: row.get("ledger_sum")?,
        ledger_unbalanced: row.get("ledger_unbalanced")?,
        balances_off: row.get("balances_off")?,
        balances_negative: row.get("balances_negative")?,
        points: row.get("points")?,
        rewards: rewards.iter().map(reward).collect::<Result<_, _>>()?,
        inbox: row.get("inbox")?,
        outbox: row.get("outbox")?,
        done,
        incidents: row.get("incidents")?,
    })
}

fn reward(row: &SqliteRow) -> Result<RewardTally, Fault> {
    let row = Reading::of("reward", row);
    Ok(RewardTally {
        reward_id: row.get("id")?,
        total: row.get("total")?,
        issued: row.get("issued")?,
        granted: row.get("granted")?,
        movements: row.get("movements")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_counts_the_rows_of_its_event_over_pages() {
        let page = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let first = Cursor::default().after(&page(&["a", "b", "b"])).unwrap();
        assert_eq!(first, Cursor { event_id: "b".into(), seen: 2 });
        let second = Cursor::read(&first.write()).unwrap().after(&page(&["b"])).unwrap();
        assert_eq!(second, Cursor { event_id: "b".into(), seen: 3 });
        assert_eq!(Cursor::read("x:b"), None);
        assert_eq!(Cursor::read("-1:b"), None);
    }
}
