//! Claims as people look for them and see to them: listed, shipped, taken back, kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use forebay_domain::settlement::{Hindrance, Reach, Shipment, Stage};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{CarrierCode, MemberId, ProgrammeId, RewardId, RuleId, TrackingNumber};
use forebay_store::{By, ClaimChanged, ClaimFilter, ClaimView, Error, PAGE_MAX, Store};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Admin, EventManager, Reports, Warehouse};
use crate::csv::{self, Cell, Column, Csv};
use crate::dates::Instant;
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::{Either, Repeated};
use crate::page::{Page, csv_limit, limit, page};
use crate::rules::{Reason, broken, need_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimsAsk {
    programme: Option<ProgrammeId>,
    rule: Option<RuleId>,
    reward: Option<RewardId>,
    member: Option<MemberId>,
    state: Option<Stage>,
    /// Products that were granted and not shipped.
    #[serde(default)]
    to_ship: bool,
    /// Of these, those that wait too long.
    #[serde(default)]
    overdue: bool,
    #[serde(default)]
    needs_review: bool,
    from: Option<Instant>,
    to: Option<Instant>,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

impl ClaimsAsk {
    fn filter(self, api: &Api) -> ClaimFilter {
        let due = api.clock.now() - TimeDelta::days(i64::from(api.options.unshipped_after_days));
        let late = self.overdue.then_some(due);
        ClaimFilter {
            programme_id: self.programme,
            rule_id: self.rule,
            reward_id: self.reward,
            member_id: self.member,
            stage: self.state,
            needs_review: self.needs_review,
            to_ship: self.to_ship || self.overdue,
            from: self.from.map(|from| from.0),
            to: [self.to.map(|to| to.0), late].into_iter().flatten().min(),
        }
    }
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    reports: Reports,
    csv::Wanted(csv): csv::Wanted,
    Asked(asked): Asked<ClaimsAsk>,
) -> Result<Either<Page<ClaimView>, Csv<Exported>>, Problem> {
    if csv {
        return export(State(api), reports, Asked(asked)).await.map(Either::Other);
    }
    let limit = limit(asked.limit)?;
    let cursor = asked.cursor;
    let filter = asked.filter(&api);
    let claims = api.ask(api.store.list_claims(&filter, cursor, limit + 1)).await?;
    Ok(Either::One(page(claims, limit, |claim| Some(claim.claim_id.to_string()))))
}

/// Everything as CSV; with a limit a page of it, whose header says where the next one begins.
pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ClaimsAsk>,
) -> Result<Csv<Exported>, Problem> {
    let (after, limit) = (asked.cursor, asked.limit);
    let mut rows = Exported { store: Arc::clone(&api.store), after, filter: asked.filter(&api) };
    let Some(limit) = limit else { return csv::download(&api, "claims", rows).await };
    let limit = csv_limit(limit)?;
    let _permit = csv::permit(&api)?;
    let page = api.ask(rows.page(limit)).await?;
    // A page that is full may be followed by an empty one.
    let next = rows.after.filter(|_| page.len() == limit as usize).map(|id| id.to_string());
    Ok(csv::page("claims", after.is_none(), &page, next.as_deref()))
}

/// How far an export has come.
pub(crate) struct Exported {
    store: Arc<dyn Store>,
    filter: ClaimFilter,
    after: Option<Uuid>,
}

impl Exported {
    async fn page(&mut self, size: u32) -> Result<Vec<Vec<Cell>>, Error> {
        let claims = self.store.list_claims(&self.filter, self.after, size).await?;
        self.after = claims.last().map(|claim| claim.claim_id).or(self.after);
        Ok(claims.into_iter().map(row).collect())
    }
}

impl csv::Rows for Exported {
    const COLUMNS: &'static [Column] = &[
        ("claim_id", "the claim"),
        ("programme_id", "its programme"),
        ("rule_id", "its rule"),
        ("reward_id", "what was claimed; empty where the rule was unknown"),
        ("member_id", "who claimed"),
        ("state", "`granted`, `fulfilled`, `reversed` or `rejected`"),
        ("reject_code", "why it was rejected"),
        ("days_seen", "how many days counted"),
        ("accepted_at", "when it was received"),
        ("settled_at", "when it was decided"),
        ("fulfilled_at", "when it was shipped"),
        ("carrier", "who carries it"),
        ("tracking_number", "its number there"),
        ("reversed_at", "when it was taken back"),
        ("review", "`day_voided` where somebody should look at it again"),
    ];

    async fn next(&mut self) -> Result<Vec<Vec<Cell>>, Error> {
        self.page(PAGE_MAX).await
    }
}

fn row(claim: ClaimView) -> Vec<Cell> {
    vec![
        claim.claim_id.to_string().into(),
        claim.programme_id.into(),
        claim.rule_id.into(),
        claim.reward_id.into(),
        claim.member_id.into(),
        claim.state.into(),
        claim.reject_code.into(),
        claim.days_seen.into(),
        claim.accepted_at.into(),
        claim.settled_at.into(),
        claim.fulfilled_at.into(),
        claim.carrier.into(),
        claim.tracking_number.into(),
        claim.reversed_at.into(),
        claim.review.into(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShipAsk {
    carrier: CarrierCode,
    tracking_number: TrackingNumber,
    /// The number that it has was wrong.
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

pub(crate) async fn ship(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Named(claim_id): Named<Uuid>,
    Sent(ask): Sent<ShipAsk, COMMAND_BYTES>,
) -> Result<Repeated<Json<ClaimView>>, Problem> {
    need_reason(&ask.reason)?;
    let number = (api.numbers)(&ask.carrier, &ask.tracking_number);
    let tracking_number = number.map_err(|fault| broken("/tracking_number", fault))?;
    let shipment = Shipment { carrier: ask.carrier, tracking_number };
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: ask.reason };
    let changed = api.store.ship_claim(claim_id, &shipment, ask.replace, &by, api.clock.now());
    answer(api.ask(changed).await?)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReverseAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
    /// What it took can be given out again; otherwise it is written off. To be said of what was shipped: it may never
    /// come back.
    restock: Option<bool>,
}

/// Only what was not shipped.
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(claim_id): Named<Uuid>,
    Sent(ask): Sent<ReverseAsk, COMMAND_BYTES>,
) -> Result<Repeated<Json<ClaimView>>, Problem> {
    take_back(&api, claim_id, manager.key_id, Reach::NotShipped, ask).await
}

/// Also what was shipped, for an admin.
pub(crate) async fn reverse(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    admin: Result<Admin, Problem>,
    Named(claim_id): Named<Uuid>,
    Sent(ask): Sent<ReverseAsk, COMMAND_BYTES>,
) -> Result<Repeated<Json<ClaimView>>, Problem> {
    let (reach, problem) = match admin {
        Ok(_) => {
            if ask.restock.is_none() && is_shipped(&api, claim_id).await? {
                let rule = "is missing: it was shipped; true when it is back on the shelf, false when it is written off";
                return Err(broken("/restock", rule));
            }
            (Reach::Shipped, None)
        }
        Err(problem) => (Reach::NotShipped, Some(problem)),
    };
    match take_back(&api, claim_id, manager.key_id, reach, ask).await {
        // Whoever may do less than that is told so, and not that it can't be.
        Err(refused) if refused.kind() == Kind::Conflict => {
            let shipped = is_shipped(&api, claim_id).await?;
            Err(problem.filter(|_| shipped).unwrap_or(refused))
        }
        answer => answer,
    }
}

async fn is_shipped(api: &Api, claim_id: Uuid) -> Result<bool, Problem> {
    let claim = api.ask(api.store.claim(claim_id)).await?;
    Ok(claim.is_some_and(|claim| claim.state == Stage::Fulfilled.as_str()))
}

async fn take_back(
    api: &Api,
    claim_id: Uuid,
    actor: String,
    reach: Reach,
    ask: ReverseAsk,
) -> Result<Repeated<Json<ClaimView>>, Problem> {
    need_reason(&ask.reason)?;
    let by = By { id: api.new_id(), actor, reason: ask.reason };
    let changed = api.store.reverse_claim(claim_id, reach, ask.restock.unwrap_or(true), &by, api.clock.now());
    answer(api.ask(changed).await?)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepAsk {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// Somebody has looked at it again, and it stands.
pub(crate) async fn keep(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    Named(claim_id): Named<Uuid>,
    Sent(ask): Sent<KeepAsk, COMMAND_BYTES>,
) -> Result<Repeated<Json<ClaimView>>, Problem> {
    need_reason(&ask.reason)?;
    let by = By { id: api.new_id(), actor: manager.key_id, reason: ask.reason };
    answer(api.ask(api.store.keep_claim(claim_id, &by, api.clock.now())).await?)
}

fn answer(changed: ClaimChanged) -> Result<Repeated<Json<ClaimView>>, Problem> {
    match changed {
        ClaimChanged::NotThere => Err(not_found("claim, or it is not settled yet")),
        ClaimChanged::Hindered(hindrance) => {
            let detail = format!("{}; nothing was done.", said(hindrance));
            Err(Problem::new(Kind::Conflict, detail))
        }
        ClaimChanged::Before(claim) => Ok(Repeated { before: true, answer: Json(*claim) }),
        ClaimChanged::Done(claim) => Ok(Repeated { before: false, answer: Json(*claim) }),
    }
}

fn said(hindrance: Hindrance) -> &'static str {
    match hindrance {
        Hindrance::Rejected => "It was refused: nothing was given out",
        Hindrance::Reversed => "It was taken back",
        Hindrance::NotAProduct => "It is for points: there is nothing to ship",
        Hindrance::ShippedOtherwise => {
            "It was shipped already, under another number; with \"replace\" this one takes its place"
        }
        Hindrance::Shipped => "It was shipped already: an admin can reverse it",
        Hindrance::Erased => "Its member was erased: no parcel's number is kept of them",
    }
}
