//! Points beside the settling of messages: read, corrected, reversed, ended.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::settlement::{Books, adjust, expire};
use forebay_schemas::MemberId;
use forebay_schemas::events::PointsExpiring;
use forebay_store::{
    Adjusted, Adjustment, BooksCheck, By, Error, LedgerLine, LotView, Points, PointsView, Reversal, SpendView,
};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rewards_write::MEMBER_ACCOUNT;
use crate::rows::{page, read};
use crate::{
    PostgresStore, audit_log, outbox, points_check, points_load, points_mend, points_write, reversals,
    rewards_load,
};

/// Lots that can be spent at `$2`.
const USABLE: &str = "select coalesce(sum(remaining), 0)::int8 from points_lot
     where member_id = $1 and usable_from <= $2 and (expires_at is null or expires_at > $2)";

impl PostgresStore {
    async fn adjust_once(
        &self,
        conn: &mut PgConnection,
        adjustment: &Adjustment,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Adjusted, Stop> {
        let member_id = &adjustment.member_id;
        let members = BTreeSet::from([member_id.clone()]);
        let mut books = Books::default();
        rewards_load::lock_members(conn, &members, &mut books).await?;
        rewards_load::find_erased(conn, &members, &mut books).await?;
        if books.is_erased(member_id) {
            return Ok(Adjusted::Erased);
        }
        if let Some(before) = adjusted_before(conn, adjustment).await? {
            return Ok(before);
        }
        let balance = books.balance(member_id);
        if balance.saturating_add(adjustment.delta) < 0 {
            return Ok(Adjusted::Below { balance });
        }
        books.purses = points_load::purses(conn, &members).await?;
        let (key, ids) = (adjustment.idem_key(), self.ids.as_ref());
        let settlement = adjust(&mut books, member_id, adjustment.delta, key, now, ids);
        points_write::write(conn, &settlement, now).await?;
        outbox::write(conn, &settlement.outbox, now).await?;
        let Some(txn) = settlement.ledger.first() else { return Ok(Adjusted::Below { balance }) };
        audit_log::note(conn, &adjustment.told(txn.id, txn.balance_after, by, now)).await?;
        Ok(Adjusted::Done { txn_id: txn.id, balance_after: txn.balance_after, before: false })
    }

    async fn reverse_once(
        &self,
        conn: &mut PgConnection,
        txn: Uuid,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Reversal, Stop> {
        let claimed: Option<bool> =
            sqlx::query_scalar("select kind = 'claim_grant' from ledger_txn where id = $1")
                .bind(txn)
                .fetch_optional(&mut *conn)
                .await?;
        if claimed == Some(true) {
            return Ok(Reversal::OfClaim);
        }
        let key = format!("reverse:{txn}");
        let reversal = reversals::reverse_txn(conn, txn, key, now, self.ids.as_ref()).await?;
        if let Some(entry) = reversal.told(txn, by, now) {
            audit_log::note(conn, &entry).await?;
        }
        Ok(reversal)
    }

    /// Members first, as everywhere. Whoever is at work with one of them is passed over until the next time, with all
    /// lots of that member, and does not take the place of others.
    async fn expire_once(
        &self,
        conn: &mut PgConnection,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let locked: Vec<(String, i64, bool)> = sqlx::query_as(
            "select m.id, m.balance, m.blocked from points_lot l join member m on m.id = l.member_id
             where l.remaining > 0 and l.expires_at <= $1
             order by l.expires_at, l.id limit $2 for update of m skip locked",
        )
        .bind(now)
        .bind(page(limit))
        .fetch_all(&mut *conn)
        .await?;
        if locked.is_empty() {
            return Ok(0);
        }
        let mut books = Books::default();
        rewards_load::hold_members(locked, &mut books)?;
        books.purses = points_load::purses(conn, &books.members.keys().cloned().collect()).await?;
        let settlement = expire(&mut books, now, self.ids.as_ref());
        points_write::write(conn, &settlement, now).await?;
        outbox::write(conn, &settlement.outbox, now).await?;
        Ok(u32::try_from(settlement.ledger.len()).unwrap_or(u32::MAX))
    }

    async fn warn_once(
        &self,
        conn: &mut PgConnection,
        until: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Stop> {
        let rows: Vec<(Uuid, String, i64, DateTime<Utc>)> = sqlx::query_as(
            "update points_lot l set warned_at = $1
             from (select id from points_lot
                   where remaining > 0 and expires_at > $1 and expires_at <= $2 and warned_at is null
                   order by expires_at, id limit $3 for update skip locked) due
             where l.id = due.id returning l.id, l.member_id, l.remaining, l.expires_at",
        )
        .bind(now)
        .bind(until)
        .bind(page(limit))
        .fetch_all(&mut *conn)
        .await?;
        let mut facts = Vec::with_capacity(rows.len());
        for (lot_id, member_id, points, expires_at) in rows {
            let member_id = read("points_lot", "member_id", MemberId::new(member_id))?;
            let fact = PointsExpiring { member_id, lot_id, points, expires_at };
            facts.push(NewOutbox::fact(self.ids.next().to_string(), now, &fact));
        }
        outbox::write(conn, &facts, now).await?;
        Ok(u32::try_from(facts.len()).unwrap_or(u32::MAX))
    }
}

impl PostgresStore {
    /// Looks without holding anybody up, and holds only those up whom it mends, some at a time.
    async fn mend_all(&self, by: &By, now: DateTime<Utc>) -> Result<BooksCheck, Error> {
        let mut read = self.begin_read().await?;
        let found = points_check::check(&mut read).await.map_err(store_error)?;
        let members = points_check::members_off(&mut read).await.map_err(store_error)?;
        drop(read);
        for batch in members.chunks(points_mend::BATCH) {
            let by = By { id: self.ids.next(), ..by.clone() };
            let mut tries = Tries::default();
            loop {
                let mut tx = self.begin().await?;
                let done = points_mend::mend(&mut tx, batch, &found, &by, now).await;
                if tries.end(tx, done, self.ids.as_ref()).await?.is_some() {
                    break;
                }
            }
        }
        self.check_books().await
    }
}

/// What became of a correction of this key before.
async fn adjusted_before(conn: &mut PgConnection, adjustment: &Adjustment) -> Result<Option<Adjusted>, Stop> {
    let row: Option<(Uuid, String, i64, Option<i64>)> = sqlx::query_as(
        "select t.id, e.account, e.amount, e.balance_after
         from ledger_txn t join ledger_entry e on e.txn_id = t.id and e.account like 'm:%' where t.idem_key = $1",
    )
    .bind(adjustment.idem_key())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(txn_id, account, amount, balance_after)| {
        let same =
            account == format!("{MEMBER_ACCOUNT}{}", adjustment.member_id) && amount == adjustment.delta;
        match balance_after {
            Some(balance_after) if same => Adjusted::Done { txn_id, balance_after, before: true },
            _ => Adjusted::Reused,
        }
    }))
}

#[async_trait]
impl Points for PostgresStore {
    async fn spend(&self, id: Uuid) -> Result<Option<SpendView>, Error> {
        let row = sqlx::query(
            "select s.*, r.id as reversed_by from spend s left join ledger_txn r on r.reverses = s.txn_id
             where s.id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        let view = |row: sqlx::postgres::PgRow| {
            Ok(SpendView {
                spend_id: row.try_get("id")?,
                member_id: row.try_get("member_id")?,
                points: row.try_get("points")?,
                reference: row.try_get("reference")?,
                state: row.try_get("state")?,
                reject_code: row.try_get("reject_code")?,
                txn_id: row.try_get("txn_id")?,
                reversed_by: row.try_get("reversed_by")?,
                accepted_at: row.try_get("accepted_at")?,
                settled_at: row.try_get("settled_at")?,
            })
        };
        row.map(view).transpose().map_err(store_error)
    }

    async fn member_points(&self, member: &MemberId, now: DateTime<Utc>) -> Result<PointsView, Error> {
        let mut tx = self.begin_read().await?;
        let balance: Option<i64> = sqlx::query_scalar("select balance from member where id = $1")
            .bind(member.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(store_error)?;
        let usable = sqlx::query_scalar(USABLE)
            .bind(member.as_str())
            .bind(now)
            .fetch_one(&mut *tx)
            .await
            .map_err(store_error)?;
        type Row = (Uuid, Option<Uuid>, i64, i64, DateTime<Utc>, Option<DateTime<Utc>>);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, txn_id, remaining, granted, usable_from, expires_at from points_lot
             where member_id = $1 and remaining > 0 order by expires_at nulls last, id limit $2",
        )
        .bind(member.as_str())
        .bind(page(u32::MAX))
        .fetch_all(&mut *tx)
        .await
        .map_err(store_error)?;
        let lots = rows.into_iter().map(|(lot_id, txn_id, points, granted, usable_from, expires_at)| {
            LotView { lot_id, txn_id, points, granted, usable_from, expires_at }
        });
        Ok(PointsView { balance: balance.unwrap_or_default(), usable, lots: lots.collect() })
    }

    async fn member_ledger(
        &self,
        member: &MemberId,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<LedgerLine>, Error> {
        let rows = sqlx::query(
            "select t.*, e.amount, e.balance_after from ledger_entry e join ledger_txn t on t.id = e.txn_id
             where e.account = $1
               and ($2::uuid is null or (t.created_at, t.id) < (select created_at, id from ledger_txn where id = $2))
             order by t.created_at desc, t.id desc limit $3",
        )
        .bind(format!("{MEMBER_ACCOUNT}{member}"))
        .bind(after)
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        let line = |row: &sqlx::postgres::PgRow| {
            Ok(LedgerLine {
                txn_id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                fact: row.try_get("idem_key")?,
                delta: row.try_get("amount")?,
                balance_after: row.try_get("balance_after")?,
                shortfall: row.try_get("shortfall")?,
                reverses: row.try_get("reverses")?,
                at: row.try_get("created_at")?,
            })
        };
        rows.iter().map(line).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn adjust_points(
        &self,
        adjustment: &Adjustment,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Adjusted, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.adjust_once(&mut tx, adjustment, by, now).await;
            if let Some(adjusted) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(adjusted);
            }
        }
    }

    async fn reverse_txn(&self, txn: Uuid, by: &By, now: DateTime<Utc>) -> Result<Reversal, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.reverse_once(&mut tx, txn, by, now).await;
            if let Some(reversal) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(reversal);
            }
        }
    }

    async fn expire_points(&self, limit: u32, now: DateTime<Utc>) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.expire_once(&mut tx, limit, now).await;
            if let Some(expired) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(expired);
            }
        }
    }

    async fn warn_of_expiry(
        &self,
        until: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.warn_once(&mut tx, until, limit, now).await;
            if let Some(warned) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(warned);
            }
        }
    }

    async fn check_books(&self) -> Result<BooksCheck, Error> {
        let mut tx = self.begin_read().await?;
        points_check::check(&mut tx).await.map_err(store_error)
    }

    async fn mend_books(&self, by: &By, now: DateTime<Utc>) -> Result<BooksCheck, Error> {
        let (store, by) = (self.clone(), by.clone());
        // It goes on when nobody waits for it any more.
        let mending = tokio::spawn(async move { store.mend_all(&by, now).await });
        mending.await.map_err(|error| Error::Unknown(error.to_string()))?
    }
}
