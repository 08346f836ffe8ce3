//! Days: listed, taken from members and given back, summed up.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::settlement::{Books, Needs, needs_review};
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::attendance::{DAY_VOIDED, day_entry};
use forebay_store::{
    Attendance, AttendanceCursor, AttendanceFilter, AttendanceView, By, ClaimSum, DaySet, DaySummary, Error,
    FunnelStep, MemberDays, ProgrammeSummary, Voided,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::error::Fault;
use crate::rows::{Reading, micros, page};
use crate::{SqliteStore, audit_log, programmes, rewards_load};

#[async_trait]
impl Attendance for SqliteStore {
    async fn attendance(
        &self,
        programme: &ProgrammeId,
        filter: &AttendanceFilter,
        after: Option<&AttendanceCursor>,
        limit: u32,
    ) -> Result<Vec<AttendanceView>, Error> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select a.on_date, a.member_id, a.received_at, a.voided_at, e.actor, e.reason from attendance a ",
        );
        // Those of one member are few, and so are those that were voided.
        if filter.member.is_none() && filter.voided == Some(true) {
            query.push("indexed by attendance_voided ");
        }
        query
            .push("left join audit_entry e on e.id = a.void_id where a.programme_id = ")
            .push_bind(programme.as_str());
        if let Some(from) = filter.from {
            query.push(" and a.on_date >= ").push_bind(from.to_string());
        }
        if let Some(to) = filter.to {
            query.push(" and a.on_date <= ").push_bind(to.to_string());
        }
        if let Some(member) = &filter.member {
            query.push(" and a.member_id = ").push_bind(member.as_str());
        }
        if let Some(voided) = filter.voided {
            query.push(if voided { " and a.voided_at is not null" } else { " and a.voided_at is null" });
        }
        if let Some(after) = after {
            query.push(" and (a.on_date, a.member_id) < (").push_bind(after.on_date.to_string());
            query.push(", ").push_bind(after.member_id.as_str()).push(")");
        }
        query.push(" order by a.on_date desc, a.member_id desc limit ").push_bind(page(limit));
        let rows = query.build().fetch_all(self.db.read()).await.map_err(Fault::from)?;
        Ok(rows.iter().map(view).collect::<Result<_, Fault>>()?)
    }

    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error> {
        let rows = sqlx::query(
            "select on_date from attendance where programme_id = ? and member_id = ? and voided_at is null
             order by on_date",
        )
        .bind(programme.as_str())
        .bind(member.as_str())
        .fetch_all(self.db.read())
        .await
        .map_err(Fault::from)?;
        let days = rows.iter().map(|row| Reading::of("attendance", row).date("on_date"));
        Ok(MemberDays { days: days.collect::<Result<_, _>>()? })
    }

    async fn member_books(&self, programme: &ProgrammeId, member: &MemberId) -> Result<Books, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(books_of(&mut read, programme, member).await?)
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
        let (programme, member, by) = (programme.clone(), member.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move { set(conn, &programme, &member, on_date, void, &by, now).await })
        })
        .await
    }

    async fn programme_summary(
        &self,
        programme: &ProgrammeId,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
    ) -> Result<ProgrammeSummary, Error> {
        let mut read = self.db.read().begin().await.map_err(Fault::from)?;
        Ok(summary(&mut read, programme, from, to).await?)
    }
}

fn view(row: &SqliteRow) -> Result<AttendanceView, Fault> {
    let entry = Reading::of("audit_entry", row);
    let row = Reading::of("attendance", row);
    let voided = match row.instant_if_any("voided_at")? {
        Some(at) => Some(Voided { at, actor: entry.get("actor")?, reason: entry.get("reason")? }),
        None => None,
    };
    Ok(AttendanceView {
        on_date: row.date("on_date")?,
        member_id: row.parsed("member_id")?,
        received_at: row.instant("received_at")?,
        voided,
    })
}

/// What is decided on for one member in one programme.
pub(crate) async fn books_of(
    conn: &mut SqliteConnection,
    programme: &ProgrammeId,
    member: &MemberId,
) -> Result<Books, Fault> {
    let mut books = Books::default();
    let Some(record) = programmes::records(conn, Some(programme)).await?.remove(programme) else {
        return Ok(books);
    };
    let needs = Needs::of_member(&record.programme, member);
    books.programmes.insert(programme.clone(), record.programme);
    rewards_load::accounts(conn, &needs.members, &mut books).await?;
    rewards_load::days(conn, &needs, &mut books).await?;
    rewards_load::slots(conn, &needs, &mut books).await?;
    rewards_load::stocks(conn, &needs, &mut books).await?;
    Ok(books)
}

async fn set(
    conn: &mut SqliteConnection,
    programme: &ProgrammeId,
    member: &MemberId,
    on_date: NaiveDate,
    void: bool,
    by: &By,
    now: DateTime<Utc>,
) -> Result<DaySet, Fault> {
    let before: Option<bool> = sqlx::query_scalar(
        "select voided_at is not null from attendance where programme_id = ? and member_id = ? and on_date = ?",
    )
    .bind(programme.as_str())
    .bind(member.as_str())
    .bind(on_date.to_string())
    .fetch_optional(&mut *conn)
    .await?;
    match before {
        None => return Ok(DaySet::Unknown),
        Some(before) if before == void => return Ok(DaySet::Already),
        Some(_) => {}
    }
    sqlx::query(
        "update attendance set voided_at = ?4, void_id = ?5
         where programme_id = ?1 and member_id = ?2 and on_date = ?3",
    )
    .bind(programme.as_str())
    .bind(member.as_str())
    .bind(on_date.to_string())
    .bind(void.then(|| micros(now)))
    .bind(void.then_some(by.id))
    .execute(&mut *conn)
    .await?;
    audit_log::note(conn, &day_entry(by, programme, member, on_date, void, now)).await?;
    Ok(DaySet::Done { needs_review: review(conn, programme, member, now).await? })
}

/// Marks the member's claims that the days do not bear any more, and unmarks those that they bear again. How many are
/// marked now.
async fn review(
    conn: &mut SqliteConnection,
    programme: &ProgrammeId,
    member: &MemberId,
    now: DateTime<Utc>,
) -> Result<i64, Fault> {
    let rows = sqlx::query(
        "select id, rule_id, accepted_at, days_seen, review from claim indexed by claim_of_member
         where member_id = ? and programme_id = ? and state = 'granted' and reversed_at is null",
    )
    .bind(member.as_str())
    .bind(programme.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let books = books_of(conn, programme, member).await?;
    let Some(definition) = books.programmes.get(programme) else { return Ok(0) };
    let none = BTreeSet::new();
    let days = books.days.get(&(programme.clone(), member.clone())).unwrap_or(&none);
    let mut all = 0;
    for row in &rows {
        let row = Reading::of("claim", row);
        let (rule, accepted_at) = (row.parsed("rule_id")?, row.instant("accepted_at")?);
        let doubtful = needs_review(definition, days, &rule, accepted_at, row.get("days_seen")?);
        all += i64::from(doubtful);
        let mark = match row.get::<Option<&str>>("review")? {
            None if doubtful => Some(DAY_VOIDED),
            Some(DAY_VOIDED) if !doubtful => None,
            _ => continue,
        };
        sqlx::query("update claim set review = ?2, review_at = ?3 where id = ?1")
            .bind(row.get::<Uuid>("id")?)
            .bind(mark)
            .bind(mark.map(|_| micros(now)))
            .execute(&mut *conn)
            .await?;
    }
    Ok(all)
}

async fn summary(
    conn: &mut SqliteConnection,
    programme: &ProgrammeId,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<ProgrammeSummary, Fault> {
    let rows = sqlx::query(
        "select on_date, sum(voided_at is null) as check_ins, sum(voided_at is not null) as voided from attendance
         where programme_id = ?1 and (?2 is null or on_date >= ?2) and (?3 is null or on_date <= ?3)
         group by on_date order by on_date desc",
    )
    .bind(programme.as_str())
    .bind(from.map(|day| day.to_string()))
    .bind(to.map(|day| day.to_string()))
    .fetch_all(&mut *conn)
    .await?;
    let day = |row| {
        let row = Reading::of("attendance", row);
        Ok(DaySummary {
            on_date: row.date("on_date")?,
            check_ins: row.get("check_ins")?,
            voided: row.get("voided")?,
        })
    };
    let days: Vec<DaySummary> = rows.iter().map(day).collect::<Result<_, Fault>>()?;
    let funnel: Vec<(i64, i64)> = sqlx::query_as(
        "select days, count(*) from (
            select count(*) as days from attendance where programme_id = ? and voided_at is null group by member_id
         ) group by days order by days",
    )
    .bind(programme.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let claims: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "select rule_id, case when reversed_at is not null then 'reversed'
                              when fulfilled_at is not null then 'fulfilled' else state end as stage,
                count(*), sum(coalesce(review = ?2 and reversed_at is null, 0))
         from claim where programme_id = ?1 group by rule_id, stage order by rule_id, stage",
    )
    .bind(programme.as_str())
    .bind(DAY_VOIDED)
    .fetch_all(conn)
    .await?;
    Ok(ProgrammeSummary {
        check_ins: days.iter().map(|day| day.check_ins).sum(),
        members: funnel.iter().map(|(_, members)| members).sum(),
        days,
        funnel: funnel.into_iter().map(|(days, members)| FunnelStep { days, members }).collect(),
        needs_review: claims.iter().map(|(.., doubtful)| doubtful).sum(),
        claims: claims
            .into_iter()
            .map(|(rule_id, state, claims, _)| ClaimSum { rule_id, state, claims })
            .collect(),
    })
}
