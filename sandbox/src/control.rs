//! How a test asks what the world saw, and makes it misbehave.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::faults::Faults;
use crate::mail::Mail;
use crate::mime::letter;
use crate::record::Asked;
use crate::world::World;

const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

type Shared = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_control/record", get(async |State(world): Shared| Json(world.record.summary())))
        .route("/_control/carrier", get(carrier))
        .route("/_control/results", get(results))
        .route("/_control/slack", get(slack))
        .route("/_control/mail", get(mail))
        .route("/_control/pushes", get(pushes))
        .route("/_control/faults", get(faults).post(set_faults))
        .route("/_control/shop/returns", post(add_returns))
        .route("/_control/parcels/{number}", get(parcel))
        .route("/_control/parcels/{number}/advance", post(advance))
}

#[derive(Deserialize)]
struct Page {
    after: Option<u64>,
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX)
    }
}

/// `total` counts all that ever came; each item has its `number`, by which `?after=` goes on.
fn listed<T: Serialize>(total: u64, items: Vec<(u64, T)>) -> Json<Value> {
    let items: Vec<Value> = items
        .into_iter()
        .map(|(number, item)| {
            let mut item = json!(item);
            item["number"] = json!(number);
            item
        })
        .collect();
    Json(json!({ "total": total, "items": items }))
}

async fn results(State(world): Shared, Query(page): Query<Page>) -> Json<Value> {
    let (total, items) = world.record.results_page(page.after, page.limit());
    listed(total, items)
}

async fn slack(State(world): Shared, Query(page): Query<Page>) -> Json<Value> {
    let (total, items) = world.record.slack_page(page.after, page.limit());
    listed(total, items)
}

async fn mail(State(world): Shared, Query(page): Query<Page>) -> Json<Value> {
    let (total, items) = world.record.mail_page(page.after, page.limit());
    listed(total, items.into_iter().map(|(number, mail)| (number, told(&mail))).collect())
}

async fn pushes(State(world): Shared, Query(page): Query<Page>) -> Json<Value> {
    let (total, items) = world.pushes.page(page.after, page.limit());
    listed(total, items)
}

fn told(mail: &Mail) -> Value {
    let read = letter(mail);
    json!({
        "from": mail.from,
        "to": mail.to,
        "subject": read.subject,
        "message_id": read.id,
        "headers": mail.headers(),
        "body": mail.body(),
    })
}

#[derive(Deserialize)]
struct NumberPage {
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

/// The numbers that any carrier was asked about.
async fn carrier(State(world): Shared, Query(page): Query<NumberPage>) -> Json<Value> {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let numbers = world.record.numbers(&page.after, limit);
    let items: Vec<Value> = numbers.iter().map(|(number, asked)| of_parcel(number, asked)).collect();
    let summary = world.record.summary();
    Json(json!({
        "total": summary["carrier_numbers"],
        "calls": summary["carrier_calls"],
        "calls_in_any_second": summary["carrier_calls_in_any_second"],
        "quota_per_second": world.options.carrier_quota_per_second,
        "items": items,
    }))
}

fn of_parcel(number: &str, asked: &Asked) -> Value {
    json!({ "tracking_number": number, "calls": asked.calls, "advanced": asked.advanced })
}

async fn parcel(State(world): Shared, Path(number): Path<String>) -> Json<Value> {
    Json(of_parcel(&number, &world.record.asked(&number)))
}

async fn advance(State(world): Shared, Path(number): Path<String>) -> StatusCode {
    world.advance(&number);
    StatusCode::NO_CONTENT
}

async fn faults(State(world): Shared) -> Json<Faults> {
    Json(Faults::clone(&world.switches.get()))
}

async fn set_faults(State(world): Shared, Json(faults): Json<Faults>) -> StatusCode {
    world.switches.set(faults);
    StatusCode::NO_CONTENT
}

/// The returns are kept as they come, also such that nobody can read: a shop's API sends those too.
async fn add_returns(State(world): Shared, Json(more): Json<Vec<Value>>) -> StatusCode {
    if world.add_returns(more) { StatusCode::NO_CONTENT } else { StatusCode::INSUFFICIENT_STORAGE }
}
