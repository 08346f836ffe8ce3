//! `POST /v1/programmes/{programme_id}/check-ins`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::settlement::{Books, MemberProgress, NotCounted};
use forebay_intake::Problem;
use forebay_schemas::events::CheckInRequested;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::MemberDays;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::MembersActor;
use crate::extract::{Arrived, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::{Either, Taken};
use crate::wait::{Waited, Waiting, Wish};

/// Most days that are answered for one member in one programme.
const DAYS_MAX: usize = 400;

/// What can't stand in a path segment as it is (RFC 3986); a member id may hold any visible character.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckInAsk {
    /// Who checks in; a member who comes with a token need not say it.
    member_id: Option<MemberId>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckInAccepted {
    event_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckInOutcome {
    event_id: String,
    on_date: NaiveDate,
    counted: bool,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_code: Option<NotCounted>,
    #[serde(flatten)]
    overview: Overview,
}

/// How far a member has come in a programme.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Overview {
    #[serde(flatten)]
    progress: MemberProgress,
    /// Days that count, ascending, the newest 400.
    days: Vec<NaiveDate>,
    /// Days that were taken away, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    voided: Vec<NaiveDate>,
}

impl Overview {
    /// None when there is no such programme.
    pub(crate) fn of(
        books: &Books,
        programme_id: &ProgrammeId,
        member_id: &MemberId,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let progress = books.progress_of(programme_id, member_id, now)?;
        let key = (programme_id.clone(), member_id.clone());
        let newest = |days: Option<&BTreeSet<NaiveDate>>| {
            let mut days: Vec<NaiveDate> = days.into_iter().flatten().rev().take(DAYS_MAX).copied().collect();
            days.reverse();
            days
        };
        Some(Self { progress, days: newest(books.days.get(&key)), voided: newest(books.voided.get(&key)) })
    }
}

pub(crate) async fn post(
    State(api): State<Arc<Api>>,
    Arrived(arrival): Arrived,
    actor: MembersActor,
    Named(programme_id): Named<ProgrammeId>,
    wish: Wish,
    Sent(ask): Sent<CheckInAsk, COMMAND_BYTES>,
) -> Result<Either<Waited<CheckInOutcome>, Taken<CheckInAccepted>>, Problem> {
    let data = CheckInRequested { programme_id, member_id: actor.member(ask.member_id)? };
    let event_id = api.accept(&arrival, &data).await?;
    let location = format!(
        "/v1/programmes/{}/members/{}/days",
        data.programme_id,
        utf8_percent_encode(data.member_id.as_str(), SEGMENT)
    );
    if let Some(waiting) = wish.begin(&api)
        && let Some(outcome) = outcome(&api, waiting, &data, arrival.at, &event_id).await
    {
        return outcome.map(|outcome| Either::One(wish.granted(outcome)));
    }
    Ok(Either::Other(Taken::at(location, CheckInAccepted { event_id })))
}

/// What has become of the check-in; none when it is not settled by the end of the wait.
async fn outcome(
    api: &Api,
    mut waiting: Waiting,
    data: &CheckInRequested,
    at: DateTime<Utc>,
    event_id: &str,
) -> Option<Result<CheckInOutcome, Problem>> {
    let CheckInRequested { programme_id, member_id } = data;
    let mut books = waiting.ask(api.store.member_books(programme_id, member_id)).await?;
    let Some(programme) = books.programmes.get(programme_id) else {
        return Some(Err(not_found("programme")));
    };
    let on_date = programme.day_of(at);
    let counts = |books: &Books| {
        let days = books.days.get(&(programme_id.clone(), member_id.clone()));
        days.is_some_and(|days| days.contains(&on_date))
    };
    let reject_code = books.not_counted(programme, member_id, at);
    if reject_code.is_none() && !counts(&books) {
        // Many may wait at once: what is asked again and again is the one thing that changes.
        loop {
            let MemberDays { days } = waiting.ask(api.store.member_days(programme_id, member_id)).await?;
            if days.contains(&on_date) {
                break;
            }
            if !waiting.again().await {
                return None;
            }
        }
        books = waiting.ask(api.store.member_books(programme_id, member_id)).await?;
    }
    let counted = counts(&books);
    let overview = Overview::of(&books, programme_id, member_id, at)?;
    Some(Ok(CheckInOutcome { event_id: event_id.to_owned(), on_date, counted, reject_code, overview }))
}
