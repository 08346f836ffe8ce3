//! Which day counts, and what it leads to.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use forebay_schemas::events::{CheckInRequested, CheckedIn, ClaimRequested, RejectCode};
use forebay_schemas::{MemberId, ProgrammeId, RuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Answer, Books, Needs, NewAttendance, Settlement, judgement};
use crate::ids::Ids;
use crate::outbox::NewOutbox;
use crate::programme::Programme;

pub(super) fn answer(
    books: &mut Books,
    ask: &CheckInRequested,
    received_at: DateTime<Utc>,
    index: usize,
    now: DateTime<Utc>,
    ids: &dyn Ids,
    settlement: &mut Settlement,
) -> Answer {
    let Some(programme) = books.programmes.get(&ask.programme_id) else {
        return Answer::CheckInRefused(RejectCode::UnknownRule);
    };
    let on_date = programme.day_of(received_at);
    if !programme.takes(on_date, received_at) {
        return Answer::CheckInRefused(RejectCode::ProgrammeNotActive);
    }
    if books.members.get(&ask.member_id).is_some_and(|m| m.blocked) {
        return Answer::CheckInRefused(RejectCode::MemberBlocked);
    }
    let key = (ask.programme_id.clone(), ask.member_id.clone());
    // A day that was taken away can't be fetched back by the member: otherwise it would be taken away for nothing.
    if books.voided.get(&key).is_some_and(|voided| voided.contains(&on_date)) {
        return Answer::DayVoided(on_date);
    }
    let days = books.days.entry(key).or_default();
    if !days.insert(on_date) {
        return Answer::CheckedInBefore(on_date);
    }
    let count = u32::try_from(days.len()).unwrap_or(u32::MAX);
    settlement.attendance.push(NewAttendance {
        programme_id: ask.programme_id.clone(),
        member_id: ask.member_id.clone(),
        on_date,
        received_at,
        ask: index,
    });
    let fact = CheckedIn {
        programme_id: ask.programme_id.clone(),
        member_id: ask.member_id.clone(),
        on_date,
        count,
    };
    settlement.outbox.push(NewOutbox::fact(ids.next().to_string(), now, &fact));
    Answer::CheckedIn(on_date)
}

/// Why a check-in does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotCounted {
    /// The programme is not running, or not on that day.
    ProgrammeNotActive,
    /// The member is blocked.
    MemberBlocked,
    /// The day was taken from the member, and is so until it is restored.
    DayVoided,
}

/// How far a member has come for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleProgress {
    /// The rule.
    pub rule_id: RuleId,
    /// How many days it takes.
    pub days_required: u32,
    /// Days that are still to come; of a run that is broken nothing is left.
    pub days_left: u32,
    /// The reward could be claimed now.
    pub claimable: bool,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<RejectCode>,
}

/// How far a member has come in a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberProgress {
    /// Days that count.
    pub count: u32,
    /// How many of them lie in the run that ends with the newest.
    pub run: u32,
    /// Each rule, in the programme's order.
    pub rules: Vec<RuleProgress>,
}

impl Needs {
    /// What [`Books::progress_of`] a member in a programme needs.
    #[must_use]
    pub fn of_member(programme: &Programme, member_id: &MemberId) -> Self {
        let (programme_id, mut needs) = (&programme.id, Self::default());
        needs.members.insert(member_id.clone());
        needs.days.insert((programme_id.clone(), member_id.clone()));
        for rule in &programme.rules {
            needs.rules.insert((programme_id.clone(), rule.id.clone()));
            needs.slots.insert((programme_id.clone(), rule.id.clone(), member_id.clone()));
        }
        needs
    }
}

impl Books {
    /// How far a member has come at that moment; none when there is no such programme. The books hold what claims
    /// under all of its rules name.
    #[must_use]
    pub fn progress_of(
        &self,
        programme_id: &ProgrammeId,
        member_id: &MemberId,
        now: DateTime<Utc>,
    ) -> Option<MemberProgress> {
        let programme = self.programmes.get(programme_id)?;
        let none = BTreeSet::new();
        let days = self.days.get(&(programme_id.clone(), member_id.clone())).unwrap_or(&none);
        let today = programme.day_of(now);
        let rules = programme.rules.iter().map(|rule| {
            let ask = ClaimRequested {
                claim_id: Uuid::nil(),
                programme_id: programme_id.clone(),
                rule_id: rule.id.clone(),
                member_id: member_id.clone(),
            };
            let why_not = judgement(self, &ask, now).refused;
            let progress = programme.progress(rule, days, today);
            let reached = progress.counted >= rule.days_required;
            let days_left = if reached { 0 } else { rule.days_required.saturating_sub(progress.running) };
            RuleProgress {
                rule_id: rule.id.clone(),
                days_required: rule.days_required,
                days_left,
                claimable: why_not.is_none(),
                why_not,
            }
        });
        Some(MemberProgress {
            count: u32::try_from(days.len()).unwrap_or(u32::MAX),
            run: programme.run(days, today),
            rules: rules.collect(),
        })
    }

    /// Why a check-in that came then would not count; none when it would, or does.
    #[must_use]
    pub fn not_counted(
        &self,
        programme: &Programme,
        member_id: &MemberId,
        received_at: DateTime<Utc>,
    ) -> Option<NotCounted> {
        let on_date = programme.day_of(received_at);
        let key = (programme.id.clone(), member_id.clone());
        if self.days.get(&key).is_some_and(|days| days.contains(&on_date)) {
            return None;
        }
        if !programme.takes(on_date, received_at) {
            return Some(NotCounted::ProgrammeNotActive);
        }
        if self.members.get(member_id).is_some_and(|member| member.blocked) {
            return Some(NotCounted::MemberBlocked);
        }
        self.voided.get(&key).is_some_and(|voided| voided.contains(&on_date)).then_some(NotCounted::DayVoided)
    }
}

/// A claim that was granted for days that do not count any more should be looked at by a person: for it count the days
/// that had come when it was accepted, and it saw so many.
#[must_use]
pub fn needs_review(
    programme: &Programme,
    days: &BTreeSet<NaiveDate>,
    rule_id: &RuleId,
    accepted_at: DateTime<Utc>,
    days_seen: i64,
) -> bool {
    programme.rule(rule_id).is_some_and(|rule| {
        // What the rule asks for may have been raised since.
        let asked_for = i64::from(rule.days_required).min(days_seen);
        i64::from(programme.counted(rule, days, programme.day_of(accepted_at))) < asked_for
    })
}
