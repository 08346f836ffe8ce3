//! `alert test`: a worker of the installation sends each sink a message, and what they answer is said.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::commands::people::{self, Api};
use crate::commands::table::{self, cell};
use crate::exit::Exit;

/// How often the answer to a test is asked for.
const ASKED_EVERY: Duration = Duration::from_millis(300);

/// Asks for a test, waits until a worker has sent it, and says what each sink answered.
pub(crate) async fn run(
    api: &Api,
    rule: Option<String>,
    reason: &str,
    wait: Duration,
    json: bool,
) -> Result<(), Exit> {
    let asked = api.post_json("/v1/alerts/test", &json!({ "rule": rule, "reason": reason })).await?;
    let path = format!("/v1/alerts/test/{}", cell(asked.get("id")));
    let until = Instant::now() + wait;
    let view = loop {
        let view = api.get(&path, &[]).await?;
        if view.get("answers").is_some_and(Value::is_array) {
            break view;
        }
        if Instant::now() >= until {
            return Err(Exit::failed(
                "no worker has sent the test in time; look at forebay worker list and forebay queue show notices",
            ));
        }
        tokio::time::sleep(ASKED_EVERY).await;
    };
    let answers = view.get("answers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if json {
        people::print_json(&view)?;
    } else if !answers.is_empty() {
        let row = |answer: &Value| ["sink", "said"].map(|name| table::text(answer.get(name))).to_vec();
        people::print(&table::plain(&["sink", "answer"], answers.iter().map(row)))?;
    }
    if answers.is_empty() {
        return Err(Exit::failed("nobody would be told: neither Slack nor mail is configured"));
    }
    let refused = answers.iter().filter(|answer| answer.get("taken") != Some(&Value::Bool(true))).count();
    if refused > 0 {
        return Err(Exit::failed(format!("{refused} of {} did not take the message", answers.len())));
    }
    Ok(())
}
