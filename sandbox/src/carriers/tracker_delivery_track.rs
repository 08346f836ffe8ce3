//! A parcel as tracker.delivery tells it.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::timeline::parcel::{Order, Parcel};
use crate::timeline::step::{Event, Step};

/// The code, its name and the words; there is none for what goes back or was called off.
fn status(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::Label => ("INFORMATION_RECEIVED", "접수", "배송 정보가 접수되었습니다"),
        Step::PickedUp => ("AT_PICKUP", "집화", "보내시는 고객님으로부터 상품을 인수받았습니다"),
        Step::InTransit => ("IN_TRANSIT", "간선상차", "물류터미널로 상품이 이동중입니다"),
        Step::AtBranch => ("IN_TRANSIT", "간선하차", "배송지역으로 상품이 도착했습니다"),
        Step::OutForDelivery => ("OUT_FOR_DELIVERY", "배달출발", "고객님의 상품을 배달중입니다"),
        Step::AttemptFailed => ("ATTEMPT_FAIL", "미배달", "고객님이 안 계십니다"),
        Step::ReadyForPickup => ("AVAILABLE_FOR_PICKUP", "보관", "상품을 찾아가실 수 있습니다"),
        Step::Delivered => ("DELIVERED", "배달완료", "상품이 배달완료 되었습니다"),
        Step::Exception => ("EXCEPTION", "사고", "배송에 문제가 있습니다"),
        Step::Returning => ("IN_TRANSIT", "반송", "상품이 반송되고 있습니다"),
        Step::Returned => ("DELIVERED", "반송완료", "상품이 반송되었습니다"),
        Step::Lost => ("EXCEPTION", "분실", "상품을 찾을 수 없습니다"),
        Step::Cancelled => ("UNKNOWN", "접수취소", "접수가 취소되었습니다"),
    }
}

pub(crate) fn track_info(parcel: &Parcel) -> Value {
    let events = parcel.listed_with_earlier(Order::OldestFirst);
    let edges: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(index, event)| json!({ "cursor": index.to_string(), "node": told(parcel, event) }))
        .collect();
    json!({
        "trackingNumber": parcel.number,
        "lastEvent": parcel.events.last().map(|event| told(parcel, event)),
        "events": {
            "edges": edges,
            "pageInfo": {
                "hasNextPage": false, "hasPreviousPage": false, "startCursor": "0",
                "endCursor": edges.len().saturating_sub(1).to_string(),
            },
        },
        "sender": { "name": "김*수", "location": null, "carrierSpecificData": null },
        "recipient": { "name": "이*영", "location": null, "carrierSpecificData": null },
    })
}

/// An odd parcel's times were lost on the way from its carrier.
fn told(parcel: &Parcel, event: &Event) -> Value {
    let (code, name, text) = status(event.step);
    let time = event.at.with_timezone(&event.place.zone).to_rfc3339_opts(SecondsFormat::Millis, false);
    json!({
        "status": { "code": code, "name": name, "carrierSpecificData": null },
        "time": if parcel.odd { Value::Null } else { json!(time) },
        "location": {
            "countryCode": event.place.country, "postalCode": null, "name": event.place.city,
        },
        "contact": { "name": "홍길동", "phoneNumber": "010-0000-0000" },
        "description": format!("{text} (담당: 홍길동, 010-0000-0000)"),
        "carrierSpecificData": null,
    })
}
