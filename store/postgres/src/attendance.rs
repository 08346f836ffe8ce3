//! Days: listed, taken from members and given back, summed up.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::settlement::{Books, Needs, needs_review};
use forebay_schemas::{MemberId, ProgrammeId, RuleId};
use forebay_store::attendance::{DAY_VOIDED, day_entry};
use forebay_store::{
    Attendance, AttendanceCursor, AttendanceFilter, AttendanceView, By, ClaimSum, DaySet, DaySummary, Error,
    FunnelStep, MemberDays, ProgrammeSummary, Voided,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::attempt::Tries;
use crate::error::{Stop, store_error};
use crate::rewards_load::{self, StockRow, stock_of};
use crate::rows::{page, read};
use crate::{PostgresStore, audit_log, programmes};

#[async_trait]
impl Attendance for PostgresStore {
    async fn attendance(
        &self,
        programme: &ProgrammeId,
        filter: &AttendanceFilter,
        after: Option<&AttendanceCursor>,
        limit: u32,
    ) -> Result<Vec<AttendanceView>, Error> {
        let mut query = QueryBuilder::<Postgres>::new(
            "select a.on_date, a.member_id, a.received_at, a.voided_at, e.actor, e.reason
             from attendance a left join audit_entry e on e.id = a.void_id where a.programme_id = ",
        );
        query.push_bind(programme.as_str());
        if let Some(from) = filter.from {
            query.push(" and a.on_date >= ").push_bind(from);
        }
        if let Some(to) = filter.to {
            query.push(" and a.on_date <= ").push_bind(to);
        }
        if let Some(member) = &filter.member {
            query.push(" and a.member_id = ").push_bind(member.as_str());
        }
        if let Some(voided) = filter.voided {
            query.push(if voided { " and a.voided_at is not null" } else { " and a.voided_at is null" });
        }
        if let Some(after) = after {
            query.push(" and (a.on_date, a.member_id) < (").push_bind(after.on_date);
            query.push(", ").push_bind(after.member_id.as_str()).push(")");
        }
        query.push(" order by a.on_date desc, a.member_id desc limit ").push_bind(page(limit));
        let rows = query.build().fetch_all(&self.pool).await.map_err(store_error)?;
        Ok(rows.iter().map(view).collect::<Result<_, Stop>>()?)
    }

    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error> {
        let days = sqlx::query_scalar(
            "select on_date from attendance where programme_id = $1 and member_id = $2 and voided_at is null
             order by on_date",
        )
        .bind(programme.as_str())
        .bind(member.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(MemberDays { days })
    }

    async fn member_books(&self, programme: &ProgrammeId, member: &MemberId) -> Result<Books, Error> {
        let mut conn = self.begin_read().await?;
        Ok(books_of(&mut conn, programme, member).await?)
    }

    async fn set_day(
        &self,
        programme: &ProgrammeId,
        member: &MemberId,
        on_date: NaiveDate,
        void: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<DaySet, Error> {
        let mut tries = Tries::default();
        loop {
            let mut tx = self.begin().await?;
            let done = set(&mut tx, programme, member, on_date, void, by, now).await;
            if let Some(set) = tries.end(tx, done, self.ids.as_ref()).await? {
                return Ok(set);
            }
        }
    }

    async fn programme_summary(
        &self,
        programme: &ProgrammeId,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
    ) -> Result<ProgrammeSummary, Error> {
        let mut conn = self.begin_read().await?;
        summary(&mut conn, programme, from, to).await.map_err(store_error)
    }
}

fn view(row: &PgRow) -> Result<AttendanceView, Stop> {
    let voided_at: Option<DateTime<Utc>> = row.try_get("voided_at")?;
    let voided = match voided_at {
        Some(at) => Some(Voided { at, actor: row.try_get("actor")?, reason: row.try_get("reason")? }),
        None => None,
    };
    let member_id = MemberId::new(row.try_get::<String, _>("member_id")?);
    Ok(AttendanceView {
        on_date: row.try_get("on_date")?,
        member_id: read("attendance", "member_id", member_id)?,
        received_at: row.try_get("received_at")?,
        voided,
    })
}

/// What is decided on for one member in one programme.
pub(crate) async fn books_of(
    conn: &mut PgConnection,
    programme: &ProgrammeId,
    member: &MemberId,
) -> Result<Books, Stop> {
    let mut books = Books::default();
    let Some(record) = programmes::records(conn, Some(programme)).await?.remove(programme) else {
        return Ok(books);
    };
    let needs = Needs::of_member(&record.programme, member);
    books.programmes.insert(programme.clone(), record.programme);
    let account: Vec<(String, i64, bool)> =
        sqlx::query_as("select id, balance, blocked from member where id = $1")
            .bind(member.as_str())
            .fetch_all(&mut *conn)
            .await?;
    rewards_load::hold_members(account, &mut books)?;
    rewards_load::load_days(conn, &needs, &mut books).await?;
    rewards_load::load_slots(conn, &needs, &mut books).await?;
    let rewards = needs.rewards(&books.programmes);
    let rows: Vec<StockRow> = sqlx::query_as(
        "select s.reward_id, r.name, s.total, s.reserved, s.issued, s.low_at, s.low_armed, s.out_armed, s.version
         from stock s join reward r on r.id = s.reward_id where s.reward_id = any($1)",
    )
    .bind(rewards.iter().map(|reward| reward.as_str()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let stock = stock_of(row)?;
        books.stock.insert(stock.reward_id.clone(), stock);
    }
    Ok(books)
}

async fn set(
    conn: &mut PgConnection,
    programme: &ProgrammeId,
    member: &MemberId,
    on_date: NaiveDate,
    void: bool,
    by: &By,
    now: DateTime<Utc>,
) -> Result<DaySet, Stop> {
    // The lock under which the member's check-ins and claims are settled.
    sqlx::query("select from member where id = $1 for update")
        .bind(member.as_str())
        .execute(&mut *conn)
        .await?;
    let before: Option<bool> = sqlx::query_scalar(
        "select voided_at is not null from attendance
         where programme_id = $1 and member_id = $2 and on_date = $3 for update",
    )
    .bind(programme.as_str())
    .bind(member.as_str())
    .bind(on_date)
    .fetch_optional(&mut *conn)
    .await?;
    match before {
        None => return Ok(DaySet::Unknown),
        Some(before) if before == void => return Ok(DaySet::Already),
        Some(_) => {}
    }
    sqlx::query(
        "update attendance set voided_at = $4, void_id = $5
         where programme_id = $1 and member_id = $2 and on_date = $3",
    )
    .bind(programme.as_str())
    .bind(member.as_str())
    .bind(on_date)
    .bind(void.then_some(now))
    .bind(void.then_some(by.id))
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &day_entry(by, programme, member, on_date, void, now)).await?;
    Ok(DaySet::Done { needs_review: review(conn, programme, member, now).await? })
}

/// Marks the member's claims that the days do not bear any more, and unmarks those that they bear again. How many are
/// marked now.
async fn review(
    conn: &mut PgConnection,
    programme: &ProgrammeId,
    member: &MemberId,
    now: DateTime<Utc>,
) -> Result<i64, Stop> {
    type Row = (Uuid, String, DateTime<Utc>, i64, Option<String>);
    let claims: Vec<Row> = sqlx::query_as(
        "select id, rule_id, accepted_at, days_seen, review from claim
         where member_id = $1 and programme_id = $2 and state = 'granted' and reversed_at is null
         order by id for update",
    )
    .bind(member.as_str())
    .bind(programme.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let books = books_of(conn, programme, member).await?;
    let Some(definition) = books.programmes.get(programme) else { return Ok(0) };
    let none = BTreeSet::new();
    let days = books.days.get(&(programme.clone(), member.clone())).unwrap_or(&none);
    let (mut marked, mut unmarked, mut all) = (Vec::new(), Vec::new(), 0);
    for (id, rule, accepted_at, days_seen, mark) in claims {
        let rule = read("claim", "rule_id", RuleId::new(rule))?;
        let doubtful = needs_review(definition, days, &rule, accepted_at, days_seen);
        all += i64::from(doubtful);
        match mark.as_deref() {
            None if doubtful => marked.push(id),
            Some(DAY_VOIDED) if !doubtful => unmarked.push(id),
            _ => {}
        }
    }
    for (claims, mark) in [(marked, Some(DAY_VOIDED)), (unmarked, None)] {
        sqlx::query("update claim set review = $2, review_at = $3 where id = any($1)")
            .bind(claims)
            .bind(mark)
            .bind(mark.map(|_| now))
            .execute(&mut *conn)
            .await?;
    }
    Ok(all)
}

async fn summary(
    conn: &mut PgConnection,
    programme: &ProgrammeId,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<ProgrammeSummary, sqlx::Error> {
    let days: Vec<(NaiveDate, i64, i64)> = sqlx::query_as(
        "select on_date, count(*) filter (where voided_at is null), count(*) filter (where voided_at is not null)
         from attendance
         where programme_id = $1 and ($2::date is null or on_date >= $2) and ($3::date is null or on_date <= $3)
         group by on_date order by on_date desc",
    )
    .bind(programme.as_str())
    .bind(from)
    .bind(to)
    .fetch_all(&mut *conn)
    .await?;
    let funnel: Vec<(i64, i64)> = sqlx::query_as(
        "select days, count(*) from (
            select count(*) as days from attendance where programme_id = $1 and voided_at is null group by member_id
         ) m group by days order by days",
    )
    .bind(programme.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let claims: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "select rule_id, case when reversed_at is not null then 'reversed'
                              when fulfilled_at is not null then 'fulfilled' else state end as stage,
                count(*), count(*) filter (where review = $2 and reversed_at is null)
         from claim where programme_id = $1 group by rule_id, stage order by rule_id, stage",
    )
    .bind(programme.as_str())
    .bind(DAY_VOIDED)
    .fetch_all(conn)
    .await?;
    Ok(ProgrammeSummary {
        check_ins: days.iter().map(|(_, check_ins, _)| check_ins).sum(),
        members: funnel.iter().map(|(_, members)| members).sum(),
        days: days
            .into_iter()
            .map(|(on_date, check_ins, voided)| DaySummary { on_date, check_ins, voided })
            .collect(),
        funnel: funnel.into_iter().map(|(days, members)| FunnelStep { days, members }).collect(),
        needs_review: claims.iter().map(|(.., doubtful)| doubtful).sum(),
        claims: claims
            .into_iter()
            .map(|(rule_id, state, claims, _)| ClaimSum { rule_id, state, claims })
            .collect(),
    })
}
