//! A member's points: spent, read, corrected.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use forebay_domain::erasure::Redaction;
use forebay_domain::points::MOST;
use forebay_intake::{Kind, Problem};
use forebay_schemas::MemberId;
use forebay_schemas::events::SpendRequested;
use forebay_store::{Adjusted, Adjustment, By, LedgerLine, PointsView, SpendView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{ByMember, EventManager, IsAdmin, MembersActor, Reader};
use crate::extract::{Arrived, Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::idempotency::{Key, NeededKey, reused};
use crate::openapi::{Either, Repeated, Taken};
use crate::page::{Page, limit, page};
use crate::rules::{Reason, broken, need_reason};
use crate::wait::{Waited, Waiting, Wish};

/// Longest reference of a spending, in characters.
const REFERENCE_CHARS: usize = 128;
/// How long the store is waited for when it is asked whether a spending was settled before.
const KNOWN_WITHIN: Duration = Duration::from_millis(500);
/// Most points, more or fewer, of one correction by who is no administrator.
const CORRECTION_MOST: i64 = 100_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpendAsk {
    #[schemars(range(min = 1, max = MOST))]
    points: i64,
    spend_id: Option<Uuid>,
    #[serde(rename = "ref")]
    #[schemars(length(max = REFERENCE_CHARS))]
    reference: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SpendAccepted {
    event_id: String,
    spend_id: Uuid,
}

pub(crate) async fn spend(
    State(api): State<Arc<Api>>,
    Arrived(arrival): Arrived,
    actor: MembersActor,
    Named(member_id): Named<MemberId>,
    wish: Wish,
    Key(key): Key,
    Sent(ask): Sent<SpendAsk, COMMAND_BYTES>,
) -> Result<Either<Waited<SpendView>, Taken<SpendAccepted>>, Problem> {
    if !(1..=MOST).contains(&ask.points) {
        return Err(broken("/points", format!("must be 1 to {MOST}")));
    }
    if ask.reference.as_ref().is_some_and(|reference| reference.chars().count() > REFERENCE_CHARS) {
        return Err(broken("/ref", format!("must be {REFERENCE_CHARS} characters at most")));
    }
    // A key is its sender's own, and names one spending of each member.
    let derived = key.map(|key| named_by("spend", &key, &format!("{}\n{member_id}", actor.sender())));
    let given = ask.spend_id.or(derived);
    let otherwise = || match ask.spend_id {
        Some(_) => {
            let detail = "This spend_id belongs to another spending; nothing was changed.";
            Problem::new(Kind::Conflict, detail)
        }
        None => reused(),
    };
    let spend_id = given.unwrap_or_else(|| api.new_id());
    let data = SpendRequested { spend_id, member_id, points: ask.points, reference: ask.reference };
    // Without the store's answer it is accepted all the same: what was settled first under the id stands.
    if given.is_some()
        && let Ok(Ok(Some(before))) = timeout(KNOWN_WITHIN, api.store.spend(spend_id)).await
        && !is_of(&before, &data)
    {
        return Err(otherwise());
    }
    let event_id = api.accept(&arrival, &data).await?;
    if let Some(waiting) = wish.begin(&api)
        && let Some(spend) = settled(&api, waiting, spend_id).await
    {
        return if is_of(&spend, &data) { Ok(Either::One(wish.granted(spend))) } else { Err(otherwise()) };
    }
    let location = format!("/v1/spends/{spend_id}");
    Ok(Either::Other(Taken::at(location, SpendAccepted { event_id, spend_id })))
}

/// This was asked for, and nothing else.
fn is_of(spend: &SpendView, asked: &SpendRequested) -> bool {
    spend.member_id == asked.member_id.as_str()
        && spend.points == asked.points
        && spend.reference == asked.reference
}

/// The spending; none when it is not settled by the end of the wait.
async fn settled(api: &Api, mut waiting: Waiting, spend_id: Uuid) -> Option<SpendView> {
    loop {
        if let Some(spend) = waiting.ask(api.store.spend(spend_id)).await? {
            return Some(spend);
        }
        if !waiting.again().await {
            return None;
        }
    }
}

pub(crate) async fn one_spend(
    State(api): State<Arc<Api>>,
    _: Reader,
    ByMember(member): ByMember,
    Named(spend_id): Named<Uuid>,
) -> Result<Json<SpendView>, Problem> {
    let spend = api.ask(api.store.spend(spend_id)).await?;
    // To a member the spendings of others are not there.
    let theirs = |spend: &SpendView| member.is_none_or(|member| spend.member_id == member.as_str());
    spend.filter(theirs).map(Json).ok_or_else(|| not_found("spending, or it is not settled yet"))
}

pub(crate) async fn points(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(member_id): Named<MemberId>,
) -> Result<Json<PointsView>, Problem> {
    Ok(Json(api.ask(api.store.member_points(&member_id, api.clock.now())).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerAsk {
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<Uuid>,
}

pub(crate) async fn ledger(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(member_id): Named<MemberId>,
    Asked(asked): Asked<LedgerAsk>,
) -> Result<Page<LedgerLine>, Problem> {
    let limit = limit(asked.limit)?;
    let lines = api.ask(api.store.member_ledger(&member_id, asked.cursor, limit + 1)).await?;
    Ok(page(lines, limit, |line| Some(line.txn_id.to_string())))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdjustAsk {
    /// Not 0; more than 100,000 either way needs the scope `admin`.
    #[schemars(range(min = -MOST, max = MOST), extend("not" = { "const": 0 }))]
    delta: i64,
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    reason: String,
}

/// A correction that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PointsAdjusted {
    txn_id: Uuid,
    delta: i64,
    balance_after: i64,
}

pub(crate) async fn adjust(
    State(api): State<Arc<Api>>,
    manager: EventManager,
    IsAdmin(admin): IsAdmin,
    Named(member_id): Named<MemberId>,
    NeededKey(key): NeededKey,
    Sent(ask): Sent<AdjustAsk, COMMAND_BYTES>,
) -> Result<Repeated<Json<PointsAdjusted>>, Problem> {
    need_reason(&ask.reason)?;
    if Redaction::of([member_id.to_string()]).text(&ask.reason).is_some() {
        return Err(broken("/reason", "must not hold the member's id: the reason is kept"));
    }
    if ask.delta == 0 || !(-MOST..=MOST).contains(&ask.delta) {
        return Err(broken("/delta", format!("must be -{MOST} to {MOST}, and not 0")));
    }
    if ask.delta.abs() > CORRECTION_MOST && !admin {
        let detail = format!(
            "A correction of more than {CORRECTION_MOST} points needs the scope admin; nothing was done."
        );
        return Err(Problem::new(Kind::InsufficientScope, detail));
    }
    // A key is its sender's own, whatever it is used for.
    let key = named_by("adjust", &key, &manager.key_id);
    let adjustment = Adjustment { member_id, delta: ask.delta, key };
    let by = By { id: api.new_id(), actor: manager.key_id, reason: ask.reason };
    match api.ask(api.store.adjust_points(&adjustment, &by, api.clock.now())).await? {
        Adjusted::Done { txn_id, balance_after, before } => {
            let delta = adjustment.delta;
            let answer = Json(PointsAdjusted { txn_id, delta, balance_after });
            Ok(Repeated { before, answer })
        }
        Adjusted::Reused => Err(reused()),
        Adjusted::Below { balance } => {
            let detail =
                format!("The member has {balance} points: it can't be that many fewer; nothing was done.");
            Err(Problem::new(Kind::Conflict, detail))
        }
        Adjusted::Erased => Err(Problem::new(Kind::Conflict, "The member was erased; nothing was done.")),
    }
}

/// The same key of the same one names the same thing, in whatever process.
fn named_by(what: &str, key: &str, whose: &str) -> Uuid {
    // None of the parts can hold a line break.
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{what}\n{key}\n{whose}").as_bytes())
}
