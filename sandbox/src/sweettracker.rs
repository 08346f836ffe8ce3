//! A carrier's system in the wire format of Sweet Tracker (POST JSON; errors inside status 200).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::CARRIER_KEY;
use crate::faults::{Faults, Who, pause};
use crate::parcel;
use crate::script::{Story, told};
use crate::world::World;

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

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/sweettracker/api/v1/trackingInfo", post(tracking_info))
        .route("/sweettracker/api/v1/companylist", get(company_list))
}

#[derive(Deserialize)]
struct KeyOnly {
    #[serde(default)]
    t_key: String,
}

async fn company_list(State(world): State<Arc<World>>, Query(query): Query<KeyOnly>) -> Response {
    if let Some(error) = key_error(&world.switches.get(), &query.t_key) {
        return refused(error);
    }
    let companies: Vec<Value> =
        COMPANIES.iter().map(|(code, name)| json!({ "Code": code, "Name": name })).collect();
    json_answer(&json!({ "Company": companies }))
}

async fn tracking_info(State(world): State<Arc<World>>, request: Request) -> Response {
    // The head is here, the body is not yet asked for: this is when the call arrived.
    let in_this_second = world.record.carrier_call(Instant::now());
    let faults = world.switches.get();
    pause(world.options.carrier_latency + Duration::from_millis(faults.carrier_latency_ms)).await;
    if let Some(seconds) = faults.carrier_rate_limited {
        return rate_limited(seconds);
    }
    if world.switches.strikes(Who::Carrier, faults.carrier_fail_percent) {
        return server_error();
    }
    let body = to_bytes(request.into_body(), QUESTION_BYTES).await.unwrap_or_default();
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return refused(LOOKUP);
    };
    let field = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(error) = key_error(&faults, field("t_key")) {
        return refused(error);
    }
    if world.options.enforce_quota && in_this_second > world.options.carrier_quota_per_second as usize {
        return refused(QUOTA);
    }
    let number = field("t_invoice");
    let known = COMPANIES.iter().any(|(code, _)| *code == field("t_code"));
    let sound = (1..=NUMBER_DIGITS_MAX).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    if !known || !sound {
        return refused(BAD_NUMBER);
    }
    let (looks, advanced) = world.record.asked_about(number);
    let story = world.options.script.story(number);
    if let Story::Slow(late) = *story {
        pause(late).await;
    }
    answer(world.options.seed, number, &story, looks, advanced)
}

fn answer(seed: u64, number: &str, story: &Story, looks: usize, advanced: usize) -> Response {
    match story {
        Story::Journey { steps, shown, looks_a_step } => {
            let count = told(steps.len(), *shown, *looks_a_step, looks, advanced);
            json_answer(&parcel::tidy(seed, number, steps.get(..count).unwrap_or(steps)))
        }
        Story::FailsFirst(times) if looks < *times => server_error(),
        Story::TooOften(times) if looks >= *times => refused(TOO_OFTEN),
        Story::FailsFirst(_) | Story::TooOften(_) | Story::Slow(_) => {
            json_answer(&parcel::tidy(seed, number, &[1, 2]))
        }
        Story::Untidy(steps) => json_answer(&parcel::untidy(seed, number, steps)),
        Story::Returning => json_answer(&parcel::returning(seed, number)),
        Story::Unknown => refused(BAD_NUMBER),
        Story::LookupFailed => refused(LOOKUP),
        Story::Html => {
            ([(header::CONTENT_TYPE, "text/html; charset=UTF-8")], "<html><body>점검중입니다</body></html>")
                .into_response()
        }
        Story::Truncated => {
            let whole = parcel::tidy(seed, number, &[1, 2]).to_string();
            let half: String = whole.chars().take(whole.chars().count() / 2).collect();
            ([(header::CONTENT_TYPE, "application/json")], half).into_response()
        }
    }
}

fn key_error(faults: &Faults, key: &str) -> Option<(&'static str, &'static str)> {
    if faults.carrier_refuses_key || key != CARRIER_KEY {
        Some(BAD_KEY)
    } else {
        faults.carrier_key_expired.then_some(KEY_EXPIRED)
    }
}

fn refused((code, text): (&str, &str)) -> Response {
    json_answer(&json!({ "status": false, "msg": text, "code": code }))
}

fn rate_limited(seconds: u64) -> Response {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").into_response();
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
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
