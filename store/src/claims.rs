//! Claims after they were settled: looked for, shipped, taken back.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_domain::settlement::{Hindrance, Reach, Shipment, Stage, Unshipped};
use forebay_schemas::{MemberId, ProgrammeId, RewardId, RuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Reversal;
use crate::audit_log::By;
use crate::error::Error;

/// A claim, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// The claim.
    pub claim_id: Uuid,
    /// The programme, as asked for.
    pub programme_id: String,
    /// The rule, as asked for.
    pub rule_id: String,
    /// The reward; none when the rule is unknown.
    pub reward_id: Option<String>,
    /// The member.
    pub member_id: String,
    /// Where it stands: a word of `settlement::Stage`.
    pub state: String,
    /// Why it was refused.
    pub reject_code: Option<String>,
    /// How many days counted.
    pub days_seen: i64,
    /// When it was received.
    pub accepted_at: DateTime<Utc>,
    /// When it was settled.
    pub settled_at: DateTime<Utc>,
    /// When it was shipped.
    #[serde(default)]
    pub fulfilled_at: Option<DateTime<Utc>>,
    /// Who carries it.
    #[serde(default)]
    pub carrier: Option<String>,
    /// Its number there.
    #[serde(default)]
    pub tracking_number: Option<String>,
    /// When it was taken back.
    #[serde(default)]
    pub reversed_at: Option<DateTime<Utc>>,
    /// Why somebody should look at it again; none when nobody need.
    #[serde(default)]
    pub review: Option<String>,
}

/// Which claims are looked for. Conditions add up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimFilter {
    /// In this programme.
    pub programme_id: Option<ProgrammeId>,
    /// Under this rule.
    pub rule_id: Option<RuleId>,
    /// For this reward.
    pub reward_id: Option<RewardId>,
    /// Of this member.
    pub member_id: Option<MemberId>,
    /// Standing here.
    pub stage: Option<Stage>,
    /// Somebody should look at them again.
    pub needs_review: bool,
    /// Granted and not shipped, products alone.
    pub to_ship: bool,
    /// Settled at that time or later.
    pub from: Option<DateTime<Utc>>,
    /// Settled before that time.
    pub to: Option<DateTime<Utc>>,
}

/// What became of a claim that somebody changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimChanged {
    /// There is no such claim.
    NotThere,
    /// It can't become that; nothing was changed.
    Hindered(Hindrance),
    /// It was so before; nothing was changed.
    Before(Box<ClaimView>),
    /// It is so now.
    Done(Box<ClaimView>),
}

/// What people may change of a claim, as the audit log has it.
#[must_use]
pub fn changeable(view: &ClaimView) -> Value {
    json!({
        "state": view.state,
        "carrier": view.carrier,
        "tracking_number": view.tracking_number,
        "review": view.review,
    })
}

/// The same, and what became of the points.
#[must_use]
pub fn with_points(mut changeable: Value, points: Value) -> Value {
    if !points.is_null() {
        changeable["points"] = points;
    }
    changeable
}

/// The ledger's keys of a claim: the one under which its points were booked, and the one under which they are taken
/// back.
#[must_use]
pub fn claim_keys(claim_id: Uuid) -> (String, String) {
    (format!("claim:{claim_id}"), format!("claim:{claim_id}:reverse"))
}

/// What was taken back, for the audit log; nothing when the claim was not for points.
#[must_use]
pub fn taken(points: &Reversal) -> Value {
    match points {
        Reversal::Done(done) => json!({ "delta": done.delta, "shortfall": done.shortfall }),
        _ => Value::Null,
    }
}

/// Claims. Each change writes its entry in the audit log and its fact in its transaction.
#[async_trait]
pub trait Claims {
    /// One claim, if it is settled.
    async fn claim(&self, id: Uuid) -> Result<Option<ClaimView>, Error>;

    /// A member's newest claims.
    async fn member_claims(&self, member: &MemberId, limit: u32) -> Result<Vec<ClaimView>, Error>;

    /// Claims, those that were settled last first, after the one named.
    async fn list_claims(
        &self,
        filter: &ClaimFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<ClaimView>, Error>;

    /// Notes that a granted product was sent; with `replace` another number may take the place of one that it has.
    async fn ship_claim(
        &self,
        id: Uuid,
        shipment: &Shipment,
        replace: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error>;

    /// Takes a granted claim back: its slot is free, what it took of the stock is there again (or, without `restock`,
    /// is written off), its points are taken back as far as the member still has them.
    async fn reverse_claim(
        &self,
        id: Uuid,
        reach: Reach,
        restock: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<ClaimChanged, Error>;

    /// Notes that somebody has looked at a claim again and lets it stand.
    async fn keep_claim(&self, id: Uuid, by: &By, now: DateTime<Utc>) -> Result<ClaimChanged, Error>;

    /// Claims that were granted before then and are not shipped, summed up by reward; products alone.
    async fn unshipped(&self, granted_before: DateTime<Utc>) -> Result<Vec<Unshipped>, Error>;
}
