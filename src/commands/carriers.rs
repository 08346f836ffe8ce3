//! `carrier …`: carriers' systems looked at, their limits set, their breakers forced.

use serde_json::{Map, Value, json};

use crate::cli::{ApiArgs, BreakerWish, CarrierCommand, LimitArgs};
use crate::commands::people::{self, Api};
use crate::commands::table::{self, cell};
use crate::exit::{Exit, NOT_FOUND};

const COLUMNS: [&str; 8] =
    ["carrier", "calls/s", "used today", "left today", "kept for people", "gate", "breaker", "why"];

pub(crate) async fn run(args: &ApiArgs, command: CarrierCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        CarrierCommand::List { json } => {
            let answer = api.get("/v1/carriers", &[]).await?;
            if json {
                return people::print_json(&answer);
            }
            let carriers =
                answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if carriers.is_empty() {
                people::note("no carrier's system is configured; see [carriers.<id>] in the configuration");
                return Ok(());
            }
            people::print(&table::plain(&COLUMNS, carriers.iter().map(row)))
        }
        // Done on paper, without the api.
        CarrierCommand::Plan(_) => Ok(()),
        CarrierCommand::Show { id, json } => shown(&api.get(&path(&id, "")?, &[]).await?, json),
        CarrierCommand::Limit { id, limits, reason, json } => {
            let body = json!({ "reason": reason, "limits": asked(&limits) });
            shown(&api.post_json(&path(&id, "/limits")?, &body).await?, json)
        }
        CarrierCommand::Breaker { id, state, reason, length, json } => {
            let state = match state {
                BreakerWish::Open => "open",
                BreakerWish::Closed => "closed",
                BreakerWish::Auto => "auto",
            };
            let mut body = json!({ "reason": reason, "state": state });
            if let Some(length) = length {
                body["for_s"] = json!(length.0.as_secs());
            }
            shown(&api.post_json(&path(&id, "/breaker")?, &body).await?, json)
        }
    }
}

/// The path of a system, whose id is a word.
fn path(id: &str, rest: &str) -> Result<String, Exit> {
    let word = !id.is_empty()
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
    if !word {
        return Err(Exit::new(NOT_FOUND, format!("{id}: a carrier's id is a word like sweettracker")));
    }
    Ok(format!("/v1/carriers/{id}{rest}"))
}

/// What is asked for; null goes back to the configuration.
fn asked(limits: &LimitArgs) -> Map<String, Value> {
    let LimitArgs { limit, window_ms, burst, daily, reserve_percent, configured } = limits;
    let all = [
        ("limit", json!(limit)),
        ("window_ms", json!(window_ms)),
        ("burst", json!(burst)),
        ("daily", json!(daily)),
        ("reserve_percent", json!(reserve_percent)),
    ];
    let named = all.into_iter().filter(|(_, value)| *configured || !value.is_null());
    named.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A system whole: what the list tells, and its limits.
fn shown(view: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(view);
    }
    let mut rows: Vec<Vec<String>> = COLUMNS
        .iter()
        .map(|name| (*name).to_owned())
        .zip(row(view))
        .map(|(name, value)| vec![name, value])
        .collect();
    let limits = view.get("limits").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in limits.filter(|(_, value)| !value.is_null()) {
        let set = view.get("set").and_then(|set| set.get(name)).is_some();
        let note = if set { " (set at run time)" } else { "" };
        rows.push(vec![name.replace('_', " "), format!("{}{note}", cell(Some(value)))]);
    }
    rows.extend(unmapped(view));
    people::print(&table::plain(&[], rows))
}

/// Codes of its answers that nobody gave a meaning yet.
fn unmapped(view: &Value) -> Vec<Vec<String>> {
    let codes = view.get("unmapped_codes").and_then(Value::as_array).into_iter().flatten();
    let row = |code: &Value| {
        let at = |name| cell(code.get(name));
        let told = format!("{} ({} times, last {})", at("code"), at("count"), at("last_seen"));
        vec!["code without a meaning".to_owned(), told]
    };
    codes.map(row).collect()
}

fn row(view: &Value) -> Vec<String> {
    let at = |path: &str| view.pointer(path).filter(|value| !value.is_null());
    let recovering = view.get("recovering") == Some(&Value::Bool(true));
    let rate = format!("{}{}", cell(at("/rate_per_s")), if recovering { " (coming back)" } else { "" });
    let people = match (at("/left_for_people"), at("/left_today")) {
        (Some(people), Some(planned)) => {
            let of = |value: &Value| value.as_u64().unwrap_or_default();
            of(people).saturating_sub(of(planned)).to_string()
        }
        _ => "-".to_owned(),
    };
    let until =
        |path: &str| at(path).map(|until| format!(" until {}", cell(Some(until)))).unwrap_or_default();
    let gate = at("/gate").map_or_else(|| "open".to_owned(), |_| format!("closed{}", until("/gate/until")));
    let state = cell(at("/breaker/state"));
    let breaker = match at("/breaker/forced/actor") {
        Some(actor) => format!("{state}, by {}{}", cell(Some(actor)), until("/breaker/forced/until")),
        None if state == "open" => format!("{state}{}", until("/breaker/until")),
        None => state,
    };
    let why = at("/breaker/forced/reason").or(at("/breaker/why")).or(at("/gate/reason"));
    let (used, left) = (cell(at("/used_today")), cell(at("/left_today")));
    vec![cell(at("/id")), rate, used, left, people, gate, breaker, cell(why)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_is_a_line_that_says_why_it_is_left_alone() {
        let well = json!({ "id": "dhl", "rate_per_s": 1.5, "used_today": 3, "left_today": 222, "left_for_people": 247,
            "gate": null, "breaker": { "state": "closed" } });
        assert_eq!(row(&well), ["dhl", "1.5", "3", "222", "25", "open", "closed", "-"]);
        let down = json!({ "id": "ups", "rate_per_s": 2, "recovering": true, "gate": { "until": "U", "reason": "429" },
            "breaker": { "state": "open", "until": "T", "why": "503\u{1b}" } });
        let line = row(&down);
        assert_eq!((line[1].as_str(), line[4].as_str()), ("2 (coming back)", "-"));
        assert_eq!(line[5..7], ["closed until U", "open until T"]);
        assert!(line[7].starts_with("503") && !line[7].contains('\u{1b}'), "nothing moves the cursor");
    }

    #[test]
    fn codes_without_a_meaning_are_named_with_how_often_they_were_seen() {
        let view = json!({ "unmapped_codes": [{ "code": "status:X\u{1b}Y", "count": 3, "last_seen": "T" }] });
        let rows = unmapped(&view);
        assert_eq!(rows.len(), 1);
        assert!(rows[0][1].ends_with("(3 times, last T)") && !rows[0][1].contains('\u{1b}'), "{rows:?}");
        assert!(unmapped(&json!({})).is_empty());
    }

    #[test]
    fn back_to_the_configuration_is_said_for_all_that_is_not_named() {
        let none = LimitArgs {
            limit: None,
            window_ms: None,
            burst: Some(2),
            daily: None,
            reserve_percent: None,
            configured: false,
        };
        assert_eq!(Value::Object(asked(&none)), json!({ "burst": 2 }));
        let all = asked(&LimitArgs { configured: true, ..none });
        assert_eq!((all.len(), &all["burst"], &all["daily"]), (5, &json!(2), &Value::Null));
    }

    #[test]
    fn an_id_that_is_none_never_reaches_the_api() {
        assert_eq!(path("tracker_delivery", "/breaker").unwrap(), "/v1/carriers/tracker_delivery/breaker");
        for id in ["", "../keys", "a b", "ups?x"] {
            assert_eq!(path(id, "").unwrap_err().code, NOT_FOUND, "{id}");
        }
    }
}
