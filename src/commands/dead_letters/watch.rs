//! A replay until its end, with a bar.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::commands::people::{self, Api};
use crate::exit::{Exit, FAILED, INTERRUPTED, PARTLY};

/// How often the replay is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How often a line is told where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows a replay, and waits for its end unless it is left to itself. Ctrl-C leaves it to itself.
pub(super) async fn one(api: &Api, id: Uuid, detach: bool, json: bool) -> Result<(), Exit> {
    let path = format!("/v1/dead-letters/replays/{id}");
    if detach {
        let view = api.get(&path, &[]).await?;
        return if json { people::print_json(&view) } else { people::print(&told(&view)) };
    }
    let view = tokio::select! {
        view = until_its_end(api, &path) => view?,
        _ = tokio::signal::ctrl_c() => {
            let text = format!("the replay goes on; look at it by `forebay dlq replays {id}`, end it by `forebay dlq abort {id}`");
            return Err(Exit::new(INTERRUPTED, text));
        }
    };
    if json {
        people::print_json(&view)?;
    } else {
        people::print(&told(&view))?;
    }
    judge(&view, id)
}

/// What its end means for whoever waited.
fn judge(view: &Value, id: Uuid) -> Result<(), Exit> {
    match word(view, "state") {
        "done" if count(view, "failed") + count(view, "skipped") == 0 => Ok(()),
        "done" => {
            Err(Exit::new(PARTLY, "some letters died again or have no way back; see `forebay dlq groups`"))
        }
        "stopped" => Err(Exit::new(
            FAILED,
            "it stopped: too many of its letters died again; see `forebay dlq groups` for why, and begin another one",
        )),
        _ => Err(Exit::new(FAILED, format!("replay {id} was aborted"))),
    }
}

async fn until_its_end(api: &Api, path: &str) -> Result<Value, Exit> {
    let mut line_at = Instant::now() + LINE_EVERY;
    let mut shown: Option<ProgressBar> = None;
    loop {
        let view = api.get(path, &[]).await?;
        let bar = shown.get_or_insert_with(|| bar(Some(count(&view, "total"))));
        bar.set_length(count(&view, "total").max(count(&view, "published")));
        bar.set_position(count(&view, "done") + count(&view, "failed"));
        bar.set_message(figures(&view));
        if word(&view, "state") != "running" {
            bar.finish_and_clear();
            return Ok(view);
        }
        if bar.is_hidden() && Instant::now() >= line_at {
            line_at += LINE_EVERY;
            people::note(&figures(&view));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A bar where somebody looks at it.
pub(super) fn bar(total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    bar.set_draw_target(target);
    let style = if total.is_some() {
        "{elapsed_precise} [{bar:30}] {pos}/{len} {per_sec} eta {eta} {msg}"
    } else {
        "{elapsed_precise} {spinner} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// How far a replay has come, in one line.
pub(super) fn figures(view: &Value) -> String {
    let stage = match word(view, "stage") {
        "one" => "the first one",
        "ten" => "the first ten",
        _ => "the rest",
    };
    let skipped = count(view, "skipped");
    let skipped = if skipped > 0 { format!(", {skipped} without a way back") } else { String::new() };
    format!(
        "{stage}: {} sent, {} had their effect, {} died again, {} on their way{skipped}",
        count(view, "published"),
        count(view, "done"),
        count(view, "failed"),
        count(view, "waiting"),
    )
}

fn told(view: &Value) -> String {
    format!("{}: {} of {}; {}", word(view, "id"), word(view, "state"), count(view, "total"), figures(view))
}

fn count(view: &Value, name: &str) -> u64 {
    view.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn word<'v>(view: &'v Value, name: &str) -> &'v str {
    view.get(name).and_then(Value::as_str).unwrap_or_default()
}
