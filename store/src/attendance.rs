//! Days: listed, taken from members and given back, summed up.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::settlement::Books;
use forebay_schemas::{MemberId, ProgrammeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// A member's days in a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDays {
    /// Days that count, ascending.
    pub days: Vec<NaiveDate>,
}

/// That a day was taken from a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Voided {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom: the id of the API key; none once the audit log has forgotten it.
    pub actor: Option<String>,
    /// Why, for as long as the audit log knows it.
    pub reason: Option<String>,
}

/// A check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttendanceView {
    /// The day that it counts for.
    pub on_date: NaiveDate,
    /// The member.
    pub member_id: MemberId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// That it counts no more.
    pub voided: Option<Voided>,
}

/// Which check-ins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttendanceFilter {
    /// From this day on.
    pub from: Option<NaiveDate>,
    /// Up to this day.
    pub to: Option<NaiveDate>,
    /// This member's.
    pub member: Option<MemberId>,
    /// Those that were voided, or those that were not.
    pub voided: Option<bool>,
}

/// A place in the list, behind this check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttendanceCursor {
    /// Its day.
    pub on_date: NaiveDate,
    /// Its member.
    pub member_id: MemberId,
}

impl AttendanceView {
    /// The place behind this check-in.
    #[must_use]
    pub fn cursor(&self) -> AttendanceCursor {
        AttendanceCursor { on_date: self.on_date, member_id: self.member_id.clone() }
    }
}

/// What became of a day that was to be voided or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaySet {
    /// It is as it should be now; so many of the member's claims in the programme are to be looked at.
    Done {
        /// Claims that were granted and that the member's days do not bear any more.
        needs_review: i64,
    },
    /// There is no such check-in.
    Unknown,
    /// It was so before.
    Already,
}

/// One day of a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaySummary {
    /// The day.
    pub on_date: NaiveDate,
    /// Check-ins that count: one a member.
    pub check_ins: i64,
    /// Those that were voided.
    pub voided: i64,
}

/// How many members have come how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FunnelStep {
    /// So many days count.
    pub days: i64,
    /// For so many members.
    pub members: i64,
}

/// Claims of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimSum {
    /// The rule.
    pub rule_id: String,
    /// Their state.
    pub state: String,
    /// So many.
    pub claims: i64,
}

/// A programme in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgrammeSummary {
    /// Check-ins that count.
    pub check_ins: i64,
    /// Members with at least one.
    pub members: i64,
    /// The days, the newest first.
    pub days: Vec<DaySummary>,
    /// Members by the number of their days, ascending.
    pub funnel: Vec<FunnelStep>,
    /// Claims, by rule and state.
    pub claims: Vec<ClaimSum>,
    /// Claims that were granted for days that do not count any more.
    pub needs_review: i64,
}

/// What the audit log says of a day that was voided or restored.
#[must_use]
pub fn day_entry(
    by: &By,
    programme: &ProgrammeId,
    member: &MemberId,
    on_date: NaiveDate,
    void: bool,
    now: DateTime<Utc>,
) -> AuditEntry {
    let action = if void { "attendance.void" } else { "attendance.restore" };
    AuditEntry {
        subject: member.to_string(),
        count: 1,
        before: json!({ "programme_id": programme, "on_date": on_date, "voided": !void }),
        after: json!({ "programme_id": programme, "on_date": on_date, "voided": void }),
        ..AuditEntry::of(by, action, now)
    }
}

/// What stands at a claim whose days do not bear it any more, for somebody to look at.
pub const DAY_VOIDED: &str = "day_voided";

/// Attendance.
#[async_trait]
pub trait Attendance {
    /// Check-ins of a programme, the newest day first and by member within it, behind the one named. What was there
    /// when the first page was read is listed once, whatever comes meanwhile.
    async fn attendance(
        &self,
        programme: &ProgrammeId,
        filter: &AttendanceFilter,
        after: Option<&AttendanceCursor>,
        limit: u32,
    ) -> Result<Vec<AttendanceView>, Error>;

    /// The days of a member that count.
    async fn member_days(&self, programme: &ProgrammeId, member: &MemberId) -> Result<MemberDays, Error>;

    /// What is decided on for one member in one programme, for reading: the programme, the member's days, live claims and
    /// account, and the stock of what can be claimed. Nothing is locked.
    async fn member_books(&self, programme: &ProgrammeId, member: &MemberId) -> Result<Books, Error>;

    /// Takes a day from a member, or gives it back (`void` false), with an entry in the audit log. Claims that were
    /// granted stay granted; those that the days do not bear any more are marked for somebody to look at, and the mark
    /// goes when they do again.
    async fn set_day(
        &self,
        programme: &ProgrammeId,
        member: &MemberId,
        on_date: NaiveDate,
        void: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<DaySet, Error>;

    /// A programme in figures; days and check-ins of `from` to `to`, everything else over its whole time.
    async fn programme_summary(
        &self,
        programme: &ProgrammeId,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
    ) -> Result<ProgrammeSummary, Error>;
}
