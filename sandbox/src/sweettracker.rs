//! A carrier's system in the wire format of Sweet Tracker (POST JSON; errors inside status 200).

use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Duration, TimeZone, Utc};
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};

use crate::CARRIER_KEY;
use crate::faults::pause;
use crate::script::{Story, chosen, story};
use crate::server::World;

const COMPANIES: [(&str, &str); 5] =
    [("01", "우체국택배"), ("04", "CJ대한통운"), ("05", "한진택배"), ("06", "로젠택배"), ("08", "롯데택배")];
const PLACES: [&str; 6] = ["서울강남", "부산해운대", "대전허브", "광주", "인천", "수원"];
/// The first step of every story.
const EPOCH: i64 = 1_795_000_000;

pub(crate) fn routes() -> Router<World> {
    Router::new()
        .route("/sweettracker/api/v1/trackingInfo", post(tracking_info))
        .route("/sweettracker/api/v1/companylist", get(company_list))
}

async fn company_list() -> Response {
    let companies: Vec<Value> =
        COMPANIES.iter().map(|(code, name)| json!({ "Code": code, "Name": name })).collect();
    json_answer(&json!({ "Company": companies }))
}

async fn tracking_info(State(world): State<World>, body: Bytes) -> Response {
    let in_this_second = world.record.carrier_call(Instant::now());
    let faults = world.switches.get();
    pause(faults.carrier_latency_ms).await;
    if let Some(seconds) = faults.carrier_rate_limited {
        let mut response = (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").into_response();
        if seconds > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    if world.switches.strikes(faults.carrier_fail_percent) {
        return server_error();
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&body) else {
        return refused("106", "요청 형식이 올바르지 않습니다.");
    };
    let field = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    if faults.carrier_refuses_key || field("t_key") != CARRIER_KEY {
        return refused("101", "사용할 수 없는 API KEY 입니다.");
    }
    if world.options.enforce_quota && in_this_second > world.options.carrier_quota_per_second as usize {
        return refused("103", "요청건수가 초과되었습니다.");
    }
    let number = field("t_invoice");
    let known = COMPANIES.iter().any(|(code, _)| *code == field("t_code"));
    if !known || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return refused("104", "유효하지 않은 운송장번호 이거나 택배사 코드 입니다.");
    }
    let looks = world.record.asked_about(number);
    answer(world.options.seed, number, story(number, looks))
}

fn answer(seed: u64, number: &str, story: Story) -> Response {
    match story {
        Story::Steps(levels) => json_answer(&parcel(number, levels, details(seed, number, levels))),
        Story::Untidy(levels) => {
            let mut details = details(seed, number, levels);
            let last = details.last().cloned().unwrap_or_default();
            details.push(last.clone());
            details.push(filler(&last));
            details.reverse();
            json_answer(&parcel(number, levels, details))
        }
        Story::Returning => {
            let mut details = details(seed, number, &[1, 2, 3]);
            details.push(detail(seed, number, 3, 3, "반송출고"));
            json_answer(&parcel(number, &[1, 2, 3], details))
        }
        Story::Unknown => refused("104", "유효하지 않은 운송장번호 이거나 택배사 코드 입니다."),
        Story::Html => {
            ([(header::CONTENT_TYPE, "text/html; charset=UTF-8")], "<html><body>점검중입니다</body></html>")
                .into_response()
        }
        Story::Truncated => {
            let whole = parcel(number, &[1, 2], details(seed, number, &[1, 2])).to_string();
            let half: String = whole.chars().take(whole.chars().count() / 2).collect();
            ([(header::CONTENT_TYPE, "application/json")], half).into_response()
        }
        Story::ServerError => server_error(),
    }
}

fn details(seed: u64, number: &str, levels: &[u8]) -> Vec<Value> {
    let kinds = ["", "접수", "집화처리", "간선상차", "간선하차", "배달출발", "배달완료"];
    levels
        .iter()
        .enumerate()
        .map(|(i, level)| {
            detail(seed, number, i64::try_from(i).unwrap_or(0), *level, kinds[usize::from(*level)])
        })
        .collect()
}

fn detail(seed: u64, number: &str, step: i64, level: u8, kind: &str) -> Value {
    let hash = chosen(seed, number);
    let minutes = i64::try_from(hash % 600).unwrap_or(0) + step * 180;
    let at = instant() + Duration::minutes(minutes);
    let place = PLACES[usize::try_from(hash.wrapping_add(u64::from(level)) % 6).unwrap_or(0)];
    json!({
        "time": at.timestamp_millis(),
        "timeString": at.with_timezone(&Seoul).format("%Y-%m-%d %H:%M:%S").to_string(),
        "where": place,
        "kind": kind,
        "level": level,
        "telno": "02-000-0000",
        "telno2": "010-0000-0000",
        "manName": "홍길동",
        "manPic": "",
        "code": null,
        "remark": null,
    })
}

/// A line that some carriers add after the delivery, with the day's last second for its time.
fn filler(last: &Value) -> Value {
    let mut filler = last.clone();
    let day =
        last.get("timeString").and_then(Value::as_str).unwrap_or_default().get(..10).unwrap_or_default();
    let text = format!("{day} 23:59:59");
    let at = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
        .ok()
        .and_then(|local| Seoul.from_local_datetime(&local).single());
    filler["timeString"] = json!(text);
    filler["time"] = json!(at.map(|a| a.timestamp_millis()));
    filler["kind"] = json!("인수자등록");
    filler
}

fn instant() -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH, 0).unwrap_or_default()
}

fn parcel(number: &str, levels: &[u8], details: Vec<Value>) -> Value {
    let level = levels.last().copied().unwrap_or(0);
    let done = level == 6;
    json!({
        "result": "Y",
        "complete": done,
        "completeYN": if done { "Y" } else { "N" },
        "level": level,
        "invoiceNo": number,
        "itemName": "잡화",
        "senderName": "김*수",
        "receiverName": "이*영",
        "receiverAddr": "서울 강남구",
        "orderNumber": null,
        "estimate": null,
        "productInfo": null,
        "recipient": "",
        "adUrl": null,
        "itemImage": "",
        "zipCode": null,
        "firstDetail": details.first(),
        "lastDetail": details.last(),
        "lastStateDetail": details.last(),
        "trackingDetails": details,
    })
}

fn refused(code: &str, text: &str) -> Response {
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
