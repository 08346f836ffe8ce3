//! `GET /v1/members/{member_id}/why`: what stands between a member and each reward.

mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_domain::erasure::is_erased;
use forebay_domain::programme::{Programme, ProgrammeState, Rule};
use forebay_domain::settlement::{Books, judgement};
use forebay_intake::Problem;
use forebay_schemas::events::{ClaimRequested, RejectCode};
use forebay_schemas::{MemberId, ProgrammeId, RewardId, RuleId};
use forebay_store::{ClaimView, MemberRecord, PAGE_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::words::Case;
use crate::api::Api;
use crate::callers::{ByMember, Reader};
use crate::extract::{Asked, Named};
use crate::failure::not_found;

/// Most programmes that are looked at when none is named.
const PROGRAMMES_MAX: usize = 20;
/// How many changes of a stock are looked at for the one that emptied it.
const CHANGES: u32 = 50;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyAsk {
    programme: Option<ProgrammeId>,
    rule: Option<RuleId>,
}

/// Everything that stands between a member and rewards.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Why {
    member_id: MemberId,
    /// Nothing is known of the member, and nothing will be.
    erased: bool,
    /// One for each rule, in the programmes' order.
    items: Vec<Verdict>,
}

/// What would become of a claim now.
#[derive(Debug, Serialize, JsonSchema)]
struct Verdict {
    programme_id: ProgrammeId,
    rule_id: RuleId,
    reward_id: RewardId,
    /// What the reward is called.
    reward: String,
    claimable: bool,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_code: Option<RejectCode>,
    days_seen: u32,
    days_required: u32,
    /// The same in words.
    text: String,
}

pub(crate) async fn why(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(themselves): ByMember,
    Named(member_id): Named<MemberId>,
    Asked(asked): Asked<WhyAsk>,
) -> Result<Json<Why>, Problem> {
    let mut record = api.ask(api.store.member(&member_id)).await?;
    let erased = record.erased || is_erased(&member_id);
    if let (Some(_), Some(block)) = (&themselves, &mut record.blocked) {
        // What people noted of a member is not for the member.
        block.reason = None;
    }
    let mut items = Vec::new();
    if !erased {
        let claims = api.ask(api.store.member_claims(&member_id, PAGE_MAX)).await?;
        for programme in api.asked_about(asked.programme.as_ref()).await? {
            let member = Looked { id: &member_id, record: &record, claims: &claims };
            let rules =
                programme.rules.iter().filter(|rule| asked.rule.as_ref().is_none_or(|id| *id == rule.id));
            items.extend(api.verdicts(&programme, rules, member).await?);
        }
        if asked.rule.is_some() && items.is_empty() {
            return Err(not_found("rule in this programme"));
        }
    }
    Ok(Json(Why { member_id, erased, items }))
}

/// What was read of a member.
#[derive(Debug, Clone, Copy)]
struct Looked<'l> {
    id: &'l MemberId,
    record: &'l MemberRecord,
    claims: &'l [ClaimView],
}

impl Api {
    /// The programme of this name, or those that members can see.
    async fn asked_about(&self, named: Option<&ProgrammeId>) -> Result<Vec<Programme>, Problem> {
        let (all, now) = (self.ask(self.store.programmes()).await?, self.clock.now());
        let Some(named) = named else {
            let open = |p: &Programme| p.state != ProgrammeState::Draft && p.claim_until >= now;
            return Ok(all.into_iter().filter(open).take(PROGRAMMES_MAX).collect());
        };
        let found = all.into_iter().find(|programme| programme.id == *named);
        found.map(|programme| vec![programme]).ok_or_else(|| not_found("programme"))
    }

    async fn verdicts(
        &self,
        programme: &Programme,
        rules: impl Iterator<Item = &Rule>,
        member: Looked<'_>,
    ) -> Result<Vec<Verdict>, Problem> {
        let books = self.ask(self.store.member_books(&programme.id, member.id)).await?;
        let (now, mut verdicts) = (self.clock.now(), Vec::new());
        for rule in rules {
            verdicts.push(self.verdict(programme, rule, member, &books, now).await?);
        }
        Ok(verdicts)
    }

    async fn verdict(
        &self,
        programme: &Programme,
        rule: &Rule,
        member: Looked<'_>,
        books: &Books,
        now: DateTime<Utc>,
    ) -> Result<Verdict, Problem> {
        let ask = ClaimRequested {
            claim_id: Uuid::nil(),
            programme_id: programme.id.clone(),
            rule_id: rule.id.clone(),
            member_id: member.id.clone(),
        };
        let judgement = judgement(books, &ask, now);
        let (key, none) = ((programme.id.clone(), member.id.clone()), BTreeSet::new());
        let out_since = match judgement.refused {
            Some(RejectCode::OutOfStock) => self.emptied(&rule.reward.id).await?,
            _ => None,
        };
        let granted = |claim: &&ClaimView| {
            claim.programme_id == programme.id.as_str()
                && claim.rule_id == rule.id.as_str()
                && claim.reject_code.is_none()
                && claim.reversed_at.is_none()
        };
        let case = Case {
            programme,
            rule,
            days: books.days.get(&key).unwrap_or(&none),
            voided: books.voided.get(&key).unwrap_or(&none),
            judgement,
            now,
            block: member.record.blocked.as_ref(),
            claimed_at: member.claims.iter().filter(granted).map(|claim| claim.accepted_at).collect(),
            out_since,
        };
        Ok(Verdict {
            programme_id: ask.programme_id,
            rule_id: ask.rule_id,
            reward_id: rule.reward.id.clone(),
            reward: rule.reward.name.clone(),
            claimable: judgement.refused.is_none(),
            reject_code: judgement.refused,
            days_seen: judgement.days_seen,
            days_required: rule.days_required,
            text: case.text(),
        })
    }

    /// When the last one of a reward went.
    async fn emptied(&self, reward: &RewardId) -> Result<Option<DateTime<Utc>>, Problem> {
        let changes = self.ask(self.store.stock_history(reward, None, CHANGES)).await?;
        Ok(changes.iter().find(|change| change.delta < 0).map(|change| change.at))
    }
}
