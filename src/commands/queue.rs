//! `queue …`: queues looked at, paused, resumed.

use chrono::{DateTime, Utc};
use forebay_domain::{Clock as _, SystemClock};
use forebay_schemas::Queue;
use serde_json::{Value, json};

use crate::cli::{ApiArgs, QueueCommand};
use crate::commands::people::{self, Api};
use crate::commands::table::{self, cell};
use crate::exit::{Exit, NOT_FOUND};

const COLUMNS: [&str; 9] =
    ["queue", "ready", "held", "oldest", "empty in", "workers", "useful", "paused", "why"];

pub(crate) async fn run(args: &ApiArgs, command: QueueCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        QueueCommand::List { json } => {
            let answer = api.get("/v1/queues", &[]).await?;
            if json {
                return people::print_json(&answer);
            }
            let queues = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            people::print(&listed(queues))
        }
        QueueCommand::Show { name, json } => shown(&api.get(&path(&name, "")?, &[]).await?, json),
        QueueCommand::Pause { name, reason, length, json } => {
            let mut body = json!({ "reason": reason });
            if let Some(length) = length {
                body["for_s"] = json!(length.0.as_secs());
            }
            let view = api.post_json(&path(&name, "/pause")?, &body).await?;
            shown(&view, json)?;
            people::note(&format!(
                "nothing is taken from it from now on; `forebay queue resume {name}` ends that"
            ));
            Ok(())
        }
        QueueCommand::Resume { name, reason, json } => {
            let view = api.post_json(&path(&name, "/resume")?, &json!({ "reason": reason })).await?;
            shown(&view, json)
        }
    }
}

/// The path of a queue, whose name is one.
fn path(name: &str, rest: &str) -> Result<String, Exit> {
    let queue: Queue = name.parse().map_err(|error| Exit::new(NOT_FOUND, format!("{name}: {error}")))?;
    Ok(format!("/v1/queues/{queue}{rest}"))
}

fn shown(view: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(view);
    }
    let table = listed(std::slice::from_ref(view));
    let told = [emptying(view), scaling(view)].into_iter().flatten();
    people::print(&told.fold(table, |text, line| format!("{text}\n{line}")))
}

/// When the queue will be empty, in a sentence.
fn emptying(queue: &Value) -> Option<String> {
    if queue.get("growing").and_then(Value::as_bool) == Some(true) {
        return Some("At this pace it is never empty: messages wait, and they do not get fewer.".to_owned());
    }
    let at: DateTime<Utc> = queue.get("empty_at")?.as_str()?.parse().ok()?;
    let length = length(queue.get("drain_s")?.as_f64()? as i64);
    Some(format!("At this pace it is empty at {} UTC, in {length}.", at.format("%Y-%m-%d %H:%M:%S")))
}

/// How many workers it has work for, in a sentence.
fn scaling(queue: &Value) -> Option<String> {
    let useful = queue.get("useful_workers")?.as_u64()?;
    let workers = queue.get("workers")?.as_u64()?;
    let why = match queue.get("bound_by").and_then(Value::as_str) {
        Some("quota") => "; more would only wait for the quota of its outside system",
        Some("left_alone") => "; it is left alone at present, and one is enough to see when that is over",
        _ => "",
    };
    Some(format!("It has work for {useful} workers, and {workers} take from it{why}."))
}

fn listed(queues: &[Value]) -> String {
    let now = SystemClock.now();
    table::plain(&COLUMNS, queues.iter().map(|queue| row(queue, now)))
}

fn row(queue: &Value, now: DateTime<Utc>) -> Vec<String> {
    let pause = queue.get("paused").filter(|pause| !pause.is_null());
    let paused = match pause.map(|pause| pause.get("until").and_then(Value::as_str)) {
        None => "-".to_owned(),
        Some(None) => "until resumed".to_owned(),
        Some(Some(until)) => format!("until {until}"),
    };
    let why = pause.map(|pause| {
        let of = |name: &str| pause.get(name).and_then(Value::as_str).unwrap_or_default();
        Value::String(format!("{} (by {} since {})", of("reason"), of("actor"), of("since")))
    });
    vec![
        cell(queue.get("name")),
        cell(queue.get("ready")),
        cell(queue.get("unsettled")),
        age(queue.get("oldest_at"), now),
        emptied(queue),
        cell(queue.get("workers")),
        cell(queue.get("useful_workers")),
        paused,
        cell(why.as_ref()),
    ]
}

/// In how long it is empty.
fn emptied(queue: &Value) -> String {
    match (queue.get("growing").and_then(Value::as_bool), queue.get("drain_s").and_then(Value::as_f64)) {
        (Some(true), _) => "never".to_owned(),
        (_, Some(seconds)) => length(seconds as i64),
        _ => "-".to_owned(),
    }
}

/// How long ago an instant is.
fn age(instant: Option<&Value>, now: DateTime<Utc>) -> String {
    let at = instant.and_then(Value::as_str).and_then(|text| text.parse::<DateTime<Utc>>().ok());
    at.map_or_else(|| "-".to_owned(), |at| length((now - at).num_seconds().max(0)))
}

fn length(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_a_line_that_says_whether_it_is_paused_until_when_and_why() {
        let now = "2026-11-20T03:00:00Z".parse().unwrap();
        let open = json!({ "name": "forebay.returns", "ready": 3, "oldest_at": "2026-11-20T02:55:00Z", "workers": 2 });
        assert_eq!(row(&open, now), ["forebay.returns", "3", "-", "5m", "-", "2", "-", "-", "-"]);
        let pause = json!({ "since": "S", "until": null, "actor": "ops", "reason": "the shop\u{1b} moves" });
        let paused = json!({ "name": "forebay.results", "ready": null, "workers": 0, "paused": pause });
        let line = row(&paused, now);
        assert_eq!((line[1].as_str(), line[7].as_str()), ("-", "until resumed"));
        assert_eq!(line[8], "the shop  moves (by ops since S)", "nothing moves the cursor");
    }

    #[test]
    fn a_queue_tells_when_it_is_empty_and_how_many_workers_are_of_use() {
        let view = json!({
            "ready": 900, "workers": 3, "growing": false, "drain_s": 240.4, "empty_at": "2026-11-20T14:32:00Z",
            "useful_workers": 2, "bound_by": "quota",
        });
        assert_eq!(emptied(&view), "4m");
        let told = emptying(&view).unwrap();
        assert_eq!(told, "At this pace it is empty at 2026-11-20 14:32:00 UTC, in 4m.");
        let told = scaling(&view).unwrap();
        assert!(told.starts_with("It has work for 2 workers, and 3 take from it; more would"), "{told}");
        let grows = json!({ "growing": true, "drain_s": null, "empty_at": null });
        assert_eq!(emptied(&grows), "never");
        assert!(emptying(&grows).unwrap().contains("never"));
        let unknown = json!({ "growing": false, "drain_s": null, "useful_workers": null });
        assert_eq!((emptied(&unknown).as_str(), emptying(&unknown), scaling(&unknown)), ("-", None, None));
    }

    #[test]
    fn a_name_that_is_no_queues_never_reaches_the_api() {
        assert_eq!(path("returns", "/pause").unwrap(), "/v1/queues/forebay.returns/pause");
        for name in ["", "../keys", "returns?x", "tracking."] {
            assert_eq!(path(name, "").unwrap_err().code, NOT_FOUND, "{name}");
        }
    }
}
