//! `GET /v1/members/{member_id}`: what is known of a member, at a glance.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use forebay_domain::erasure::is_erased;
use forebay_domain::programme::Programme;
use forebay_intake::Problem;
use forebay_schemas::{MemberId, ProgrammeId};
use forebay_store::{Block, ClaimView, MemberDays, MemberRecord};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::Api;
use crate::callers::{ByMember, Reader};
use crate::extract::Named;

/// Most programmes of which a member's days are told at once.
const PROGRAMMES_MAX: usize = 20;
/// How many claims are told with a member.
const CLAIMS: u32 = 20;

/// What is known of a member.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemberView {
    member_id: MemberId,
    balance: i64,
    blocked: bool,
    /// Since when, and why; not told to the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<Block>,
    /// Nothing is known of the member, and nothing will be.
    erased: bool,
    /// The programmes in which the member has days, the newest first.
    programmes: Vec<ProgrammeDays>,
    /// The newest claims.
    claims: Vec<ClaimView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ProgrammeDays {
    programme_id: ProgrammeId,
    name: String,
    days: Vec<NaiveDate>,
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(themselves): ByMember,
    Named(member_id): Named<MemberId>,
) -> Result<Json<MemberView>, Problem> {
    let MemberRecord { balance, blocked: block, erased } = api.ask(api.store.member(&member_id)).await?;
    let mut all = api.ask(api.store.programmes()).await?;
    all.sort_by_key(|programme| Reverse(programme.ends_on));
    let mut programmes = Vec::new();
    for Programme { id, name, .. } in all.into_iter().take(PROGRAMMES_MAX) {
        let MemberDays { days } = api.ask(api.store.member_days(&id, &member_id)).await?;
        if !days.is_empty() {
            programmes.push(ProgrammeDays { programme_id: id, name, days });
        }
    }
    let claims = api.ask(api.store.member_claims(&member_id, CLAIMS)).await?;
    let (blocked, block) = (block.is_some(), block.filter(|_| themselves.is_none()));
    let erased = erased || is_erased(&member_id);
    Ok(Json(MemberView { member_id, balance, blocked, block, erased, programmes, claims }))
}
