//! Returns and parcels as people in a warehouse read them: what happened, where and when, and what comes next.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::table::{self, cell};

/// A parcel whole.
pub(super) fn parcel(view: &Value) -> String {
    let number = format!("{} {}", cell(view.get("carrier")), cell(view.get("tracking_number")));
    let checks = view.get("checks").and_then(Value::as_i64).unwrap_or_default();
    let mut rows = vec![
        line("parcel", number),
        line("state", state(view)),
        line("picked up", instant(view.get("picked_up_at"))),
        line("expected", instant(view.get("eta"))),
        line("next", next(view)),
        line("asked at", format!("{}, answered {}", cell(view.get("adapter")), times(checks))),
    ];
    rows.retain(|row| row[1] != "-");
    let checkpoints = items(view.get("checkpoints"));
    if checkpoints.is_empty() {
        return format!("{}\n\nthe carrier has told nothing of it yet", table::plain(&[], rows));
    }
    format!("{}\n\n{}", table::plain(&[], rows), happened(checkpoints))
}

/// Parcels, a line each.
pub(super) fn parcels(views: &[Value]) -> String {
    let columns = ["carrier", "number", "state", "last", "when", "where", "next"];
    let row =
        |view: &Value| {
            let last = items(view.get("checkpoints")).last();
            vec![
                cell(view.get("carrier")),
                cell(view.get("tracking_number")),
                spoken(word(view, "status")),
                cell(last.and_then(|last| {
                    last.get("text").filter(|text| !text.is_null()).or(last.get("raw_code"))
                })),
                last.map_or_else(|| "-".to_owned(), |last| event_time(last.get("at"))),
                cell(last.and_then(|last| last.get("place"))),
                next(view),
            ]
        };
    table::plain(&columns, views.iter().map(row))
}

/// A return whole.
pub(super) fn one_return(view: &Value) -> String {
    let mut rows = vec![
        line("return", cell(view.get("return_id"))),
        line("order", cell(view.get("order_id"))),
        line("state", spoken(word(view, "state"))),
    ];
    for entered in items(view.get("history")) {
        rows.push(line(&spoken(word(entered, "state")), instant(entered.get("at"))));
    }
    rows.push(line("result", result(view)));
    rows.push(line("next", next_of_return(view)));
    let text = table::plain(&[], rows);
    match view.get("parcel").filter(|parcel| !parcel.is_null()) {
        Some(known) => format!("{text}\n\n{}", parcel(known)),
        None => text,
    }
}

/// Returns, a line each.
pub(super) fn returns(views: &[Value]) -> String {
    let columns =
        ["return", "order", "state", "carrier", "number", "parcel", "requested", "picked up", "reported"];
    let row = |view: &Value| {
        vec![
            cell(view.get("return_id")),
            cell(view.get("order_id")),
            spoken(word(view, "state")),
            cell(view.get("carrier")),
            cell(view.get("tracking_number")),
            spoken(word(view, "parcel_status")),
            instant(view.get("requested_at")),
            instant(view.get("picked_up_at")),
            instant(view.get("reported_at")),
        ]
    };
    table::plain(&columns, views.iter().map(row))
}

/// What becomes of a check that was asked for.
pub(super) fn check(answer: &Value) -> String {
    let adapter = cell(answer.get("adapter"));
    let begun = match word(answer, "check") {
        "on_its_way" => format!("{adapter} is being asked already"),
        _ => format!("{adapter} is asked"),
    };
    let Some(held) = answer.get("held_up").filter(|held| !held.is_null()) else {
        return format!("{begun}, as soon as its pace allows");
    };
    let why = cell(held.get("why"));
    let reason = match word(held, "by") {
        "queue_paused" => format!("its queue is paused ({why})"),
        "breaker_open" => format!("it is left alone ({why})"),
        "carrier_paused" => format!("it asked for a pause ({why})"),
        _ => why,
    };
    match held.get("until").filter(|until| !until.is_null()) {
        Some(until) => format!("{begun}, not before {}: {reason}", instant(Some(until))),
        None => format!("{begun} once that is over: {reason}"),
    }
}

/// A word of an object, empty when there is none.
pub(super) fn word<'v>(view: &'v Value, name: &str) -> &'v str {
    view.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn happened(checkpoints: &[Value]) -> String {
    let columns = ["when", "what", "where", "words", "code", "learned"];
    let row = |point: &Value| {
        vec![
            event_time(point.get("at")),
            spoken(word(point, "status")),
            cell(point.get("place")),
            cell(point.get("text")),
            cell(point.get("raw_code")),
            instant(point.get("learned_at")),
        ]
    };
    table::plain(&columns, checkpoints.iter().map(row))
}

fn state(view: &Value) -> String {
    let state = spoken(word(view, "status"));
    match instant(view.get("status_at")).as_str() {
        "-" => state,
        since => format!("{state} since {since}"),
    }
}

/// When a parcel is asked about next, or why it is not any more.
fn next(view: &Value) -> String {
    match word(view, "stopped") {
        "finished" => "finished".to_owned(),
        "never_used" => "not asked about any more: nobody handed it in".to_owned(),
        "silent" => "not asked about any more: the carrier fell silent".to_owned(),
        "refused" => "not asked about any more: not one of the carrier's numbers".to_owned(),
        _ => match instant(view.get("next_check_at")).as_str() {
            "-" => "-".to_owned(),
            at => format!("asked about at {at}"),
        },
    }
}

/// How the result came to the shop so far.
fn result(view: &Value) -> String {
    let Some(result) = view.get("result").filter(|result| !result.is_null()) else {
        return "-".to_owned();
    };
    let tries = times(result.get("tries").and_then(Value::as_i64).unwrap_or_default());
    let error = result.get("error").filter(|error| !error.is_null());
    let state = match word(result, "state") {
        "confirmed" => "the shop has taken it",
        "failed" => "the shop did not take it",
        "unknown" => "it can't be told whether the shop has it",
        _ => "on its way",
    };
    let text = format!("{state}, tried {tries}, last at {}", instant(result.get("changed_at")));
    error.map_or(text.clone(), |error| format!("{text}: {}", cell(Some(error))))
}

fn next_of_return(view: &Value) -> String {
    if let Some(letter) = view.get("dead_letter").filter(|letter| !letter.is_null()) {
        let id = cell(letter.get("id"));
        return match word(letter, "status") {
            "replaying" => format!("dead letter {id} is being replayed"),
            _ => format!("waits for somebody: `forebay dlq show {id}`"),
        };
    }
    let next = match word(view, "state") {
        "requested" => "waits for its parcel to be known",
        "tracking" => "reported to the shop once its parcel is picked up",
        "picked_up" => "being sent to the shop, until it takes it",
        _ => "done",
    };
    next.to_owned()
}

/// When something happened, with how sure that is.
fn event_time(time: Option<&Value>) -> String {
    let at = time.and_then(|time| time.get("at")).and_then(Value::as_str).unwrap_or_default();
    match time.map(|time| word(time, "kind")) {
        Some("exact") => instant(time.and_then(|time| time.get("at"))),
        Some("local") => format!("{} local", cell(Some(&Value::from(minute(at)))).replace('T', " ")),
        Some("date") => format!("{} (day)", cell(Some(&Value::from(at)))),
        _ => "not said".to_owned(),
    }
}

/// A wall clock's time to the minute.
fn minute(text: &str) -> &str {
    text.get(..16).unwrap_or(text)
}

fn instant(value: Option<&Value>) -> String {
    let at = value.and_then(Value::as_str).and_then(|text| text.parse::<DateTime<Utc>>().ok());
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// A word of the wire as people say it.
fn spoken(word: &str) -> String {
    if word.is_empty() { "-".to_owned() } else { cell(Some(&Value::from(word.replace('_', " ")))) }
}

fn times(count: i64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

fn line(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example() -> Value {
        json!({
            "carrier": "cj", "tracking_number": "600000000001", "adapter": "sweettracker", "status": "in_transit",
            "status_at": "2026-11-20T03:05:00Z", "picked_up_at": "2026-11-20T03:00:00Z", "checks": 2,
            "next_check_at": "2026-11-20T06:00:00Z", "stopped": null, "eta": null,
            "checkpoints": [
                { "at": { "kind": "date", "at": "2026-11-19" }, "status": "registered", "raw_code": "11",
                  "text": null, "place": null, "learned_at": "2026-11-20T03:10:00Z" },
                { "at": { "kind": "local", "at": "2026-11-20T12:00:00" }, "status": "picked_up", "raw_code": "21",
                  "text": "taken\u{1b}[2J over", "place": "Gangnam", "learned_at": "2026-11-20T03:10:00Z" },
                { "at": { "kind": "exact", "at": "2026-11-20T03:05:00Z" }, "status": "in_transit", "raw_code": "41",
                  "text": "on its way", "place": "Hub", "learned_at": "2026-11-20T03:10:00Z" },
                { "at": { "kind": "missing" }, "status": "unknown", "raw_code": null, "text": "odd", "place": null,
                  "learned_at": "2026-11-20T03:10:00Z" },
            ],
        })
    }

    #[test]
    fn a_parcel_says_what_happened_where_and_when_as_sure_as_it_is_and_what_comes_next() {
        let text = parcel(&example());
        for part in [
            "in transit since 2026-11-20 03:05 UTC",
            "asked about at 2026-11-20 06:00 UTC",
            "sweettracker, answered 2 times",
            "2026-11-19 (day)",
            "2026-11-20 12:00 local",
            "Gangnam",
            "not said",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("expected"), "{text}");
    }

    #[test]
    fn a_parcel_that_is_not_asked_about_any_more_says_why_in_words() {
        for (stopped, words) in [
            ("finished", "finished"),
            ("silent", "the carrier fell silent"),
            ("never_used", "nobody handed it in"),
            ("refused", "not one of the carrier's numbers"),
        ] {
            let mut view = example();
            (view["stopped"], view["next_check_at"]) = (json!(stopped), Value::Null);
            assert!(parcel(&view).contains(words) && parcels(&[view]).contains(words), "{stopped}");
        }
    }

    #[test]
    fn a_return_says_how_its_result_came_to_the_shop() {
        let mut view = json!({
            "return_id": "R-1", "order_id": "O-1", "state": "picked_up", "parcel": example(),
            "history": [{ "state": "requested", "at": "2026-11-20T00:00:00Z" }],
            "result": { "state": "failed", "tries": 3, "error": "status 503", "changed_at": "2026-11-20T04:00:00Z" },
        });
        let text = one_return(&view);
        for part in
            ["the shop did not take it, tried 3 times", "status 503", "being sent to the shop", "Gangnam"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        view["dead_letter"] = json!({ "id": "L-1", "status": "open" });
        assert!(one_return(&view).contains("forebay dlq show L-1"));
    }

    #[test]
    fn a_check_says_when_it_can_be_made() {
        let mut answer = json!({ "adapter": "ups", "check": "asked", "held_up": null });
        assert_eq!(check(&answer), "ups is asked, as soon as its pace allows");
        answer["held_up"] =
            json!({ "by": "breaker_open", "until": "2026-11-20T04:00:00Z", "why": "status 500" });
        assert_eq!(
            check(&answer),
            "ups is asked, not before 2026-11-20 04:00 UTC: it is left alone (status 500)"
        );
        answer["held_up"] = json!({ "by": "queue_paused", "until": null, "why": "they moved" });
        assert_eq!(check(&answer), "ups is asked once that is over: its queue is paused (they moved)");
    }
}
