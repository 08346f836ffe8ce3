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
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros, page};
use crate::store::Tools;
use crate::{
    SqliteStore, audit_log, erasure, outbox, points_check, points_load, points_mend, points_write, reversals,
    rewards_load,
};

async fn adjust_once(
    conn: &mut SqliteConnection,
    adjustment: &Adjustment,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Adjusted, Fault> {
    let member_id = &adjustment.member_id;
    let mut books = Books::default();
    if !erasure::among(conn, [member_id.as_str()]).await?.is_empty() || books.is_erased(member_id) {
        return Ok(Adjusted::Erased);
    }
    if let Some(before) = adjusted_before(conn, adjustment).await? {
        return Ok(before);
    }
    let members = BTreeSet::from([member_id.clone()]);
    rewards_load::accounts(conn, &members, &mut books).await?;
    let balance = books.balance(member_id);
    if balance.saturating_add(adjustment.delta) < 0 {
        return Ok(Adjusted::Below { balance });
    }
    books.purses = points_load::purses(conn, &members).await?;
    let (key, ids) = (adjustment.idem_key(), tools.ids.as_ref());
    let settlement = adjust(&mut books, member_id, adjustment.delta, key, now, ids);
    points_write::write(conn, &settlement, now).await?;
    outbox::write(conn, &settlement.outbox, now).await?;
    let Some(txn) = settlement.ledger.first() else { return Ok(Adjusted::Below { balance }) };
    audit_log::note(conn, &adjustment.told(txn.id, txn.balance_after, by, now)).await?;
    Ok(Adjusted::Done { txn_id: txn.id, balance_after: txn.balance_after, before: false })
}

/// What became of a correction of this key before.
async fn adjusted_before(
    conn: &mut SqliteConnection,
    adjustment: &Adjustment,
) -> Result<Option<Adjusted>, Fault> {
    let row: Option<(Uuid, String, i64, Option<i64>)> = sqlx::query_as(
        "select t.id, e.account, e.amount, e.balance_after
         from ledger_txn t join ledger_entry e on e.txn_id = t.id and e.account like 'm:%' where t.idem_key = ?",
    )
    .bind(adjustment.idem_key())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(txn_id, account, amount, balance_after)| {
        let same = account == format!("m:{}", adjustment.member_id) && amount == adjustment.delta;
        match balance_after {
            Some(balance_after) if same => Adjusted::Done { txn_id, balance_after, before: true },
            _ => Adjusted::Reused,
        }
    }))
}

async fn reverse_once(
    conn: &mut SqliteConnection,
    txn: Uuid,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Reversal, Fault> {
    let claimed: Option<bool> =
        sqlx::query_scalar("select kind = 'claim_grant' from ledger_txn where id = ?")
            .bind(txn)
            .fetch_optional(&mut *conn)
            .await?;
    if claimed == Some(true) {
        return Ok(Reversal::OfClaim);
    }
    let key = format!("reverse:{txn}");
    let reversal = reversals::reverse_txn(conn, txn, key, now, tools.ids.as_ref()).await?;
    if let Some(entry) = reversal.told(txn, by, now) {
        audit_log::note(conn, &entry).await?;
    }
    Ok(reversal)
}

async fn expire_once(
    conn: &mut SqliteConnection,
    limit: u32,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let rows = sqlx::query(
        "select member_id from points_lot where remaining > 0 and expires_at <= ? order by expires_at, id limit ?",
    )
    .bind(micros(now))
    .bind(page(limit))
    .fetch_all(&mut *conn)
    .await?;
    let members = rows.iter().map(|row| Reading::of("points_lot", row).parsed("member_id"));
    let members: BTreeSet<MemberId> = members.collect::<Result<_, _>>()?;
    let mut books = Books::default();
    rewards_load::accounts(conn, &members, &mut books).await?;
    books.purses = points_load::purses(conn, &members).await?;
    let settlement = expire(&mut books, now, tools.ids.as_ref());
    points_write::write(conn, &settlement, now).await?;
    outbox::write(conn, &settlement.outbox, now).await?;
    Ok(u32::try_from(settlement.ledger.len()).unwrap_or(u32::MAX))
}

async fn warn_once(
    conn: &mut SqliteConnection,
    until: DateTime<Utc>,
    limit: u32,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<u32, Fault> {
    let rows = sqlx::query(
        "update points_lot set warned_at = ?1
         where id in (select id from points_lot
                      where remaining > 0 and expires_at > ?1 and expires_at <= ?2 and warned_at is null
                      order by expires_at, id limit ?3)
         returning id, member_id, remaining, expires_at",
    )
    .bind(micros(now))
    .bind(micros(until))
    .bind(page(limit))
    .fetch_all(&mut *conn)
    .await?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("points_lot", row);
        let fact = PointsExpiring {
            member_id: row.parsed("member_id")?,
            lot_id: row.get("id")?,
            points: row.get("remaining")?,
            expires_at: row.instant("expires_at")?,
        };
        facts.push(NewOutbox::fact(tools.ids.next().to_string(), now, &fact));
    }
    outbox::write(conn, &facts, now).await?;
    Ok(u32::try_from(facts.len()).unwrap_or(u32::MAX))
}

fn spend(row: &SqliteRow) -> Result<SpendView, Fault> {
    let row = Reading::of("spend", row);
    Ok(SpendView {
        spend_id: row.get("id")?,
        member_id: row.get("member_id")?,
        points: row.get("points")?,
        reference: row.get("reference")?,
        state: row.get("state")?,
        reject_code: row.get("reject_code")?,
        txn_id: row.get("txn_id")?,
        reversed_by: row.get("reversed_by")?,
        accepted_at: row.instant("accepted_at")?,
        settled_at: row.instant("settled_at")?,
    })
}

fn lot(row: &SqliteRow) -> Result<LotView, Fault> {
    let row = Reading::of("points_lot", row);
    Ok(LotView {
        lot_id: row.get("id")?,
        txn_id: row.get("txn_id")?,
        points: row.get("remaining")?,
        granted: row.get("granted")?,
        usable_from: row.instant("usable_from")?,
        expires_at: row.instant_if_any("expires_at")?,
    })
}

fn line(row: &SqliteRow) -> Result<LedgerLine, Fault> {
    let row = Reading::of("ledger_txn", row);
    Ok(LedgerLine {
        txn_id: row.get("id")?,
        kind: row.get("kind")?,
        fact: row.get("idem_key")?,
        delta: row.get("amount")?,
        balance_after: row.get("balance_after")?,
        shortfall: row.get("shortfall")?,
        reverses: row.get("reverses")?,
        at: row.instant("created_at")?,
    })
}

async fn member_points(
    conn: &mut SqliteConnection,
    member: &MemberId,
    now: DateTime<Utc>,
) -> Result<PointsView, Fault> {
    let (balance, usable): (i64, i64) = sqlx::query_as(
        "select coalesce((select balance from member where id = ?1), 0),
                (select coalesce(sum(remaining), 0) from points_lot
                 where member_id = ?1 and usable_from <= ?2 and (expires_at is null or expires_at > ?2))",
    )
    .bind(member.as_str())
    .bind(micros(now))
    .fetch_one(&mut *conn)
    .await?;
    let rows = sqlx::query(
        "select * from points_lot where member_id = ? and remaining > 0 order by expires_at nulls last, id limit ?",
    )
    .bind(member.as_str())
    .bind(page(u32::MAX))
    .fetch_all(conn)
    .await?;
    Ok(PointsView { balance, usable, lots: rows.iter().map(lot).collect::<Result<_, _>>()? })
}

#[async_trait]
impl Points for SqliteStore {
    async fn spend(&self, id: Uuid) -> Result<Option<SpendView>, Error> {
        let row = sqlx::query(
            "select s.*, r.id as reversed_by from spend s left join ledger_txn r on r.reverses = s.txn_id
             where s.id = ?",
        )
        .bind(id)
        .fetch_optional(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(row.as_ref().map(spend).transpose()?)
    }

    async fn member_points(&self, member: &MemberId, now: DateTime<Utc>) -> Result<PointsView, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(member_points(&mut read, member, now).await?)
    }

    async fn member_ledger(
        &self,
        member: &MemberId,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<LedgerLine>, Error> {
        let rows = sqlx::query(
            "select t.*, e.amount, e.balance_after from ledger_entry e join ledger_txn t on t.id = e.txn_id
             where e.account = ?1
               and (?2 is null or (t.created_at, t.id) < (select created_at, id from ledger_txn where id = ?2))
             order by t.created_at desc, t.id desc limit ?3",
        )
        .bind(format!("m:{member}"))
        .bind(after)
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(line).collect::<Result<_, _>>()?)
    }

    async fn adjust_points(
        &self,
        adjustment: &Adjustment,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Adjusted, Error> {
        let (adjustment, by, tools) = (adjustment.clone(), by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { adjust_once(conn, &adjustment, &by, now, &tools).await })
        })
        .await
    }

    async fn reverse_txn(&self, txn: Uuid, by: &By, now: DateTime<Utc>) -> Result<Reversal, Error> {
        let (by, tools) = (by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { reverse_once(conn, txn, &by, now, &tools).await })
        })
        .await
    }

    async fn expire_points(&self, limit: u32, now: DateTime<Utc>) -> Result<u32, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| Box::pin(async move { expire_once(conn, limit, now, &tools).await }))
            .await
    }

    async fn warn_of_expiry(
        &self,
        until: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u32, Error> {
        let tools = self.tools();
        self.write_and_wake(move |conn| {
            Box::pin(async move { warn_once(conn, until, limit, now, &tools).await })
        })
        .await
    }

    async fn check_books(&self) -> Result<BooksCheck, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(points_check::check(&mut read).await?)
    }

    async fn mend_books(&self, by: &By, now: DateTime<Utc>) -> Result<BooksCheck, Error> {
        let by = by.clone();
        self.write(move |conn| Box::pin(async move { points_mend::mend(conn, &by, now).await })).await
    }
}
