//! `worker …`: workers looked at, drained.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{ApiArgs, WorkerCommand};
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::exit::{Exit, FAILED, INTERRUPTED, NOT_FOUND};

/// How often a worker that drains is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The most workers that the api lists at once.
const ALL: (&str, &str) = ("limit", "200");

pub(crate) async fn run(args: &ApiArgs, command: WorkerCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        WorkerCommand::List { limit, json } => {
            let mut answer = api.get("/v1/workers", &[("limit", &limit.to_string())]).await?;
            if !json {
                for worker in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
                    worker["queues"] = json!(queues(worker));
                }
            }
            let columns =
                ["id", "state", "host", "role", "version", "in_flight", "started_at", "seen_at", "queues"];
            table::show(&answer, &columns, json, "no worker was heard of today")
        }
        WorkerCommand::Drain { id, reason, wait, json } => {
            let mut view =
                api.post_json(&format!("/v1/workers/{id}/drain"), &json!({ "reason": reason })).await?;
            if wait {
                view = tokio::select! {
                    view = until_drained(&api, id) => view?,
                    _ = tokio::signal::ctrl_c() => {
                        let text = "it goes on draining; look at it by `forebay worker list`";
                        return Err(Exit::new(INTERRUPTED, text));
                    }
                };
            }
            if json { people::print_json(&view) } else { people::print(&told(&view)) }
        }
    }
}

/// Waits until a worker holds nothing more.
async fn until_drained(api: &Api, id: Uuid) -> Result<Value, Exit> {
    loop {
        let mut answer = api.get("/v1/workers", &[ALL]).await?;
        let workers = answer.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        let found = workers.into_iter().flatten().find(|worker| word(worker, "id") == id.to_string());
        let Some(view) = found else {
            return Err(Exit::new(NOT_FOUND, "the worker has ended, or is not listed any more"));
        };
        match word(&view, "state") {
            "drained" => return Ok(view),
            "lost" => {
                return Err(Exit::new(FAILED, format!("{}; what it held is delivered again", told(&view))));
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn told(view: &Value) -> String {
    let held = view.get("in_flight").and_then(Value::as_u64).unwrap_or(0);
    format!("{} on {}: {}, holds {held} messages", word(view, "id"), word(view, "host"), word(view, "state"))
}

/// The queues of a worker in one cell.
fn queues(worker: &Value) -> String {
    let all = worker.get("queues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let short = |queue: &Value| {
        let name = word(queue, "queue");
        name.strip_prefix("forebay.").unwrap_or(name).to_owned()
    };
    all.iter().map(short).collect::<Vec<_>>().join(",")
}

fn word<'v>(view: &'v Value, name: &str) -> &'v str {
    view.get(name).and_then(Value::as_str).unwrap_or_default()
}
