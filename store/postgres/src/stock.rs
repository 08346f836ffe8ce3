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
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rewards_load::{StockRow, stock_of};
use crate::rows::{page, read, storable};
use crate::{PostgresStore, audit_log, incidents, outbox};

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

impl PostgresStore {
    /// What a claim took of a stock goes back as this change says; one that took nothing gives nothing.
    pub(crate) async fn give_back(
        &self,
        conn: &mut PgConnection,
        claim_id: Uuid,
        change: Change,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        let reward: Option<String> = sqlx::query_scalar("select reward_id from movement where claim_id = $1")
            .bind(claim_id)
            .fetch_optional(&mut *conn)
            .await?;
        let Some(reward) = read("movement", "reward_id", reward.map(RewardId::new).transpose())? else {
            return Ok(());
        };
        let Some(stock) = locked(conn, &reward).await? else { return Ok(()) };
        // The claim has an entry in the audit log, by its own id; this is a part of it.
        let by = By { id: self.ids.next(), ..by.clone() };
        let changed = stock.changed(change, now, self.ids.as_ref()).map_err(|below| {
            let why = format!("what claim {claim_id} took can't go back: {below}");
            Error::Inconsistent { table: "stock", column: "issued", why }
        })?;
        self.write_change(
            conn,
            change,
            changed,
            &Cause { by: &by, claim_id: Some(claim_id), key: None },
            now,
        )
        .await?;
        Ok(())
    }

    async fn write_change(
        &self,
        conn: &mut PgConnection,
        change: Change,
        changed: Changed,
        cause: &Cause<'_>,
        now: DateTime<Utc>,
    ) -> Result<StockAfter, Stop> {
        let Changed { stock, outbox, raises, resolves } = changed;
        sqlx::query(
            "update stock set total = $2, issued = $3, low_at = $4, low_armed = $5, out_armed = $6, version = $7
             where reward_id = $1",
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
            "insert into stock_change (id, reward_id, kind, delta_total, delta_issued, total, remaining, low_at,
                                       version, claim_id, idem_key, actor, reason, at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
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
        .bind(storable(&cause.by.actor))
        .bind(storable(&cause.by.reason))
        .bind(now)
        .execute(&mut *conn)
        .await?;
        outbox::write(conn, &outbox, now).await?;
        incidents::resolve(conn, &resolves, now, self).await?;
        incidents::raise(conn, raises, now, self).await?;
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
        &self,
        conn: &mut PgConnection,
        stock: Stock,
        change: Change,
        key: Option<&str>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Stop> {
        let before = stock.clone();
        let Ok(changed) = stock.changed(change, now, self.ids.as_ref()) else {
            return Ok(StockOutcome::BelowCommitted(StockView::from(&before)));
        };
        let shown =
            |stock: &Stock| json!({ "total": stock.total, "low_at": stock.low_at, "version": stock.version });
        let entry = AuditEntry {
            subject: before.reward_id.to_string(),
            count: 1,
            before: shown(&before),
            after: shown(&changed.stock),
            ..AuditEntry::of(
                by,
                if change.kind == StockChangeKind::Set { "stock.set" } else { "stock.move" },
                now,
            )
        };
        let after = self.write_change(conn, change, changed, &Cause { by, claim_id: None, key }, now).await?;
        audit_log::note(conn, &entry).await?;
        Ok(StockOutcome::Done(after))
    }

    /// The stock is locked before the key is looked for: a repeat that is under way at once finds it.
    async fn move_once(
        &self,
        conn: &mut PgConnection,
        movement: &StockMovement,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Stop> {
        let Some(stock) = locked(conn, &movement.reward_id).await? else { return Ok(StockOutcome::NotThere) };
        let known = sqlx::query("select * from stock_change where actor = $1 and idem_key = $2")
            .bind(storable(&by.actor))
            .bind(&movement.key)
            .fetch_optional(&mut *conn)
            .await?;
        if let Some(row) = known {
            let after = after(&row)?;
            let same = after.reward_id == movement.reward_id.as_str()
                && after.kind == movement.kind.as_str()
                && after.delta == movement.delta
                && row.try_get::<String, _>("reason")? == storable(&by.reason);
            return Ok(if same { StockOutcome::Before(after) } else { StockOutcome::KeyReused });
        }
        let change = Change { kind: movement.kind, total: movement.delta, issued: 0, low_at: None };
        self.change_by_person(conn, stock, change, Some(&movement.key), by, now).await
    }

    async fn set_once(
        &self,
        conn: &mut PgConnection,
        setting: &StockSetting,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Stop> {
        let Some(stock) = locked(conn, &setting.reward_id).await? else { return Ok(StockOutcome::NotThere) };
        if stock.version != setting.version {
            return Ok(StockOutcome::Stale(StockView::from(&stock)));
        }
        let change = Change {
            kind: StockChangeKind::Set,
            total: setting.total - stock.total,
            issued: 0,
            low_at: setting.low_at,
        };
        self.change_by_person(conn, stock, change, None, by, now).await
    }
}

/// The first stock of a reward, which is told of when it begins at its threshold or with nothing.
pub(crate) async fn set_up(
    conn: &mut PgConnection,
    reward: &Reward,
    now: DateTime<Utc>,
    store: &PostgresStore,
) -> Result<(), Stop> {
    let Some(mut stock) = Stock::set_up(reward) else { return Ok(()) };
    let told = stock.told_crossing(now, store.ids.as_ref());
    // One that is there is people's to change.
    let set_up = sqlx::query(
        "insert into stock (reward_id, total, low_at, low_armed, out_armed) values ($1, $2, $3, $4, $5)
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
        incidents::raise(conn, vec![raise], now, store).await?;
    }
    Ok(())
}

async fn locked(conn: &mut PgConnection, reward: &RewardId) -> Result<Option<Stock>, Stop> {
    let row: Option<StockRow> = sqlx::query_as(
        "select s.reward_id, r.name, s.total, s.reserved, s.issued, s.low_at, s.low_armed, s.out_armed, s.version
         from stock s join reward r on r.id = s.reward_id where s.reward_id = $1 for update of s",
    )
    .bind(reward.as_str())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(stock_of).transpose()?)
}

#[async_trait]
impl Stocks for PostgresStore {
    async fn rewards(&self, after: Option<&RewardId>, limit: u32) -> Result<Vec<RewardView>, Error> {
        let rows = sqlx::query(rewards!("where $1::text is null or r.id > $1 order by r.id limit $2"))
            .bind(after.map(RewardId::as_str))
            .bind(page(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
        rows.iter().map(|row| reward(row).map_err(store_error)).collect()
    }

    async fn reward(&self, id: &RewardId) -> Result<Option<RewardView>, Error> {
        let row = sqlx::query(rewards!("where r.id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        row.as_ref().map(reward).transpose().map_err(store_error)
    }

    async fn low_stock(&self) -> Result<Vec<Stock>, Error> {
        let rows: Vec<StockRow> = sqlx::query_as(
            "select s.reward_id, r.name, s.total, s.reserved, s.issued, s.low_at, s.low_armed, s.out_armed, s.version
             from stock s join reward r on r.id = s.reward_id
             where s.total - s.reserved - s.issued <= s.low_at order by s.reward_id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(stock_of).collect()
    }

    async fn move_stock(
        &self,
        movement: &StockMovement,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.move_once(&mut tx, movement, by, now).await;
            if let Some(outcome) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(outcome);
            }
        }
    }

    async fn set_stock(
        &self,
        setting: &StockSetting,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<StockOutcome, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.set_once(&mut tx, setting, by, now).await;
            if let Some(outcome) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(outcome);
            }
        }
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
                (select claim_id as id, created_at as at, 'claim' as kind, -delta_issued as delta,
                        null::int8 as remaining, null::int8 as total, claim_id, null as actor, null as reason
                 from movement
                 where reward_id = $1 and ($2::timestamptz is null or (created_at, claim_id) < ($2, $3))
                 order by created_at desc, claim_id desc limit $4)
                union all
                (select id, at, kind, delta_total - delta_issued, remaining, total, claim_id, actor, reason
                 from stock_change
                 where reward_id = $1 and ($2::timestamptz is null or (at, id) < ($2, $3))
                 order by at desc, id desc limit $4)
             ) h order by at desc, id desc limit $4",
        )
        .bind(reward.as_str())
        .bind(after.map(|after| after.at))
        .bind(after.map(|after| after.id))
        .bind(page(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.iter().map(|row| entry(row).map_err(store_error)).collect()
    }
}

fn reward(row: &PgRow) -> Result<RewardView, sqlx::Error> {
    let total: Option<i64> = row.try_get("total")?;
    let stock = match total {
        None => None,
        Some(total) => {
            let (reserved, issued): (i64, i64) = (row.try_get("reserved")?, row.try_get("issued")?);
            Some(StockView {
                total,
                reserved,
                issued,
                left: total - reserved - issued,
                low_at: row.try_get("low_at")?,
                armed: row.try_get("armed")?,
                version: row.try_get("version")?,
            })
        }
    };
    Ok(RewardView {
        reward_id: row.try_get("id")?,
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        points: row.try_get("points")?,
        sku: row.try_get("sku")?,
        stock,
    })
}

fn after(row: &PgRow) -> Result<StockAfter, sqlx::Error> {
    let (total, issued): (i64, i64) = (row.try_get("delta_total")?, row.try_get("delta_issued")?);
    Ok(StockAfter {
        change_id: row.try_get("id")?,
        reward_id: row.try_get("reward_id")?,
        kind: row.try_get("kind")?,
        delta: total - issued,
        total: row.try_get("total")?,
        left: row.try_get("remaining")?,
        low_at: row.try_get("low_at")?,
        version: row.try_get("version")?,
        at: row.try_get("at")?,
    })
}

fn entry(row: &PgRow) -> Result<StockEntry, sqlx::Error> {
    Ok(StockEntry {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        delta: row.try_get("delta")?,
        left: row.try_get("remaining")?,
        total: row.try_get("total")?,
        claim_id: row.try_get("claim_id")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
    })
}
