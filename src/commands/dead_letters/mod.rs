//! `dlq …` and `audit`.

mod bulk;
mod export;
mod watch;

use chrono::{DateTime, Utc};
use forebay_domain::{Clock, SystemClock};

use crate::cli::{ApiArgs, DlqCommand, FilterArgs, When};
use crate::commands::people::{self, Api};
use crate::commands::table::show;
use crate::exit::Exit;

pub(crate) async fn run(args: &ApiArgs, command: DlqCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        DlqCommand::Groups { all, json } => {
            let query = if all { &[("all", "true")][..] } else { &[] };
            let answer = api.get("/v1/dead-letters/groups", query).await?;
            let columns =
                ["fingerprint", "open", "replaying", "code", "queue", "kind", "last_at", "sample_error"];
            show(&answer, &columns, json, "no dead letters")
        }
        DlqCommand::List { filter, status, limit, cursor, json } => {
            let limit = limit.to_string();
            let mut query = conditions(&filter, SystemClock.now());
            query.push(("status", status.as_str().to_owned()));
            query.push(("limit", limit));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let answer = api.get("/v1/dead-letters", &borrowed(&query)).await?;
            let columns =
                ["id", "status", "code", "queue", "kind", "message_id", "dead_at", "deaths", "error"];
            show(&answer, &columns, json, "no dead letters match")
        }
        DlqCommand::Show { id } => {
            people::print_json(&api.get(&format!("/v1/dead-letters/{id}"), &[]).await?)
        }
        DlqCommand::Replay { letters, rate, no_canary, reason, detach } => {
            bulk::replay(&api, &letters, rate, !no_canary, &reason, detach).await
        }
        DlqCommand::Replays { id: Some(id), detach, json, .. } => watch::one(&api, id, detach, json).await,
        DlqCommand::Replays { id: None, limit, json, .. } => {
            let limit = limit.to_string();
            let answer = api.get("/v1/dead-letters/replays", &[("limit", &limit)]).await?;
            let columns =
                ["id", "state", "total", "published", "done", "failed", "waiting", "created_at", "reason"];
            show(&answer, &columns, json, "no replays")
        }
        DlqCommand::Abort { id, reason, json } => {
            let path = format!("/v1/dead-letters/replays/{id}");
            let answer = api.delete(&path, &[("reason", &reason)]).await?;
            if json {
                return people::print_json(&answer);
            }
            people::print(&format!("aborted: {}", watch::figures(&answer)))
        }
        DlqCommand::Discard { letters, reason } => {
            bulk::discard(&api, &letters, reason.as_deref().unwrap_or_default()).await
        }
        DlqCommand::Export { filter, status, output } => {
            let mut query = conditions(&filter, SystemClock.now());
            query.push(("status", status.as_str().to_owned()));
            export::run(&api, query, output.as_deref()).await
        }
    }
}

pub(crate) async fn audit(args: &ApiArgs, limit: u32, json: bool) -> Result<(), Exit> {
    let limit = limit.to_string();
    let answer = Api::new(args)?.get("/v1/audit-log", &[("limit", &limit)]).await?;
    let columns = ["at", "actor", "action", "subject", "count", "reason"];
    show(&answer, &columns, json, "nobody has done anything yet")
}

/// The conditions as the api names them.
fn conditions(filter: &FilterArgs, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let at = |when: &Option<When>| when.map(|when| forebay_schemas::envelope::rfc3339(when.instant(now)));
    let named = [
        ("code", filter.code.clone()),
        ("queue", filter.queue.clone()),
        ("type", filter.kind.clone()),
        ("group", filter.group.clone()),
        ("message_id", filter.message_id.clone()),
        ("subject", filter.subject.clone()),
        ("order", filter.order.clone()),
        ("parcel", filter.parcel.clone()),
        ("member", filter.member.clone()),
        ("text", filter.text.clone()),
        ("since", at(&filter.since)),
        ("until", at(&filter.until)),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn borrowed<'q>(query: &'q [(&'static str, String)]) -> Vec<(&'static str, &'q str)> {
    query.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
