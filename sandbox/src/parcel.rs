//! A parcel as Sweet Tracker tells it: the same for the same seed and number, personal data included.

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};

const PLACES: [&str; 6] = ["서울강남", "부산해운대", "대전허브", "광주", "인천", "수원"];
/// What the carrier writes beside each level.
const KINDS: [&str; 7] = ["", "접수", "집화처리", "간선상차", "간선하차", "배달출발", "배달완료"];
const RETURNING: &str = "반송출고";
const HANDED_OVER: &str = "인수자등록";
const DELIVERED: u8 = 6;
/// The earliest first step of any story, in seconds. Fixed, so that a world started again tells the same.
const EPOCH: i64 = 1_795_000_000;
const FIRST_STEP_SPREAD_MINUTES: u64 = 600;
const STEP_MINUTES: i64 = 180;
const WALL_CLOCK: &str = "%Y-%m-%d %H:%M:%S";

/// Told in good order.
pub(crate) fn tidy(seed: u64, number: &str, levels: &[u8]) -> Value {
    whole(number, levels, details(seed, number, levels))
}

/// With the last event twice, a filler behind it, and newest first.
pub(crate) fn untidy(seed: u64, number: &str, levels: &[u8]) -> Value {
    let mut details = details(seed, number, levels);
    let last = details.last().cloned().unwrap_or_default();
    details.push(last.clone());
    details.push(filler(&last));
    details.reverse();
    whole(number, levels, details)
}

/// On its way back: the carrier has no level for it, only a word.
pub(crate) fn returning(seed: u64, number: &str) -> Value {
    let levels = [1, 2, 3];
    let mut details = details(seed, number, &levels);
    details.push(detail(seed, number, 3, 3, RETURNING));
    whole(number, &levels, details)
}

fn details(seed: u64, number: &str, levels: &[u8]) -> Vec<Value> {
    let kind = |level: u8| KINDS.get(usize::from(level)).copied().unwrap_or_default();
    (0..).zip(levels).map(|(step, level)| detail(seed, number, step, *level, kind(*level))).collect()
}

fn detail(seed: u64, number: &str, step: i64, level: u8, kind: &str) -> Value {
    let hash = hash(seed, number);
    let minutes = i64::try_from(hash % FIRST_STEP_SPREAD_MINUTES).unwrap_or(0) + step * STEP_MINUTES;
    let at: DateTime<Utc> =
        DateTime::from_timestamp(EPOCH, 0).unwrap_or_default() + Duration::minutes(minutes);
    let place = usize::try_from(hash.wrapping_add(u64::from(level)) % 6).ok().and_then(|i| PLACES.get(i));
    json!({
        "time": at.timestamp_millis(),
        "timeString": at.with_timezone(&Seoul).format(WALL_CLOCK).to_string(),
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
    let day = last["timeString"].as_str().and_then(|text| text.get(..10)).unwrap_or_default();
    let text = format!("{day} 23:59:59");
    let local = NaiveDateTime::parse_from_str(&text, WALL_CLOCK).ok();
    let at = local.and_then(|local| Seoul.from_local_datetime(&local).single());
    filler["timeString"] = json!(text);
    filler["time"] = json!(at.map(|at| at.timestamp_millis()));
    filler["kind"] = json!(HANDED_OVER);
    filler
}

fn whole(number: &str, levels: &[u8], details: Vec<Value>) -> Value {
    let level = levels.last().copied().unwrap_or(0);
    let done = level == DELIVERED;
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

/// FNV-1a over the seed and the number.
fn hash(seed: u64, number: &str) -> u64 {
    seed.to_le_bytes().into_iter().chain(number.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_is_the_same_for_the_same_seed_and_another_for_another() {
        let told = |seed, number| tidy(seed, number, &[1, 2]).to_string();
        assert_eq!(told(1, "600000000001"), told(1, "600000000001"));
        let others: Vec<String> = (2..12).map(|seed| told(seed, "600000000001")).collect();
        assert!(others.iter().any(|other| *other != told(1, "600000000001")));
    }

    #[test]
    fn the_epoch_and_the_local_text_of_every_event_agree() {
        let parcel = untidy(7, "650000000001", &[1, 2, 3, 6]);
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
        let parcel = untidy(7, "650000000001", &[1, 2, 3, 6]);
        let details = &parcel["trackingDetails"];
        assert!(details[0]["timeString"].as_str().unwrap().ends_with("23:59:59"));
        assert_eq!(details[1], details[2]);
        assert_eq!(details[1]["level"], 6);
        assert_eq!(details[5]["level"], 1);
    }
}
