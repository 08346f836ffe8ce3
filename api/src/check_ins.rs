//! `POST /v1/programmes/{programme_id}/check-ins`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::programme::Programme;
use forebay_intake::Problem;
use forebay_schemas::events::{CheckInRequested, RejectCode};
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{BalanceView, MemberDays};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::callers::MembersActor;
use crate::extract::{Arrived, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::wait::{Waiting, Wish};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckInAsk {
    /// Who checks in; a member who comes with a token need not say it.
    member_id: Option<MemberId>,
}

#[derive(Debug, Serialize)]
struct CheckInAccepted {
    event_id: String,
}

#[derive(Debug, Serialize)]
struct CheckInOutcome {
    event_id: String,
    on_date: NaiveDate,
    counted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_code: Option<RejectCode>,
    days: Vec<NaiveDate>,
}

pub(crate) async fn post(
    State(api): State<Arc<Api>>,
    Arrived(arrival): Arrived,
    actor: MembersActor,
    Named(programme_id): Named<ProgrammeId>,
    wish: Wish,
    Sent(ask): Sent<CheckInAsk, COMMAND_BYTES>,
) -> Result<Response, Problem> {
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
        return outcome.map(|outcome| wish.applied(Json(outcome).into_response()));
    }
    let accepted = Json(CheckInAccepted { event_id });
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], accepted).into_response())
}

/// What has become of the check-in; none when it is not settled by the end of the wait.
async fn outcome(
    api: &Api,
    mut waiting: Waiting,
    data: &CheckInRequested,
    at: DateTime<Utc>,
    event_id: &str,
) -> Option<Result<CheckInOutcome, Problem>> {
    let programmes = waiting.ask(api.store.programmes()).await?;
    let Some(programme) = programmes.into_iter().find(|p| p.id == data.programme_id) else {
        return Some(Err(not_found("programme")));
    };
    let on_date = programme.day_of(at);
    let balance = waiting.ask(api.store.member_balance(&data.member_id)).await?;
    let refused = refusal(&programme, on_date, &balance);
    loop {
        let member_days = api.store.member_days(&data.programme_id, &data.member_id);
        let MemberDays { days } = waiting.ask(member_days).await?;
        let counted = days.contains(&on_date);
        if counted || refused.is_some() {
            let reject_code = refused.filter(|_| !counted);
            let event_id = event_id.to_owned();
            return Some(Ok(CheckInOutcome { event_id, on_date, counted, reject_code, days }));
        }
        if !waiting.again().await {
            return None;
        }
    }
}

/// Why the check-in will not count, as far as it can be told before it is settled.
fn refusal(programme: &Programme, on_date: NaiveDate, member: &BalanceView) -> Option<RejectCode> {
    if !programme.takes(on_date) {
        return Some(RejectCode::ProgrammeNotActive);
    }
    member.blocked.then_some(RejectCode::MemberBlocked)
}
