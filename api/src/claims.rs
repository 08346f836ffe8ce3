//! `POST /v1/programmes/{programme_id}/claims` and `GET /v1/claims/{claim_id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use forebay_intake::{Kind, Problem};
use forebay_schemas::events::ClaimRequested;
use forebay_schemas::{MemberId, ProgrammeId, RuleId};
use forebay_store::ClaimView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{ByMember, MembersActor, Reader};
use crate::extract::{Arrived, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::idempotency::Key;
use crate::openapi::{Either, Taken};
use crate::wait::{Waited, Waiting, Wish};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimAsk {
    /// Who claims; a member who comes with a token need not say it.
    member_id: Option<MemberId>,
    rule_id: RuleId,
    claim_id: Option<Uuid>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClaimAccepted {
    event_id: String,
    claim_id: Uuid,
}

pub(crate) async fn post(
    State(api): State<Arc<Api>>,
    Arrived(arrival): Arrived,
    actor: MembersActor,
    Named(programme_id): Named<ProgrammeId>,
    wish: Wish,
    Key(key): Key,
    Sent(ask): Sent<ClaimAsk, COMMAND_BYTES>,
) -> Result<Either<Waited<ClaimView>, Taken<ClaimAccepted>>, Problem> {
    let ClaimAsk { member_id, rule_id, claim_id: given } = ask;
    let member_id = actor.member(member_id)?;
    let derived = key.as_deref().map(|key| claim_id(key, &programme_id, &rule_id, &member_id));
    let claim_id = given.or(derived).unwrap_or_else(|| api.new_id());
    let data = ClaimRequested { claim_id, programme_id, rule_id, member_id };
    let event_id = api.accept(&arrival, &data).await?;
    if let Some(waiting) = wish.begin(&api)
        && let Some(claim) = settled(&api, waiting, claim_id).await
    {
        return if is_this(&claim, &data) {
            Ok(Either::One(wish.granted(claim)))
        } else {
            Err(Problem::new(Kind::Conflict, "This claim_id belongs to another claim; nothing was changed."))
        };
    }
    let location = format!("/v1/claims/{claim_id}");
    Ok(Either::Other(Taken::at(location, ClaimAccepted { event_id, claim_id })))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(member): ByMember,
    Named(claim_id): Named<Uuid>,
) -> Result<Json<ClaimView>, Problem> {
    let claim = api.ask(api.store.claim(claim_id)).await?;
    // To a member the claims of others are not there.
    let theirs = |claim: &ClaimView| member.is_none_or(|member| claim.member_id == member.as_str());
    claim.filter(theirs).map(Json).ok_or_else(|| not_found("claim, or it is not settled yet"))
}

/// The claim; none when it is not settled by the end of the wait.
async fn settled(api: &Api, mut waiting: Waiting, claim_id: Uuid) -> Option<ClaimView> {
    loop {
        if let Some(claim) = waiting.ask(api.store.claim(claim_id)).await? {
            return Some(claim);
        }
        if !waiting.again().await {
            return None;
        }
    }
}

fn is_this(claim: &ClaimView, asked: &ClaimRequested) -> bool {
    claim.member_id == asked.member_id.as_str()
        && claim.programme_id == asked.programme_id.as_str()
        && claim.rule_id == asked.rule_id.as_str()
}

/// The same key, member and rule make the same claim, in whatever process.
fn claim_id(key: &str, programme_id: &ProgrammeId, rule_id: &RuleId, member_id: &MemberId) -> Uuid {
    // None of the parts can hold a line break.
    let name = format!("{key}\n{programme_id}\n{rule_id}\n{member_id}");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_is_another_claim_for_another_member_or_rule() {
        let programme = ProgrammeId::new("autumn").unwrap();
        let id = |key: &str, member: &str, rule: &str| {
            claim_id(key, &programme, &RuleId::new(rule).unwrap(), &MemberId::new(member).unwrap())
        };
        let one = id("k", "m-1", "five-days");
        assert_eq!(one, id("k", "m-1", "five-days"));
        assert_ne!(one, id("k", "m-2", "five-days"));
        assert_ne!(one, id("k", "m-1", "one-day"));
        assert_ne!(one, id("l", "m-1", "five-days"));
    }
}
