//! Returns as people look for them and steer them: listed, shown with their history, collected, sent again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use forebay_intake::{Kind, Problem};
use forebay_schemas::{OrderId, ReturnId};
use forebay_store::{
    By, DeadLetterFilter, EffectView, ParcelView, Resent, ReturnFilter, ReturnState, ReturnView, Status,
    result_key,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::Api;
use crate::callers::{Reader, Reports, Warehouse};
use crate::extract::{Asked, COMMAND_BYTES, Named, Sent};
use crate::failure::not_found;
use crate::page::{limit, page};
use crate::rules::need_reason;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnsAsk {
    state: Option<ReturnState>,
    order: Option<OrderId>,
    limit: Option<u32>,
    cursor: Option<ReturnId>,
}

/// Why a person asks for something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    pub(crate) reason: String,
}

/// A return, with all that is known of it.
#[derive(Debug, Serialize)]
struct ReturnDetail {
    #[serde(flatten)]
    view: ReturnView,
    /// The states that it has been in, oldest first.
    history: Vec<Entered>,
    parcel: Option<ParcelView>,
    /// The result's way to the shop; none before it was first tried.
    result: Option<ResultView>,
    /// The dead letter of the command to send it that waits for somebody, or is being replayed.
    dead_letter: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Entered {
    state: &'static str,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct ResultView {
    /// The key under which the shop is told, for ever.
    idempotency_key: String,
    #[serde(flatten)]
    effect: EffectView,
}

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reports,
    Asked(asked): Asked<ReturnsAsk>,
) -> Result<Response, Problem> {
    let limit = limit(asked.limit)?;
    let filter = ReturnFilter { state: asked.state, order_id: asked.order };
    let views = api.ask(api.store.list_returns(&filter, asked.cursor.as_ref(), limit + 1)).await?;
    Ok(page(views, limit, |view| Some(view.return_id.clone())))
}

pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    _: Reader,
    Named(return_id): Named<ReturnId>,
) -> Result<Response, Problem> {
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
    Ok(Json(ReturnDetail { view, history, parcel, result, dead_letter }).into_response())
}

pub(crate) async fn resend(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Named(return_id): Named<ReturnId>,
    Sent(wish): Sent<Wish, COMMAND_BYTES>,
) -> Result<Response, Problem> {
    need_reason(&wish.reason)?;
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: wish.reason };
    match api.ask(api.store.resend_result(&return_id, &by, api.clock.now())).await? {
        Resent::NotThere => Err(not_found("return")),
        Resent::NotPickedUp => {
            let detail = "Its parcel was not picked up yet: there is no result; nothing was done.";
            Err(Problem::new(Kind::Conflict, detail))
        }
        Resent::Written { again } => Ok(taken(&json!({
            "return_id": return_id,
            "again": again,
            "idempotency_key": result_key(&return_id),
            "queue": "forebay.results",
        }))),
    }
}

pub(crate) async fn collect(
    State(api): State<Arc<Api>>,
    warehouse: Warehouse,
    Sent(wish): Sent<Wish, COMMAND_BYTES>,
) -> Result<Response, Problem> {
    need_reason(&wish.reason)?;
    if !api.options.collects {
        let detail =
            "There is no returns API to collect from (returns.api_url is not configured); nothing was done.";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let by = By { id: api.new_id(), actor: warehouse.key_id, reason: wish.reason };
    api.ask(api.store.ask_collection(&by, api.clock.now())).await?;
    Ok(taken(&json!({ "queue": "forebay.returns" })))
}

/// What will be done.
pub(crate) fn taken(what: &Value) -> Response {
    (StatusCode::ACCEPTED, Json(what)).into_response()
}

impl Api {
    /// The dead letter that keeps a return's result from the shop.
    async fn dead_result(&self, return_id: &ReturnId) -> Result<Option<Value>, Problem> {
        let filter = DeadLetterFilter {
            statuses: vec![Status::Open, Status::Replaying],
            queue: Some("forebay.results".to_owned()),
            subject: Some(format!("return/{return_id}")),
            ..DeadLetterFilter::default()
        };
        let found = self.ask(self.store.dead_letters(&filter, None, 1)).await?.pop();
        Ok(found.map(|letter| json!({ "id": letter.id, "status": letter.status, "code": letter.code })))
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
