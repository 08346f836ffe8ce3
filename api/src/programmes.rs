//! Programmes: listed, read, created, changed, steered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use forebay_domain::programme::{Change, Draft, Fault, ProgrammeState, read};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{ProgrammeId, Violation};
use forebay_store::{By, ProgrammePut, ProgrammeRecord, Seen, StateSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Api;
use crate::callers::{ByMember, EventManager, Reader};
use crate::extract::{Asked, COMMAND_BYTES, Named, PROGRAMME_BYTES, Sent};
use crate::failure::not_found;
use crate::page::{limit, page};
use crate::rules::{check_reason, need_reason};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgrammesAsk {
    limit: Option<u32>,
    cursor: Option<ProgrammeId>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(member): ByMember,
    Asked(asked): Asked<ProgrammesAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let all = api.ask(api.store.programmes()).await?;
    let after = all
        .into_iter()
        .filter(|p| asked.cursor.as_ref().is_none_or(|cursor| p.id > *cursor))
        .filter(|p| member.is_none() || p.state != ProgrammeState::Draft);
    Ok(page(after.take(limit as usize + 1).collect(), limit, |p| Some(p.id.to_string())))
}

/// What is read here can be changed and put again.
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(member): ByMember,
    Named(id): Named<ProgrammeId>,
) -> Result<Response, Problem> {
    let found = api.ask(api.store.programme(&id)).await?;
    // A draft is nothing to members yet.
    let found = found.filter(|found| member.is_none() || found.programme.state != ProgrammeState::Draft);
    let ProgrammeRecord { programme, version, .. } = found.ok_or_else(|| not_found("programme"))?;
    Ok(tagged(Json(programme).into_response(), version))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAsk {
    /// Why; the body is the programme.
    #[serde(default)]
    reason: String,
    /// Only say what it would change.
    #[serde(default)]
    dry_run: bool,
}

/// What a dry run would come to.
#[derive(Debug, Serialize)]
struct Planned {
    /// The version that it would have.
    version: i64,
    /// The one that is there.
    present: Option<i64>,
    changes: Vec<Change>,
}

pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(id): Named<ProgrammeId>,
    Asked(asked): Asked<PutAsk>,
    headers: HeaderMap,
    Sent(sent): Sent<Value, PROGRAMME_BYTES>,
) -> Result<Response, Problem> {
    check_reason(&asked.reason)?;
    let Draft { mut programme, says_state } = read(&sent).map_err(broken)?;
    if programme.id != id {
        return Err(broken(vec![Fault::at("/id", "is not the id in the path")]));
    }
    let before = api.ask(api.store.programme(&id)).await?;
    let present = before.as_ref().map(|before| before.version);
    let seen = seen(&headers, present, asked.dry_run)?;
    if let Some(before) = before.filter(|_| !says_state) {
        programme.state = before.programme.state;
    }
    let by = By { id: api.new_id(), actor: manager.key_id, reason: asked.reason };
    let put = api.store.change_programme(&programme, seen, asked.dry_run, &by, api.clock.now());
    match api.ask(put).await? {
        ProgrammePut::Done { version, changes } if asked.dry_run => {
            Ok(Json(Planned { version, present, changes }).into_response())
        }
        ProgrammePut::Done { .. } => {
            let status = if present.is_none() { StatusCode::CREATED } else { StatusCode::OK };
            // As it is kept: the stock of a reward that had one is not changed by this.
            let kept = api.ask(api.store.programme(&id)).await?.ok_or_else(|| not_found("programme"))?;
            Ok(tagged((status, Json(kept.programme)).into_response(), kept.version))
        }
        ProgrammePut::Stale => Err(stale()),
        ProgrammePut::Refused(faults) => {
            let detail = "It is in conflict with what rests on the programme; nothing was changed.";
            Err(Problem::new(Kind::Conflict, detail).errors(violations(faults)))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateAsk {
    state: ProgrammeState,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn state(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(id): Named<ProgrammeId>,
    Sent(asked): Sent<StateAsk, COMMAND_BYTES>,
) -> Result<Response, Problem> {
    need_reason(&asked.reason)?;
    let by = By { id: api.new_id(), actor: manager.key_id, reason: asked.reason };
    let set = api.store.set_programme_state(&id, asked.state, &by, api.clock.now());
    match api.ask(set).await? {
        StateSet::Done(_) => {
            let found = api.ask(api.store.programme(&id)).await?;
            let ProgrammeRecord { programme, version, .. } = found.ok_or_else(|| not_found("programme"))?;
            Ok(tagged(Json(programme).into_response(), version))
        }
        StateSet::Unknown => Err(not_found("programme")),
        StateSet::Refused(why) => Err(Problem::new(Kind::Conflict, why)),
    }
}

/// Which version the caller has seen, by what it says of it.
fn seen(headers: &HeaderMap, present: Option<i64>, dry_run: bool) -> Result<Seen, Problem> {
    let tag = |name| headers.get(name).map(|tag: &HeaderValue| tag.to_str().unwrap_or_default().trim());
    match (tag(header::IF_NONE_MATCH), tag(header::IF_MATCH)) {
        (Some("*"), None) => Ok(Seen::Nothing),
        (Some(_), _) => {
            Err(Problem::new(Kind::InvalidRequest, "If-None-Match can be * here, without If-Match."))
        }
        (None, Some("*")) => present.map(Seen::Version).ok_or_else(stale),
        // What is none of our tags is not the present one.
        (None, Some(tag)) => Ok(Seen::Version(version(tag).unwrap_or(-1))),
        (None, None) if dry_run => Ok(Seen::Whatever),
        (None, None) if present.is_none() => Ok(Seen::Nothing),
        (None, None) => {
            let detail = "There is such a programme: send If-Match with the ETag of what you have read.";
            Err(Problem::new(Kind::PreconditionRequired, detail))
        }
    }
}

fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn stale() -> Problem {
    let detail = "Another version is there by now; read the programme and decide again. Nothing was changed.";
    Problem::new(Kind::PreconditionFailed, detail)
}

fn tagged(mut response: Response, version: i64) -> Response {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn broken(faults: Vec<Fault>) -> Problem {
    let detail = "The programme breaks its rules; nothing was changed.";
    Problem::new(Kind::InvalidContent, detail).errors(violations(faults))
}

fn violations(faults: Vec<Fault>) -> Vec<Violation> {
    faults.into_iter().map(|fault| Violation::new(fault.pointer, fault.detail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_by(pairs: &[(header::HeaderName, &'static str)], present: Option<i64>) -> Result<Seen, Kind> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        seen(&headers.collect(), present, false).map_err(|problem| problem.kind())
    }

    #[test]
    fn who_changes_what_is_there_says_what_they_have_read() {
        use header::{IF_MATCH, IF_NONE_MATCH};
        assert_eq!(seen_by(&[], None), Ok(Seen::Nothing));
        assert_eq!(seen_by(&[], Some(3)), Err(Kind::PreconditionRequired));
        assert_eq!(seen_by(&[(IF_MATCH, "\"3\"")], Some(3)), Ok(Seen::Version(3)));
        assert_eq!(seen_by(&[(IF_MATCH, "*")], Some(3)), Ok(Seen::Version(3)));
        assert_eq!(seen_by(&[(IF_MATCH, "*")], None), Err(Kind::PreconditionFailed));
        assert_eq!(
            seen_by(&[(IF_MATCH, "W/\"3\"")], Some(3)),
            Ok(Seen::Version(-1)),
            "a weak tag matches nothing"
        );
        assert_eq!(seen_by(&[(IF_NONE_MATCH, "*")], Some(3)), Ok(Seen::Nothing));
        assert_eq!(seen_by(&[(IF_NONE_MATCH, "\"3\"")], Some(3)), Err(Kind::InvalidRequest));
    }
}
