//! Returns as people look for them and steer them: listed, shown with their history, collected, sent again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{Code, OrderId, ReturnId};
use forebay_store::{
    By, DeadLetter, DeadLetterFilter, EffectView, ParcelView, Resent, ReturnFilter, ReturnState, ReturnView,
    Status, result_key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::Api;
use crate::callers::{Reader, Reports, Warehouse};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::openapi::Taken;
use crate::page::{Page, limit, page};
use crate::rules::{Reason, need_reason};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnsAsk {
    state: Option<ReturnState>,
    order: Option<OrderId>,
    #[schemars(range(min = 1, max = crate::page::MOST))]
    limit: Option<u32>,
    cursor: Option<ReturnId>,
}

/// Why a person asks for something.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    #[schemars(!default, with = "Reason")]
    pub(crate) reason: String,
}

/// A return, with all that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReturnDetail {
    #[serde(flatten)]
    view: ReturnView,
    /// The states that it has been in, oldest first.
    history: Vec<Entered>,
    parcel: Option<ParcelView>,
    /// The result's way to the shop; none before it was first tried.
    result: Option<ResultView>,
    /// The dead letter of the command to send it that waits for somebody, or is being replayed.
    dead_letter: Option<DeadResult>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Entered {
    state: &'static str,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResultView {
    /// The key under which the shop is told, for ever.
    idempotency_key: String,
    #[serde(flatten)]
    effect: EffectView,
}

/// A dead letter that keeps a result from the shop.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeadResult {
    id: Uuid,
    status: Status,
    code: Code,
}

/// A result that will be sent again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResultTaken {
    return_id: ReturnId,
    /// It had been sent before.
    again: bool,
    /// The key under which the shop is told, for ever.
    idempotency_key: String,
    queue: &'static str,
}

/// A collection that will be made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CollectionTaken {
    queue: &'static str,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ReturnsAsk>,
) -> Result<Page<ReturnView>, Problem> {
    let limit = limit(asked.limit)?;
    let filter = ReturnFilter { state: asked.state, order_id: asked.order };
    let views = api.ask(api.store.list_returns(&filter, asked.cursor.as_ref(), limit + 1)).await?;
    Ok(page(views, limit, |view| Some(view.return_id.clone())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(return_id): Named<ReturnId>,
) -> Result<Json<ReturnDetail>, Problem> {
    let found = api.ask(api.store.return_by_id(&return_id)).await?;
    let view = found.ok_or_else(|| not_found("return"))?;
    let parcel = match (&view.carrier, &view.tracking_number) {
        (Some(carrier), Some(number)) => match (carrier.parse(), number.parse()) {
            (Ok(carrier), Ok(number)) => api.ask(api.store.parcel(&carrier, &number)).await?,
            _ => None,
        },
        _ => None,
    };
    let key = result_key(&return_id);
    let effect = api.ask(api.store.effect(&key)).await?;
    let result = effect.map(|effect| ResultView { idempotency_key: key, effect });
    let dead_letter = api.dead_result(&return_id).await?;
    let history = history(&view);
    Ok(Json(ReturnDetail { view, history, parcel, result, dead_letter }))
}

pub(crate) async fn resend(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Named(return_id): Named<ReturnId>,
    Sent(wish): Sent<Wish, COMMAND_BYTES>,
) -> Result<Taken<ResultTaken>, Problem> {
    need_reason(&wish.reason)?;
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: wish.reason };
    match api.ask(api.store.resend_result(&return_id, &by, api.clock.now())).await? {
        Resent::NotThere => Err(not_found("return")),
        Resent::NotPickedUp => {
            let detail = "Its parcel was not picked up yet: there is no result; nothing was done.";
            Err(Problem::new(Kind::Conflict, detail))
        }
        Resent::Written { again } => {
            let idempotency_key = result_key(&return_id);
            Ok(Taken::of(ResultTaken { return_id, again, idempotency_key, queue: "forebay.results" }))
        }
    }
}

pub(crate) async fn collect(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Sent(wish): Sent<Wish, COMMAND_BYTES>,
) -> Result<Taken<CollectionTaken>, Problem> {
    need_reason(&wish.reason)?;
    if !api.options.collects {
        let detail =
            "There is no returns API to collect from (returns.api_url is not configured); nothing was done.";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: wish.reason };
    api.ask(api.store.ask_collection(&by, api.clock.now())).await?;
    Ok(Taken::of(CollectionTaken { queue: "forebay.returns" }))
}

impl Api {
    /// The dead letter that keeps a return's result from the shop.
    async fn dead_result(&self, return_id: &ReturnId) -> Result<Option<DeadResult>, Problem> {
        let filter = DeadLetterFilter {
            statuses: vec![Status::Open, Status::Replaying],
            queue: Some("forebay.results".to_owned()),
            subject: Some(format!("return/{return_id}")),
            ..DeadLetterFilter::default()
        };
        let found = self.ask(self.store.dead_letters(&filter, None, 1)).await?.pop();
        Ok(found.map(|DeadLetter { id, status, code, .. }| DeadResult { id, status, code }))
    }
}

fn history(view: &ReturnView) -> Vec<Entered> {
    let known = [
        ("requested", Some(view.requested_at)),
        ("registered", Some(view.registered_at)),
        ("picked_up", view.picked_up_at),
        ("reported", view.reported_at),
    ];
    known.into_iter().filter_map(|(state, at)| Some(Entered { state, at: at? })).collect()
}
