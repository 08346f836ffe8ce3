//! Claims after they were settled.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::NewOutbox;
use forebay_domain::settlement::{Hindrance, Reach, Shipment, Stage, Standing, Step, Unshipped, reversal};
use forebay_schemas::{CarrierCode, MemberId, RewardId, TrackingNumber};
use forebay_store::claims::{changeable, claim_keys, taken, with_points};
use forebay_store::{AuditEntry, By, ClaimChanged, ClaimFilter, ClaimView, Claims, Error};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rows::{page, read};
use crate::{PostgresStore, audit_log, outbox, reversals};

/// A claim's columns, and where it stands.
macro_rules! claim_columns {
    () => {
        "c.id, c.programme_id, c.rule_id, c.reward_id, c.member_id, c.reject_code, c.days_seen, c.accepted_at,
         c.settled_at, c.fulfilled_at, c.carrier, c.tracking_number, c.reversed_at, c.review,
         case when c.reversed_at is not null then 'reversed' when c.fulfilled_at is not null then 'fulfilled'
              else c.state end as stage"
    };
}

/// What a person wants of a claim.
enum Wish<'w> {
    Ship { shipment: &'w Shipment, replace: bool },
    Reverse { reach: Reach, restock: bool },
    Keep,
}

/// The name of what was done and what of points the audit log says, none when it was done before; or why it can't be.
type Turn = Result<Option<(&'static str, Value)>, Hindrance>;

impl PostgresStore {
    /// The member is locked before the claim, as everywhere, and the stock after it.
    async fn change_once(
        &self,
        conn: &mut PgConnection,
        id: Uuid,
        wish: &Wish<'_>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Stop> {
        if let Wish::Reverse { .. } = wish {
            sqlx::query(
                "select from member where id = (select member_id from claim where id = $1) for update",
            )
            .bind(id)
            .execute(&mut *conn)
            .await?;
        }
        let Some((standing, before)) = locked(conn, id).await? else { return Ok(ClaimChanged::NotThere) };
        let step = match wish {
            Wish::Ship { shipment, replace } => self.ship(conn, &standing, shipment, *replace, now).await,
            Wish::Reverse { reach, restock } => {
                self.reverse(conn, &standing, *reach, *restock, by, now).await
            }
            Wish::Keep => keep(conn, id, before.review.is_some()).await,
        };
        let (action, points) = match step? {
            Err(hindrance) => return Ok(ClaimChanged::Hindered(hindrance)),
            Ok(None) => return Ok(ClaimChanged::Before(Box::new(before))),
            Ok(Some(done)) => done,
        };
        let Some((_, after)) = locked(conn, id).await? else { return Ok(ClaimChanged::NotThere) };
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

    async fn ship(
        &self,
        conn: &mut PgConnection,
        standing: &Standing,
        shipment: &Shipment,
        replace: bool,
        now: DateTime<Utc>,
    ) -> Result<Turn, Stop> {
        let fact = match standing.ship(shipment, replace, now) {
            Err(hindrance) => return Ok(Err(hindrance)),
            Ok(Step::Nothing) => return Ok(Ok(None)),
            Ok(Step::Do(fact)) => fact,
        };
        sqlx::query("update claim set fulfilled_at = $2, carrier = $3, tracking_number = $4 where id = $1")
            .bind(standing.claim_id)
            .bind(now)
            .bind(shipment.carrier.as_str())
            .bind(shipment.tracking_number.as_str())
            .execute(&mut *conn)
            .await?;
        outbox::write(conn, &[NewOutbox::fact(self.ids.next().to_string(), now, &fact)], now).await?;
        Ok(Ok(Some(("claims.ship", Value::Null))))
    }

    async fn reverse(
        &self,
        conn: &mut PgConnection,
        standing: &Standing,
        reach: Reach,
        restock: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<Turn, Stop> {
        let fact = match standing.reverse(reach, now) {
            Err(hindrance) => return Ok(Err(hindrance)),
            Ok(Step::Nothing) => return Ok(Ok(None)),
            Ok(Step::Do(fact)) => fact,
        };
        sqlx::query("update claim set reversed_at = $2, review = null, review_at = null where id = $1")
            .bind(standing.claim_id)
            .bind(now)
            .execute(&mut *conn)
            .await?;
        let (booked, back) = claim_keys(standing.claim_id);
        let points = reversals::reverse_fact(conn, &booked, back, now, self.ids.as_ref()).await?;
        self.give_back(conn, standing.claim_id, reversal(restock), by, now).await?;
        outbox::write(conn, &[NewOutbox::fact(self.ids.next().to_string(), now, &fact)], now).await?;
        let action = if fact.was_fulfilled { "claims.reverse" } else { "claims.cancel" };
        Ok(Ok(Some((action, taken(&points)))))
    }

    async fn change_claim(
        &self,
        id: Uuid,
        wish: Wish<'_>,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = self.change_once(&mut tx, id, &wish, by, now).await;
            if let Some(changed) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(changed);
            }
        }
    }
}

async fn locked(conn: &mut PgConnection, id: Uuid) -> Result<Option<(Standing, ClaimView)>, Stop> {
    let row = sqlx::query(concat!(
        "select ",
        claim_columns!(),
        ", coalesce(r.kind = 'product', false) as is_product
         from claim c left join reward r on r.id = c.reward_id where c.id = $1 for update of c"
    ))
    .bind(id)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let view = view(&row).map_err(store_error)?;
    let standing = standing(&view, row.try_get("is_product")?)?;
    Ok(Some((standing, view)))
}

fn standing(view: &ClaimView, is_product: bool) -> Result<Standing, Error> {
    let carrier = view.carrier.clone().map(CarrierCode::new).transpose();
    let number = view.tracking_number.clone().map(TrackingNumber::new).transpose();
    let shipment = read("claim", "carrier", carrier)?.zip(read("claim", "tracking_number", number)?);
    let stage = Stage::ALL.iter().copied().find(|stage| stage.as_str() == view.state);
    Ok(Standing {
        claim_id: view.claim_id,
        programme_id: read("claim", "programme_id", view.programme_id.parse())?,
        rule_id: read("claim", "rule_id", view.rule_id.parse())?,
        reward_id: read("claim", "reward_id", view.reward_id.clone().map(RewardId::new).transpose())?,
        member_id: read("claim", "member_id", view.member_id.parse())?,
        stage: read("claim", "state", stage.ok_or("not a stage of a claim"))?,
        shipment: shipment.map(|(carrier, tracking_number)| Shipment { carrier, tracking_number }),
        is_product,
    })
}

async fn keep(conn: &mut PgConnection, id: Uuid, in_review: bool) -> Result<Turn, Stop> {
    if !in_review {
        return Ok(Ok(None));
    }
    sqlx::query("update claim set review = null, review_at = null where id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(Ok(Some(("claims.keep", Value::Null))))
}

#[async_trait]
impl Claims for PostgresStore {
    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error> {
        let row = sqlx::query(concat!("select ", claim_columns!(), " from claim c where c.id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(store_error)?;
        row.as_ref().map(view).transpose().map_err(store_error)
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
        let rows = query.build().fetch_all(&self.pool).await.map_err(store_error)?;
        rows.iter().map(|row| view(row).map_err(store_error)).collect()
    }

    async fn ship_claim(
        &self,
        id: Uuid,
        shipment: &Shipment,
        replace: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error> {
        self.change_claim(id, Wish::Ship { shipment, replace }, by, now).await
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
        let rows: Vec<(String, String, i64, DateTime<Utc>)> = sqlx::query_as(
            "select r.id, r.name, count(*), min(c.settled_at) from claim c join reward r on r.id = c.reward_id
             where c.state = 'granted' and c.fulfilled_at is null and c.reversed_at is null
                 and r.kind = 'product' and c.settled_at < $1
             group by r.id, r.name order by r.id",
        )
        .bind(granted_before)
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter()
            .map(|(id, name, count, oldest)| {
                Ok(Unshipped { reward_id: read("reward", "id", RewardId::new(id))?, name, count, oldest })
            })
            .collect()
    }
}

fn listing(filter: &ClaimFilter) -> QueryBuilder<Postgres> {
    let mut query =
        QueryBuilder::<Postgres>::new(concat!("select ", claim_columns!(), " from claim c where true"));
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
    // Said in the words of the partial indexes.
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
            query.push(condition).push_bind(at);
        }
    }
    query
}

const GRANTED: &str = " and c.state = 'granted' and c.fulfilled_at is null and c.reversed_at is null";

fn view(row: &PgRow) -> Result<ClaimView, sqlx::Error> {
    Ok(ClaimView {
        claim_id: row.try_get("id")?,
        programme_id: row.try_get("programme_id")?,
        rule_id: row.try_get("rule_id")?,
        reward_id: row.try_get("reward_id")?,
        member_id: row.try_get("member_id")?,
        state: row.try_get("stage")?,
        reject_code: row.try_get("reject_code")?,
        days_seen: row.try_get("days_seen")?,
        accepted_at: row.try_get("accepted_at")?,
        settled_at: row.try_get("settled_at")?,
        fulfilled_at: row.try_get("fulfilled_at")?,
        carrier: row.try_get("carrier")?,
        tracking_number: row.try_get("tracking_number")?,
        reversed_at: row.try_get("reversed_at")?,
        review: row.try_get("review")?,
    })
}
