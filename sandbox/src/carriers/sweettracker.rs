//! Sweet Tracker's wire format: POST JSON; errors inside status 200.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::CARRIER_KEY;
use crate::carriers::gate::{Trouble, cut, guarded, html};
use crate::carriers::sweettracker_parcel::whole;
use crate::carriers::{CarrierFaults, CarrierName};
use crate::timeline::parcel::Telling;
use crate::world::World;

const NAME: CarrierName = CarrierName::SweetTracker;
const COMPANIES: [(&str, &str); 5] =
    [("01", "우체국택배"), ("04", "CJ대한통운"), ("05", "한진택배"), ("06", "로젠택배"), ("08", "롯데택배")];
const QUESTION_BYTES: usize = 16 * 1024;
const NUMBER_DIGITS_MAX: usize = 30;

/// The documented errors, which come with status 200.
const BAD_KEY: (&str, &str) = ("101", "사용할 수 없는 API KEY 입니다.");
const KEY_EXPIRED: (&str, &str) = ("102", "API KEY 사용 기간이 만료되었습니다.");
const QUOTA: (&str, &str) = ("103", "요청건수가 초과되었습니다.");
const BAD_NUMBER: (&str, &str) = ("104", "유효하지 않은 운송장번호 이거나 택배사 코드 입니다.");
const TOO_OFTEN: (&str, &str) = ("105", "동일한 운송장번호의 요청건수가 초과되었습니다.");
const LOOKUP: (&str, &str) = ("106", "조회중 오류가 발생하였습니다.");

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let tracking = Router::new().route("/sweettracker/api/v1/trackingInfo", post(tracking_info));
    guarded(tracking, world, NAME, trouble).route("/sweettracker/api/v1/companylist", get(company_list))
}

#[derive(Deserialize)]
struct KeyOnly {
    #[serde(default)]
    t_key: String,
}

async fn company_list(State(world): State<Arc<World>>, Query(query): Query<KeyOnly>) -> Response {
    if let Some(error) = key_error(&world.switches.get().of_carrier(NAME), &query.t_key) {
        return refused(error);
    }
    let companies: Vec<Value> =
        COMPANIES.iter().map(|(code, name)| json!({ "Code": code, "Name": name })).collect();
    json_answer(&json!({ "Company": companies }))
}

async fn tracking_info(State(world): State<Arc<World>>, request: Request) -> Response {
    let body = to_bytes(request.into_body(), QUESTION_BYTES).await.unwrap_or_default();
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return refused(LOOKUP);
    };
    let field = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(error) = key_error(&world.switches.get().of_carrier(NAME), field("t_key")) {
        return refused(error);
    }
    let number = field("t_invoice");
    let known = COMPANIES.iter().any(|(code, _)| *code == field("t_code"));
    let sound = (1..=NUMBER_DIGITS_MAX).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    if !known || !sound {
        return refused(BAD_NUMBER);
    }
    match world.look(NAME, number).await {
        Telling::Found(parcel) => json_answer(&whole(&parcel)),
        Telling::Truncated(parcel) => cut(json_answer(&whole(&parcel))).await,
        // The same code for "not yet" and "never".
        Telling::Unknown | Telling::Invalid => refused(BAD_NUMBER),
        Telling::TooOften => refused(TOO_OFTEN),
        Telling::LookupFailed => refused(LOOKUP),
        Telling::Fails => server_error(),
        Telling::Html => html(),
    }
}

fn trouble(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Limited => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").into_response(),
        Trouble::TooMany | Trouble::DayDone => refused(QUOTA),
        Trouble::Down => server_error(),
    }
}

fn key_error(faults: &CarrierFaults, key: &str) -> Option<(&'static str, &'static str)> {
    if faults.refuses_key || key != CARRIER_KEY {
        Some(BAD_KEY)
    } else {
        faults.key_expired.then_some(KEY_EXPIRED)
    }
}

fn refused((code, text): (&str, &str)) -> Response {
    json_answer(&json!({ "status": false, "msg": text, "code": code }))
}

/// The error of the framework behind it: here `status` is a number.
fn server_error() -> Response {
    let body = json!({ "timestamp": 1, "status": 500, "error": "Internal Server Error", "message": "" });
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "application/json")], body.to_string())
        .into_response()
}

fn json_answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json;charset=UTF-8")], value.to_string()).into_response()
}
