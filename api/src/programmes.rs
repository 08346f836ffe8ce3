//! Programmes: listed, read, created, changed, steered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use forebay_domain::programme::{Change, Draft, Fault, Programme, ProgrammeState, read};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{ProgrammeId, Violation};
use forebay_store::{By, ProgrammePut, ProgrammeRecord, Seen, StateSet};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Api;
use crate::callers::{ByMember, EventManager, Reader};
use crate::etag::{IfMatch, IfNoneMatch, version};
use crate::extract::{Asked, COMMAND_BYTES, Named, PROGRAMME_BYTES, Sent};
use crate::failure::not_found;
use crate::openapi::{Either, Made, Tagged};
use crate::page::{Page, limit, page};
use crate::rules::{Note, Reason, check_reason, need_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgrammesAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<ProgrammeId>,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(member): ByMember,
    Asked(asked): Asked<ProgrammesAsk>,
) -> Result<Page<Programme>, Problem> {
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
) -> Result<Tagged<Programme>, Problem> {
    let found = api.ask(api.store.programme(&id)).await?;
    // A draft is nothing to members yet.
    let found = found.filter(|found| member.is_none() || found.programme.state != ProgrammeState::Draft);
    let ProgrammeRecord { programme, version, .. } = found.ok_or_else(|| not_found("programme"))?;
    Ok(Tagged { version, what: programme })
}

/// A programme as people write it: read in a way of its own, which finds all its faults at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transform = as_written)]
pub(crate) struct Written(#[schemars(with = "Programme")] Value);

/// Where nothing is said of its state it stays what it is, or is a draft; and nothing else may stand there.
fn as_written(schema: &mut Schema) {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| field != "state");
    }
    schema.insert("additionalProperties".to_owned(), false.into());
}

/// What putting a programme comes to: a plan of a dry run, one that was not there, one that was.
type Put = Either<Json<Planned>, Either<Made<Tagged<Programme>>, Tagged<Programme>>>;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAsk {
    /// Why; the body is the programme.
    #[serde(default)]
    #[schemars(with = "Note")]
    reason: String,
    /// Only say what it would change.
    #[serde(default)]
    dry_run: bool,
}

/// What a dry run would come to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Planned {
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
    IfMatch(of): IfMatch,
    IfNoneMatch(none): IfNoneMatch,
    Sent(Written(sent)): Sent<Written, PROGRAMME_BYTES>,
) -> Result<Put, Problem> {
    check_reason(&asked.reason)?;
    let Draft { mut programme, says_state } = read(&sent).map_err(broken)?;
    if programme.id != id {
        return Err(broken(vec![Fault::at("/id", "is not the id in the path")]));
    }
    let before = api.ask(api.store.programme(&id)).await?;
    let present = before.as_ref().map(|before| before.version);
    let seen = seen(of.as_ref(), none.as_ref(), present, asked.dry_run)?;
    if let Some(before) = before.filter(|_| !says_state) {
        programme.state = before.programme.state;
    }
    let by = By { id: api.new_id(), actor: manager.key_id, reason: asked.reason };
    let put = api.store.change_programme(&programme, seen, asked.dry_run, &by, api.clock.now());
    match api.ask(put).await? {
        ProgrammePut::Done { version, changes } if asked.dry_run => {
            Ok(Either::One(Json(Planned { version, present, changes })))
        }
        ProgrammePut::Done { .. } => {
            // As it is kept: the stock of a reward that had one is not changed by this.
            let kept = api.ask(api.store.programme(&id)).await?.ok_or_else(|| not_found("programme"))?;
            let answer = Tagged { version: kept.version, what: kept.programme };
            Ok(Either::Other(match present {
                None => Either::One(Made(answer)),
                Some(_) => Either::Other(answer),
            }))
        }
        ProgrammePut::Stale => Err(stale()),
        ProgrammePut::Refused(faults) => {
            let detail = "It is in conflict with what rests on the programme; nothing was changed.";
            Err(Problem::new(Kind::Conflict, detail).errors(violations(faults)))
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateAsk {
    state: ProgrammeState,
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

pub(crate) async fn state(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(id): Named<ProgrammeId>,
    Sent(asked): Sent<StateAsk, COMMAND_BYTES>,
) -> Result<Tagged<Programme>, Problem> {
    need_reason(&asked.reason)?;
    let by = By { id: api.new_id(), actor: manager.key_id, reason: asked.reason };
    let set = api.store.set_programme_state(&id, asked.state, &by, api.clock.now());
    match api.ask(set).await? {
        StateSet::Done(_) => {
            let found = api.ask(api.store.programme(&id)).await?;
            let ProgrammeRecord { programme, version, .. } = found.ok_or_else(|| not_found("programme"))?;
            Ok(Tagged { version, what: programme })
        }
        StateSet::Unknown => Err(not_found("programme")),
        StateSet::Refused(why) => Err(Problem::new(Kind::Conflict, why)),
    }
}

/// Which version the caller has seen, by what it says of it.
fn seen(
    of: Option<&HeaderValue>,
    none: Option<&HeaderValue>,
    present: Option<i64>,
    dry_run: bool,
) -> Result<Seen, Problem> {
    let text = |tag: &HeaderValue| tag.to_str().unwrap_or_default().trim().to_owned();
    match (none.map(text).as_deref(), of.map(text).as_deref()) {
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

fn stale() -> Problem {
    let detail = "Another version is there by now; read the programme and decide again. Nothing was changed.";
    Problem::new(Kind::PreconditionFailed, detail)
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
    use axum::http::header;

    use super::*;

    fn seen_by(pairs: &[(header::HeaderName, &'static str)], present: Option<i64>) -> Result<Seen, Kind> {
        let value = |name| {
            let found = pairs.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| HeaderValue::from_static(value))
        };
        let (of, none) = (value(header::IF_MATCH), value(header::IF_NONE_MATCH));
        seen(of.as_ref(), none.as_ref(), present, false).map_err(|problem| problem.kind())
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
