//! Rewards and their stock.

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use forebay_domain::programme::Reward;
use forebay_domain::stock::{Change, Changed, Stock};
use forebay_schemas::RewardId;
use forebay_schemas::events::StockChangeKind;
use forebay_store::{
    AuditEntry, By, Error, RewardView, StockAfter, StockCursor, StockEntry, StockMovement, StockOutcome,
    StockSetting, StockView, Stocks,
};
use serde_json::json;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros, page};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, incidents, outbox, rewards_load};

macro_rules! rewards {
    ($rest:literal) => {
        concat!(
            "select r.id, r.name, r.kind, r.points, r.sku, s.total, s.reserved, s.issued, s.low_at,
                    s.low_armed and s.out_armed as armed, s.version
             from reward r left join stock s on s.reward_id = r.id ",
            $rest
        )
    };
}

/// What makes a change: who, which claim, under which key.
struct Cause<'c> {
    by: &'c By,
    claim_id: Option<Uuid>,
    key: Option<&'c str>,
}

/// The first stock of a reward, which is told of when it begins at its threshold or with nothing.
pub(crate) async fn set_up(
    conn: &mut SqliteConnection,
    reward: &Reward,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let Some(mut stock) = Stock::set_up(reward) else { return Ok(()) };
    let told = stock.told_crossing(now, tools.ids.as_ref());
    // One that is there is people's to change.
    let set_up = sqlx::query(
        "insert into stock (reward_id, total, low_at, low_armed, out_armed) values (?, ?, ?, ?, ?)
         on conflict (reward_id) do nothing",
    )
    .bind(stock.reward_id.as_str())
    .bind(stock.total)
    .bind(stock.low_at)
    .bind(stock.low_armed)
    .bind(stock.out_armed)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if let Some((fact, raise)) = told.filter(|_| set_up == 1) {
        outbox::write(conn, &[fact], now).await?;
        incidents::raise(conn, vec![raise], now, tools).await?;
    }
    Ok(())
}

/// What a claim took of a stock goes back as this change says; one that took nothing gives nothing.
pub(crate) async fn give_back(
    conn: &mut SqliteConnection,
    claim_id: Uuid,
    change: Change,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<(), Fault> {
    let row = sqlx::query("select reward_id from movement where claim_id = ?")
        .bind(claim_id)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = &row else { return Ok(()) };
    let Some(stock) = found(conn, &Reading::of("movement", row).parsed("reward_id")?).await? else {
        return Ok(());
    };
    // The claim has an entry in the audit log, by its own id; this is a part of it.
    let by = By { id: tools.ids.next(), ..by.clone() };
    let changed = stock.changed(change, now, tools.ids.as_ref()).map_err(|below| {
        let why = format!("what claim {claim_id} took can't go back: {below}");
        Error::Inconsistent { table: "stock", column: "issued", why }
    })?;
    write(conn, change, changed, &Cause { by: &by, claim_id: Some(claim_id), key: None }, now, tools).await?;
    Ok(())
}

async fn write(
    conn: &mut SqliteConnection,
    change: Change,
    changed: Changed,
    cause: &Cause<'_>,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<StockAfter, Fault> {
    let Changed { stock, outbox, raises, resolves } = changed;
    sqlx::query(
        "update stock set total = ?2, issued = ?3, low_at = ?4, low_armed = ?5, out_armed = ?6, version = ?7
         where reward_id = ?1",
    )
    .bind(stock.reward_id.as_str())
    .bind(stock.total)
    .bind(stock.issued)
    .bind(stock.low_at)
    .bind(stock.low_armed)
    .bind(stock.out_armed)
    .bind(stock.version)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into stock_change (id, reward_id, kind, delta_total, delta_issued, total, remaining, low_at, version,
                                   claim_id, idem_key, actor, reason, at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(cause.by.id)
    .bind(stock.reward_id.as_str())
    .bind(change.kind.as_str())
    .bind(change.total)
    .bind(change.issued)
    .bind(stock.total)
    .bind(stock.remaining())
    .bind(stock.low_at)
    .bind(stock.version)
    .bind(cause.claim_id)
    .bind(cause.key)
    .bind(&cause.by.actor)
    .bind(&cause.by.reason)
    .bind(micros(now))
    .execute(&mut *conn)
    .await?;
    outbox::write(conn, &outbox, now).await?;
    incidents::resolve(conn, &resolves, now, tools).await?;
    incidents::raise(conn, raises, now, tools).await?;
    Ok(StockAfter {
        change_id: cause.by.id,
        reward_id: stock.reward_id.as_str().to_owned(),
        kind: change.kind.as_str().to_owned(),
        delta: change.total - change.issued,
        total: stock.total,
        left: stock.remaining(),
        low_at: stock.low_at,
        version: stock.version,
        at: now.trunc_subsecs(6),
    })
}

/// A change that a person asks for, with its entry in the audit log.
async fn change_by_person(
    conn: &mut SqliteConnection,
    stock: Stock,
    change: Change,
    (key, by): (Option<&str>, &By),
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<StockOutcome, Fault> {
    let before = stock.clone();
    let Ok(changed) = stock.changed(change, now, tools.ids.as_ref()) else {
        return Ok(StockOutcome::BelowCommitted(StockView::from(&before)));
    };
    let shown =
        |stock: &Stock| json!({ "total": stock.total, "low_at": stock.low_at, "version": stock.version });
    let action = if change.kind == StockChangeKind::Set { "stock.set" } else { "stock.move" };
    let entry = AuditEntry {
        subject: before.reward_id.to_string(),
        count: 1,
        before: shown(&before),
        after: shown(&changed.stock),
        ..AuditEntry::of(by, action, now)
    };
    let after = write(conn, change, changed, &Cause { by, claim_id: None, key }, now, tools).await?;
    audit_log::note(conn, &entry).await?;
    Ok(StockOutcome::Done(after))
}

async fn moved(
    conn: &mut SqliteConnection,
    movement: &StockMovement,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<StockOutcome, Fault> {
    let Some(stock) = found(conn, &movement.reward_id).await? else { return Ok(StockOutcome::NotThere) };
    let known = sqlx::query("select * from stock_change where actor = ? and idem_key = ?")
        .bind(&by.actor)
        .bind(&movement.key)
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(row) = &known {
        let after = after(row)?;
        let same = after.reward_id == movement.reward_id.as_str()
            && after.kind == movement.kind.as_str()
            && after.delta == movement.delta
            && Reading::of("stock_change", row).get::<&str>("reason")? == by.reason;
        return Ok(if same { StockOutcome::Before(after) } else { StockOutcome::KeyReused });
    }
    let change = Change { kind: movement.kind, total: movement.delta, issued: 0, low_at: None };
    change_by_person(conn, stock, change, (Some(&movement.key), by), now, tools).await
}

async fn set(
    conn: &mut SqliteConnection,
    setting: &StockSetting,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<StockOutcome, Fault> {
    let Some(stock) = found(conn, &setting.reward_id).await? else { return Ok(StockOutcome::NotThere) };
    if stock.version != setting.version {
        return Ok(StockOutcome::Stale(StockView::from(&stock)));
    }
    let total = setting.total - stock.total;
    let change = Change { kind: StockChangeKind::Set, total, issued: 0, low_at: setting.low_at };
    change_by_person(conn, stock, change, (None, by), now, tools).await
}

async fn found(conn: &mut SqliteConnection, reward: &RewardId) -> Result<Option<Stock>, Fault> {
    let row = sqlx::query(
        "select s.*, r.name from stock s join reward r on r.id = s.reward_id where s.reward_id = ?",
    )
    .bind(reward.as_str())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(rewards_load::stock).transpose()
}

#[async_trait]
impl Stocks for SqliteStore {
    async fn rewards(&self, after: Option<&RewardId>, limit: u32) -> Result<Vec<RewardView>, Error> {
        let rows = sqlx::query(rewards!("where ?1 is null or r.id > ?1 order by r.id limit ?2"))
            .bind(after.map(RewardId::as_str))
            .bind(page(limit))
            .fetch_all(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(rows.iter().map(reward).collect::<Result<_, _>>()?)
    }

    async fn reward(&self, id: &RewardId) -> Result<Option<RewardView>, Error> {
        let row = sqlx::query(rewards!("where r.id = ?"))
            .bind(id.as_str())
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.as_ref().map(reward).transpose()?)
    }

    async fn low_stock(&self) -> Result<Vec<Stock>, Error> {
        let rows = sqlx::query(
            "select s.*, r.name from stock s join reward r on r.id = s.reward_id
             where s.total - s.reserved - s.issued <= s.low_at order by s.reward_id",
        )
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(rewards_load::stock).collect::<Result<_, _>>()?)
    }

    async fn move_stock(
        &self,
        movement: &StockMovement,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error> {
        let (movement, by, tools) = (movement.clone(), by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { moved(conn, &movement, &by, now, &tools).await })
        })
        .await
    }

    async fn set_stock(
        &self,
        setting: &StockSetting,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error> {
        let (setting, by, tools) = (setting.clone(), by.clone(), self.tools());
        self.write_and_wake(move |conn| Box::pin(async move { set(conn, &setting, &by, now, &tools).await }))
            .await
    }

    async fn stock_history(
        &self,
        reward: &RewardId,
        after: Option<StockCursor>,
        limit: u32,
    ) -> Result<Vec<StockEntry>, Error> {
        // Each half gives a page, so that the indexes of both serve.
        let rows = sqlx::query(
            "select * from (
                select * from (
                    select claim_id as id, created_at as at, 'claim' as kind, -delta_issued as delta,
                           null as remaining, null as total, claim_id, null as actor, null as reason
                    from movement where reward_id = ?1 and (?2 is null or (created_at, claim_id) < (?2, ?3))
                    order by created_at desc, claim_id desc limit ?4)
                union all
                select * from (
                    select id, at, kind, delta_total - delta_issued, remaining, total, claim_id, actor, reason
                    from stock_change where reward_id = ?1 and (?2 is null or (at, id) < (?2, ?3))
                    order by at desc, id desc limit ?4)
             ) order by at desc, id desc limit ?4",
        )
        .bind(reward.as_str())
        .bind(after.map(|after| micros(after.at)))
        .bind(after.map(|after| after.id))
        .bind(page(limit))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(entry).collect::<Result<_, _>>()?)
    }
}

fn reward(row: &SqliteRow) -> Result<RewardView, Fault> {
    let row = Reading::of("reward", row);
    let stock = match row.get::<Option<i64>>("total")? {
        None => None,
        Some(total) => {
            let (reserved, issued): (i64, i64) = (row.get("reserved")?, row.get("issued")?);
            Some(StockView {
                total,
                reserved,
                issued,
                left: total - reserved - issued,
                low_at: row.get("low_at")?,
                armed: row.get("armed")?,
                version: row.get("version")?,
            })
        }
    };
    Ok(RewardView {
        reward_id: row.get("id")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        points: row.get("points")?,
        sku: row.get("sku")?,
        stock,
    })
}

fn after(row: &SqliteRow) -> Result<StockAfter, Fault> {
    let row = Reading::of("stock_change", row);
    let (total, issued): (i64, i64) = (row.get("delta_total")?, row.get("delta_issued")?);
    Ok(StockAfter {
        change_id: row.get("id")?,
        reward_id: row.get("reward_id")?,
        kind: row.get("kind")?,
        delta: total - issued,
        total: row.get("total")?,
        left: row.get("remaining")?,
        low_at: row.get("low_at")?,
        version: row.get("version")?,
        at: row.instant("at")?,
    })
}

fn entry(row: &SqliteRow) -> Result<StockEntry, Fault> {
    let row = Reading::of("stock_change", row);
    Ok(StockEntry {
        id: row.get("id")?,
        at: row.instant("at")?,
        kind: row.get("kind")?,
        delta: row.get("delta")?,
        left: row.get("remaining")?,
        total: row.get("total")?,
        claim_id: row.get("claim_id")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}
