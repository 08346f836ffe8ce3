//! Claims after they were settled.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::settlement::{Hindrance, Reach, Shipment, Stage, Standing, Step, Unshipped, reversal};
use forebay_schemas::MemberId;
use forebay_store::claims::{changeable, claim_keys, taken, with_points};
use forebay_store::{AuditEntry, By, ClaimChanged, ClaimFilter, ClaimView, Claims, Error};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros, page, unreadable};
use crate::store::Tools;
use crate::{SqliteStore, audit_log, outbox, reversals, stock};

/// A claim's columns, and where it stands.
macro_rules! claim_columns {
    () => {
        "c.id, c.programme_id, c.rule_id, c.reward_id, c.member_id, c.reject_code, c.days_seen, c.accepted_at,
         c.settled_at, c.fulfilled_at, c.carrier, c.tracking_number, c.reversed_at, c.review,
         case when c.reversed_at is not null then 'reversed' when c.fulfilled_at is not null then 'fulfilled'
              else c.state end as stage"
    };
}

/// Granted, and nothing came after it: in the words of the partial index.
const GRANTED: &str = " and c.state = 'granted' and c.fulfilled_at is null and c.reversed_at is null";

/// What a person wants of a claim.
enum Wish {
    Ship { shipment: Shipment, replace: bool },
    Reverse { reach: Reach, restock: bool },
    Keep,
}

/// The name of what was done and what of points the audit log says, none when it was done before; or why it can't be.
type Turn = Result<Option<(&'static str, Value)>, Hindrance>;

async fn change(
    conn: &mut SqliteConnection,
    id: Uuid,
    wish: Wish,
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<ClaimChanged, Fault> {
    let Some((standing, before)) = found(conn, id).await? else { return Ok(ClaimChanged::NotThere) };
    let turn = match wish {
        Wish::Ship { shipment, replace } => ship(conn, &standing, &shipment, replace, now, tools).await?,
        Wish::Reverse { reach, restock } => {
            reverse(conn, &standing, (reach, restock), by, now, tools).await?
        }
        Wish::Keep => keep(conn, id, before.review.is_some()).await?,
    };
    let (action, points) = match turn {
        Err(hindrance) => return Ok(ClaimChanged::Hindered(hindrance)),
        Ok(None) => return Ok(ClaimChanged::Before(Box::new(before))),
        Ok(Some(done)) => done,
    };
    let Some((_, after)) = found(conn, id).await? else { return Ok(ClaimChanged::NotThere) };
    let entry = AuditEntry {
        subject: id.to_string(),
        count: 1,
        before: changeable(&before),
        after: with_points(changeable(&after), points),
        ..AuditEntry::of(by, action, now)
    };
    audit_log::note(conn, &entry).await?;
    Ok(ClaimChanged::Done(Box::new(after)))
}

async fn found(conn: &mut SqliteConnection, id: Uuid) -> Result<Option<(Standing, ClaimView)>, Fault> {
    let row = sqlx::query(concat!(
        "select ",
        claim_columns!(),
        ", coalesce(r.kind = 'product', 0) as is_product
         from claim c left join reward r on r.id = c.reward_id where c.id = ?"
    ))
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(|row| Ok((standing(row)?, view(row)?))).transpose()
}

fn standing(row: &SqliteRow) -> Result<Standing, Fault> {
    let row = Reading::of("claim", row);
    let word: &str = row.get("stage")?;
    let stage = Stage::ALL.iter().copied().find(|stage| stage.as_str() == word);
    let shipment = row.parsed_if_any("carrier")?.zip(row.parsed_if_any("tracking_number")?);
    Ok(Standing {
        claim_id: row.get("id")?,
        programme_id: row.parsed("programme_id")?,
        rule_id: row.parsed("rule_id")?,
        reward_id: row.parsed_if_any("reward_id")?,
        member_id: row.parsed("member_id")?,
        stage: stage.ok_or_else(|| unreadable("claim", "state", "not a stage of a claim"))?,
        shipment: shipment.map(|(carrier, tracking_number)| Shipment { carrier, tracking_number }),
        is_product: row.get("is_product")?,
    })
}

async fn ship(
    conn: &mut SqliteConnection,
    standing: &Standing,
    shipment: &Shipment,
    replace: bool,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Turn, Fault> {
    let fact = match standing.ship(shipment, replace, now) {
        Err(hindrance) => return Ok(Err(hindrance)),
        Ok(Step::Nothing) => return Ok(Ok(None)),
        Ok(Step::Do(fact)) => fact,
    };
    sqlx::query("update claim set fulfilled_at = ?2, carrier = ?3, tracking_number = ?4 where id = ?1")
        .bind(standing.claim_id)
        .bind(micros(now))
        .bind(shipment.carrier.as_str())
        .bind(shipment.tracking_number.as_str())
        .execute(&mut *conn)
        .await?;
    outbox::write(conn, &[NewOutbox::fact(tools.ids.next().to_string(), now, &fact)], now).await?;
    Ok(Ok(Some(("claims.ship", Value::Null))))
}

async fn reverse(
    conn: &mut SqliteConnection,
    standing: &Standing,
    (reach, restock): (Reach, bool),
    by: &By,
    now: DateTime<Utc>,
    tools: &Tools,
) -> Result<Turn, Fault> {
    let fact = match standing.reverse(reach, now) {
        Err(hindrance) => return Ok(Err(hindrance)),
        Ok(Step::Nothing) => return Ok(Ok(None)),
        Ok(Step::Do(fact)) => fact,
    };
    sqlx::query("update claim set reversed_at = ?2, review = null, review_at = null where id = ?1")
        .bind(standing.claim_id)
        .bind(micros(now))
        .execute(&mut *conn)
        .await?;
    let (booked, back) = claim_keys(standing.claim_id);
    let points = reversals::reverse_fact(conn, &booked, back, now, tools.ids.as_ref()).await?;
    stock::give_back(conn, standing.claim_id, reversal(restock), by, now, tools).await?;
    outbox::write(conn, &[NewOutbox::fact(tools.ids.next().to_string(), now, &fact)], now).await?;
    let action = if fact.was_fulfilled { "claims.reverse" } else { "claims.cancel" };
    Ok(Ok(Some((action, taken(&points)))))
}

async fn keep(conn: &mut SqliteConnection, id: Uuid, in_review: bool) -> Result<Turn, Fault> {
    if !in_review {
        return Ok(Ok(None));
    }
    sqlx::query("update claim set review = null, review_at = null where id = ?")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(Ok(Some(("claims.keep", Value::Null))))
}

impl SqliteStore {
    async fn change_claim(
        &self,
        id: Uuid,
        wish: Wish,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error> {
        let (by, tools) = (by.clone(), self.tools());
        self.write_and_wake(move |conn| {
            Box::pin(async move { change(conn, id, wish, &by, now, &tools).await })
        })
        .await
    }
}

#[async_trait]
impl Claims for SqliteStore {
    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error> {
        let row = sqlx::query(concat!("select ", claim_columns!(), " from claim c where c.id = ?"))
            .bind(id)
            .fetch_optional(self.db.read())
            .await
            .map_err(Fault::from)?;
        Ok(row.as_ref().map(view).transpose()?)
    }

    async fn member_claims(&self, member: &MemberId, limit: u32) -> Result<Vec<ClaimView>, Error> {
        let filter = ClaimFilter { member_id: Some(member.clone()), ..ClaimFilter::default() };
        self.list_claims(&filter, None, limit).await
    }

    async fn list_claims(
        &self,
        filter: &ClaimFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<ClaimView>, Error> {
        let mut query = listing(filter);
        if let Some(after) = after {
            query
                .push(" and (c.settled_at, c.id) < (select settled_at, id from claim where id = ")
                .push_bind(after)
                .push(")");
        }
        query.push(" order by c.settled_at desc, c.id desc limit ").push_bind(page(limit));
        let rows = query.build().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        Ok(rows.iter().map(view).collect::<Result<_, _>>()?)
    }

    async fn ship_claim(
        &self,
        id: Uuid,
        shipment: &Shipment,
        replace: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error> {
        self.change_claim(id, Wish::Ship { shipment: shipment.clone(), replace }, by, now).await
    }

    async fn reverse_claim(
        &self,
        id: Uuid,
        reach: Reach,
        restock: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error> {
        self.change_claim(id, Wish::Reverse { reach, restock }, by, now).await
    }

    async fn keep_claim(&self, id: Uuid, by: &By, now: DateTime<Utc>) -> Result<ClaimChanged, Error> {
        self.change_claim(id, Wish::Keep, by, now).await
    }

    async fn unshipped(&self, granted_before: DateTime<Utc>) -> Result<Vec<Unshipped>, Error> {
        let rows = sqlx::query(
            "select r.id, r.name, count(*) as waiting, min(c.settled_at) as oldest
             from reward r cross join claim c on c.reward_id = r.id
             where c.state = 'granted' and c.fulfilled_at is null and c.reversed_at is null
                 and r.kind = 'product' and c.settled_at < ?
             group by r.id, r.name order by r.id",
        )
        .bind(micros(granted_before))
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let row = Reading::of("claim", row);
            Ok(Unshipped {
                reward_id: row.parsed("id")?,
                name: row.get("name")?,
                count: row.get("waiting")?,
                oldest: row.instant("oldest")?,
            })
        };
        Ok(rows.iter().map(read).collect::<Result<_, Fault>>()?)
    }
}

fn listing(filter: &ClaimFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(concat!("select ", claim_columns!(), " from claim c"));
    // Those of one member are few, and so are those that were taken back.
    if filter.member_id.is_none() && filter.stage == Some(Stage::Reversed) {
        query.push(" indexed by claim_reversed");
    }
    query.push(" where true");
    let words = [
        (" and c.programme_id = ", filter.programme_id.as_ref().map(|id| id.as_str().to_owned())),
        (" and c.rule_id = ", filter.rule_id.as_ref().map(|id| id.as_str().to_owned())),
        (" and c.reward_id = ", filter.reward_id.as_ref().map(|id| id.as_str().to_owned())),
        (" and c.member_id = ", filter.member_id.as_ref().map(|id| id.as_str().to_owned())),
    ];
    for (condition, word) in words {
        if let Some(word) = word {
            query.push(condition).push_bind(word);
        }
    }
    if let Some(stage) = filter.stage {
        query.push(match stage {
            Stage::Granted => GRANTED,
            Stage::Fulfilled => {
                " and c.state = 'granted' and c.fulfilled_at is not null and c.reversed_at is null"
            }
            Stage::Reversed => " and c.reversed_at is not null",
            Stage::Rejected => " and c.state = 'rejected'",
        });
    }
    if filter.to_ship {
        query.push(GRANTED).push(" and c.reward_id in (select id from reward where kind = 'product')");
    }
    if filter.needs_review {
        query.push(" and c.review_at is not null and c.reversed_at is null");
    }
    for (condition, at) in [(" and c.settled_at >= ", filter.from), (" and c.settled_at < ", filter.to)] {
        if let Some(at) = at {
            query.push(condition).push_bind(micros(at));
        }
    }
    query
}

fn view(row: &SqliteRow) -> Result<ClaimView, Fault> {
    let row = Reading::of("claim", row);
    Ok(ClaimView {
        claim_id: row.get("id")?,
        programme_id: row.get("programme_id")?,
        rule_id: row.get("rule_id")?,
        reward_id: row.get("reward_id")?,
        member_id: row.get("member_id")?,
        state: row.get("stage")?,
        reject_code: row.get("reject_code")?,
        days_seen: row.get("days_seen")?,
        accepted_at: row.instant("accepted_at")?,
        settled_at: row.instant("settled_at")?,
        fulfilled_at: row.instant_if_any("fulfilled_at")?,
        carrier: row.get("carrier")?,
        tracking_number: row.get("tracking_number")?,
        reversed_at: row.instant_if_any("reversed_at")?,
        review: row.get("review")?,
    })
}
