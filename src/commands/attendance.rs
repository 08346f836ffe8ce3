//! `attendance …`: listed, exported, voided, restored.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::{ApiArgs, AttendanceCommand, DayArgs, WhichArgs};
use crate::commands::people::{self, Api};
use crate::commands::table;
use crate::commands::tracking::{list, listed, path};
use crate::exit::Exit;

/// Check-ins in one answer.
const PAGE: usize = 5_000;
/// How often a line is told where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &ApiArgs, command: AttendanceCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        AttendanceCommand::List { which, limit, all, json } => {
            let at = path(&["programmes", &which.programme, "attendance"])?;
            let answer = list(&api, &at, query(&which), limit, all).await?;
            listed(&answer, json, "no check-in is like that", rows)
        }
        AttendanceCommand::Export { which, out } => export(&api, &which, &out).await,
        AttendanceCommand::Void(day) => set(&api, day, "void").await,
        AttendanceCommand::Restore(day) => set(&api, day, "restore").await,
    }
}

fn query(which: &WhichArgs) -> [(&'static str, Option<String>); 5] {
    [
        ("on", which.on.map(|day| day.to_string())),
        ("from", which.from.map(|day| day.to_string())),
        ("to", which.to.map(|day| day.to_string())),
        ("member", which.member.clone()),
        ("voided", which.voided.map(|voided| voided.to_string())),
    ]
}

fn rows(items: &[Value]) -> String {
    let cells = |item: &Value| {
        let voided = item.get("voided").filter(|voided| !voided.is_null());
        let why = voided.map_or_else(String::new, |voided| {
            format!("voided by {}: {}", table::cell(voided.get("actor")), table::cell(voided.get("reason")))
        });
        vec![
            table::cell(item.get("on_date")),
            table::cell(item.get("member_id")),
            table::cell(item.get("received_at")),
            why,
        ]
    };
    table::plain(&["day", "member", "received", ""], items.iter().map(cells))
}

/// A page at a time, so that memory does not grow with their number.
async fn export(api: &Api, which: &WhichArgs, out: &Path) -> Result<(), Exit> {
    let at = path(&["programmes", &which.programme, "attendance", "export"])?;
    let mut asked: Vec<(&str, String)> =
        query(which).into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    asked.push(("limit", PAGE.to_string()));
    let bar = bar(total(api, which).await?);
    let mut into: Box<dyn Write> = if out == Path::new("-") {
        Box::new(std::io::stdout().lock())
    } else {
        let unwritable = |error| Exit::failed(format!("{} can't be written: {error}", out.display()));
        Box::new(BufWriter::new(File::create(out).map_err(unwritable)?))
    };
    let mut line_at = Instant::now() + LINE_EVERY;
    loop {
        let borrowed: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (page, next) = api.get_page(&at, &borrowed).await?;
        match into.write_all(&page) {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
        // No cell of these has a line of its own, other than a reason, which has none either.
        let lines = page.iter().filter(|byte| **byte == b'\n').count();
        let head = usize::from(!asked.iter().any(|(name, _)| *name == "cursor"));
        bar.inc(lines.saturating_sub(head) as u64);
        if bar.is_hidden() && Instant::now() >= line_at {
            line_at = Instant::now() + LINE_EVERY;
            people::note(&format!("{} check-ins so far", bar.position()));
        }
        let Some(next) = next else { break };
        asked.retain(|(name, _)| *name != "cursor");
        asked.push(("cursor", next));
    }
    into.flush()?;
    let written = bar.position();
    bar.finish_and_clear();
    if out != Path::new("-") {
        people::note(&format!("{written} check-ins in {}", out.display()));
    }
    Ok(())
}

/// How many there are, where that can be told beforehand.
async fn total(api: &Api, which: &WhichArgs) -> Result<Option<u64>, Exit> {
    if which.member.is_some() {
        return Ok(None);
    }
    let [on, from, to, ..] = query(which);
    let (from, to) = (on.1.clone().or(from.1), on.1.or(to.1));
    let window: Vec<(&str, &str)> = [("from", from.as_deref()), ("to", to.as_deref())]
        .into_iter()
        .filter_map(|(name, day)| Some((name, day?)))
        .collect();
    let summary = api.get(&path(&["programmes", &which.programme, "summary"])?, &window).await?;
    let days = summary.get("days").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let sum = |name: &str| -> u64 { days.iter().filter_map(|day| day.get(name)?.as_u64()).sum() };
    Ok(Some(match which.voided {
        None => sum("check_ins") + sum("voided"),
        Some(true) => sum("voided"),
        Some(false) => sum("check_ins"),
    }))
}

fn bar(total: Option<u64>) -> ProgressBar {
    let hidden = !std::io::stderr().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => "{bar:30} {human_pos} of {human_len} check-ins, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} check-ins, {per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

async fn set(api: &Api, day: DayArgs, verb: &str) -> Result<(), Exit> {
    let DayArgs { programme, member, day, reason, json } = day;
    let at = path(&["programmes", &programme, "attendance", &member, &day.to_string(), verb])?;
    let answer = api.post_json(&at, &json!({ "reason": reason })).await?;
    if json {
        return people::print_json(&answer);
    }
    let what = if verb == "void" { "counts no more" } else { "counts again" };
    people::print(&format!("{day} {what} for {member}"))?;
    let doubtful = answer.get("needs_review").and_then(Value::as_i64).unwrap_or_default();
    if doubtful > 0 {
        people::note(&format!(
            "{doubtful} claims of the member were granted for days that do not count any more: forebay claim list \
             --needs-review --member {member}"
        ));
    }
    Ok(())
}
