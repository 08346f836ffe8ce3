//! A parcel as Sweet Tracker tells it, personal data included.

use chrono::{NaiveDateTime, TimeZone as _};
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};

use crate::timeline::parcel::{Disorder, Order, Parcel, chosen};
use crate::timeline::step::{Event, Step};

const PLACES: [&str; 6] = ["서울강남", "부산해운대", "대전허브", "광주", "인천", "수원"];
const HANDED_OVER: &str = "인수자등록";
const DELIVERED: u8 = 6;
const WALL_CLOCK: &str = "%Y-%m-%d %H:%M:%S";

/// The carrier's level and word for a step. It has no level for what goes back, only words.
fn level(step: Step) -> (u8, &'static str) {
    match step {
        Step::Label => (1, "접수"),
        Step::Cancelled => (1, "접수취소"),
        Step::PickedUp => (2, "집화처리"),
        Step::InTransit => (3, "간선상차"),
        Step::Exception => (3, "배송지연"),
        Step::Lost => (3, "분실"),
        Step::Returning => (3, "반송출고"),
        Step::AtBranch => (4, "간선하차"),
        Step::OutForDelivery => (5, "배달출발"),
        Step::AttemptFailed => (5, "미배달"),
        Step::ReadyForPickup => (5, "무인함보관"),
        Step::Delivered => (DELIVERED, "배달완료"),
        Step::Returned => (DELIVERED, "반송완료"),
    }
}

pub(crate) fn whole(parcel: &Parcel) -> Value {
    let events = parcel.listed_with_earlier(Order::OldestFirst);
    let mut details: Vec<Value> = events.iter().map(|event| detail(parcel, event)).collect();
    if parcel.filler {
        let last = parcel.events.last().map(|event| detail(parcel, event)).unwrap_or_default();
        let end = if parcel.disorder == Disorder::Reversed { 0 } else { details.len() };
        details.insert(end, filler(&last));
    }
    let level = level(parcel.step()).0;
    let number = parcel.number.as_str();
    let done = level == DELIVERED;
    let mut last = details.last().cloned();
    if parcel.odd {
        // The list lags behind what the answer says beside it.
        last = details.pop();
    }
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
        "lastDetail": last,
        "lastStateDetail": last,
        "trackingDetails": details,
    })
}

fn detail(parcel: &Parcel, event: &Event) -> Value {
    let (level, kind) = level(event.step);
    json!({
        "time": event.at.timestamp_millis(),
        "timeString": event.at.with_timezone(&Seoul).format(WALL_CLOCK).to_string(),
        "where": chosen(&PLACES, parcel.hash.wrapping_add(u64::from(level))),
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
    let day = last["timeString"].as_str().and_then(|text| text.get(..10)).unwrap_or_default();
    let text = format!("{day} 23:59:59");
    let local = NaiveDateTime::parse_from_str(&text, WALL_CLOCK).ok();
    let at = local.and_then(|local| Seoul.from_local_datetime(&local).single());
    filler["timeString"] = json!(text);
    filler["time"] = json!(at.map(|at| at.timestamp_millis()));
    filler["kind"] = json!(HANDED_OVER);
    filler
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timeline::parcel::{Fate, Telling, telling};
    use crate::timeline::script::Story;

    const DELIVERY: [Step; 4] = [Step::Label, Step::PickedUp, Step::InTransit, Step::Delivered];

    fn told(story: Story) -> Value {
        let fate = Fate { seed: 7, begin: chrono::DateTime::default() };
        let Telling::Found(parcel) = telling(fate, "650000000001", &Arc::new(story), 0, 0) else { panic!() };
        whole(&parcel)
    }

    #[test]
    fn the_epoch_and_the_local_text_of_every_event_agree() {
        let parcel = told(Story::Untidy(DELIVERY.to_vec()));
        let details = parcel["trackingDetails"].as_array().unwrap();
        assert_eq!(details.len(), 6);
        for detail in details {
            let local =
                NaiveDateTime::parse_from_str(detail["timeString"].as_str().unwrap(), WALL_CLOCK).unwrap();
            let at = Seoul.from_local_datetime(&local).unwrap();
            assert_eq!(detail["time"].as_i64(), Some(at.timestamp_millis()));
        }
    }

    #[test]
    fn an_untidy_parcel_has_its_filler_first_and_its_last_event_twice() {
        let details = &told(Story::Untidy(DELIVERY.to_vec()))["trackingDetails"];
        assert!(details[0]["timeString"].as_str().unwrap().ends_with("23:59:59"));
        assert_eq!(details[1], details[2]);
        assert_eq!(details[1]["level"], 6);
        assert_eq!(details[5]["level"], 1);
    }

    #[test]
    fn an_odd_parcels_last_detail_is_newer_than_its_list() {
        let parcel = told(Story::Odd(DELIVERY.to_vec()));
        assert_eq!((parcel["trackingDetails"].as_array().unwrap().len(), &parcel["level"]), (3, &json!(6)));
        assert_eq!(parcel["lastDetail"]["level"], 6);
    }

    #[test]
    fn a_parcel_that_goes_back_has_words_for_it_but_no_level() {
        let back = told(Story::told(&[Step::Label, Step::PickedUp, Step::Returning]));
        assert_eq!((&back["level"], &back["lastDetail"]["kind"]), (&json!(3), &json!("반송출고")));
    }
}
